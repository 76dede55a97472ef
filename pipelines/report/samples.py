"""Sample clips of the report: which ones, and their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from heatpool.classify.scores.scores import ClipScores
from heatpool.extract.records import PoseBackbone
from heatpool.pipelines.drawing.clip_frames import Picture, View, draw_heatmaps, nearest_frames
from heatpool.pipelines.report.svg import Line, line_chart
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Sample", "choose_clips", "make_samples", "pooled_energy"]

_STRIP_FRAMES = 6
_STRIP_WIDTH_PX, _HEAT_WIDTH_PX = 340, 460
_PERSON_LINES = (("#0072b2", ""), ("#b35900", "6 3"), ("#007a5a", "2 3"), ("#8f3f71", "8 3 2 3"))


@dataclass(frozen=True)
class Sample:
    """One clip as the report shows it.

    Attributes:
        clip_id: of the clip.
        facts: subject, camera, ... as (name, value).
        persons: person slots that are filled.
        true: class name of its label.
        top: best classes with probabilities, best first.
        strip: frames with boxes and joints.
        heat: a frame with heatmaps, None where there is none.
        energy: chart of the pooled features over time.
        missing: why pictures are missing, one line each.
    """

    clip_id: str
    facts: tuple[tuple[str, str], ...]
    persons: int
    true: str
    top: tuple[tuple[str, float], ...]
    strip: tuple[Picture, ...]
    heat: Picture | None
    energy: Markup
    missing: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether the best class is the label."""
        return self.top[0][0] == self.true


@dataclass(frozen=True, eq=False)
class _Sources:
    """Where pictures come from."""

    videos_root: Path | None
    backbone: PoseBackbone | None
    device: str


@dataclass(frozen=True, eq=False)
class _Clip:
    """One clip of the store, in float64; `shown` are the steps of its strip."""

    pooled: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    mask: np.ndarray
    time_s: np.ndarray
    shown: np.ndarray

    @classmethod
    def of(cls, features: Mapping[str, np.ndarray], at: int) -> _Clip:
        mask = features["mask"][at]
        seen = np.flatnonzero(mask.any(0))
        spread = (np.arange(_STRIP_FRAMES) + 0.5) / _STRIP_FRAMES * len(seen)
        floats = {name: features[name][at].astype(np.float64) for name in features if name != "mask"}
        return cls(**floats, mask=mask, shown=seen[np.unique(spread.astype(int))])


def choose_clips(scores: ClipScores, persons: np.ndarray, *, count: int = 6) -> list[int]:
    """Choose clips by a rule, not by eye: half wrong ones, then right ones, no class twice if that can be.

    Wrong clips come most confident first, right ones from the middle of their confidences outwards.
    When none chosen shows two people and some right or wrong clip does, the last one gives way to it.

    Args:
        scores: of the test part.
        persons: (n,) people of each of these clips.
        count: how many to choose.

    Returns:
        Up to `count` positions in `scores`, wrong ones first.
    """
    sure = np.exp(scores.log_probabilities()).max(1)
    right = scores.scores.argmax(1) == scores.labels
    wrongs = np.flatnonzero(~right)[np.argsort(-sure[~right], kind="stable")]
    rights = np.flatnonzero(right)
    rights = (
        rights[np.argsort(np.abs(sure[rights] - np.median(sure[rights])), kind="stable")]
        if len(rights)
        else rights
    )
    chosen = _take(wrongs.tolist(), scores.labels, [], count // 2)
    chosen = _take(rights.tolist(), scores.labels, chosen, count)
    chosen = _take(wrongs.tolist(), scores.labels, chosen, count)
    pairs = [place for place in (*rights.tolist(), *wrongs.tolist()) if persons[place] > 1]
    if pairs and not any(persons[place] > 1 for place in chosen):
        chosen[-1] = pairs[0]
    return sorted(chosen, key=lambda place: bool(right[place]))


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
    backbone: PoseBackbone | None,
    device: str = "cpu",
    count: int = 6,
) -> list[Sample]:
    """Choose clips and draw them; what cannot be drawn is said in `Sample.missing`.

    Args:
        scores: of the test part.
        store: holds these clips.
        rows: (n,) their rows in the store.
        videos_root: folder that the store's video paths are relative to.
        backbone: the pose network, for heatmaps.
        device: of the backbone.
        count: how many clips.
    """
    places = choose_clips(scores, store.clips.persons[rows], count=count)
    features = store.read(rows[places], ("pooled", "keypoints", "boxes", "mask", "time_s"))
    sources = _Sources(videos_root, backbone, device)
    return [
        _make_sample(scores, place, store, int(rows[place]), _Clip.of(features, at), sources)
        for at, place in enumerate(places)
    ]


