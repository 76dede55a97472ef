"""Answers as text: a table that fits a terminal, and all of them as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePath

from heatpool.pipelines.drawing.text_width import cut_middle, cut_text, pad_text, text_width
from heatpool.pipelines.training.prediction.records import Answers, Prediction, Segment

__all__ = ["answers_table", "clock", "predictions_text", "window_line"]

_NAME = 40  # most letters of a video's name in the table
_SHORTEST = 20  # places that a class has, however narrow the screen


def answers_table(
    answers: Answers, *, columns: int, lines: int, out: Path | None = None, segments: Path | None = None
) -> str:
    """Return answers as aligned columns, of windows as segments, cut to a screen.

    Args:
        answers: one or more.
        columns: letters in a line.
        lines: of the screen; a few are left free.
        out: file that has the answer of every clip, if there is one.
        segments: folder that has all segments, if there is one.
    """
    names = _short_names([each.path for each in answers.predictions])
    header: tuple[str, ...]
    if answers.windowed:
        header, rows = ("video", "from", "to", "class", "confidence"), _segment_rows(answers, names)
    else:
        header = ("video", "class", "share", "others")
        rows = [(names[each.path], *_answer_cells(each)) for each in answers.predictions]
    notes = _notes(answers)
    most = max(lines - 4 - len(notes), 1)
    shown, hidden = rows[:most], len(rows) - most
    if hidden > 0:
        what, place, option = ("clips", out, "--out predictions.csv")
        if answers.windowed:
            what, place, option = ("segments", segments, "--segments FOLDER")
        notes = [
            f"… {hidden} more {what}; {f'all are in {place}' if place else f'{option} writes all'}",
            *notes,
        ]
    table = _aligned([header, *shown], longest=max(columns // 3, _SHORTEST)) if shown else []
    return "\n".join(cut_text(line, columns) for line in [*table, *notes])


def _segment_rows(answers: Answers, names: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return a row per segment, and one for a video that has none, in the order of the videos."""
    segments = defaultdict[str, list[Segment]](list)
    for segment in answers.segments:
        segments[segment.path].append(segment)
    first = {each.path: each for each in reversed(answers.predictions)}  # clip of each video
    rows = list[tuple[str, ...]]()
    for path, name in names.items():
        rows += [
            (name, clock(each.start_s), clock(each.end_s), each.label, _percent(each.confidence))
            for each in segments[path]
        ] or [(name, first[path].problem, "", "", "")]
    return rows


def _answer_cells(prediction: Prediction) -> tuple[str, str, str]:
    """Return the best class, its share, and what else is to be said."""
    if not prediction.labels:
        return prediction.problem, "", ""
    pairs = zip(prediction.labels[1:], prediction.probabilities[1:], strict=True)
    others = [f"{label} {_percent(share)}" for label, share in pairs]
    problem = [prediction.problem] if prediction.problem else []
    return prediction.labels[0], _percent(prediction.probabilities[0]), ", ".join(problem + others)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _notes(answers: Answers) -> list[str]:
    """Say how many windows there were, and which of them have no answer or half a one."""
    if not answers.windowed:
        return []
    windows = answers.predictions
    videos = len({each.path for each in windows})
    notes = [f"{len(windows)} windows of {videos} video{'s' * (videos > 1)}"]
    for status, count in Counter(each.status for each in windows if each.status != "ok").items():
        first = next(each for each in windows if each.status == status)
        notes.append(f"{count} of them: {first.problem}")
    return notes


def window_line(window: Prediction) -> str:
    """Return the answer of a window of a stream as a line, with its times below those of the line before."""
    return f"{clock(window.start_s):>10}  {clock(window.end_s or 0):>10}  {window.answer}"


def clock(time_s: float) -> str:
    """Write seconds as 4:05.50 or 1:04:05.50."""
    hundredths = round(time_s * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 100:02d}.{rest % 100:02d}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def _short_names(paths: Sequence[str]) -> dict[str, str]:
    """Return what each video is called in the table: what its path does not share with the others."""
    places = {path: PurePath(path.rpartition("://")[2]) for path in paths}
    folders = [place.parent.parts for place in places.values()]
    shared = 0
    while all(len(parts) > shared and parts[shared] == folders[0][shared] for parts in folders):
        shared += 1
    names = {path: str(PurePath(*place.parts[shared:])) for path, place in places.items()}
    return {path: cut_middle(name, _NAME) for path, name in names.items()}


def _aligned(rows: Sequence[Sequence[str]], *, longest: int) -> list[str]:
    """Pad the columns: numbers and times to the right, words to the left; classes take `longest` at most."""
    # A lone text instead of an answer is as long as it is: it must not push the columns of the others away.
    classes = rows[0].index("class")
    full = [[*row[:classes], cut_text(row[classes], longest), *row[classes + 1 :]] for row in rows if row[2]]
    widths = [max(text_width(row[at]) for row in (full if at else rows)) for at in range(len(rows[0]))]
    right = {at for at, name in enumerate(rows[0]) if name in ("from", "to", "share", "confidence")}
    kept = iter(full)
    return [
        "  ".join(
            pad_text(cell, width, right=at in right)
            for at, (cell, width) in enumerate(zip(next(kept) if row[2] else row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def predictions_text(suffix: str, predictions: Sequence[Prediction]) -> str:
    """Return JSON, a list of predictions; or CSV, a row per clip with labels and probabilities by rank."""
    if suffix == ".json":
        return json.dumps([asdict(each) for each in predictions], indent=1, ensure_ascii=False) + "\n"
    table = io.StringIO(newline="")
    most = max((len(each.labels) for each in predictions), default=1) or 1  # columns, though all failed
    ranks = [f"{name}_{rank}" for rank in range(1, most + 1) for name in ("label", "probability")]
    writer = csv.writer(table)
    writer.writerow(["clip_id", "path", "start_s", "end_s", "status", "reason", *ranks])
    for each in predictions:
        end_s = "" if each.end_s is None else each.end_s
        row = [each.clip_id, each.path, each.start_s, end_s, each.status, each.reason]
        pairs = zip(each.labels, each.probabilities, strict=True)
        answer = [value for pair in pairs for value in pair]
        writer.writerow([*row, *answer, *[""] * (2 * most - len(answer))])
    return table.getvalue()
