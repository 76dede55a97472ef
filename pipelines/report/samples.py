"""Sample clips of the report: which ones, and what is shown of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heatpool.classify.scores.scores import ClipScores
from heatpool.pipelines.report.charts import Line, LineChart, line_chart
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import Skeleton
from heatpool.pool.store.reader import FeatureStore

if TYPE_CHECKING:
    from heatpool.extract.records import PoseBackbone

__all__ = [
    "ClipPictures",
    "Picture",
    "SampleClip",
    "SampleFeatures",
    "choose_clips",
    "make_samples",
    "pooled_energy",
]

_STRIP_FRAMES = 6
_NOT_GIVEN = "No frames: the folder of the videos was not given; train with --videos FOLDER draws them."
_PERSON_LINES = (("var(--p1)", ""), ("var(--p2)", "6 3"), ("var(--p3)", "2 3"), ("var(--p4)", "8 3 2 3"))


@dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Attributes:
        uri: `data:` address of the JPEG.
        width_px: of the picture.
        height_px: of the picture.
        caption: short text below it.
    """

    uri: str
    width_px: int
    height_px: int
    caption: str


@dataclass(frozen=True)
class ClipPictures:
    """What could be drawn of a clip.

    Attributes:
        strip: frames with boxes and joints.
        heat: a frame with heatmaps, None where there is none.
        missing: why pictures are missing, one line each.
    """

    strip: tuple[Picture, ...] = ()
    heat: Picture | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class SampleClip:
    """One clip as the report shows it.

    Attributes:
        clip_id: of the clip.
        facts: subject, camera, ... as (name, value).
        persons: person slots that are filled.
        true: class name of its label.
        top: best classes with probabilities, best first.
        pictures: of it.
        energy: chart of the pooled features over time.
    """

    clip_id: str
    facts: tuple[tuple[str, str], ...]
    persons: int
    true: str
    top: tuple[tuple[str, float], ...]
    pictures: ClipPictures
    energy: LineChart

    @property
    def correct(self) -> bool:
        """Whether the best class is the label."""
        return self.top[0][0] == self.true


@dataclass(frozen=True, eq=False)
class SampleFeatures:
    """Features of one clip, in float64; `shown` are the steps of its strip of pictures."""

    pooled: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    mask: np.ndarray
    time_s: np.ndarray
    shown: np.ndarray
    skeleton: Skeleton

    @classmethod
    def of(cls, features: Mapping[str, np.ndarray], at: int, *, skeleton: Skeleton) -> SampleFeatures:
        """Take one clip out of those that were read."""
        mask = features["mask"][at]
        seen = np.flatnonzero(mask.any(0))
        spread = (np.arange(_STRIP_FRAMES) + 0.5) / _STRIP_FRAMES * len(seen)
        floats = {name: features[name][at].astype(np.float64) for name in features if name != "mask"}
        return cls(**floats, mask=mask, shown=seen[np.unique(spread.astype(int))], skeleton=skeleton)


