"""A torch Dataset over a feature store, for training loops of your own.

Axis letters: M person slots, T steps, V joints, C channels, F frames, D values an embedding.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch.utils.data import Dataset

from heatpool.classify.data.batches import load_clips
from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.data.clips import ArrayName, ClipSet, InputName
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ClipDataset"]


class ClipDataset(Dataset[dict[str, Any]]):
    """The usable clips of a store, or of one split of it; every shard is decoded once, when this is made.

    `dataset[i]` is a dict, which torch's default collate makes batches of:

    - the arrays asked for, float32, zero where a person was not seen: "pooled" (M, T, V, C), "keypoints"
      (M, T, V, 3) x, y in [-1, 1] of the frame and a score, "map_mean" (M, T, C), "rgb" (F, D)
    - "mask": (M, T) bool, the steps at which a person was seen
    - "label": int, -1 for a clip without one; "clip_id": str; "row": int, the clip's row in the store

    A `torch.utils.data.DataLoader` may read it from any number of workers: they share the features.

    Args:
        store: opened, or its folder, archive or address.
        protocol: split protocol, such as xsub; None for all clips.
        split: "train", "val" or "test" of the protocol; None for all that have a split.
        arrays: what each item holds.
        cache: where decoded features are kept: by default in memory; `LoaderCache("disk")` maps a file.

    Attributes:
        store: opened.
        rows: (N,) int64, the clips' rows in the store.
        class_names: K names in label order.

    Raises:
        HeatpoolError: if there is no such store, split or array, or no usable clip, or a shard is damaged.

    Example:
        >>> clips = ClipDataset("features.zarr", "xsub", "train")
        >>> for batch in DataLoader(clips, batch_size=64, shuffle=True, num_workers=4):
        ...     loss = network(batch["pooled"], batch["mask"].any(2), batch["label"])
    """

    def __init__(
        self,
        store: FeatureStore | str | Path,
        protocol: str | None = None,
        split: Literal["train", "val", "test"] | None = None,
        *,
        arrays: Sequence[ArrayName] = ("pooled",),
        cache: LoaderCache | None = None,
    ) -> None:
        self.store = store if isinstance(store, FeatureStore) else FeatureStore.open(store)
        self.arrays, self.cache = tuple(arrays), cache or LoaderCache()
        held = [name for name in get_args(ArrayName) if name in self.store.layout.features]
        if not self.arrays or not set(self.arrays) <= set(held):
            wanted = ", ".join(self.arrays) or "none"
            raise HeatpoolError(
                f"expected arrays of {self.store.source.name} ({', '.join(held)}), got {wanted}"
            )
        self.rows = self.store.clips.rows(protocol, split)
        if not len(self.rows):
            raise HeatpoolError(f"{self.store.source.name}: no usable clip in this split")
        self.class_names = self.store.clips.class_names
        _ = self._clips  # read now, so that workers that are forked share it

    @cached_property
    def _clips(self) -> dict[str, ClipSet]:
        """The clips by array."""
        inputs: list[InputName] = [name for name in self.arrays if name != "rgb"] or ["pooled"]
        loaded: dict[str, ClipSet] = {
            name: load_clips(
                self.store,
                self.rows,
                input=name,
                rgb="embeddings" if "rgb" in self.arrays and name == inputs[0] else "none",
                cache=self.cache,
            )
            for name in inputs
        }
        return loaded | {"rgb": loaded[inputs[0]]} if "rgb" in self.arrays else loaded

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        if self.cache.mode == "disk":
            state.pop("_clips", None)  # a worker maps the file again: torch would copy it to shared memory
        return state

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"ClipDataset({self.store.source.name}: {len(self)} clips, {', '.join(self.arrays)})"

    def __getitem__(self, number: int) -> dict[str, Any]:
        number = range(len(self))[number]  # IndexError ends a plain `for`, negative ones count from the end
        lead = next(iter(self._clips.values()))
        persons, _ = lead.persons_of(torch.tensor([number]))
        slots = lead.slot[persons]
        mask = torch.zeros(lead.persons, lead.mask.shape[1], dtype=torch.bool)
        mask[slots] = lead.mask[persons]
        item: dict[str, Any] = {}
        for name in self.arrays:
            clips = self._clips[name]
            if name == "rgb":
                assert isinstance(clips.rgb, torch.Tensor)
                item[name] = clips.rgb[number].float()
                continue
            values = torch.zeros(clips.persons, *clips.features.shape[1:])
            values[slots] = clips.features[persons].float()
            item[name] = values.squeeze(2) if name == "map_mean" else values
        label, row = int(lead.labels[number]), int(self.rows[number])
        return {**item, "mask": mask, "label": label, "clip_id": lead.clip_ids[number], "row": row}
