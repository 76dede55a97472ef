"""Boxes in lines of numbers: one file a video (MOT), or one a frame (YOLO's txt)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.box_columns import BoxLayout
from heatpool.extract.datasets.box_rows import BoxRows, BoxTable, as_corners, fill_table
from heatpool.pool.errors import HeatpoolError

__all__ = ["count_numbers", "read_mot", "read_yolo"]

_CHUNK = 1 << 14  # lines at a time: bounds memory
_MOT_VALUES = range(6, 11)
_MOT_PERSONS = {1, 2, 7}
"""Classes of ground truth that are people: pedestrian, person on a vehicle, static person."""
_TRUTH_VALUES = 9  # of a line: … whether it counts, class, visibility
_YOLO_FILE = re.compile(r"(?P<video>.+)_(?P<frame>\d+)")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def count_numbers(line: str) -> int:
    """Return how many numbers stand in a line, between commas or spaces; 0 if there is anything else."""
    values = line.replace(",", " ").split()
    return len(values) if all(map(_NUMBER.fullmatch, values)) else 0


def read_mot(
    path: Path,
    *,
    wanted: Callable[[str], bool],
    layout: BoxLayout | None = None,
    kind: str | None = None,
    first_frame: int = 1,
) -> BoxTable:
    """Read boxes as of the MOT Challenge: frame, identity, left, top, width, height, score.

    A file is called by its video, or lies as `VIDEO/gt/gt.txt` or `VIDEO/det/det.txt`; where both are, the
    first counts. Of ground truth (nine values a line) people count, where it says that they do.

    Args:
        path: file, or folder of such.
        wanted: whether boxes of a video of this name are; files of others are not opened.
        layout: what the four numbers of a box are; None = left, top, width, height.
        kind: number of the class that counts in ground truth; None = people.
        first_frame: number of a video's first frame.

    Raises:
        HeatpoolError: if a line is none of these; naming it.
    """
    files = _mot_files(path)
    table, kinds = _table_of(files, wanted), dict[str, int]()

    unsure = []

    def parts() -> Iterator[BoxRows]:
        for number, name in enumerate(table.names):
            for lines, values in _read_lines(files[name], _MOT_VALUES):
                frame = _whole(values[:, 0] - first_frame, lines, files[name], first_frame)
                score = values[:, 6] if values.shape[1] > 6 else np.ones(len(values))
                score = np.where(score == -1, 1, score)  # of results: there is none
                known = np.zeros(len(values), np.int32)
                if values.shape[1] == _TRUTH_VALUES:
                    counted = (score != 0) & _of_kind(values[:, 7], kind)
                    known[:] = np.where(counted, kinds.setdefault("person", 0), kinds.setdefault("other", 1))
                    score = np.where(counted, 1, score)
                elif (score > 1).any() or (score < 0).any():
                    unsure.append(name)
                    score = np.clip(score, 0, 1)
                box = as_corners(values[:, 2:6], layout or "xywh")
                yield _rows(lines, number, frame, box, score, known, values[:, 1])

    fill_table(table, parts(), kinds=kinds, wanted_kind=None)
    if unsure:  # scores without a scale, as detectors of old had them
        table.score[:] = 1
        table.has_scores = False
    return table


def _of_kind(classes: np.ndarray, kind: str | None) -> np.ndarray:
    return np.isin(classes, list(_MOT_PERSONS) if kind is None else [float(kind)])


def _mot_files(path: Path) -> dict[str, Path]:
    """Return the file of each video by the video's name."""
    if path.is_file():
        return {_mot_name(path): path}
    found = sorted(path.rglob("*.txt"), key=lambda each: (each.stem != "gt", each))
    files: dict[str, Path] = {}
    for each in found:
        files.setdefault(_mot_name(each), each)
    return files


def _mot_name(path: Path) -> str:
    if path.stem in ("gt", "det") and path.parent.name == path.stem:
        video = path.absolute().parent.parent
        return str(video / "img1" if (video / "img1").is_dir() else video)
    return path.stem


