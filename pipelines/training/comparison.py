"""Whether runs are better than the first of them, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from heatpool.classify.scores.compare import Comparison, compare_scores
from heatpool.classify.scores.scores import ClipScores, load_scores
from heatpool.pipelines.options.compare import CompareOptions
from heatpool.pipelines.runs.run_dir import score_folders
from heatpool.pipelines.training.relabel import open_run_store
from heatpool.pipelines.training.score_sources import read_folder_scores
from heatpool.pool.disk.atomic import write_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["RunComparison", "compare"]

_FEW = 10


@dataclass(frozen=True)
class RunComparison:
    """The paired differences of runs from the first one.

    Attributes:
        compared: of each further run, differences with intervals, McNemar's test where both have one seed.
        seeds: how many each run has, the first one too.
        table: these in words, which `print(comparison)` shows.
    """

    compared: tuple[Comparison, ...]
    seeds: tuple[int, ...]
    table: str = field(repr=False)

    def __str__(self) -> str:
        return self.table


def compare(options: CompareOptions) -> RunComparison:
    """Compare runs with the first one, clip by clip; write the figures and the page that are asked for.

    Raises:
        HeatpoolError: if scores are missing, clips do not match or the column is not known.
    """
    scores = [_read(place, options) for place in options.places]
    groups = _groups(options, scores[0][0])
    compared = tuple(
        compare_scores(
            scores[0],
            each,
            groups=groups,
            draws=options.n_bootstrap,
            seed=options.seed,
            names=(str(options.first), str(place)),
        )
        for place, each in zip(options.places[1:], scores[1:], strict=True)
    )
    seeds = tuple(map(len, scores))
    if options.out is not None:
        write_json(options.out, _as_json(options, compared, seeds), overwrite=True)
    lines = [
        _lines(options, each, other=place, seeds=(seeds[0], count))
        for place, each, count in zip(options.places[1:], compared, seeds[1:], strict=True)
    ]
    if options.report is not None:
        from heatpool.pipelines.report.comparison_page import write_comparison_page

        few = compared[0].groups < _FEW
        write_comparison_page(options.report, options, scores=scores, compared=compared, few=few)
        lines.append([f"report: {options.report}"])
    return RunComparison(compared, seeds, "\n".join(line for part in lines for line in part))


def _as_json(options: CompareOptions, compared: Sequence[Comparison], seeds: Sequence[int]) -> dict[str, Any]:
    """The first two runs at the top, as if there were no others; these in a list."""
    about = {"first": str(options.first), "by": options.group_by or "clip", "draws": options.n_bootstrap}
    runs = [
        {"second": str(place), "seeds": [seeds[0], count], **_figures(each)}
        for place, each, count in zip(options.places[1:], compared, seeds[1:], strict=True)
    ]
    return {**about, **runs[0], **({"others": runs[1:]} if len(runs) > 1 else {})}


def _figures(compared: Comparison) -> dict[str, Any]:
    figures = asdict(compared)
    for name, difference in compared.differences.items():
        figures["differences"][name]["difference"] = difference.value
    if compared.paired is not None:
        figures["paired"]["mcnemar_p"] = compared.paired.mcnemar_p
    return figures


def _read(place: Path, options: CompareOptions) -> list[ClipScores]:
    """Scores of a run, one set a seed, or those of a file."""
    if place.suffix == ".npz":
        return [load_scores(place)]
    if not place.is_dir():
        raise HeatpoolError(f"expected a run folder or an .npz of scores, got {place}")
    return [
        read_folder_scores(folder, options.split, stream=options.stream) for folder in score_folders(place)
    ]


def _groups(options: CompareOptions, scores: ClipScores) -> dict[str, str] | None:
    """Group of each clip by its id, from the column of a store."""
    if not options.group_by:
        return None
    location = options.features or str(options.first)
    if options.features is None and not options.first.is_dir():
        raise HeatpoolError(
            f"expected --features, a store with the column {options.group_by}, with score files"
        )
    store = FeatureStore.open(location) if options.features else open_run_store(options.first)
    index = store.clips.index
    if options.group_by not in index.columns:
        known = ", ".join(index.columns) or "none"
        raise HeatpoolError(
            f"expected --group-by to be a column of {location} ({known}), got {options.group_by!r}"
        )
    return dict(zip(index.clip_id, index.columns[options.group_by], strict=True))


def _lines(options: CompareOptions, compared: Comparison, *, other: Path, seeds: Sequence[int]) -> list[str]:
    names = {"acc/top1": "top-1", "acc/mean_class": "mean class"}
    drawn = f"{compared.groups} {options.group_by or 'clip'}s"
    few = compared.groups < _FEW
    several = f"; {seeds[0]} and {seeds[1]} seeds" if max(seeds) > 1 else ""
    lines = [
        f"{compared.clips:,} clips, {other} minus {options.first}{several}; "
        f"95 % intervals of {options.n_bootstrap:,} draws of {drawn}"
    ]
    for figure, each in compared.differences.items():
        low, high = (100 * end for end in each.interval)
        sure = " (apart)" if low > 0 or high < 0 else " (the interval holds 0)"
        lines.append(
            f"{names[figure]:<11} {100 * each.first:6.2f} % -> {100 * each.second:6.2f} %   "
            f"{100 * each.value:+.2f} points, {low:+.2f} to {high:+.2f}{'' if few else sure}"
        )
    paired = compared.paired
    if paired is None:
        lines.append("McNemar's test is of two single seeds; compare seed folders for it")
    else:
        lines.append(
            f"both correct {paired.both_correct:,}, only first {paired.only_first_correct:,}, "
            f"only second {paired.only_second_correct:,}, neither {paired.both_wrong:,}; "
            f"McNemar exact p = {paired.mcnemar_p:.3g}" + (" (of clips)" if options.group_by else "")
        )
    if few:
        lines.append(f"note: {drawn} are few; intervals from so few are too narrow to decide anything")
    return lines
