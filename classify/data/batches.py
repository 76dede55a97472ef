"""From a feature store to training batches.

Axis letters: N clips, M person slots, P persons present (packed), T steps, W window, V joints, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.data.clips import ChannelStats, ClipSet, InputName
from heatpool.classify.data.inputs import StreamInput, join_parts, parts_of
from heatpool.classify.data.persons import FeatureRows, Persons
from heatpool.classify.data.rgb import RgbInput, load_rgb, rgb_source
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.spec import StoreSpec

if TYPE_CHECKING:
    from heatpool.pool.store.reader import FeatureStore

__all__ = ["Batch", "batches", "clip_batch", "feature_source", "load_clips", "load_splits", "sample_time"]

_TEST_CROP = 0.95


@dataclass(frozen=True, eq=False)
class Batch:
    """What a network sees of B clips.

    Attributes:
        x: (Q, W, V, C) float32 joint features of their persons.
        clip: (Q,) int64, which of the B clips a person belongs to.
        slot: (Q,) int64.
        labels: (B,) int64.
    """

    x: Tensor
    clip: Tensor
    slot: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def load_clips(
    store: FeatureStore,
    rows: np.ndarray,
    *,
    input: StreamInput = "pooled",
    rgb: RgbInput = "none",
    cache: LoaderCache | None = None,
) -> ClipSet:
    """Make the clips of `rows` ((N,) int64, distinct) ready for random reading; see `load_splits`."""
    return load_splits(store, {"all": rows}, input=input, rgb=rgb, cache=cache)["all"]


def load_splits(
    store: FeatureStore,
    splits: Mapping[str, np.ndarray],
    *,
    input: StreamInput = "pooled",
    rgb: RgbInput = "none",
    cache: LoaderCache | None = None,
) -> dict[str, ClipSet]:
    """Make the splits of a protocol ready for random reading; every shard is decoded once, in order.

    Args:
        store: opened feature store.
        splits: (N,) int64 distinct rows of the store each; every result is in its rows' order.
        input: "pooled" vectors, "keypoints" (x, y, score), or "map_mean": vectors of no joint, V = 1; or
            "pooled_and_map_mean" (V + 1 joints), "pooled_and_keypoints" (C + 3 channels).
        rgb: what to read of the pixels besides; it is kept in memory.
        cache: where decoded features are kept; by default in memory.

    Returns:
        The clips of each split, float16; steps at which a person was not seen are zero.

    Raises:
        HeatpoolError: if the store lacks this input, a clip has no person at all, or a shard is damaged.
        ValueError: if a row is asked for twice or there is none.
    """
    for rows in splits.values():
        if len(rows) == 0 or len(np.unique(rows)) != len(rows):
            raise ValueError(f"expected distinct rows, got {len(np.unique(rows))} among {len(rows)}")
    arrays = parts_of(input)
    parts = {
        each: _load_array(store, splits, each, rgb=rgb if each == arrays[0] else "none", cache=cache)
        for each in arrays
    }
    return {split: join_parts({name: each[split] for name, each in parts.items()}) for split in splits}


def _load_array(
    store: FeatureStore,
    splits: Mapping[str, np.ndarray],
    input: InputName,
    *,
    rgb: RgbInput,
    cache: LoaderCache | None,
) -> dict[str, ClipSet]:
    """Load the clips of each split with one array of the store."""
    _check_input(store, input)
    pixels = rgb_source(store, rgb)
    needed = np.unique(np.concatenate(list(splits.values())))
    persons, features = (cache or LoaderCache()).open(
        store,
        needed,
        kind="keypoints-image" if input == "keypoints" else input,  # as caches on disk have been called
        item_shape=_with_joints(store.layout.features[input].item_shape[1:]),
        decode=partial(_decode, store, input),
    )
    source = {**feature_source(store.spec, input), **pixels}
    loaded = {}
    for name, rows in splits.items():
        ascending = np.sort(rows)
        clips = _clip_set(store, ascending, persons, features, input=input, source=source)
        if not np.array_equal(rows, ascending):
            clips = clips.subset(np.searchsorted(ascending, rows))
        held, missing = load_rgb(store, rows, rgb)
        loaded[name] = replace(clips, rgb=held, without_rgb=missing)
    return loaded


def feature_source(spec: StoreSpec, input: InputName) -> dict[str, str | int]:
    """Return what features were made with, to be compared between training and prediction."""
    return {
        "input": input,
        "skeleton": spec.skeleton,
        "backbone": spec.backbone,
        "tap": spec.tap,
        "weights_sha256": spec.weights_sha256,
        **({"keypoints_frame": "image"} if input == "keypoints" else {}),  # checkpoints compare it
    }


def _check_input(store: FeatureStore, input: InputName) -> None:
    """Raise HeatpoolError if the store was imported from a format without this array."""
    if input == "map_mean" and not store.spec.map_mean:
        raise HeatpoolError(f"{store.source.name}: holds no map_mean; extract with --map-mean")
    held = store.attributes["config"].get("arrays")
    if held is not None and input not in held:
        others = ", ".join(held)
        raise HeatpoolError(f"{store.source.name}: holds no {input}, only {others}; choose other --streams")


def _decode(store: FeatureStore, name: InputName, rows: np.ndarray) -> np.ndarray:
    """Features (n, M, T, V, C) of ascending rows of one shard, as they are cached."""
    values = store.read(rows, (name,))[name]
    return values.reshape(*values.shape[:2], *_with_joints(values.shape[2:]))


def _with_joints(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(T, V, C) of (T, V, C), or of (T, C) with one joint."""
    return shape if len(shape) == 3 else (shape[0], 1, shape[1])