def choose_clips(scores: ClipScores, persons: np.ndarray, *, count: int = 6) -> list[int]:
    """Choose clips by a rule, not by eye: half wrong ones, then correct ones, no class twice if that can be.

    Wrong clips come most confident first, correct ones from the middle of their confidences outwards.
    When none chosen shows two persons and some clip does, the last one gives way to it.

    Args:
        scores: of the test split.
        persons: (n,) persons of each of these clips.
        count: how many to choose.

    Returns:
        Up to `count` positions in `scores`, wrong ones first.
    """
    sure = np.exp(scores.log_probabilities()).max(1)
    correct = scores.scores.argmax(1) == scores.labels
    wrongs = np.flatnonzero(~correct)[np.argsort(-sure[~correct], kind="stable")]
    hits = np.flatnonzero(correct)
    if len(hits):
        hits = hits[np.argsort(np.abs(sure[hits] - np.median(sure[hits])), kind="stable")]
    chosen = _take(wrongs.tolist(), scores.labels, [], count // 2)
    chosen = _take(hits.tolist(), scores.labels, chosen, count)
    chosen = _take(wrongs.tolist(), scores.labels, chosen, count)
    pairs = [place for place in (*hits.tolist(), *wrongs.tolist()) if persons[place] > 1]
    if pairs and not any(persons[place] > 1 for place in chosen):
        chosen[-1] = pairs[0]
    return sorted(chosen, key=lambda place: bool(correct[place]))


def _take(places: Sequence[int], labels: np.ndarray, chosen: list[int], count: int) -> list[int]:
    """Add places up to `count` in all: first those of classes not shown yet, then any."""
    out = list(chosen)
    for fresh_only in (True, False):
        for place in places:
            fresh = labels[place] not in {labels[other] for other in out}
            if len(out) < count and place not in out and (fresh or not fresh_only):
                out.append(place)
    return out


def pooled_energy(pooled: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How far pooled features are from their mean over the clip: (M, T) root mean square, NaN where unseen.

    Args:
        pooled: (M, T, V, C) float.
        mask: (M, T) bool.
    """
    energy = np.full(mask.shape, np.nan)
    for person, seen in enumerate(mask):
        if seen.any():
            away = pooled[person, seen] - pooled[person, seen].mean(0)
            energy[person, seen] = np.sqrt((away**2).mean((1, 2)))
    return energy


def make_samples(
    scores: ClipScores,
    store: FeatureStore,
    *,
    rows: np.ndarray,
    videos_root: Path | None,
    load_network: Callable[[], PoseBackbone | None],
    count: int = 6,
) -> list[SampleClip]:
    """Choose clips and draw them; what cannot be drawn stands in `ClipPictures.missing`.

    Args:
        scores: of the test split.
        store: holds these clips.
        rows: (n,) their rows in the store.
        videos_root: folder that the store's video paths are relative to.
        load_network: gives the pose network, for heatmaps; called when a frame is drawn.
        count: how many clips.
    """
    places = choose_clips(scores, store.clips.persons[rows], count=count)
    features = store.read(rows[places], ("pooled", "keypoints", "boxes", "mask", "time_s"))
    features["time_s"] = np.nan_to_num(features["time_s"])  # NaN is what a damaged store may hold
    samples = []
    for at, place in enumerate(places):
        row, clip = int(rows[place]), SampleFeatures.of(features, at, skeleton=store.spec.graph)
        path, fps = store.clips.index.path[row], float(store.clips.fps[row])
        pictures = _draw(clip, path, videos_root, load_network, fps=fps)
        samples.append(_make_sample(scores, place, store, row, clip, pictures))
    return samples


def _make_sample(
    scores: ClipScores,
    place: int,
    store: FeatureStore,
    row: int,
    clip: SampleFeatures,
    pictures: ClipPictures,
) -> SampleClip:
    chances = np.exp(scores.log_probabilities()[place])
    names = scores.class_names
    return SampleClip(
        clip_id=scores.clip_ids[place],
        facts=tuple((name, values[row]) for name, values in store.clips.index.columns.items() if values[row]),
        persons=int(store.clips.persons[row]),
        true=names[scores.labels[place]],
        top=tuple((names[k], float(chances[k])) for k in np.argsort(-chances, kind="stable")[:3]),
        pictures=pictures,
        energy=_energy_chart(clip, scores.clip_ids[place]),
    )


def _draw(
    clip: SampleFeatures,
    path: str,
    videos_root: Path | None,
    load_network: Callable[[], PoseBackbone | None],
    *,
    fps: float,
) -> ClipPictures:
    if videos_root is None and not Path(path).is_absolute():
        return ClipPictures(missing=(_NOT_GIVEN,))
    video = Path(videos_root or "") / path
    if not (video.parent if "%" in video.name else video).exists():  # a pattern of pictures is no file
        return ClipPictures(missing=(f"No frames: {video.name} does not exist.",))
    # Decoder, networks and drawing are stage one's: they are loaded only where there is a video to draw.
    from heatpool.pipelines.report.pictures import draw_clip

    try:
        return draw_clip(clip, video, load_network, fps=fps)
    except HeatpoolError as error:
        return ClipPictures(missing=(f"No frames: {error}.",))


def _energy_chart(clip: SampleFeatures, clip_id: str) -> LineChart:
    energy = pooled_energy(clip.pooled, clip.mask)
    lines = []
    for person in np.flatnonzero(clip.mask.any(1)).tolist():
        colour, dash = _PERSON_LINES[person % len(_PERSON_LINES)]
        lines.append(
            Line(f"person {person + 1}", clip.time_s.tolist(), energy[person].tolist(), colour, dash)
        )
    return line_chart(
        lines,
        label=f"Pooled-feature energy of {clip_id} over time",
        x_name="seconds",
        y_name="energy",
        marks=clip.time_s[clip.shown].tolist(),
    )
