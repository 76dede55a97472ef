"""Boxes of persons that were made beforehand, by video; what is left out is counted and said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.box_table import BoxTable, read_box_table
from heatpool.extract.datasets.box_videos import VideoNames
from heatpool.pool.errors import HeatpoolError

__all__ = ["GivenBoxes", "VideoBoxes", "read_boxes"]

_MOST_NORMALISED = 1.5  # boxes that reach no farther are fractions, some of them a bit outside
_NAMED = 5  # values that a line writes out


@dataclass(frozen=True, eq=False)
class VideoBoxes:
    """The boxes of one video, frame after frame, the most certain first.

    Attributes:
        frames: (R,) int64 numbers in the video, from 0, rising.
        boxes_xyxy_px: (R, 4) float32, x1 < x2 and y1 < y2; they may lie outside the picture.
        scores: (R,) float32 in [0, 1].
        weak: boxes below the least score, which are left out.
    """

    frames: np.ndarray
    boxes_xyxy_px: np.ndarray
    scores: np.ndarray
    weak: int = 0

    def __len__(self) -> int:
        return len(self.frames)

    def of_frame(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the boxes (D, 4) of a frame and their scores (D,)."""
        first, end = np.searchsorted(self.frames, (number, number + 1))
        return self.boxes_xyxy_px[first:end], self.scores[first:end]


@dataclass(frozen=True, eq=False)
class GivenBoxes:
    """What a table of boxes gives for the videos that are wanted.

    Attributes:
        source: name of the table.
        videos: boxes of each video that is wanted; of one that the table does not name, none.
        clips: the same, as often as its video was asked for.
        wrong: lines on what is wrong with the table.
        notes: lines on what else it holds.
    """

    source: str
    videos: Mapping[Path, VideoBoxes]
    clips: tuple[VideoBoxes, ...]
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_boxes(path: Path, *, videos: Sequence[Path], root: Path, min_score: float = 0.0) -> GivenBoxes:
    """Read a table with the columns path, frame, x1, y1, x2, y2, score, or what means the same.

    Frames are numbered from 0 in the video; boxes are pixels of the frame as it is shown: upright, in square
    pixels. Rows of other videos take no memory.

    Args:
        path: CSV, or between semicolons or tabs.
        videos: that are wanted; one may stand there several times.
        root: folder that the paths may be relative to, besides the table's own.
        min_score: boxes below are left out.

    Raises:
        HeatpoolError: if the file cannot be read, none of its paths is one of `videos`, a value is no number,
            or boxes or scores are in other units; naming the line or the video.
    """
    distinct = list(dict.fromkeys(videos))
    names = VideoNames(distinct, places=(path.parent, root), source=path.name)
    table = read_box_table(path, wanted=names.may_be)
    meant, renamed = names.assign(table.names)
    if not meant:
        first = table.first_name or "no row at all"
        raise HeatpoolError(f"expected boxes for the videos in {path}, got none (its first path: {first})")
    _refuse_nothing(table, path)
    # Rows of names that turned out to be of no video of ours go with the number -1.
    video = np.array([meant.get(name, -1) for name in table.names], np.int64)[table.name]
    _refuse_fractions(table, video, distinct, path)
    rows, twice = _sorted_rows(table, video)
    video, strong = video[rows], table.score[rows] >= min_score
    bounds = np.searchsorted(video, np.arange(len(distinct) + 1))
    by_video = {}
    for number, each in enumerate(distinct):
        of_video = slice(bounds[number], bounds[number + 1])
        kept = rows[of_video][strong[of_video]]
        weak = int((~strong[of_video]).sum())
        by_video[each] = VideoBoxes(table.frame[kept], table.box_xyxy_px[kept], table.score[kept], weak)
    unnamed = [each for number, each in enumerate(distinct) if number not in set(meant.values())]
    called = [f"{name} for {distinct[number].name}" for name, number in renamed.items()]
    weak = sum(each.weak for each in by_video.values())
    left = [video for video, each in by_video.items() if each.weak and not len(each)]
    return GivenBoxes(
        path.name,
        by_video,
        tuple(by_video[each] for each in videos),
        wrong=(
            *_wrong(table, path.name, twice=twice, unnamed=unnamed, videos=len(distinct)),
            *_all_weak(path.name, left, min_score),
        ),
        notes=tuple(_notes(table, path.name, called=called, weak=weak, min_score=min_score)),
    )


