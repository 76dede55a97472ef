"""Labels that ultralytics' pose networks save (`save_txt`): a file a frame, `labels/NAME_12.txt`.

A line is a person: class, x, y, width, height of the box, then x, y and perhaps a score of each joint, then
perhaps the person's score (`save_conf`) and its track, all but the last in fractions of the picture. Which of
these there are is said nowhere but in the count.
Source: `Results.save_txt` of ultralytics.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from heatpool.pool.disk.text_files import read_text
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.pose_rows import note_lines, pose_video
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton

__all__ = ["UltralyticsLabels", "read_ultralytics"]

_NAME = re.compile(r"(.*?)[_-]?(\d+)")  # what a video or its pictures are called, and the frame
_FOLDER = "labels"  # of a run, in which they lie
_BOX = 5  # values before the joints
_MOST_BYTES = 1 << 24
_LOOKED_AT = 20  # files that tell the columns
_HALF_BOX = 0.6  # of its sides, from its centre: joints lie within
_CLEAR = 0.2  # of the joints, by which another number than COCO's must be better
_LEAST = 0.5  # share of the joints that lie in the boxes if lines are read as they are meant
_JOINTS = COCO17_SKELETON.joints


@dataclass(frozen=True)
class _Columns:
    """What stands in a line beside class and box.

    Attributes:
        joints: V.
        axes: 2 = x, y of each joint; 3 = and its score.
        scored: the person's score comes behind.
    """

    joints: int
    axes: int
    scored: bool

    @property
    def width(self) -> int:
        """Values of a line without a track."""
        return _BOX + self.joints * self.axes + self.scored

    def __str__(self) -> str:
        each = "x, y, score" if self.axes == 3 else "x, y"
        return f"{self.joints} joints of {each}" + (", then the person's score" if self.scored else "")


@dataclass(eq=False)
class UltralyticsLabels:
    """A folder of labels, read video by video.

    Attributes:
        source: the folder.
        files: of each video the file of each frame, by the frame's number from 0.
        columns: of a line.
        skeleton: its joints.
        remarks: what was left out.
    """

    source: Path
    files: Mapping[str, Mapping[int, Path]]
    columns: _Columns
    skeleton: Skeleton
    remarks: Counter[str] = field(default_factory=Counter)

    @property
    def kind(self) -> str:
        """Whose it is."""
        return "ultralytics labels"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the videos."""
        return tuple(self.files)

    @property
    def notes(self) -> tuple[str, ...]:
        """What lines were taken for, and what was left out."""
        return note_lines(self.remarks, f"a line counts as {self.columns}; --skeleton says it otherwise")

    def read(self, number: int) -> PoseVideo:
        """Read a video. Raises HeatpoolError if a line is none of a person."""
        name = self.names[number]
        frames: list[int] = []
        lines: list[list[float]] = []
        for frame, path in sorted(self.files[name].items()):
            rows = _lines(path, self.columns)
            lines += rows
            frames += [frame] * len(rows)
        values = np.array(lines, np.float64).reshape(len(lines), self.columns.width + 1)
        joints = values[:, _BOX : _BOX + self.columns.joints * self.columns.axes]
        joints = joints.reshape(len(lines), self.columns.joints, self.columns.axes)
        points = joints[..., :2]
        # ultralytics puts joints that it is not sure of at the corner.
        given = (points > 0).any(-1)
        scores = joints[..., 2] if self.columns.axes == 3 else np.ones(joints.shape[:2])
        if (scores == 2).any() and np.isin(scores, (0, 1, 2)).all():  # visibility, in labels to train on
            scores = scores / 2
        score = np.where(given, scores, 0.0)
        centre, half = values[:, 1:3], values[:, 3:5] / 2
        try:
            return pose_video(
                name,
                frame=frames,
                track=values[:, -1].astype(np.int64),
                joints=points,
                joint_score=score,
                score=values[:, -2] if self.columns.scored else None,
                box_xyxy_px=np.concatenate([centre - half, centre + half], 1),
                remarks=self.remarks,
                width_px=1,
                height_px=1,
            )
        except ValueError as error:
            raise HeatpoolError(f"{self.source}: video {shorten(name)}: {error}") from error


