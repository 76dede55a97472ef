"""How a run's accuracy on val changes with the precision of the features, and the coarsest that keeps it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from heatpool.pipelines.options.evaluate import EvaluateOptions
from heatpool.pipelines.runs.run_dir import read_seed_folders, read_summary
from heatpool.pipelines.training.evaluate import evaluate_run
from heatpool.pool.derive.convert import choose_store_levels, convert_to_levels, count_store
from heatpool.pool.derive.merge import subset_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["ERRORS", "AccuracyCurve", "CurvePoint", "trace_accuracy"]

ERRORS: tuple[float, ...] = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_TOLERANCE = 0.01
_LEAST_CLIPS = 31
"""Fewer cannot tell a fall of five points."""
_Z95 = 1.6448536269514722  # quantile of the normal distribution for 95 % on one side


@dataclass(frozen=True)
class CurvePoint:
    """A precision and what it costs.

    Attributes:
        error: asked for, relative; 0 for the store as it is.
        kb_per_person: kilobytes (1000 bytes) of all features of a person of a val clip.
        top1: share of val clips whose best class is theirs, by stream and as "fused"; mean over seeds.
        lost: val clips that are right as the store is and wrong here, fused; mean over seeds.
        gained: the other way round.
    """

    error: float
    kb_per_person: float
    top1: dict[str, float]
    lost: float
    gained: float


@dataclass(frozen=True)
class AccuracyCurve:
    """A run's accuracy on val at several precisions, finest first.

    Attributes:
        points: the store as it is, then one for each error.
        clips: of val.
    """

    points: tuple[CurvePoint, ...]
    clips: int

    @property
    def tolerance(self) -> float:
        """By how much accuracy may fall: a point, or, of few clips, the least that they can tell."""
        return max(_TOLERANCE, self._most_fall(0.0, 0.0))

    @property
    def coarsest(self) -> CurvePoint:
        """The last point up to which accuracy falls, with 95 % certainty, by no more than the tolerance."""
        for kept, point in zip(self.points, self.points[1:], strict=False):
            if self.most_fall(point) > self.tolerance:
                return kept
        return self.points[-1]

    def most_fall(self, point: CurvePoint) -> float:
        """Upper end of the 95 % interval (one-sided) of what fused accuracy falls by.

        Source: Agresti and Min 2005, the interval of Wald for matched pairs with half a clip more in each cell;
        clips that were lost and others that were gained widen it, even where they are equally many.
        """
        return self._most_fall(point.lost, point.gained)

    def _most_fall(self, lost: float, gained: float) -> float:
        clips, odd, fall = self.clips + 2, lost + gained + 1, lost - gained
        return (fall + _Z95 * (odd - fall**2 / clips) ** 0.5) / clips

    def __str__(self) -> str:
        names = list(self.points[0].top1)
        heads = ["error", "kB/person", *names, "lost", "gained", "fall at most"]
        rows = [heads]
        for point in self.points:
            of_streams = [f"{100 * point.top1[name]:.1f}" for name in names]
            change = [f"{point.lost:g}", f"{point.gained:g}", f"{100 * self.most_fall(point):.1f}"]
            error = f"{point.error:.1%}" if point.error else "as is"
            rows.append([error, f"{point.kb_per_person:.1f}", *of_streams, *(change if point.error else ())])
        lines = ["  ".join(f"{cell:>{len(head)}}" for cell, head in zip(row, heads)) for row in rows]
        return "\n".join(
            [
                f"val top-1 in %, {self.clips} clips; lost, gained: of the clips, fused; with 95 % certainty",
                *lines,
            ]
        )


def trace_accuracy(
    run: Path,
    store: FeatureStore,
    *,
    errors: Sequence[float] = ERRORS,
    device: str = "auto",
    on_point: Callable[[], None] = lambda: None,
) -> AccuracyCurve:
    """Score a run's val clips with their features in steps of growing errors.

    Steps are chosen for the whole store; what is scored was written and read again, in a temporary folder.

    Args:
        run: trained on this store or one like it.
        store: with the run's protocol and val clips.
        errors: relative, growing.
        device: to score on.
        on_point: called after each precision.

    Raises:
        HeatpoolError: if the run is not finished, or the store has no val clips of it.
    """
    protocol = read_summary(read_seed_folders(run)[0])["protocol"]
    if protocol not in store.clips.protocols:
        raise HeatpoolError(
            f"{store.source.name}: expected the run's protocol {protocol}, got none of this name"
        )
    rows = store.clips.rows(protocol=protocol, split="val")
    points = []
    with tempfile.TemporaryDirectory(prefix="heatpool-") as folder:
        val = Path(folder) / "val.zarr"
        subset_store(store, val, rows=rows)
        for number, (error, place) in enumerate(_conversions(store, val, errors)):
            options = EvaluateOptions(
                run, str(place), protocol=protocol, split="val", out=Path(folder) / f"scores{number}",
                device=device, quiet=True,
            )  # fmt: skip
            found = evaluate_run(options).figures
            points.append(
                CurvePoint(error, _kb_per_person(place), {name: each.top1 for name, each in found.items()})
            )
            on_point()
    return AccuracyCurve(tuple(points), len(rows))


def _conversions(store: FeatureStore, val: Path, errors: Sequence[float]) -> Iterator[tuple[float, Path]]:
    yield 0.0, val
    counts = count_store(store)
    for error in errors:
        place = val.with_name(f"val-{error}.zarr")
        levels = choose_store_levels(store, error, counts=counts)
        convert_to_levels(FeatureStore.open(val), place, levels=levels)
        yield error, place


def _kb_per_person(place: Path) -> float:
    store = FeatureStore.open(place)
    sizes = store.bytes_by_array()
    return sum(sizes[name] for name in store.layout.stored) / max(int(store.clips.persons.sum()), 1) / 1000
