"""Boxes of persons that were made beforehand, by video; what is left out is counted and said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.box_formats import BoxReading, find_kind, read_box_file
from heatpool.extract.datasets.box_rows import BoxTable
from heatpool.extract.datasets.box_videos import VideoNames
from heatpool.extract.datasets.given_persons import GivenPersons, list_some
from heatpool.extract.datasets.keypoints import KeypointReading, read_keypoints
from heatpool.pool.disk.text_files import require_regular
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.records import PoseVideo

__all__ = ["read_boxes"]

_NOTHING_SAID = BoxReading()
_MOST_NORMALISED = 1.5  # boxes that reach no farther are fractions, some of them a bit outside


def read_boxes(
    path: Path,
    *,
    videos: Sequence[Path],
    root: Path,
    min_score: float = 0.0,
    said: BoxReading = _NOTHING_SAID,
    tracks: bool = True,
) -> GivenPersons:
    """Read boxes: a table with the columns path, frame, x1, y1, x2, y2, score, MOT, YOLO, COCO, or keypoints.

    Boxes are pixels of the frame as it is shown: upright, in square pixels; or of a copy of another size
    where the file tells its size, or fractions. Rows of other videos take no memory.

    Args:
        path: file or folder.
        videos: that are wanted; one may stand there several times.
        root: folder that the paths may be relative to, besides the file's own.
        min_score: boxes below do not count.
        said: what is said of the file.
        tracks: identities in the file say who is who.

    Raises:
        HeatpoolError: if the file cannot be read, none of its paths is one of `videos`, a value is no number,
            or boxes or scores are in other units; naming the line or the video.
    """
    require_regular(path)
    kind = find_kind(path)
    if kind == "keypoints":
        reading = KeypointReading(first_frame=said.first_frame or 0, tracks=tracks, joints=False)
        return read_keypoints(path, videos=videos, root=root, min_score=min_score, said=reading)
    distinct = list(dict.fromkeys(videos))
    places = (path if path.is_dir() else path.parent, root)
    names = VideoNames(distinct, places=places, source=path.name)
    # Of pictures only the folders tell which part of their names is a video's.
    wanted = names.may_mean if kind == "coco" else names.may_be
    table = read_box_file(path, kind, said, wanted=wanted)
    meant, renamed = names.assign(table.names)
    if not meant:
        first = table.first_name or "no row at all"
        raise HeatpoolError(f"expected boxes for the videos in {path}, got none (its first path: {first})")
    _refuse_nothing(table, path)
    # Rows of names that turned out to be of no video of ours go with the number -1.
    video = np.array([meant.get(name, -1) for name in table.names], np.int64)[table.name]
    size_px = {meant[table.names[at]]: size for at, size in table.size_px.items() if table.names[at] in meant}
    fractions = not size_px and _are_fractions(table, video, distinct, path)
    rows, twice = _sorted_rows(table, video)
    bounds = np.searchsorted(video[rows], np.arange(len(distinct) + 1))
    doubts = Counter[str]()
    by_video = {
        each: _of_video(
            table,
            rows[bounds[number] : bounds[number + 1]],
            (1, 1) if fractions else size_px.get(number, (0, 0)),
            doubts if tracks else None,
        )
        for number, each in enumerate(distinct)
    }
    unnamed = [each for number, each in enumerate(distinct) if number not in set(meant.values())]
    called = [f"{name} for {distinct[number].name}" for name, number in renamed.items()]
    weak = {each: int((given.score < min_score).sum()) for each, given in by_video.items()}
    left = [each for each, given in by_video.items() if 0 < weak[each] == len(given)]
    tracked = any((each.track >= 0).any() for each in by_video.values())
    return GivenPersons(
        path.name,
        by_video,
        tuple(distinct[number] for number in sorted(meant.values())),
        tuple(videos),
        min_score,
        tracked=tracked,
        wrong=(
            *_wrong(table, path.name, twice=twice, unnamed=unnamed, videos=len(distinct)),
            *(f"{path.name}: {count} {what}" for what, count in doubts.items()),
            *_all_weak(path.name, left, min_score),
        ),
        notes=tuple(
            _notes(
                table, path.name, called=called, weak=sum(weak.values()), min_score=min_score,
                fractions=fractions or (1, 1) in size_px.values(), tracked=tracked,
            )
        ),
    )  # fmt: skip


def _of_video(
    table: BoxTable, rows: np.ndarray, size_px: tuple[int, int], doubts: Counter[str] | None
) -> PoseVideo:
    """Return the boxes of a video; without `doubts`, which counts what is wrong, nobody is known."""
    frame, who = table.frame[rows], np.full(len(rows), -1, np.int64)
    if doubts is not None and len(rows):
        who = _identities(frame, table.track[rows], doubts)
    nothing = np.zeros((len(rows), 0, 2), np.float32)
    return PoseVideo(
        name="", frame=frame, track=who, joints=nothing, joint_score=nothing[..., 0], score=table.score[rows],
        box_xyxy_px=table.box_xyxy_px[rows], width_px=size_px[0], height_px=size_px[1],
    )  # fmt: skip


def _identities(frame: np.ndarray, track: np.ndarray, doubts: Counter[str]) -> np.ndarray:
    """Return who each box of a video is, as far as the file's identities can be true; -1 where not."""
    known = np.flatnonzero(track >= 0)
    if len(known) and frame[known[0]] != frame[known[-1]] and len(np.unique(track[known])) == len(known):
        doubts["boxes have an identity each of their own: these are numbers of rows, and not read"] += len(
            known
        )
        return np.full(len(track), -1, np.int64)
    _, first = np.unique(np.stack([frame[known], track[known]]), axis=1, return_index=True)
    who = np.full(len(track), -1, np.int64)
    who[known[first]] = track[known[first]]
    if len(first) < len(known):
        doubts["boxes have the identity of a surer one of the same frame, and count as of nobody known"] += (
            len(known) - len(first)
        )
    return who


