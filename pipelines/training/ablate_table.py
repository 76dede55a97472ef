"""The table of `heatpool ablate`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from heatpool.classify.scores.compare import compare_scores
from heatpool.classify.scores.metrics import evaluate_scores
from heatpool.classify.scores.scores import ClipScores, load_scores
from heatpool.pipelines.runs.seeds import over_seeds
from heatpool.pipelines.training.ablate_rows import Row
from heatpool.pool.disk.atomic import write_json, write_text
from heatpool.pool.store.reader import FeatureStore

__all__ = ["summarise", "write_tables"]

_FIGURES = ("acc/top1", "acc/mean_class")


def summarise(
    store: FeatureStore,
    rows: Sequence[Row],
    results: Mapping[str, Sequence[Mapping[str, Any]]],
    folders: Mapping[str, Sequence[Path]],
    *,
    groups: Mapping[str, str] | None,
    parts: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return the lines of the table.

    Args:
        store: the features.
        rows: what was compared, the first is what the others are compared with.
        results: one per seed by name of the row: seed, best_epoch, parameters, figures of val and test.
        folders: with the scores of the test split, one per seed by name of the row.
        groups: group by clip id, drawn as a whole for the interval of the difference; None draws clips.
        parts: what part of the test clips a clip belongs to, by its id; None for figures of all clips only.
    """
    sizes, clips = store.bytes_by_array(), len(store.clips.rows())
    scores = {name: [load_scores(each / "scores_test.npz") for each in folders[name]] for name in folders}
    lines = []
    for row in rows:
        stored = sum(sizes[part] for name in row.inputs for part in store.layout.parts(name))
        share = (row.stop - row.first) / store.layout.features[row.inputs[0]].item_shape[-1]
        line: dict[str, Any] = {
            "name": row.name,
            "features": row.words,
            "channels": row.channels,
            "bytes_a_clip": round(stored * share / clips),
            "parameters": results[row.name][0]["parameters"],
        }
        for figure in _FIGURES:
            values = [result["test"][figure] for result in results[row.name]]
            line[figure] = asdict(over_seeds(values))
        first = scores[rows[0].name] if row is not rows[0] else None
        if first:
            line["difference"] = _difference(first, scores[row.name], groups)
        if parts:
            line["parts"] = _of_parts(scores[row.name], first, parts, groups)
        of_seeds = results[row.name]
        if "folds" in of_seeds[0]:  # mean over seeds, fold by fold
            top1 = [[fold[_FIGURES[0]] for fold in result["folds"]] for result in of_seeds]
            line["folds"] = np.mean(top1, 0).tolist()
        # Seconds change from run to run; they stay in the trainings' own files.
        trainings = [{name: value for name, value in each.items() if name != "seconds"} for each in of_seeds]
        lines.append({**line, "trainings": trainings})
    return lines


def _difference(
    first: Sequence[ClipScores], second: Sequence[ClipScores], groups: Mapping[str, str] | None
) -> dict[str, Any]:
    """Top-1 of the second minus that of the first, and its interval."""
    difference = compare_scores(first, second, groups=groups).differences["acc/top1"]
    return {"value": difference.value, "interval": difference.interval}