def _make_sample(
    scores: ClipScores, place: int, store: FeatureStore, row: int, clip: _Clip, sources: _Sources
) -> Sample:
    strip, heat, missing = _draw(clip, store.clips.index.path[row], sources)
    chances = np.exp(scores.log_probabilities()[place])
    names = scores.class_names
    return Sample(
        clip_id=scores.clip_ids[place],
        facts=tuple((name, values[row]) for name, values in store.clips.index.columns.items() if values[row]),
        persons=int(store.clips.persons[row]),
        true=names[scores.labels[place]],
        top=tuple((names[k], float(chances[k])) for k in np.argsort(-chances, kind="stable")[:3]),
        strip=strip,
        heat=heat,
        energy=_energy_chart(clip, scores.clip_ids[place]),
        missing=missing,
    )


def _draw(
    clip: _Clip, path: str, sources: _Sources
) -> tuple[tuple[Picture, ...], Picture | None, tuple[str, ...]]:
    """Strip, heatmap frame and what is missing of a clip."""
    if sources.videos_root is None and not Path(path).is_absolute():
        return (), None, ("No frames: the folder of the videos was not given.",)
    try:
        frames = nearest_frames(Path(sources.videos_root or "") / path, clip.time_s[clip.shown])
    except HeatpoolError as error:
        return (), None, (f"No frames: {error}.",)
    height, width = frames[0].shape[:2]
    boxes = clip.boxes * [width, height, width, height]
    joints = (clip.keypoints[..., :2] + 1) / 2 * [width, height]
    seen = clip.mask[:, clip.shown]
    view = View.around(boxes[:, clip.shown][seen], width_px=width, height_px=height)
    strip = tuple(
        view.draw(
            frame,
            slots=np.flatnonzero(clip.mask[:, step]).tolist(),
            boxes_xyxy_px=boxes[:, step],
            joints_xy_px=joints[:, step],
            scores=clip.keypoints[:, step, :, 2],
            out_width_px=_STRIP_WIDTH_PX,
            caption=f"{clip.time_s[step]:.2f} s",
        )
        for frame, step in zip(frames, clip.shown.tolist(), strict=True)
    )
    if sources.backbone is None:
        return strip, None, ("No heatmaps: no pose network was given.",)
    # The frame with most people, in the middle if there are several.
    offside = np.abs(np.arange(len(frames)) - (len(frames) - 1) / 2) / len(frames)
    best = int(np.argmax(seen.sum(0) - offside))
    heat = _draw_heat(frames[best], clip, int(clip.shown[best]), boxes, joints, sources)
    missing = () if heat else (f"No heatmaps: the network {sources.backbone.name} gives none.",)
    return strip, heat, missing


def _draw_heat(
    frame: np.ndarray, clip: _Clip, step: int, boxes: np.ndarray, joints: np.ndarray, sources: _Sources
) -> Picture | None:
    """The people of one frame with the heatmaps that the network gives for their boxes."""
    assert sources.backbone is not None
    slots = np.flatnonzero(clip.mask[:, step]).tolist()
    heated = draw_heatmaps(frame, boxes[slots, step], backbone=sources.backbone, device=sources.device)
    if heated is None:
        return None
    drawn, peaks = heated
    view = View.around(boxes[slots, step], width_px=frame.shape[1], height_px=frame.shape[0], least=0.15)
    said = ", ".join(f"{slot + 1}: {peak:.2f}" for slot, peak in zip(slots, peaks, strict=True))
    return view.draw(
        drawn,
        slots=slots,
        boxes_xyxy_px=boxes[:, step],
        joints_xy_px=joints[:, step],
        scores=np.zeros_like(clip.keypoints[:, step, :, 2]),  # joints would hide the maps
        out_width_px=_HEAT_WIDTH_PX,
        caption=f"{clip.time_s[step]:.2f} s, peak of person {said}",
    )


def _energy_chart(clip: _Clip, clip_id: str) -> Markup:
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
        ticks_x=clip.time_s[clip.shown].tolist(),
        width=420,
        height=230,
    )
