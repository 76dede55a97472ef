"""Clips in memory: the packed features of the persons that are there, with labels and RGB.

Axis letters: N clips, M person slots, P persons present (packed), T steps, V joints, C channels, F frames,
D values an embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from heatpool.classify.data.persons import FeatureRows
from heatpool.classify.data.rgb import StoredCrops

__all__ = ["ArrayName", "ChannelStats", "ClipSet", "InputName", "channel_stats"]

InputName = Literal["pooled", "keypoints", "map_mean"]
ArrayName = Literal["pooled", "keypoints", "map_mean", "rgb"]


@dataclass(frozen=True, eq=False)
class ClipSet:
    """Packed features of N clips with P persons in all.

    Attributes:
        clip_ids: N unique ids.
        labels: (N,) int64 in [0, K); -1 for an unlabelled clip.
        class_names: K names in label order.
        features: (P, T, V, C) float16; zero at steps at which the person was not seen. In memory, or
            fetched when indexed. V is 1 for `map_mean` and `rgb`, which belong to no joint.
        mask: (P, T) bool, the person was seen.
        clip_of_person: (P,) int64, ascending; every clip has at least one person.
        slot: (P,) int64, the person's slot in the store.
        persons: M, slots of the store.
        input: which array of the store the features are.
        source: what they are made of (backbone, tap, ..., and of RGB), to be compared between training and
            prediction.
        rgb: (N, F, D) float16 embeddings or the crops; None without RGB.
        without_rgb: clips whose RGB is missing; zeros stand in.

    Raises:
        ValueError: if a shape, dtype or index is not as stated.
    """

    clip_ids: tuple[str, ...]
    labels: Tensor
    class_names: tuple[str, ...]
    features: Tensor | FeatureRows
    mask: Tensor
    clip_of_person: Tensor
    slot: Tensor
    persons: int
    input: ArrayName
    source: Mapping[str, str | int] = field(default_factory=dict)
    rgb: Tensor | StoredCrops | None = None
    without_rgb: int = 0

    def __post_init__(self) -> None:
        if self.features.ndim != 4 or self.features.dtype != torch.float16:
            got = f"{tuple(self.features.shape)} {self.features.dtype}"
            raise ValueError(f"expected features (P, T, V, C) float16, got {got}")
        persons, clips = len(self.features), len(self.clip_ids)
        expected = {
            "labels": (self.labels, (clips,), torch.int64),
            "mask": (self.mask, tuple(self.features.shape[:2]), torch.bool),
            "clip_of_person": (self.clip_of_person, (persons,), torch.int64),
            "slot": (self.slot, (persons,), torch.int64),
        }
        for name, (tensor, shape, dtype) in expected.items():
            if tuple(tensor.shape) != shape or tensor.dtype != dtype:
                got = f"{tuple(tensor.shape)} {tensor.dtype}"
                raise ValueError(f"expected {name} {shape} {dtype}, got {got}")
        if len(set(self.clip_ids)) != clips:
            raise ValueError(f"expected unique clip ids, got {clips - len(set(self.clip_ids))} repeated")
        if clips and not -1 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.class_names):
            raise ValueError(f"expected labels from -1 to {len(self.class_names) - 1}, got others")
        counts = torch.bincount(self.clip_of_person, minlength=clips)
        if len(counts) != clips or (counts == 0).any() or (self.clip_of_person.diff() < 0).any():
            raise ValueError("expected clip_of_person ascending with every clip present, got otherwise")
        if persons and not 0 <= int(self.slot.min()) <= int(self.slot.max()) < self.persons:
            raise ValueError(f"expected slots from 0 to {self.persons - 1}, got others")
        if self.rgb is not None and len(self.rgb) != clips:
            raise ValueError(f"expected RGB of {clips} clips, got {len(self.rgb)}")

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __repr__(self) -> str:
        shape = tuple(self.features.shape)
        return f"ClipSet({len(self)} clips, {self.input} (P,T,V,C)={shape}, {len(self.class_names)} classes)"

    def with_classes(self, class_names: Sequence[str]) -> ClipSet:
        """Return the clips with the labels of another list of classes, by name; -1 where it has none."""
        number = {name: label for label, name in enumerate(class_names)}
        labels = torch.tensor([*(number.get(name, -1) for name in self.class_names), -1])
        return replace(self, labels=labels[self.labels], class_names=tuple(class_names))

    def persons_of(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Return the persons of the chosen clips.

        Args:
            clips: (B,) int64 positions of clips, in any order.

        Returns:
            (Q,) int64 positions of their persons, clip by clip, and (Q,) int64, which of the B
            chosen clips each belongs to.
        """
        order = self.clip_of_person.contiguous()
        first = torch.searchsorted(order, clips)
        counts = torch.searchsorted(order, clips, right=True) - first
        owner = torch.repeat_interleave(torch.arange(len(clips)), counts)
        rank = torch.arange(len(owner)) - (counts.cumsum(0) - counts)[owner]
        return first[owner] + rank, owner

    def subset(self, clips: np.ndarray) -> ClipSet:
        """Return the clips at positions `clips` ((B,) integers, each once), in that order."""
        chosen = torch.from_numpy(np.asarray(clips, np.int64))
        persons, owner = self.persons_of(chosen)
        features, rgb = self.features, self.rgb
        return replace(
            self,
            clip_ids=tuple(self.clip_ids[clip] for clip in chosen.tolist()),
            labels=self.labels[chosen],
            features=features.take(persons) if isinstance(features, FeatureRows) else features[persons],
            mask=self.mask[persons],
            clip_of_person=owner,
            slot=self.slot[persons],
            rgb=rgb if rgb is None else rgb[chosen],
        )

    def of_tap(self, tap: str, *, first: int, stop: int) -> ClipSet:
        """Return the same clips with channels `first` to `stop`, those of one tap; nothing is copied."""
        rows = self.features
        part: Tensor | FeatureRows
        if isinstance(rows, FeatureRows):
            shape = (*rows.shape[1:-1], stop - first)
            part = FeatureRows(lambda persons: rows[persons][..., first:stop], torch.arange(len(rows)), shape)
        else:
            part = rows[..., first:stop]
        return replace(self, features=part, source={**self.source, "tap": tap})

    def of_rgb(self) -> ClipSet:
        """Return the same clips with their embeddings as features: a person a clip, F steps of one point.

        Raises:
            ValueError: if they have no embeddings.
        """
        if not isinstance(self.rgb, Tensor):
            raise ValueError(f"expected clips with embeddings, got {self}")
        clips, frames, _ = self.rgb.shape
        return replace(
            self,
            features=self.rgb[:, :, None],
            mask=torch.ones(clips, frames, dtype=torch.bool),
            clip_of_person=torch.arange(clips),
            slot=torch.zeros(clips, dtype=torch.int64),
            persons=1,
            input="rgb",
            rgb=None,
        )

    def joined(self, other: ClipSet, *, along: Literal["joints", "channels"]) -> ClipSet:
        """Return the same clips with another array's features beside theirs; nothing is copied.

        Args:
            other: the same persons of the same clips.
            along: joints = as further joints, of as many channels; channels = as further channels of the
                same joints.

        Raises:
            ValueError: if they are not the same persons, or their features do not fit.
        """
        mine, theirs = self.features, other.features
        axis = 2 if along == "joints" else 3
        shapes = [list(each.shape[:axis]) + list(each.shape[axis + 1 :]) for each in (mine, theirs)]
        same = self.clip_ids == other.clip_ids and torch.equal(self.clip_of_person, other.clip_of_person)
        if not same or shapes[0] != shapes[1]:
            raise ValueError(f"expected the same persons to join along {along}, got {self} and {other}")
        shape = list(mine.shape[1:])
        shape[axis - 1] += theirs.shape[axis]
        rows = FeatureRows(
            lambda persons: torch.cat([mine[persons], theirs[persons]], axis),
            torch.arange(len(mine)),
            tuple(shape),
        )
        return replace(self, features=rows, source={**self.source, "joined": other.input})


