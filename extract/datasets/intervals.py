"""Intervals of long videos as clips: those of a table, and what those of ELAN and BORIS have in common."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from heatpool.extract.datasets.listing import Excluded, Listing, VideoFolder
from heatpool.extract.datasets.media import FoundVideo, Media
from heatpool.extract.datasets.table import ClipRow, list_rows, read_table
from heatpool.pool.errors import HeatpoolError

__all__ = ["interval_row", "list_interval_table", "list_intervals", "parse_time_s"]

_log = logging.getLogger(__name__)

_TIME = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):(?=[0-5]?\d(?:\.|$)))?(\d+(?:\.\d*)?)")
_LEAST_GAP_S = 1.0  # shorter pieces that no interval covers are where an annotator let go

_NO_LABEL = "an interval without a label"
_POINT = "an event without a length: --point-s makes a clip around it"
_AGAIN = "the same interval with the same label once more"


def parse_time_s(text: str, where: str) -> float:
    """Read seconds, mm:ss.ms or hh:mm:ss.ms.

    Raises:
        HeatpoolError: if it is neither.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        comma = "; numbers have decimal points" if "," in text else ""
        raise HeatpoolError(f"expected seconds, or hh:mm:ss.ms, got {text!r} in {where}{comma}")
    hours, minutes, seconds = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def interval_row(
    where: str, video: str, span_s: tuple[float, float], label: str, *, subject: str = ""
) -> ClipRow:
    """Return the row of an interval; an event without a length ends where it starts."""
    start_s, end_s = (repr(round(time_s, 6)) for time_s in span_s)
    values = {"path": video, "start_s": start_s, "end_s": end_s, "label": label, "subject": subject}
    return ClipRow(where, values)


def list_interval_table(folder: VideoFolder) -> Listing:
    """List the intervals of a table with the columns path, start, end and label.

    Times are as `parse_time_s` has them. Further columns are those that `table.list_table` knows; a video is
    found by its name too.

    Raises:
        HeatpoolError: if a column is missing or a value is not as expected, naming line and column.
    """
    table = read_table(folder, folder.columns, aliases={"start_s": "start", "end_s": "end"})
    if table.rows and not {"start_s", "end_s", "label"} <= table.rows[0].values.keys():
        raise HeatpoolError(f"expected columns path, start, end and label in {table.name}; see --columns")
    rows = [
        replace(
            row,
            values={
                **row.values,
                **{name: repr(parse_time_s(row.values[name], row.where)) for name in ("start_s", "end_s")},
            },
        )
        for row in table.rows
    ]
    return list_intervals(folder, rows, table.name, disjoint=table.disjoint)


def list_intervals(
    folder: VideoFolder, rows: Sequence[ClipRow], source: str, *, disjoint: Mapping[str, str] | None = None
) -> Listing:
    """List intervals as clips called `video@start-end`; they may overlap.

    Args:
        folder: of the videos; its rule for intervals says what becomes of points and gaps.
        rows: with `start_s` and `end_s` in seconds.
        source: what the annotations are called.
        disjoint: protocol to the column whose values its splits must not share.

    Raises:
        HeatpoolError: if an interval ends before its start, or no interval has a label and a video.
    """
    media = Media(folder, by_name=True)
    kept: dict[tuple[str, ...], ClipRow] = {}
    excluded = []
    for row in rows:
        row = _with_length(row, folder.intervals.point_s)
        video = media.find(row.values["path"])
        times = row.values["start_s"], row.values["end_s"]
        # By the video that was found: two annotators call one file by paths of two computers.
        key = (video.name if video else row.values["path"], *times, row.values["label"])
        reason = ""
        if not (row.values["label"] or row.values.get("class_name")):
            reason = _NO_LABEL
        elif times[0] == times[1]:
            reason = _POINT
        elif key in kept:
            reason = _AGAIN
        if reason:
            excluded.append(Excluded(f"{row.values['path']}, {row.where}", reason))
        else:
            kept[key] = row
    if not kept:
        why = f" that makes a clip ({excluded[0].reason})" if excluded else ""
        raise HeatpoolError(f"expected intervals in {source}, got none{why}")
    background = _background(folder, media, list(kept.values())) if folder.intervals.background else ()
    listing = list_rows(
        folder, [*kept.values(), *background], source, by_name=True, windows=True, disjoint=disjoint
    )
    return replace(listing, excluded=(*listing.excluded, *excluded))


def _with_length(row: ClipRow, point_s: float) -> ClipRow:
    """Return an event without a length as an interval around it; refuse what ends before its start."""
    time_s, end_s = float(row.values["start_s"]), float(row.values["end_s"])
    if end_s < time_s:
        raise HeatpoolError(f"expected an end after the start, got {time_s:g} to {end_s:g} s in {row.where}")
    if end_s > time_s:
        return row
    start_s = max(time_s - point_s / 2, 0.0)
    times = {"start_s": repr(start_s), "end_s": repr(start_s + point_s)}
    return replace(row, values={**row.values, **times})


def _background(folder: VideoFolder, media: Media, rows: Sequence[ClipRow]) -> Iterator[ClipRow]:
    """Yield what no interval covers of each video, as intervals of the class of the background."""
    # Imported here: a decoder costs time, and only gaps between intervals need one.
    from heatpool.extract.video.reader import probe

    of_video: dict[FoundVideo, list[ClipRow]] = defaultdict(list)
    for row in rows:
        video = media.find(row.values["path"])
        if video is not None:
            of_video[video].append(row)
    for video, inside in of_video.items():
        try:
            info = probe(video.path, fps=folder.fps)
        except HeatpoolError as error:
            _log.warning("%s gets no clips of %s: %s", video.name, folder.intervals.background, error)
            continue
        spans_s = sorted((float(row.values["start_s"]), float(row.values["end_s"])) for row in inside)
        free_s = 0.0
        for start_s, end_s in [*spans_s, (info.end_s, info.end_s)]:
            if start_s - free_s >= _LEAST_GAP_S:
                span_s = (free_s, min(start_s, info.end_s))
                gap = interval_row(
                    f"the gaps of {video.name}", video.name, span_s, folder.intervals.background
                )
                yield replace(gap, splits=inside[0].splits)
            free_s = max(free_s, end_s)
