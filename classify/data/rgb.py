"""RGB of clips beside their skeletons: embeddings, or crops that are decoded when they are asked for.

Axis letters: N clips, B of a batch, F frames, D values an embedding, L bytes of a JPEG slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.jpeg import unpack_jpegs
from heatpool.pool.store.spec import RgbSpec

if TYPE_CHECKING:
    from heatpool.pool.store.reader import FeatureStore

__all__ = ["RGB_ARRAYS", "RgbInput", "StoredCrops", "load_rgb", "pixel_source", "rgb_source"]

RgbInput = Literal["none", "embeddings", "crops"]

RGB_ARRAYS = {"embeddings": "rgb", "crops": "rgb_jpeg"}


class StoredCrops:
    """Crops of N clips, compressed in memory (some 10 kB each), decoded when they are asked for.

    Args:
        slots: of each clip (F, L) uint8, JPEG files as `heatpool.pool.store.jpeg` packs them; L may differ.
        crop_px: side of the crops.
    """

    def __init__(self, slots: Sequence[np.ndarray], crop_px: int) -> None:
        self._slots, self._crop_px = slots, crop_px

    def __len__(self) -> int:
        return len(self._slots)

    def __getitem__(self, clips: Tensor) -> StoredCrops:
        """The crops of the clips at positions (B,); nothing is copied."""
        return StoredCrops([self._slots[clip] for clip in clips.tolist()], self._crop_px)

    def pictures(self) -> Tensor:
        """Decode: (N, F, H, W, 3) uint8 RGB, black where none is.

        Raises:
            HeatpoolError: if a crop is damaged.
        """
        side = self._crop_px
        blank = np.zeros((1, side, side, 3), np.uint8)
        pictures = [
            unpack_jpegs(slots) if slots.any() else blank.repeat(len(slots), 0) for slots in self._slots
        ]
        return torch.from_numpy(np.stack(pictures))


def rgb_source(store: FeatureStore, rgb: RgbInput) -> dict[str, str | int]:
    """Return what the RGB of a store was made with, to be compared between training and prediction.

    Raises:
        HeatpoolError: if the store lacks what is asked for.
    """
    spec = store.spec.rgb
    if rgb == "none":
        return {}
    if spec is None or RGB_ARRAYS[rgb] not in store.layout.features:
        held = "has none" if spec is None else f"has {spec.kind}"
        raise HeatpoolError(
            f"expected RGB {rgb} in {store.source.name}, it {held}; extract with --rgb "
            f"{'crops' if rgb == 'crops' else 'xclip'}, or choose another --rgb"
        )
    return pixel_source(spec)


def pixel_source(spec: RgbSpec) -> dict[str, str | int]:
    """Return what tells pixels of one kind from others; see `rgb_source`."""
    return {"rgb": spec.kind, "rgb_frames": spec.frames, "rgb_weights_sha256": spec.weights_sha256}


def load_rgb(store: FeatureStore, rows: np.ndarray, rgb: RgbInput) -> tuple[Tensor | StoredCrops | None, int]:
    """Read the RGB of `rows` ((N,) int64) into memory, each shard once.

    Returns:
        (N, F, D) float16 embeddings or the crops, None for "none"; and how many clips have none.

    Raises:
        HeatpoolError: if a shard is damaged.
    """
    spec = store.spec.rgb
    if rgb == "none" or spec is None:
        return None, 0
    order = np.argsort(rows)
    clips = [np.empty(0)] * len(rows)
    for block in np.split(order, np.flatnonzero(np.diff(rows[order] // store.layout.shard_clips)) + 1):
        array = RGB_ARRAYS[rgb]
        for place, values in zip(block, store.read(rows[block], (array,))[array], strict=True):
            used = np.flatnonzero(values.any(0))
            # the zeros behind the longest JPEG of a clip would be most of what is kept
            end = used[-1] + 1 if rgb == "crops" and len(used) else values.shape[1]
            clips[place] = values[:, :end].copy()
    missing = sum(not values.any() for values in clips)
    if rgb == "crops":
        return StoredCrops(clips, spec.crop_px), missing
    return torch.from_numpy(np.stack(clips)), missing