@dataclass(frozen=True, eq=False)
class ChannelStats:
    """Mean and standard deviation of every channel: (C,) float32 each, std > 0.

    Raises:
        ValueError: if shapes differ or a value is not finite or a std not positive.
    """

    mean: Tensor
    std: Tensor

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.mean.shape != self.std.shape:
            shapes = tuple(self.mean.shape), tuple(self.std.shape)
            raise ValueError(f"expected mean and std of shape (C,), got {shapes}")
        if not (self.mean.isfinite().all() and self.std.isfinite().all() and (self.std > 0).all()):
            raise ValueError("expected finite mean and positive std, got otherwise")


def channel_stats(clips: ClipSet) -> ChannelStats:
    """Return mean and std of each channel over seen steps, joints and persons; constant channels get std 1.

    Compute it on the training split only.
    """
    count, channels = 0, clips.features.shape[-1]
    total = torch.zeros(channels, dtype=torch.float64)
    square = torch.zeros_like(total)
    for block, seen_block in zip(clips.features.split(256), clips.mask.split(256), strict=True):
        # a few persons at a time stay in a core's cache: six times as fast
        for part, seen in zip(block.split(4), seen_block.split(4), strict=True):
            values = part[seen].reshape(-1, channels).to(torch.float64)
            count += len(values)
            total += values.sum(0)
            square += values.square().sum(0)
    mean = total / max(count, 1)
    std = (square / max(count, 1) - mean.square()).clamp(min=0).sqrt()
    std[std < 1e-5] = 1.0
    return ChannelStats(mean=mean.float(), std=std.float())