def read_ultralytics(path: Path, *, skeleton: Skeleton | None = None) -> UltralyticsLabels:
    """Open a folder of labels, or the folder of a run with one in it.

    Args:
        path: folder.
        skeleton: of the joints; else their number is found from that of the values.

    Raises:
        HeatpoolError: if there is no label of a frame, or the values of a line are another number.
    """
    root = path if path.is_dir() else path.parent
    files: dict[str, dict[int, Path]] = defaultdict(dict)
    for each in sorted(path.rglob("*.txt")) if path.is_dir() else [path]:
        if match := _NAME.fullmatch(each.stem):
            folders = [name for name in each.relative_to(root).parts[:-1] if name != _FOLDER]
            name = "/".join([*folders, match[1]]).rstrip("/")
            files[name or path.name][int(match[2])] = each
    if not files:
        raise HeatpoolError(
            f"{path}: expected labels NAME_FRAME.txt, as ultralytics saves them of a video, got none"
        )
    # ultralytics counts frames from 1, and pictures may be numbered from 0.
    numbered = {
        name: {frame - (min(frames) > 0): each for frame, each in frames.items()}
        for name, frames in files.items()
    }
    some = [each for frames in numbered.values() for each in frames.values()][:_LOOKED_AT]
    columns = _find_columns(some, skeleton.joints if skeleton else 0)
    if skeleton is None:
        skeleton = COCO17_SKELETON if columns.joints == _JOINTS else Skeleton.unnamed(columns.joints)
    return UltralyticsLabels(path, numbered, columns, skeleton)


def _find_columns(paths: Sequence[Path], joints: int) -> _Columns:
    """Say what a line holds by the number of its values; that of the joints may be known.

    Of what fits, COCO's 17 joints count, unless others lie in the boxes more often.
    """
    lines = [line for path in paths for line in _numbers(path)]
    lengths = sorted({len(line) for line in lines})
    if len(lengths) == 2 and lengths[1] == lengths[0] + 1:  # some persons have no track
        widths = lengths[:1]
    elif len(lengths) == 1:
        tracked = all(line[-1] >= 0 and line[-1] % 1 == 0 for line in lines)
        widths = [lengths[0] - 1, lengths[0]] if tracked else lengths
    else:
        got = shorten(lengths) if lengths else "none"
        raise HeatpoolError(f"{paths[0]}: expected lines of the same number of values, got {got}")
    fitting = [
        _Columns(left // axes, axes, scored)
        for width in widths
        for scored in (False, True)
        for axes in (3, 2)
        if (left := width - _BOX - scored) > 0 and left % axes == 0 and joints in (0, left // axes)
    ]
    if not fitting:
        of = f"{joints} joints" if joints else "joints"
        raise HeatpoolError(
            f"{paths[0]}: expected class, box and x, y or x, y, score of {of} in each line, got "
            f"{lengths[0]} values"
        )
    shares = [_share_inside(lines, each) for each in fitting]
    if max(shares) < _LEAST:
        raise HeatpoolError(
            f"{paths[0]}: expected joints in the person's box, as fractions of the picture; of its "
            f"{lengths[0]} values as {fitting[shares.index(max(shares))]} {max(shares):.0%} are: say which "
            "joints they are by --skeleton"
        )
    pairs = list(zip(shares, fitting, strict=True))
    usual = [each for share, each in pairs if each.joints == _JOINTS and share > max(shares) - _CLEAR]
    chosen = usual or [each for share, each in pairs if share == max(shares)]
    others = [each for each in chosen if (each.joints, each.axes) != (chosen[0].joints, chosen[0].axes)]
    if others:
        raise HeatpoolError(
            f"{paths[0]}: its {lengths[0]} values may be {chosen[0]}, or {others[0]}: say which joints they "
            "are by --skeleton"
        )
    return chosen[0]  # of whole numbers that may be tracks or scores, tracks


def _share_inside(lines: Sequence[Sequence[float]], columns: _Columns) -> float:
    """Share of the joints that lie in the person's box if the lines are read so."""
    values = np.array([line[: columns.width] for line in lines])
    points = values[:, _BOX : _BOX + columns.joints * columns.axes].reshape(len(lines), -1, columns.axes)
    from_centre = np.abs(points[..., :2] - values[:, None, 1:3]) <= values[:, None, 3:5] * _HALF_BOX
    return float(from_centre.all(-1)[points[..., :2].any(-1)].mean()) if points[..., :2].any() else 0.0


def _lines(path: Path, columns: _Columns) -> list[list[float]]:
    """Lines of a frame, each with its track behind, -1 without one."""
    lines = []
    for line in _numbers(path):
        if len(line) not in (columns.width, columns.width + 1):
            raise HeatpoolError(f"{path}: expected {columns.width} values in a line, got {len(line)}")
        lines.append(line if len(line) > columns.width else [*line, -1.0])
    return lines


def _numbers(path: Path) -> list[list[float]]:
    """Lines of numbers, each once: a network that runs again into the same folder appends the same ones."""
    if path.stat().st_size > _MOST_BYTES:
        raise HeatpoolError(f"{path}: expected labels of a frame, got {path.stat().st_size:,} bytes")
    lines = dict.fromkeys(filter(None, read_text(path).split("\n")))
    try:
        return [[float(word) for word in line.split()] for line in lines]
    except ValueError as error:
        raise HeatpoolError(f"{path}: expected numbers, {error}") from error