def read_yolo(
    path: Path,
    *,
    wanted: Callable[[str], bool],
    layout: BoxLayout | None = None,
    kind: str | None = None,
    first_frame: int = 1,
) -> BoxTable:
    """Read boxes as YOLO writes them: a file VIDEO_FRAME.txt a frame, lines of class and four fractions.

    Behind them may stand a score, and an identity.

    Args:
        path: folder, such as the `labels` that `save_txt` of ultralytics leaves.
        wanted: whether boxes of a video of this name are; files of others are not opened.
        layout: what the fractions are; None = centre, width and height.
        kind: number of the class that counts; None = all.
        first_frame: number of a video's first frame; ultralytics counts from 1.

    Raises:
        HeatpoolError: if a file is called otherwise, or a line is none of these; naming it.
    """
    frames_of: dict[str, list[tuple[int, Path]]] = {}
    for file in sorted(path.rglob("*.txt")):
        match = _YOLO_FILE.fullmatch(file.stem)
        if match is None:
            if file.stem in ("classes", "train", "val", "test"):
                continue  # which labels and splits a data set has
            raise HeatpoolError(
                f"expected files VIDEO_FRAME.txt in {path}, as ultralytics' save_txt writes them of videos, "
                f"got {file.name}"
            )
        name = str(file.parent.relative_to(path) / match["video"])
        frames_of.setdefault(name, []).append((int(match["frame"]), file))
    table, kinds = _table_of(frames_of, wanted), dict[str, int]()
    scored = []

    def parts() -> Iterator[BoxRows]:
        for number, name in enumerate(table.names):
            table.size_px[number] = (1, 1)
            for numbered, file in sorted(frames_of[name]):
                for lines, values in _read_lines(file, range(5, 8)):
                    frame = np.full(len(values), numbered - first_frame, np.int64)
                    _whole(frame, lines, file, first_frame)
                    score = values[:, 5] if values.shape[1] > 5 else np.ones(len(values))
                    scored.append(values.shape[1] > 5)
                    if (score > 1).any() or (score < 0).any():
                        raise HeatpoolError(
                            f"expected a class, a box and a score from 0 to 1 a line in {file}"
                        )
                    known = [kinds.setdefault(f"{each:g}", len(kinds)) for each in values[:, 0].tolist()]
                    track = values[:, 6] if values.shape[1] > 6 else np.full(len(values), -1.0)
                    box = as_corners(values[:, 1:5], layout or "centre")
                    yield _rows(lines, number, frame, box, score, np.array(known, np.int32), track)

    table.kind_column = "class"
    fill_table(table, parts(), kinds=kinds, wanted_kind=kind)
    table.has_scores = all(scored)
    return table


def _table_of(names: Iterable[str], wanted: Callable[[str], bool]) -> BoxTable:
    """Return a table of the names that are wanted, without boxes yet."""
    every = list(names)
    ours = [name for name in every if wanted(name)]
    return BoxTable(names=ours, first_name=every[0] if every else "", files_elsewhere=len(every) - len(ours))


def _rows(
    lines: np.ndarray,
    name: int,
    frame: np.ndarray,
    box_xyxy: np.ndarray,
    score: np.ndarray,
    kind: np.ndarray,
    track: np.ndarray,
) -> BoxRows:
    who = np.where(np.isfinite(track), track, -1).astype(np.int64)
    names, blank = np.full(len(lines), name, np.int32), np.zeros(len(lines), np.bool_)
    return BoxRows(lines, names, frame, box_xyxy, score, kind, who, blank)


def _whole(frame: np.ndarray, lines: np.ndarray, path: Path, first_frame: int) -> np.ndarray:
    bad = ~((frame >= 0) & (frame < 1 << 31) & (frame % 1 == 0))
    if bad.any():
        at = int(bad.argmax())
        raise HeatpoolError(
            f"expected frames counted from {first_frame}, got {frame[at] + first_frame:g} in line "
            f"{lines[at]} of {path}; --first-frame says from where they are"
        )
    return frame.astype(np.int64)


def _read_lines(path: Path, counts: range) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield lines (n,) and numbers (n, values), some at a time; all lines have as many values.

    Raises:
        HeatpoolError: if a line is no such; naming it.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            numbered = ((line, text) for line, text in enumerate(file, 1) if text.strip())
            width = 0
            while held := list(islice(numbered, _CHUNK)):
                lines, texts = zip(*held, strict=True)
                values = [text.replace(",", " ").split() for text in texts]
                width = width or len(values[0])
                bad = next((at for at, each in enumerate(values) if len(each) != width), None)
                if width not in counts or bad is not None:
                    at = bad or 0
                    raise HeatpoolError(
                        f"expected {counts[0]} to {counts[-1]} numbers a line in {path}, in all as many, "
                        f"got {texts[at].strip()[:60]!r} in line {lines[at]}"
                    )
                yield np.array(lines), np.array(values, np.float64)
    except UnicodeError as error:
        raise HeatpoolError(f"{path}: expected text in UTF-8") from error
    except OSError as error:
        raise HeatpoolError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise HeatpoolError(f"expected numbers in {path}: {str(error)[:80]}") from error
