"""Persons of a store, and their features read shard by shard or when they are asked for.

Axis letters: N clips, M person slots, P persons present (packed), T steps, V joints, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from heatpool.pool.store.reader import FeatureStore

__all__ = [
    "Decode", "FeatureRows", "ItemShape", "OnClips", "Persons", "StoreFetch", "count_bytes", "fill_features",
    "find_persons",
]  # fmt: skip

OnClips = Callable[[int], None]
"""Called with the number of clips that were just read."""
Decode = Callable[[np.ndarray], np.ndarray]
"""From ascending rows of one shard (n,) to their features (n, M, T, V, C) as they are cached."""
ItemShape = tuple[int, ...]
"""(T, V, C)"""


class FeatureRows:
    """Features of persons that are fetched when they are asked for; stands in for a tensor (P, T, V, C).

    Args:
        fetch: from person positions (Q,) int64, any order, repeats allowed, to (Q, T, V, C) float16.
        where: (P,) int64 positions that this view shows.
        item_shape: (T, V, C).
    """

    dtype, ndim = torch.float16, 4

    def __init__(self, fetch: Callable[[Tensor], Tensor], where: Tensor, item_shape: ItemShape) -> None:
        self._fetch, self._where = fetch, where
        self.shape = (len(where), *item_shape)

    def __len__(self) -> int:
        return len(self._where)

    def __getitem__(self, positions: Tensor) -> Tensor:
        return self._fetch(self._where[positions])

    def take(self, positions: Tensor) -> FeatureRows:
        """The view of some of the persons; reads nothing."""
        return FeatureRows(self._fetch, self._where[positions], self.shape[1:])

    def split(self, size: int) -> Iterator[Tensor]:
        """Go through all persons in blocks of `size`."""
        for part in self._where.split(size):
            yield self._fetch(part)


@dataclass(frozen=True, eq=False)
class Persons:
    """Which persons of a store are cached, in ascending row and slot.

    Attributes:
        row: (P,) int64, the clip's row.
        slot: (P,) int64, the person's slot.
        mask: (P, T) bool, the steps at which the person was seen.
    """

    row: np.ndarray
    slot: np.ndarray
    mask: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


def find_persons(store: FeatureStore, rows: np.ndarray) -> Persons:
    """Who is present in some clips.

    Args:
        store: opened feature store.
        rows: (n,) ascending rows.

    Raises:
        HeatpoolError: if a shard is damaged.
    """
    found: list[tuple[np.ndarray, ...]] = []
    for part in _by_shard(rows, store.layout.shard_clips):
        mask = store.read(part, ("mask",))["mask"]  # (n, M, T)
        clip, slot = np.nonzero(mask.any(2))
        found.append((part[clip], slot, mask[clip, slot]))
    if not found:
        return Persons(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, store.spec.steps), bool))
    return Persons(*(np.concatenate(each) for each in zip(*found, strict=True)))


def _by_shard(rows: np.ndarray, shard_clips: int) -> list[np.ndarray]:
    """Ascending rows, divided by shard."""
    if not len(rows):
        return []
    return np.split(rows, np.flatnonzero(np.diff(rows // shard_clips)) + 1)


def fill_features(
    features: np.ndarray, persons: Persons, *, decode: Decode, shard_clips: int, on_clips: OnClips | None
) -> None:
    """Read every shard once, in order, into `features` (P, T, V, C), zero where a person was not seen."""
    for rows in _by_shard(np.unique(persons.row), shard_clips):
        first, stop = np.searchsorted(persons.row, [rows[0], rows[-1] + 1])
        clip = np.searchsorted(rows, persons.row[first:stop])
        part = features[first:stop]
        part[:] = decode(rows)[clip, persons.slot[first:stop]]
        part[~persons.mask[first:stop]] = 0  # not a product: numpy's float16 arithmetic is slow
        if on_clips:
            on_clips(len(rows))


@dataclass(frozen=True, eq=False)
class StoreFetch:
    """Fetches persons straight from the store; a class, so that it can be sent to another process."""

    persons: Persons
    decode: Decode
    shard_clips: int

    def __call__(self, positions: Tensor) -> Tensor:
        """Return features (Q, T, V, C) at person positions (Q,), any order, repeats allowed."""
        wanted, place = np.unique(positions.numpy(), return_inverse=True)
        row, slot, mask = (each[wanted] for each in (self.persons.row, self.persons.slot, self.persons.mask))
        blocks = []
        for rows in _by_shard(np.unique(row), self.shard_clips):
            first, stop = np.searchsorted(row, [rows[0], rows[-1] + 1])
            chosen = self.decode(rows)[np.searchsorted(rows, row[first:stop]), slot[first:stop]]
            chosen[~mask[first:stop]] = 0
            blocks.append(chosen)
        return torch.from_numpy(np.concatenate(blocks).astype(np.float16)[place])


def count_bytes(persons: Persons, item_shape: ItemShape) -> int:
    """Return how many bytes the features (P, T, V, C) of some persons take in float16."""
    return 2 * len(persons) * int(np.prod(item_shape))
