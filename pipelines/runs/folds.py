"""`folds.json` of a cross-validation: its runs, the spread of their figures, and those of all clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heatpool.pipelines.runs.run_dir import FOLDS, SPREADS
from heatpool.pipelines.runs.seeds import result_of, spread_figures, spread_table
from heatpool.pool.disk.atomic import write_json
from heatpool.pool.disk.json_shape import Shape, check_json
from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError

_POOLED: Shape = {
    **{"clips": int, "acc/top1": float, "acc/top5": float, "acc/mean_class": float, "calibration/ece": float}
}
_SHAPE: Shape = {
    **{"by": str, "seed": int, "model": str, "class_names": [str], "figures": SPREADS},
    "runs": [{"name": str, "clips": {...: int}, "held": [str], "test": {...: _POOLED}}],
    "pooled": {...: _POOLED, "fused": _POOLED},
}

__all__ = ["folds_table", "read_folds", "write_folds"]


def write_folds(
    out: Path, summaries: Sequence[Mapping[str, Any]], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Write `folds.json` and return its content.

    Args:
        out: folder of the cross-validation.
        summaries: of its runs.
        about: `by`, what no two folds share; `seed`; `held`, the groups that each fold tests; `pooled`, by
            result the figures of all clips, each scored by the run that it was a test clip of.
    """
    names = (*summaries[0]["streams"], "fused")
    runs = [
        {
            "name": each["protocol"],
            "clips": each["clips"],
            "held": list(held),
            "test": {name: result_of(each, name)["test"] for name in names},
        }
        for each, held in zip(summaries, about["held"], strict=True)
    ]
    first = summaries[0]
    content = {
        "by": about["by"],
        "seed": about["seed"],
        "model": first["model"],
        "features": first["features"],
        "class_names": first["class_names"],
        "runs": runs,
        "figures": spread_figures(summaries),
        "pooled": about["pooled"],
    }
    write_json(out / FOLDS, content, overwrite=True)
    return content


def read_folds(folder: Path) -> dict[str, Any] | None:
    """Read `folds.json`; None where a folder is no cross-validation.

    Raises:
        HeatpoolError: if it is damaged.
    """
    path = folder / FOLDS
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        check_json(content, _SHAPE)
        of_folds = (content["figures"], *(run["test"] for run in content["runs"]))
        if any(each.keys() != content["pooled"].keys() for each in of_folds):
            raise ValueError(f"expected figures of {', '.join(content['pooled'])} of each fold, got others")
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"expected the folds of a run in {path}: {error}") from error
    return content


def folds_table(content: Mapping[str, Any]) -> str:
    """Return the figures of `folds.json` as aligned lines, in per cent: spread over folds, then all clips."""
    names, pooled = content["figures"], content["pooled"]
    head = f"test, {len(content['runs'])} folds by {content['by']}"
    lines = [spread_table(names, head=head)]
    all_clips = f"all {pooled['fused']['clips']} clips"
    width = max(18, len(head), *map(len, names))
    for name in names:
        figures = pooled[name]
        top1, mean_class = (f"{100 * figures[key]:.1f} %" for key in ("acc/top1", "acc/mean_class"))
        lines.append(f"{name:<{width}} {top1:>14} {all_clips:>17} {mean_class:>14}")
    return "\n".join(lines)