def _of_parts(
    of_row: Sequence[ClipScores],
    of_first: Sequence[ClipScores] | None,
    parts: Mapping[str, str],
    groups: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Figures of a row on each part of the test clips, by the part's name; a set of scores a seed."""
    divided = [scores.by_group(parts) for scores in of_row]
    firsts = [scores.by_group(parts) for scores in of_first or ()]
    figures: dict[str, Any] = {}
    for part in sorted(divided[0]):
        scores = [each[part] for each in divided]
        top1 = over_seeds([evaluate_scores(each).top1 for each in scores])
        figures[part] = {"clips": len(scores[0]), "acc/top1": asdict(top1)}
        if firsts:
            figures[part]["difference"] = _difference([each[part] for each in firsts], scores, groups)
    return figures


def write_tables(out: Path, about: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    """Write ablation.json, ablation.csv and ablation.md; return the last one's text."""
    write_json(out / "ablation.json", {**about, "table": lines}, overwrite=True)
    flat, table = [_flat(line) for line in lines], io.StringIO(newline="")
    writer = csv.DictWriter(table, list(flat[-1]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    write_text(out / "ablation.csv", table.getvalue(), overwrite=True)
    text = _markdown(about, lines)
    write_text(out / "ablation.md", text, overwrite=True)
    return text


def _flat(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line without what is of single trainings; fractions."""
    flat = {name: line[name] for name in ("name", "features", "channels", "bytes_a_clip", "parameters")}
    for figure in _FIGURES:
        spread = line[figure]
        flat |= {figure: spread["mean"], f"{figure}/std": spread["std"]}
        flat |= dict(zip((f"{figure}/low", f"{figure}/high"), spread["interval"], strict=True))
    if "folds" in line:
        flat |= {"fold/lowest": min(line["folds"]), "fold/highest": max(line["folds"])}
    if "difference" in line:
        low, high = line["difference"]["interval"]
        flat |= {"difference": line["difference"]["value"], "difference/low": low, "difference/high": high}
    for part, figures in line.get("parts", {}).items():
        flat |= {f"{part}/{name}": value for name, value in _flat_part(figures).items()}
    return flat


def _flat_part(figures: Mapping[str, Any]) -> dict[str, Any]:
    spread, difference = figures["acc/top1"], figures.get("difference")
    flat = {"clips": figures["clips"], "acc/top1": spread["mean"], "acc/top1/std": spread["std"]}
    flat |= dict(zip(("acc/top1/low", "acc/top1/high"), spread["interval"], strict=True))
    if difference:
        ends = zip(("difference/low", "difference/high"), difference["interval"], strict=True)
        flat |= {"difference": difference["value"], **dict(ends)}
    return flat


def _markdown(about: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    head = [
        "features", "channels", "kB per clip", "parameters", "top-1", "95 % interval", "mean class",
        f"top-1 minus {lines[0]['features']}",
    ]  # fmt: skip
    folds = "folds" in lines[0]
    if folds:
        head.insert(6, "folds")
    table = _aligned([head, *(_cells(line) for line in lines)])
    notes = (
        f"{about['model']} on {PurePath(about['features']).name}, {about['split']}, {len(about['seeds'])} "
        "seeds. Test accuracy at the epoch that is best on val, mean ± "
        "standard deviation and 95 % interval over seeds; difference in points with 95 % interval over "
        f"test clips, drawn by {about['by']}. kB per clip: files of these arrays in the store; one of "
        "several taps counts with its share of the channels."
        f"{' Folds: the lowest and the highest top-1 of a fold, mean over seeds.' if folds else ''}"
    )
    if "parts" in lines[0]:
        of_parts = _aligned([_part_head(lines[0]), *(_part_cells(line) for line in lines)])
        notes += (
            f" Then the same by {about['parts_by']}: top-1 with its interval over seeds, and the difference."
        )
        notes = "\n".join([notes, "", *of_parts])
    return "\n".join([*table, "", notes]) + "\n"


def _aligned(cells: list[list[str]]) -> list[str]:
    """Return the lines of a table, its head first."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return [
        f"| {row[0]:<{widths[0]}} | "
        + " | ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        + " |"
        for row in cells
    ]


def _part_head(line: Mapping[str, Any]) -> list[str]:
    pairs = [
        (f"{part}, {figures['clips']} clips", f"minus {line['features']}")
        for part, figures in line["parts"].items()
    ]
    return ["features", *(cell for pair in pairs for cell in pair)]


def _part_cells(line: Mapping[str, Any]) -> list[str]:
    cells = [line["features"]]
    for figures in line["parts"].values():
        low, high = (100 * end for end in figures["acc/top1"]["interval"])
        cells.append(f"{_spread(figures['acc/top1'])} ({low:.1f} to {high:.1f})")
        cells.append(_signed(figures["difference"]) if "difference" in figures else "")
    return cells


def _cells(line: Mapping[str, Any]) -> list[str]:
    top1, mean_class = (line[figure] for figure in _FIGURES)
    low, high = (100 * end for end in top1["interval"])
    cells = [
        line["features"],
        str(line["channels"]),
        f"{line['bytes_a_clip'] / 1000:.1f}",
        f"{line['parameters']:,}",
        _spread(top1),
        f"{low:.1f} to {high:.1f} %",
        _spread(mean_class),
    ]
    if "folds" in line:
        cells.insert(6, f"{100 * min(line['folds']):.1f} to {100 * max(line['folds']):.1f} %")
    return [*cells, _signed(line["difference"]) if "difference" in line else ""]


def _signed(difference: Mapping[str, Any]) -> str:
    low, high = (100 * end for end in difference["interval"])
    return f"{100 * difference['value']:+.1f} ({low:+.1f} to {high:+.1f})"


def _spread(figure: Mapping[str, Any]) -> str:
    return f"{100 * figure['mean']:.1f} ± {100 * figure['std']:.1f} %"
