"""One run with several seeds: mean, standard deviation and interval of every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pipelines.runs.run_dir import SEEDS
from heatpool.pool.disk.atomic import write_json

__all__ = [
    "OverSeeds",
    "over_seeds",
    "result_of",
    "seeds_table",
    "spread_figures",
    "spread_table",
    "write_seeds",
]

_LEVEL = 0.95
_FIGURES = ("acc/top1", "acc/top5", "acc/mean_class", "calibration/ece")


@dataclass(frozen=True)
class OverSeeds:
    """A figure over seeds.

    Attributes:
        values: one a seed.
        mean: of them.
        std: their sample standard deviation (n - 1).
        interval: 95 % interval of the mean, by Student's t, within [0, 1]: how far other seeds would move
            it. The test clips stay the same, so it says nothing about other clips.
    """

    values: tuple[float, ...]
    mean: float
    std: float
    interval: tuple[float, float]


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """Summarise a figure, a fraction, of two or more seeds.

    Raises:
        ValueError: if there are fewer than two.
    """
    if len(values) < 2:
        raise ValueError(f"expected two or more seeds, got {len(values)}")
    from scipy.special import stdtrit  # quantiles of Student's t; a quarter of a second that one seed saves

    mean, std = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(stdtrit(len(values) - 1, (1 + _LEVEL) / 2)) * std / len(values) ** 0.5
    interval = max(mean - half, 0.0), min(mean + half, 1.0)
    return OverSeeds(tuple(map(float, values)), mean, std, interval)


def write_seeds(out: Path, summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Write `seeds.json` of a run folder from the summaries of its seeds; return what it holds."""
    content = {"seeds": [summary["seed"] for summary in summaries], "figures": spread_figures(summaries)}
    write_json(out / SEEDS, content, overwrite=True)
    return content


def spread_figures(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return every figure over several trainings, by result and split: what `over_seeds` says of it."""
    return {
        name: {
            split: {
                figure: asdict(over_seeds([result_of(summary, name)[split][figure] for summary in summaries]))
                for figure in _FIGURES
            }
            for split in ("val", "test")
        }
        for name in (*summaries[0]["streams"], "fused")
    }


def result_of(summary: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return what a summary says of a stream, or of the fusion by the name fused."""
    figures: Mapping[str, Any] = summary["fused"] if name == "fused" else summary["streams"][name]
    return figures


def seeds_table(content: Mapping[str, Any], *, split: str = "test") -> str:
    """Return the figures of `seeds.json` as aligned lines, in per cent."""
    return spread_table(content["figures"], head=f"{split}, {len(content['seeds'])} seeds", split=split)


def spread_table(figures: Mapping[str, Any], *, head: str, split: str = "test") -> str:
    """Return what `spread_figures` gave as aligned lines below a head, in per cent."""
    width = max(18, len(head), *map(len, figures))
    lines = [f"{head:<{width}} {'top-1':>14} {'95 % interval':>17} {'mean class':>14}"]
    for name, splits in figures.items():
        top1, mean_class = (splits[split][figure] for figure in ("acc/top1", "acc/mean_class"))
        low, high = top1["interval"]
        interval = f"{100 * low:.1f} to {100 * high:.1f} %"
        lines.append(f"{name:<{width}} {_spread(top1):>14} {interval:>17} {_spread(mean_class):>14}")
    return "\n".join(lines)


def _spread(figure: Mapping[str, Any]) -> str:
    return f"{100 * figure['mean']:.1f} ± {100 * figure['std']:.1f} %"
