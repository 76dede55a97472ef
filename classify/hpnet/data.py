"""Clips of all modalities: skeleton features with their RGB.

Axis letters: N clips, B of a batch, F frames, D values an embedding, L bytes of a JPEG slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from heatpool.classify.data.batches import load_splits
from heatpool.classify.data.clips import ClipSet
from heatpool.classify.hpnet.recipe import RgbInput
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.jpeg import unpack_jpegs

if TYPE_CHECKING:
    from heatpool.pool.store.reader import FeatureStore

__all__ = ["ModalClips", "StoredCrops", "load_modal_parts"]

_ARRAYS = {"embeddings": "rgb", "crops": "rgb_jpeg"}


class StoredCrops:
    """Crops of N clips, compressed in memory (some 10 kB each), decoded when they are asked for.

    Args:
        slots: of each clip (F, L) uint8, JPEG files as `heatpool.pool.jpeg` packs them; L may differ.
        crop_px: side of the crops.
    """

    def __init__(self, slots: Sequence[np.ndarray], crop_px: int) -> None:
        self._slots, self._crop_px = slots, crop_px

    def __len__(self) -> int:
        return len(self._slots)

    def pictures(self, chosen: Tensor) -> Tensor:
        """Decode the crops of the clips at positions (B,): (B, F, H, W, 3) uint8 RGB, black where none is.

        Raises:
            HeatpoolError: if a crop is damaged.
        """
        side = self._crop_px
        blank = np.zeros((1, side, side, 3), np.uint8)
        clips = [self._slots[clip] for clip in chosen.tolist()]
        pictures = [unpack_jpegs(slots) if slots.any() else blank.repeat(len(slots), 0) for slots in clips]
        return torch.from_numpy(np.stack(pictures))

    def subset(self, clips: np.ndarray) -> StoredCrops:
        """The crops of the clips at positions (B,); nothing is copied."""
        return StoredCrops([self._slots[clip] for clip in clips], self._crop_px)


@dataclass(frozen=True, eq=False)
class ModalClips:
    """N clips: features of their persons, and RGB where the network reads it.

    Attributes:
        clips: skeleton features.
        rgb: (N, F, D) float16 embeddings or the crops; None without RGB.
        rgb_source: what the RGB was made with, to be compared between training and prediction.
        without_rgb: clips whose RGB is missing; zeros stand in.

    Raises:
        ValueError: if there is RGB of another number of clips.
    """

    clips: ClipSet
    rgb: Tensor | StoredCrops | None = None
    rgb_source: Mapping[str, str | int] | None = None
    without_rgb: int = 0

    def __post_init__(self) -> None:
        if self.rgb is not None and len(self.rgb) != len(self.clips):
            raise ValueError(f"expected RGB of {len(self.clips)} clips, got {len(self.rgb)}")

    def __len__(self) -> int:
        return len(self.clips)

    def subset(self, clips: np.ndarray) -> ModalClips:
        """Return the clips at positions `clips` ((B,) integers, each once), in that order."""
        rgb = self.rgb
        if rgb is not None:
            rgb = rgb.subset(clips) if isinstance(rgb, StoredCrops) else rgb[torch.from_numpy(clips)]
        return replace(self, clips=self.clips.subset(clips), rgb=rgb)


def load_modal_parts(
    store: FeatureStore, splits: Mapping[str, np.ndarray], *, rgb: RgbInput, **options: Any
) -> dict[str, ModalClips]:
    """Make the splits of a protocol ready for random reading; RGB is kept in memory.

    Args:
        store: opened feature store.
        splits: (N,) int64 distinct rows of the store each.
        rgb: what to read of the pixels.
        **options: of `load_splits`, for the skeletons.

    Returns:
        The clips of each split, in its rows' order.

    Raises:
        HeatpoolError: if the store lacks what is asked for, or a shard is damaged.
    """
    clips = load_splits(store, splits, **options)
    if rgb == "none":
        return {name: ModalClips(of_split) for name, of_split in clips.items()}
    array, spec = _ARRAYS[rgb], store.spec.rgb
    if spec is None or array not in store.layout.features:
        held = "has none" if spec is None else f"has {spec.kind}"
        raise HeatpoolError(
            f"expected RGB {rgb} in {store.source.name}, it {held}; extract with --rgb "
            f"{'crops' if rgb == 'crops' else 'xclip'}, or choose another --rgb"
        )
    source: dict[str, str | int] = {
        "rgb": spec.kind,
        "rgb_frames": spec.frames,
        "rgb_weights_sha256": spec.weights_sha256,
    }
    loaded = {}
    for name, rows in splits.items():
        values = _read(store, rows, array)
        missing = sum(not each.any() for each in values)
        pixels: Tensor | StoredCrops = StoredCrops(values, spec.crop_px)
        if rgb == "embeddings":
            pixels = torch.from_numpy(np.stack(values))
        loaded[name] = ModalClips(clips[name], pixels, source, missing)
    return loaded


def _read(store: FeatureStore, rows: np.ndarray, array: str) -> list[np.ndarray]:
    """Values of each row, without the zeros behind the longest JPEG of a clip; each shard is read once."""
    order = np.argsort(rows)
    clips = [np.empty(0)] * len(rows)
    for block in np.split(order, np.flatnonzero(np.diff(rows[order] // store.layout.shard_clips)) + 1):
        for place, values in zip(block, store.read(rows[block], (array,))[array], strict=True):
            used = np.flatnonzero(values.any(0))
            end = used[-1] + 1 if array == "rgb_jpeg" and len(used) else values.shape[1]
            clips[place] = values[:, :end].copy()
    return clips