def _clip_set(
    store: FeatureStore,
    rows: np.ndarray,
    persons: Persons,
    features: Tensor | FeatureRows,
    *,
    input: InputName,
    source: Mapping[str, str | int],
) -> ClipSet:
    """The clips of ascending `rows` among cached persons."""
    chosen = np.flatnonzero(np.isin(persons.row, rows))
    clip = np.searchsorted(rows, persons.row[chosen])
    empty = np.flatnonzero(np.bincount(clip, minlength=len(rows)) == 0)
    if len(empty):
        name = store.clips.clip_ids(rows[empty[:1]])[0]
        raise HeatpoolError(
            f"{len(empty)} clips have no person at all, for example {name!r}; leave them out of the split"
        )
    if len(chosen) < len(features):  # other splits have the rest: show ours without copying them
        where = torch.from_numpy(chosen)
        if isinstance(features, FeatureRows):
            features = features.take(where)
        else:
            features = FeatureRows(partial(features.index_select, 0), where, tuple(features.shape[1:]))
    return ClipSet(
        clip_ids=store.clips.clip_ids(rows),
        labels=torch.from_numpy(store.clips.label[rows].astype(np.int64)),
        class_names=store.clips.class_names,
        features=features,
        mask=torch.from_numpy(persons.mask[chosen]),
        clip_of_person=torch.from_numpy(clip),
        slot=torch.from_numpy(persons.slot[chosen]),
        persons=store.spec.persons,
        input=input,
        source=source,
    )


def sample_time(values: Tensor, positions: Tensor) -> Tensor:
    """Interpolate linearly in time.

    Args:
        values: (Q, T, ...) float16 or float32.
        positions: (Q, W) float steps; those outside [0, T - 1] take the nearest end.

    Returns:
        (Q, W, ...) float32.
    """
    steps = values.shape[1]
    positions = positions.clamp(0, steps - 1)
    low = positions.floor().long()
    high = (low + 1).clamp(max=steps - 1)
    share = (positions - low).reshape(*low.shape, *[1] * (values.ndim - 2))
    # whole steps are copied as rows: ten times faster than values[who, low]
    rows, begin = values.flatten(0, 1), steps * torch.arange(len(values)).unsqueeze(1)
    before, after = (
        rows.index_select(0, (begin + each).flatten()).float().view(*low.shape, *values.shape[2:])
        for each in (low, high)
    )
    return before.lerp_(after, share)


def clip_batch(
    clips: ClipSet,
    chosen: Tensor,
    *,
    window: int,
    stats: ChannelStats | None,
    generator: torch.Generator | None = None,
    p_interval: tuple[float, float] = (0.5, 1.0),
    noise_std: float = 0.0,
    offset_std: float = 0.0,
    scale_jitter: float = 0.0,
) -> Batch:
    """Crop the chosen clips in time, resize them to the window and normalise their channels.

    With a generator the crop is random: a share p drawn from `p_interval` at a random place, the
    same for all persons of a clip (CTR-GCN's training crop, with fractional ends). Without one it
    is the central 0.95 (its test crop), or the least that training keeps if that is more, and nothing else
    is random.

    Args:
        clips: in memory.
        chosen: (B,) int64 positions of clips.
        window: W.
        stats: of the training split; None leaves the channels as they are. Unseen steps stay zero.
        generator: random source for training; None for evaluation.
        p_interval: shares of the clip that a training crop may keep.
        noise_std: standard deviation of noise added to every normalised value in training.
        offset_std: the same, but one draw per person, joint and channel that stays for the whole
            clip: what another subject's looks do to a feature.
        scale_jitter: each clip is scaled by a factor from 1 - jitter to 1 + jitter in training.

    Returns:
        A batch of joint features.
    """
    persons, owner = clips.persons_of(chosen)
    steps, count = clips.features.shape[1], len(chosen)
    share = torch.full((count,), max(_TEST_CROP, p_interval[0]))
    place = torch.full((count,), 0.5)
    if generator is not None:
        low, high = p_interval
        share = low + (high - low) * torch.rand(count, generator=generator)
        place = torch.rand(count, generator=generator)
    length = share * steps
    centres = (torch.arange(window) + 0.5) / window
    positions = (place * (steps - length))[:, None] + length[:, None] * centres - 0.5  # (B, W)
    positions = positions[owner]
    features = clips.features
    features = features[persons] if isinstance(features, FeatureRows) else features.index_select(0, persons)
    x = sample_time(features, positions)
    if stats is not None:
        seen = sample_time(clips.mask[persons].half(), positions)[..., None, None]
        x.sub_(stats.mean * seen).div_(stats.std)
    if generator is not None and scale_jitter:
        factor = 1 + scale_jitter * (2 * torch.rand(count, generator=generator) - 1)
        x *= factor[owner, None, None, None]
    if generator is not None and noise_std:
        x += noise_std * torch.randn(x.shape, generator=generator)
    if generator is not None and offset_std:
        x += offset_std * torch.randn(len(x), 1, *x.shape[2:], generator=generator)
    return Batch(x=x, clip=owner, slot=clips.slot[persons], labels=clips.labels[chosen])


def batches(count: int, *, size: int, generator: torch.Generator | None = None) -> Iterator[Tensor]:
    """Yield (B,) positions that cover 0..count-1 once: shuffled with a generator, in order without.

    In training a last batch of one is joined to the one before it: batch norm needs two.
    """
    order = torch.arange(count) if generator is None else torch.randperm(count, generator=generator)
    batches = list(order.split(size))
    if generator is not None and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    yield from batches