def _refuse_nothing(table: BoxTable, path: Path) -> None:
    """Raise HeatpoolError if every box has a fault: a column is empty, or means something else."""
    lost = max(table.unread, table.sizeless, key=lambda fault: fault.rows)
    if lost.rows and not len(table.frame):
        what = "with numbers missing or not finite" if lost is table.unread else "of no or negative size"
        raise HeatpoolError(
            f"expected boxes in {path}, got none of {lost.rows} rows, {what}, the first in {table.unit} "
            f"{lost.line}; leave out a column score that is empty"
        )


def _are_fractions(table: BoxTable, video: np.ndarray, videos: Sequence[Path], path: Path) -> bool:
    """Whether boxes are fractions of the picture, by their size; HeatpoolError if those of some are."""
    reach = np.zeros(len(videos), np.float32)
    ours = video >= 0
    np.maximum.at(reach, video[ours], np.abs(table.box_xyxy_px[ours]).max(1))
    small = np.flatnonzero((reach > 0) & (reach <= _MOST_NORMALISED))
    if len(small) and len(small) < np.count_nonzero(reach):
        first = int(small[0])
        raise HeatpoolError(
            f"expected boxes in pixels in {path}, as of other videos, got none beyond {reach[first]:g} for "
            f"{videos[first].name}{f' and {len(small) - 1} other videos' if len(small) > 1 else ''}: "
            "fractions of the picture, by their size; multiply x by its width and y by its height"
        )
    return len(small) > 0


def _sorted_rows(table: BoxTable, video: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the rows by video, frame and falling score, each box once, and how many stood there twice."""
    same = np.lexsort((-table.score, *table.box_xyxy_px.T, table.frame, video))
    same = same[video[same] >= 0]
    keys = (video[same], table.frame[same], table.box_xyxy_px[same])
    again = np.ones(max(len(same) - 1, 0), bool)
    for key in keys:
        equal = key[1:] == key[:-1]
        again &= equal.all(1) if equal.ndim == 2 else equal
    kept = same[np.append(True, ~again)[: len(same)]]
    # Of equal scores the first of the table comes first.
    return kept[np.lexsort((kept, -table.score[kept], table.frame[kept], video[kept]))], int(again.sum())


def _wrong(table: BoxTable, source: str, *, twice: int, unnamed: Sequence[Path], videos: int) -> list[str]:
    lines = []
    if table.unread.rows:
        lines.append(
            f"{source}: {table.unread.rows} rows with numbers that are missing or not finite are left out, "
            f"the first in {table.unit} {table.unread.line}"
        )
    if table.sizeless.rows:
        lines.append(
            f"{source}: {table.sizeless.rows} boxes of no or negative size are left out, the first in "
            f"{table.unit} {table.sizeless.line}"
        )
    if twice:
        lines.append(f"{source}: {twice} boxes stand twice in a frame and count once")
    if len(table.kinds) > 1:
        lines.append(
            f"{source}: all boxes count as persons, of whatever column {table.kind_column} says: "
            f"{list_some(table.kinds)}"
        )
    if unnamed:
        lines.append(f"{source}: no box for {len(unnamed)} of {videos} videos, such as {unnamed[0].name}")
    return lines


def _all_weak(source: str, videos: Sequence[Path], min_score: float) -> list[str]:
    if not videos:
        return []
    named = f"{len(videos)} video{'s' * (len(videos) > 1)}, such as {videos[0].name}"
    return [f"{source}: every box of {named}, is below --min-score {min_score:g}: none is left"]


def _notes(
    table: BoxTable,
    source: str,
    *,
    called: Sequence[str],
    weak: int,
    min_score: float,
    fractions: bool,
    tracked: bool,
) -> list[str]:
    lines = []
    if called:
        videos = f"{len(called)} video{'s go' if len(called) > 1 else ' goes'}"
        lines.append(f"{source}: {videos} by other names there: {list_some(called)}")
    if not table.has_scores:
        lines.append(f"{source}: no scores, so each box has score 1")
    if weak:
        lines.append(f"{source}: {weak} boxes are below --min-score {min_score:g}")
    if table.others:
        lines.append(f"{source}: {table.others} boxes are of no persons, by column {table.kind_column}")
    if table.empty:
        lines.append(f"{source}: {table.empty} rows are empty, as of frames without persons")
    if table.elsewhere:
        lines.append(f"{source}: {table.elsewhere} rows are of other videos")
    if table.files_elsewhere:
        lines.append(f"{source}: {table.files_elsewhere} files are of other videos")
    if fractions:
        lines.append(f"{source}: its boxes are fractions of the picture")
    if table.unread_columns:
        anew = "" if tracked else "; who is who is found by tracking"
        lines.append(f"{source}: not read: {list_some(table.unread_columns)}{anew}")
    if tracked:
        lines.append(f"{source}: who is who as it says; --tracks own follows them anew")
    return lines
