"""The kinds of features that `heatpool ablate` compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from heatpool.classify.data.clips import ArrayName, ClipSet
from heatpool.classify.data.inputs import join_parts
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Row", "choose_rows", "find_rows"]

_WORDS: Mapping[ArrayName, str] = {
    "pooled": "pooled",
    "map_mean": "map mean",
    "keypoints": "keypoints",
    "rgb": "RGB embeddings",
}
_KEYPOINTS = 3
"""Channels of a keypoint: x, y and its score."""


@dataclass(frozen=True)
class Row:
    """A kind of features.

    Attributes:
        name: of its folder.
        inputs: arrays of the store that it joins, the leading one first.
        tap: name of the one tap whose channels it takes, "" for all channels.
        first: first of its channels.
        stop: last of them plus one.
    """

    name: str
    inputs: tuple[ArrayName, ...]
    tap: str
    first: int
    stop: int

    @property
    def words(self) -> str:
        """What it is, for people."""
        words = " + ".join(_WORDS[name] for name in self.inputs)
        return f"{words}, {self.tap}" if self.tap else words

    @property
    def channels(self) -> int:
        """C of its vectors."""
        return self.stop - self.first + (_KEYPOINTS if "keypoints" in self.inputs[1:] else 0)

    def take(self, clips: Mapping[ArrayName, ClipSet]) -> ClipSet:
        """Return its features, given clips with each of its arrays."""
        if self.tap:
            return clips[self.inputs[0]].of_tap(self.tap, first=self.first, stop=self.stop)
        return join_parts({name: clips[name] for name in self.inputs})


def find_rows(store: FeatureStore) -> list[Row]:
    """Return what there is to compare: each array, of several taps each alone, and pooled with others.

    Raises:
        HeatpoolError: if a store has pooled features of one tap or keypoints only.
    """
    spec = store.spec
    # An imported store says which arrays hold something.
    listed = store.attributes["config"].get("arrays") or list(store.layout.features)
    held: list[ArrayName] = [name for name in _WORDS if name in listed]
    stops = list(accumulate(spec.tap_channels))
    rows = []
    for name in held:
        if name == "keypoints":
            rows.append(Row(name, (name,), "", 0, _KEYPOINTS))
            continue
        if name == "rgb":
            rows.append(Row(name, (name,), "", 0, store.layout.features[name].item_shape[-1]))
            continue
        rows.append(Row(name, (name,), "", 0, spec.channels))
        if len(stops) > 1:
            for number, (tap, stop) in enumerate(zip(spec.tap_names, stops, strict=True)):
                first = stop - spec.tap_channels[number]
                rows.append(Row(f"{name}_{number + 1}", (name,), tap, first, stop))
    if len(rows) < 2:
        raise HeatpoolError(
            f"{store.source.name}: nothing to compare, it holds {', '.join(row.words for row in rows)} only; "
            "extract with --map-mean, or with several names after --tap"
        )
    if "pooled" in held:
        rows += [
            Row(f"pooled_and_{other}", ("pooled", other), "", 0, spec.channels)
            for other in held
            if other not in ("pooled", "rgb")  # of a whole clip, not of a person
        ]
    return rows


def choose_rows(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Return the rows of some names, in that order; all without a name.

    Raises:
        HeatpoolError: if there is no such row, or one only.
    """
    known = {row.name: row for row in rows}
    if len(names) == 1 or len(set(names)) < len(names) or not known.keys() >= set(names):
        raise HeatpoolError(
            f"expected two or more --rows of {', '.join(known)}, each once, got {', '.join(names)}"
        )
    return [known[name] for name in names] or list(rows)
