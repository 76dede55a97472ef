"""Observations of BORIS: exported tables of events (versions 7 to 9) and project files (`.boris`).

Source: the exports of the program, `export_tabular_events` and `export_aggregated_events` in
https://github.com/olivierfriard/BORIS/blob/master/boris/export_observation.py; states are paired as in its
`project_functions.events_start_stop`, by subject, behaviour and modifiers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatpool.extract.datasets.delimited import open_table
from heatpool.extract.datasets.intervals import interval_row, list_intervals, parse_time_s
from heatpool.extract.datasets.listing import Listing, VideoFolder, read_json
from heatpool.extract.datasets.table import ClipRow
from heatpool.pool.errors import HeatpoolError

__all__ = ["list_boris"]

_SUFFIXES = (".boris", ".csv", ".tsv", ".txt")
_NOBODY = "No focal subject"
_TIMES = ("time", "start (s)", "stop (s)", "time offset (s)")


@dataclass(frozen=True)
class _Event:
    """Something that happens at a time, or begins, or ends.

    Attributes:
        where: place in the file.
        observation: its name.
        video: file.
        time_s: in the video.
        subject: who does it.
        behaviour: what.
        modifiers: how; a state ends with the modifiers that it began with.
        kind: POINT, START, STOP, or STATE where the file leaves open which of the two.
    """

    where: str
    observation: str
    video: str
    time_s: float
    subject: str
    behaviour: str
    modifiers: tuple[str, ...]
    kind: str


def list_boris(folder: VideoFolder) -> Listing:
    """List the coded behaviours as clips: states from START to STOP, and points where they get a length.

    Raises:
        HeatpoolError: if the file is not one of BORIS', a state lacks its START or STOP, or an observation
            has a time offset or several videos after one another; naming the line or the observation.
    """
    path = folder.annotations
    if path is None or not path.is_file() or path.suffix.lower() not in _SUFFIXES:
        raise HeatpoolError(f"expected a .boris project, or a table of events, in --annotations, got {path}")
    rows = _pair(_project(path)) if path.suffix.lower() == ".boris" else _table(path)
    return list_intervals(folder, list(rows), path.name)


def _pair(events: Iterable[_Event]) -> Iterator[ClipRow]:
    """Make intervals of the starts and stops of states, and of points."""
    begun: dict[tuple[object, ...], _Event] = {}
    for event in events:
        subject = "" if event.subject == _NOBODY else event.subject
        key = event.observation, subject, event.behaviour, event.modifiers
        kind = event.kind
        if kind == "STATE":
            kind = "STOP" if key in begun else "START"
        if kind == "START" and key not in begun:
            begun[key] = event
        elif kind == "STOP" and key in begun:
            start = begun.pop(key)
            span_s = start.time_s, event.time_s
            yield interval_row(start.where, start.video, span_s, start.behaviour, subject=subject)
        elif kind == "POINT":
            yield interval_row(
                event.where, event.video, (event.time_s,) * 2, event.behaviour, subject=subject
            )
        else:
            raise HeatpoolError(
                f"expected START and STOP in turn, or POINT, of {event.behaviour!r}, got {event.kind} in "
                f"{event.where}"
            )
    for event in begun.values():
        raise HeatpoolError(f"expected a STOP of {event.behaviour!r}, which starts in {event.where}")


def _table(path: Path) -> Iterator[ClipRow]:
    """Read a table of events, single or aggregated; before version 8 other lines stand above the header."""
    with open_table(path, needed=("Subject", "Behavior"), numbers=_TIMES) as (header, rows):
        if {"Start (s)", "Stop (s)", "Media file name"} <= set(header):
            for line, row in rows:
                yield _aggregated(row, f"line {line} of {path.name}")
            return
        kind = next((name for name in ("Behavior type", "Status") if name in header), "")
        media = next((name for name in ("Media file name", "Media file path") if name in header), "")
        if not (kind and media and {"Time", "Subject", "Behavior"} <= set(header)):
            raise HeatpoolError(
                "expected the columns of a table of BORIS' (Time, Subject, Behavior, Behavior type, Media "
                f"file name, …) in {path.name}, got {', '.join(header) or 'an empty file'}"
            )
        yield from _pair([_event(row, kind, media, f"line {line} of {path.name}") for line, row in rows])


def _event(row: Mapping[str, str], kind: str, media: str, where: str) -> _Event:
    _check_table_row(row, where)
    return _Event(
        where,
        row.get("Observation id", ""),
        row[media],
        parse_time_s(row["Time"].strip(), where),
        row["Subject"].strip(),
        row["Behavior"].strip(),
        tuple(value for name, value in row.items() if name.startswith("Modifier")),
        row[kind].strip().upper(),
    )


def _aggregated(row: Mapping[str, str], where: str) -> ClipRow:
    _check_table_row(row, where)
    start_s, end_s = (parse_time_s(row[name].strip(), where) for name in ("Start (s)", "Stop (s)"))
    subject = row["Subject"].strip()
    return interval_row(
        where,
        row["Media file name"],
        (start_s, end_s),
        row["Behavior"].strip(),
        subject="" if subject == _NOBODY else subject,
    )


def _check_table_row(row: Mapping[str, str], where: str) -> None:
    offset = row.get("Time offset (s)") or "0"
    first_player = row.get("Source", "").partition("|")[0]
    _check_observation(parse_time_s(offset.lstrip("-"), where), first_player.count(";") + 1, where)


def _check_observation(offset_s: float, videos: int, where: str) -> None:
    """Refuse observations whose times are not those of one video."""
    if offset_s:
        raise HeatpoolError(f"expected an observation without time offset, got {offset_s:g} s in {where}")
    if videos > 1:
        raise HeatpoolError(
            f"expected one video per observation, got {videos} one after the other in {where}"
        )


def _project(path: Path) -> Iterator[_Event]:
    """Read the events of every observation of a project file."""
    project = read_json(path)
    try:
        states = {
            each["code"]: each["type"].casefold().startswith("state")
            for each in project["behaviors_conf"].values()
        }
        for name, each in project["observations"].items():
            if each["type"] == "MEDIA":
                yield from _observation(name, each, states, f"observation {name!r} of {path.name}")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        problem = f"{type(error).__name__} {error}"
        raise HeatpoolError(f"expected a project of BORIS in {path.name}, it is not ({problem})") from error


def _observation(name: str, each: Any, states: Mapping[str, bool], where: str) -> Iterator[_Event]:
    videos = [str(video) for video in each["file"].get("1", ())]
    _check_observation(abs(float(each.get("time offset") or 0)), len(videos), where)
    if not videos:
        raise HeatpoolError(f"expected a video in player 1, got none in {where}")
    for number, (time_s, subject, code, modifiers, *_) in enumerate(each["events"], start=1):
        place = f"event {number} of {where}"
        if code not in states:
            raise HeatpoolError(f"expected a behaviour of the ethogram, got {code!r} in {place}")
        kind = "STATE" if states[code] else "POINT"
        yield _Event(place, name, videos[0], float(time_s), subject, code, (modifiers,), kind)