def _refuse_nothing(table: BoxTable, path: Path) -> None:
    """Raise HeatpoolError if every box has a fault: a column is empty, or means something else."""
    lost = max(table.unread, table.sizeless, key=lambda fault: fault.rows)
    if lost.rows and not len(table.frame):
        what = "with numbers missing or not finite" if lost is table.unread else "of no or negative size"
        raise HeatpoolError(
            f"expected boxes in {path}, got none of {lost.rows} rows, {what}, the first in line {lost.line}; "
            "leave out a column score that is empty"
        )


def _refuse_fractions(table: BoxTable, video: np.ndarray, videos: Sequence[Path], path: Path) -> None:
    """Raise HeatpoolError if the boxes of a video are fractions of its picture."""
    reach = np.zeros(len(videos), np.float32)
    ours = video >= 0
    np.maximum.at(reach, video[ours], np.abs(table.box_xyxy_px[ours]).max(1))
    small = np.flatnonzero((reach > 0) & (reach <= _MOST_NORMALISED))
    if len(small):
        first = int(small[0])
        raise HeatpoolError(
            f"expected boxes in pixels in {path}, got none beyond {reach[first]:g} for {videos[first].name}"
            f"{f' and {len(small) - 1} other videos' if len(small) > 1 else ''}: fractions of the picture, "
            "by their size; multiply x by its width and y by its height"
        )


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
            f"the first in line {table.unread.line}"
        )
    if table.sizeless.rows:
        lines.append(
            f"{source}: {table.sizeless.rows} boxes of no or negative size are left out, the first in line "
            f"{table.sizeless.line}"
        )
    if twice:
        lines.append(f"{source}: {twice} boxes stand twice in a frame and count once")
    if len(table.kinds) > 1:
        lines.append(
            f"{source}: all boxes count as persons, of whatever column {table.columns.kind} says: "
            f"{_some(table.kinds)}"
        )
    if unnamed:
        lines.append(f"{source}: no box for {len(unnamed)} of {videos} videos, such as {unnamed[0].name}")
    return lines


def _all_weak(source: str, videos: Sequence[Path], min_score: float) -> list[str]:
    if not videos:
        return []
    named = f"{len(videos)} video{'s' * (len(videos) > 1)}, such as {videos[0].name}"
    return [f"{source}: every box of {named}, is below --min-score {min_score:g}: none is left"]


def _notes(table: BoxTable, source: str, *, called: Sequence[str], weak: int, min_score: float) -> list[str]:
    lines = []
    if called:
        videos = f"{len(called)} video{'s go' if len(called) > 1 else ' goes'}"
        lines.append(f"{source}: {videos} by other names there: {_some(called)}")
    if table.columns.score is None:
        lines.append(f"{source}: no column score, so each box has score 1")
    if weak:
        lines.append(f"{source}: {weak} boxes are below --min-score {min_score:g}")
    if table.others:
        lines.append(f"{source}: {table.others} boxes are of no persons, by column {table.columns.kind}")
    if table.empty:
        lines.append(f"{source}: {table.empty} rows are empty, as of frames without persons")
    if table.elsewhere:
        lines.append(f"{source}: {table.elsewhere} rows are of other videos")
    if table.columns.unread:
        lines.append(f"{source}: not read: {_some(table.columns.unread)}; who is who is found by tracking")
    return lines


def _some(values: Sequence[str]) -> str:
    return ", ".join(values[:_NAMED]) + (f" and {len(values) - _NAMED} more" if len(values) > _NAMED else "")
