"""`heatpool compare`: is the second run better than the first, and how sure is that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from heatpool.classify.scores.compare import Comparison, compare_scores
from heatpool.classify.scores.scores import ClipScores, load_scores
from heatpool.pipelines.options import CompareOptions
from heatpool.pipelines.training.run_dir import read_seed_folders, read_summary, write_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]

_FEW = 10


def run(config: CompareOptions) -> int:
    """Print the paired difference of two runs with its interval, and McNemar's test.

    Raises:
        HeatpoolError: if scores are missing, clips do not match or the column is not known.
    """
    first, second = _read(config.first, config), _read(config.second, config)
    compared = compare_scores(
        first, second, groups=_groups(config, first[0]), draws=config.n_bootstrap, seed=config.seed
    )
    print("\n".join(_lines(config, compared, seeds=(len(first), len(second)))))
    if config.out is not None:
        about = {
            "first": str(config.first),
            "second": str(config.second),
            "seeds": [len(first), len(second)],
            "by": config.group_by or "clip",
            "draws": config.n_bootstrap,
        }
        figures = asdict(compared)
        for name, difference in compared.differences.items():
            figures["differences"][name]["difference"] = difference.value
        if compared.paired is not None:
            figures["paired"]["mcnemar_p"] = compared.paired.mcnemar_p
        write_json(config.out, {**about, **figures})
    return 0


def _read(place: Path, config: CompareOptions) -> list[ClipScores]:
    """Scores of a run, one set a seed, or those of a file."""
    if place.suffix == ".npz":
        return [load_scores(place)]
    if not place.is_dir():
        raise HeatpoolError(f"expected a run folder or an .npz of scores, got {place}")
    inside = Path() if config.stream == "fused" else Path(config.stream)
    return [
        load_scores(folder / inside / f"scores_{config.split}.npz") for folder in read_seed_folders(place)
    ]


def _groups(config: CompareOptions, scores: ClipScores) -> dict[str, str] | None:
    """Group of each clip by its id, from the column of a store."""
    if not config.group_by:
        return None
    location = config.features
    if location is None:
        if not config.first.is_dir():
            raise HeatpoolError(
                f"expected --features, a store with the column {config.group_by}, with score files"
            )
        location = read_summary(read_seed_folders(config.first)[0])["features"]
    index = FeatureStore.open(location).clips.index
    if config.group_by not in index.columns:
        known = ", ".join(index.columns) or "none"
        raise HeatpoolError(f"expected --by to be a column of {location} ({known}), got {config.group_by!r}")
    return dict(zip(index.clip_id, index.columns[config.group_by], strict=True))


def _lines(config: CompareOptions, compared: Comparison, *, seeds: Sequence[int]) -> list[str]:
    names = {"acc/top1": "top-1", "acc/mean_class": "mean class"}
    drawn = f"{compared.groups} {config.group_by or 'clip'}s"
    few = compared.groups < _FEW
    several = f"; {seeds[0]} and {seeds[1]} seeds" if max(seeds) > 1 else ""
    lines = [
        f"{compared.clips:,} clips, {config.second} minus {config.first}{several}; "
        f"95 % intervals of {config.n_bootstrap:,} draws of {drawn}"
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
            f"both right {paired.both_right:,}, only first {paired.only_first:,}, "
            f"only second {paired.only_second:,}, neither {paired.both_wrong:,}; "
            f"McNemar exact p = {paired.mcnemar_p:.3g}" + (" (of clips)" if config.group_by else "")
        )
    if few:
        lines.append(f"note: {drawn} are few; intervals from so few are too narrow to decide anything")
    return lines
