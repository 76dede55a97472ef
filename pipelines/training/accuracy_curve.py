"""How a run's accuracy on val changes with the precision of the features, and the coarsest that keeps it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.scores.scores import ClipScores
from heatpool.pipelines.process.device import pick_device
from heatpool.pipelines.runs.run_dir import read_seed_folders, read_summary
from heatpool.pipelines.training.evaluate import check_checkpoints, score_run
from heatpool.pipelines.training.features import compare_versions
from heatpool.pool.derive.convert import choose_store_levels, convert_to_levels, count_store
from heatpool.pool.derive.merge import subset_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["ERRORS", "LEAST_CLIPS", "AccuracyCurve", "CurvePoint", "trace_accuracy"]

ERRORS: tuple[float, ...] = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_TOLERANCE = 0.01
LEAST_CLIPS = 31
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

        Clips that are lost and others that are gained widen it, even where they are equally many. Source:
        Agresti and Min 2005, Wald's interval for matched pairs with half a clip more in each of four cells.
        """
        return self._most_fall(point.lost, point.gained)

    def _most_fall(self, lost: float, gained: float) -> float:
        clips, odd, fall = self.clips + 2, lost + gained + 1, lost - gained
        return float(fall + _Z95 * (odd - fall**2 / clips) ** 0.5) / clips

    def __str__(self) -> str:
        names = list(self.points[0].top1)
        heads = ["error", "kB/person", *names, "lost", "gained", "falls at most"]
        rows = [heads]
        for point in self.points:
            sizes = [f"{point.error:.1%}" if point.error else "as is", f"{point.kb_per_person:.1f}"]
            of_streams = [f"{100 * point.top1[name]:.1f}" for name in names]
            change = [f"{point.lost:.3g}", f"{point.gained:.3g}", f"{100 * self.most_fall(point):.1f}"]
            rows.append([*sizes, *of_streams, *(change if point.error else ("", "", ""))])
        lines = ["  ".join(map(str.rjust, row, map(len, heads))).rstrip() for row in rows]
        return "\n".join([f"val top-1 in %, {self.clips} clips", *lines])


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
        run: trained on this store or one like it, with one seed or several.
        store: with the run's protocol and val clips.
        errors: relative, growing.
        device: to score on.
        on_point: called after each precision.

    Raises:
        HeatpoolError: if the run is not finished, has other features, or the store has no val clips of it.
    """
    folders = read_seed_folders(run)
    summaries = [read_summary(folder) for folder in folders]
    for folder, summary in zip(folders, summaries, strict=True):
        check_checkpoints(folder, summary)
    protocol, name = summaries[0]["protocol"], store.source.name
    if protocol not in store.clips.protocols:
        raise HeatpoolError(f"{name}: expected the run's protocol {protocol}, got none of this name")
    rows = store.clips.rows(protocol=protocol, split="val")
    rows = rows[store.clips.label[rows] >= 0]
    if not len(rows):
        raise HeatpoolError(f"{name}: expected labelled val clips in protocol {protocol}, got none")
    compare_versions(summaries[0], store.versions, name=name)
    chosen = pick_device(device)
    points: list[CurvePoint] = []
    whole = np.zeros((0, len(rows)), bool)
    with tempfile.TemporaryDirectory(prefix="heatpool-") as temporary:
        val = Path(temporary) / "val.zarr"
        subset_store(store, val, rows=rows)
        for error, coarse in _conversions(store, val, errors):
            each = np.arange(len(rows))
            scores = [
                score_run(folder, summary, coarse, each, device=chosen, cache=LoaderCache())
                for folder, summary in zip(folders, summaries, strict=True)
            ]
            top1 = {name: float(_right(scores, name).mean()) for name in scores[0]}
            right = _right(scores, "fused")
            whole = whole if points else right
            lost, gained = ((one & ~other).sum(1).mean() for one, other in ((whole, right), (right, whole)))
            points.append(CurvePoint(error, _kb_per_person(coarse), top1, float(lost), float(gained)))
            on_point()
    return AccuracyCurve(tuple(points), len(rows))


def _right(scores: Sequence[Mapping[str, ClipScores]], name: str) -> np.ndarray:
    """Whether each clip's best class is its label, by each seed: (S, n) bool."""
    return np.stack([of_seed[name].scores.argmax(1) == of_seed[name].labels for of_seed in scores])


def _conversions(
    store: FeatureStore, val: Path, errors: Sequence[float]
) -> Iterator[tuple[float, FeatureStore]]:
    """Yield the val clips as they are, then with each error."""
    whole, counts = FeatureStore.open(val), count_store(store)
    yield 0.0, whole
    for error in errors:
        place = val.with_name(f"val-{error}.zarr")
        convert_to_levels(whole, place, levels=choose_store_levels(store, error, counts=counts))
        yield error, FeatureStore.open(place)


def _kb_per_person(store: FeatureStore) -> float:
    sizes = store.bytes_by_array()
    return sum(sizes[name] for name in store.layout.stored) / max(int(store.clips.persons.sum()), 1) / 1000
