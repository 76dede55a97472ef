"""What `heatpool ablate` compares, and the table of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from heatpool.classify.data.clips import ClipSet, InputName
from heatpool.classify.scores.compare import compare_scores
from heatpool.classify.scores.scores import load_scores
from heatpool.classify.training.recipe import Recipe
from heatpool.pipelines.runs.seeds import over_seeds
from heatpool.pool.disk.atomic import write_json, write_text
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import Skeleton
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Row", "choose_rows", "find_rows", "summarise", "write_tables"]

_WORDS: Mapping[InputName, str] = {"pooled": "pooled", "map_mean": "map mean", "keypoints": "keypoints"}
_KEYPOINTS = 3
"""Channels of a keypoint: x, y and its score."""
_FIGURES = ("acc/top1", "acc/mean_class")


@dataclass(frozen=True)
class Row:
    """A kind of features.

    Attributes:
        name: of its folder.
        inputs: arrays of the store that it joins, the leading one first.
        tap: name of the one tap whose channels it takes, "" for all channels.
        first: first of its channels.
        stop: last of them plus one.
    """

    name: str
    inputs: tuple[InputName, ...]
    tap: str
    first: int
    stop: int

    @property
    def words(self) -> str:
        """What it is, for people."""
        words = " + ".join(_WORDS[name] for name in self.inputs)
        return f"{words}, {self.tap}" if self.tap else words

    @property
    def channels(self) -> int:
        """C of its vectors."""
        return self.stop - self.first + (_KEYPOINTS if "keypoints" in self.inputs[1:] else 0)

    def fit(self, recipe: Recipe, skeleton: Skeleton) -> tuple[Recipe, Skeleton]:
        """Return the recipe and the joints for its vectors, given those for the store's joints.

        Means of maps belong to no joint: alone they are one point, beside others a joint without an edge.
        """
        if self.inputs == ("map_mean",):
            return replace(recipe, graph="point"), skeleton
        if "map_mean" not in self.inputs:
            return recipe, skeleton
        names = (*skeleton.joint_names, "map_mean")
        return replace(recipe, graph="skeleton"), Skeleton(f"{skeleton.name}+map_mean", names, skeleton.edges)

    def take(self, clips: Mapping[InputName, ClipSet]) -> ClipSet:
        """Return its features, given clips with each of its arrays."""
        taken = clips[self.inputs[0]]
        if self.tap:
            return taken.of_tap(self.tap, first=self.first, stop=self.stop)
        for name in self.inputs[1:]:
            taken = taken.joined(clips[name], along="joints" if name == "map_mean" else "channels")
        return taken


def find_rows(store: FeatureStore) -> list[Row]:
    """Return what there is to compare: each array, of several taps each alone, and pooled with others.

    Raises:
        HeatpoolError: if a store has pooled features of one tap or keypoints only.
    """
    spec = store.spec
    # An imported store says which arrays hold something.
    listed = store.attributes["config"].get("arrays") or list(store.layout.features)
    held: list[InputName] = [name for name in _WORDS if name in listed]
    stops = list(accumulate(spec.tap_channels))
    rows = []
    for name in held:
        if name == "keypoints":
            rows.append(Row(name, (name,), "", 0, _KEYPOINTS))
            continue
        rows.append(Row(name, (name,), "", 0, spec.channels))
        if len(stops) > 1:
            for number, (tap, stop) in enumerate(zip(spec.tap_names, stops, strict=True)):
                first = stop - spec.tap_channels[number]
                rows.append(Row(f"{name}_{number + 1}", (name,), tap, first, stop))
    if len(rows) < 2:
        raise HeatpoolError(
            f"{store.source.name}: nothing to compare, it holds {', '.join(row.words for row in rows)} only; "
            "extract with --map-mean, or with several names after --tap"
        )
    if "pooled" in held:
        rows += [
            Row(f"pooled_and_{other}", ("pooled", other), "", 0, spec.channels)
            for other in held
            if other != "pooled"
        ]
    return rows


def choose_rows(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Return the rows of some names, in that order; all without a name.

    Raises:
        HeatpoolError: if there is no such row, or one only.
    """
    known = {row.name: row for row in rows}
    if len(names) == 1 or len(set(names)) < len(names) or not known.keys() >= set(names):
        raise HeatpoolError(
            f"expected two or more --rows of {', '.join(known)}, each once, got {', '.join(names)}"
        )
    return [known[name] for name in names] or list(rows)


def summarise(
    store: FeatureStore,
    rows: Sequence[Row],
    results: Mapping[str, Sequence[Mapping[str, Any]]],
    folders: Mapping[str, Sequence[Path]],
    *,
    groups: Mapping[str, str] | None,
) -> list[dict[str, Any]]:
    """Return the lines of the table.

    Args:
        store: the features.
        rows: what was compared, the first is what the others are compared with.
        results: one per seed by name of the row: seed, best_epoch, parameters, figures of val and test.
        folders: with the scores of the test split, one per seed by name of the row.
        groups: group by clip id, drawn as a whole for the interval of the difference; None draws clips.
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
        if row is not rows[0]:
            compared = compare_scores(scores[rows[0].name], scores[row.name], groups=groups)
            difference = compared.differences["acc/top1"]
            line["difference"] = {"value": difference.value, "interval": difference.interval}
        of_seeds = results[row.name]
        if "folds" in of_seeds[0]:  # mean over seeds, fold by fold
            top1 = [[fold[_FIGURES[0]] for fold in result["folds"]] for result in of_seeds]
            line["folds"] = np.mean(top1, 0).tolist()
        # Seconds change from run to run; they stay in the trainings' own files.
        trainings = [{name: value for name, value in each.items() if name != "seconds"} for each in of_seeds]
        lines.append({**line, "trainings": trainings})
    return lines


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
    return flat


def _markdown(about: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    head = [
        "features", "channels", "kB per clip", "parameters", "top-1", "95 % interval", "mean class",
        f"top-1 minus {lines[0]['features']}",
    ]  # fmt: skip
    folds = "folds" in lines[0]
    if folds:
        head.insert(6, "folds")
    cells = [head, *(_cells(line) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    table = [
        f"| {row[0]:<{widths[0]}} | "
        + " | ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        + " |"
        for row in cells
    ]
    notes = (
        f"{about['model']} on {PurePath(about['features']).name}, {about['split']}, {len(about['seeds'])} "
        "seeds. Test accuracy at the epoch that is best on val, mean ± "
        "standard deviation and 95 % interval over seeds; difference in points with 95 % interval over "
        f"test clips, drawn by {about['by']}. kB per clip: files of these arrays in the store; one of "
        "several taps counts with its share of the channels."
        f"{' Folds: the lowest and the highest top-1 of a fold, mean over seeds.' if folds else ''}"
    )
    return "\n".join([*table, "", notes]) + "\n"


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
    if "difference" not in line:
        return [*cells, ""]
    low, high = (100 * end for end in line["difference"]["interval"])
    return [*cells, f"{100 * line['difference']['value']:+.1f} ({low:+.1f} to {high:+.1f})"]


def _spread(figure: Mapping[str, Any]) -> str:
    return f"{100 * figure['mean']:.1f} ± {100 * figure['std']:.1f} %"
