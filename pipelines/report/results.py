"""The report's results: figures of the streams, their curves, confusions and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from heatpool.classify.scores.metrics import Metrics, evaluate_scores
from heatpool.classify.scores.scores import ClipScores
from heatpool.classify.scores.shares import Share, confused_pairs, correct_share
from heatpool.pipelines.report.charts import Line, LineChart, line_chart
from heatpool.pipelines.report.numbers import Agreement, HeldOut, count_agreement, find_held_out
from heatpool.pipelines.report.run_files import FUSED, RunFiles, StreamRecord
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split
from heatpool.pool.split_findings.problems import find_split_problems, majority_baseline
from heatpool.pool.store.reader import FeatureStore

__all__ = ["ClassLine", "Curves", "Result", "Results", "make_results", "scored_rows"]

_FUSED_COLOUR = "var(--fused)"
_STREAM_COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8f3f71", "#a89a00",
)  # fmt: skip
_TRAIN, _VAL = ("var(--muted)", "5 3"), ("var(--blue)", "")


@dataclass(frozen=True, eq=False)
class Result:
    """Figures of one stream, or of the fusion.

    Attributes:
        name: of the stream, or `fused`.
        meaning: what goes in, in words.
        colour: of its bars.
        top1: on the test split.
        metrics: on the test split.
        val: on the val split, None without one.
        best_epoch: None for the fusion.
        epochs: first and last number in metrics.csv, None for the fusion.
        weight: in the fusion, None when not fused.
    """

    name: str
    meaning: str
    colour: str
    top1: Share
    metrics: Metrics
    val: Metrics | None
    best_epoch: int | None
    epochs: tuple[int, int] | None
    weight: float | None


@dataclass(frozen=True)
class Curves:
    """Learning curves of one stream as charts; `accuracy` is None where it was not measured."""

    name: str
    loss: LineChart
    accuracy: LineChart | None


@dataclass(frozen=True)
class ClassLine:
    """One class: its name, clips in train, val and test, accuracy by result name, what it is taken for."""

    name: str
    clips: tuple[int, int, int]
    accuracy: Mapping[str, float | None]
    taken_for: str
    taken_clips: int


@dataclass(frozen=True, eq=False)
class Results:
    """All results of a run.

    Attributes:
        main: the result that stands first.
        results: streams, then the fusion.
        agreement: which stream is correct on how many clips, None for one stream.
        fused_gains: clips only the fusion has correct, and clips it misses though every stream has them.
        held_out: what the test split keeps apart.
        splits: clips in train, val and test that have features.
        unscored: clips of the test split without features, hence not counted.
        curves: per stream.
        class_names: K names.
        confusion: of the main result: (K, K) clips, true class by row.
        pairs: (true, predicted, clips) most frequent mistakes of the main result.
        classes: worst first; classes without test clips last.
        majority: the most frequent class of train, and the top-1 of always naming it.
        problems: what is wrong with the split.
        notices: what else a reader must know before trusting the figures.
    """

    main: Result
    results: tuple[Result, ...]
    agreement: Agreement | None
    fused_gains: tuple[int, int] | None
    held_out: tuple[HeldOut, ...]
    splits: tuple[int, int, int]
    unscored: int
    curves: tuple[Curves, ...]
    class_names: tuple[str, ...]
    confusion: list[list[int]]
    pairs: tuple[tuple[str, str, int], ...]
    classes: tuple[ClassLine, ...]
    majority: tuple[str, float]
    problems: tuple[str, ...]
    notices: tuple[str, ...]


def scored_rows(scores: ClipScores, store: FeatureStore) -> np.ndarray:
    """Rows (n,) int64 of the scored clips in the store.

    Raises:
        HeatpoolError: if a clip is not there or has another label or class list.
    """
    place = {clip_id: row for row, clip_id in enumerate(store.clips.index.clip_id)}
    missing = [clip_id for clip_id in scores.clip_ids if clip_id not in place]
    if missing:
        raise HeatpoolError(
            f"expected the store the run was trained on, {store.source.name} lacks {len(missing)} scored "
            f"clips, for example {missing[0]!r}"
        )
    rows = np.array([place[clip_id] for clip_id in scores.clip_ids], np.int64)
    if scores.class_names != store.clips.class_names or (store.clips.label[rows] != scores.labels).any():
        raise HeatpoolError(
            f"expected the store the run was trained on, {store.source.name} has other labels"
        )
    return rows


def make_results(run: RunFiles, store: FeatureStore, *, rows: np.ndarray) -> Results:
    """Work out all results of a run from its score files.

    Args:
        run: the run.
        store: that it was trained on.
        rows: (n,) rows of the test clips, from `scored_rows`.
    """
    results = _results(run)
    main = next(result for result in results if result.name == run.main_name)
    split_rows = {
        split: store.clips.rows(run.protocol, split) for split in (Split.TRAIN, Split.VAL, Split.TEST)
    }
    names = run.test[main.name].class_names
    streams = {name: scores for name, scores in run.test.items() if name != FUSED}
    train_labels = store.clips.label[split_rows[Split.TRAIN]]
    majority, share = majority_baseline(train_labels[train_labels >= 0], store.clips.label[rows])
    planned = int((store.clips.split(run.protocol) == Split.TEST).sum())
    return Results(
        main=main,
        results=results,
        agreement=count_agreement(streams) if len(streams) > 1 else None,
        fused_gains=_fused_gains(streams, run.test.get(FUSED)),
        held_out=tuple(
            find_held_out(
                store.clips.index.columns,
                learned=np.concatenate([split_rows[Split.TRAIN], split_rows[Split.VAL]]),
                test=rows,
            )
        ),
        splits=(len(split_rows[Split.TRAIN]), len(split_rows[Split.VAL]), len(rows)),
        unscored=planned - int((store.clips.split(run.protocol)[rows] == Split.TEST).sum()),
        curves=tuple(_curves(stream) for stream in run.streams),
        class_names=names,
        confusion=main.metrics.confusion.tolist(),
        pairs=tuple(
            (names[true], names[guess], clips)
            for true, guess, clips in confused_pairs(main.metrics.confusion)
        ),
        classes=_classes(results, main, store, split_rows),
        majority=(names[majority], share),
        problems=find_split_problems(store.clips.index, run.protocol, np.concatenate([*split_rows.values()])),
        notices=_notices(run, results),
    )


def _results(run: RunFiles) -> tuple[Result, ...]:
    records = {stream.name: stream for stream in run.streams}
    results = []
    for number, (name, scores) in enumerate(run.test.items()):
        stream = records.get(name)
        results.append(
            Result(
                name=name,
                meaning=_meaning(name),
                colour=_STREAM_COLOURS[number % len(_STREAM_COLOURS)] if stream else _FUSED_COLOUR,
                top1=correct_share(scores),
                metrics=evaluate_scores(scores),
                val=evaluate_scores(run.val[name]) if name in run.val else None,
                best_epoch=stream.best_epoch if stream else None,
                epochs=_ends(stream.curves["epoch"]) if stream else None,
                weight=run.weights.get(name),
            )
        )
    return tuple(results)


def _meaning(name: str) -> str:
    inputs = {
        "pooled": "features pooled at the joints",
        "keypoints": "joint positions and scores only",
        "map_mean": "means of the tapped maps only",
        "pooled_and_map_mean": "features pooled at the joints, and means of the tapped maps",
        "pooled_and_keypoints": "features pooled at the joints, with their positions and scores",
    }
    source = max((each for each in inputs if name.startswith(each)), key=len, default="")
    kind = name.removeprefix(source).removeprefix("_")
    if name == FUSED:
        return "weighted sum of the streams' log-probabilities"
    if name.startswith("hpnet"):
        return "joint, joint motion and bone together, with RGB and text as far as they were there"
    return inputs.get(source, "") + (f", {kind.replace('_', ' ')}s" if kind not in ("", "joint") else "")


def _ends(epochs: Sequence[float]) -> tuple[int, int]:
    return int(epochs[0]), int(epochs[-1])


def _fused_gains(streams: Mapping[str, ClipScores], fused: ClipScores | None) -> tuple[int, int] | None:
    if fused is None:
        return None
    correct = np.stack([scores.scores.argmax(1) == scores.labels for scores in streams.values()])
    gained = fused.scores.argmax(1) == fused.labels
    return int((gained & ~correct.any(0)).sum()), int((~gained & correct.all(0)).sum())


def _curves(stream: StreamRecord) -> Curves:
    columns = stream.curves
    epochs = columns["epoch"]

    def lines(train: str, val: str) -> list[Line]:
        named = (("train", columns.get(train, ()), _TRAIN), ("val", columns.get(val, ()), _VAL))
        return [Line(name, epochs, y, *style) for name, y, style in named if y and not np.isnan(y).all()]

    best = (
        None if stream.best_epoch is None else (float(stream.best_epoch), f"best epoch {stream.best_epoch}")
    )
    losses = lines("train/loss", "val/loss")
    # Accuracy in training is that of augmented clips on the way, so it may go by a shorter name.
    train_top1 = next((name for name in columns if name.startswith("train/acc")), "")
    shares = lines(train_top1, "val/acc/top1")
    chart = partial(line_chart, x_name="epoch", best=best, whole_x=True)
    return Curves(
        name=stream.name,
        loss=chart(losses, label=f"Loss of {stream.name} by epoch", y_name="loss"),
        accuracy=chart(shares, label=f"Top-1 of {stream.name} by epoch", y_name="top-1", percent=True)
        if shares
        else None,
    )


def _classes(
    results: tuple[Result, ...], main: Result, store: FeatureStore, split_rows: Mapping[Split, np.ndarray]
) -> tuple[ClassLine, ...]:
    counts = [
        np.bincount(labels[labels >= 0], minlength=len(store.clips.class_names))
        for labels in (store.clips.label[rows] for rows in split_rows.values())
    ]
    lines = [
        ClassLine(
            name=row.name,
            clips=(int(counts[0][k]), int(counts[1][k]), row.clips),
            accuracy={result.name: result.metrics.per_class[k].accuracy for result in results},
            taken_for=row.confused_with,
            taken_clips=row.confused_clips,
        )
        for k, row in enumerate(main.metrics.per_class)
    ]

    def order(line: ClassLine) -> tuple[float, str]:
        accuracy = line.accuracy[main.name]
        return (2.0 if accuracy is None else accuracy, line.name)

    return tuple(sorted(lines, key=order))


def _notices(run: RunFiles, results: tuple[Result, ...]) -> tuple[str, ...]:
    """Say what was not there to learn from or to choose on, and where score files contradict the summary."""
    claims = {name: facts.get("test") for name, facts in run.summary["streams"].items()}
    claims[FUSED] = run.summary["fused"].get("test")
    notices = list(run.summary.get("notes", ()))
    notices += [line for facts in run.summary["streams"].values() for line in facts.get("modalities", ())]
    for result in results:
        claimed = (claims.get(result.name) or {}).get("acc/top1")
        if claimed is not None and abs(claimed - result.top1.share) > 1e-6:
            notices.append(
                f"summary.json says top-1 {claimed:.2%} for {result.name}, its score file gives "
                f"{result.top1.share:.2%}; this page goes by the score file."
            )
    if all(result.val is None for result in results):
        notices.append(
            "The run has no scores of a val split, so nothing shows on what epoch and weights were chosen."
        )
    return tuple(notices)
