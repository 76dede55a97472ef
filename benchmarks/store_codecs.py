"""How small the store makes real feature files, and other codec chains; the tables of docs/format.md.

Usage: python -m benchmarks.store_codecs PLACE [--clips 20] [--chains]
PLACE is a store, of which --clips are taken, as far apart as may be; or a folder of .npy files as the authors
of HP-Net publish them: (T, M, V, C) float32, with the only person copied into the second slot where there is
one. The copy is dropped before compression.
Without --chains: the store itself, written and read in each precision. With it: other chains, one
person at a time, of float16, of u1, and of levels with and without differences along time.
"""

from __future__ import annotations

import argparse
import bz2
import lzma
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numcodecs import Blosc, Shuffle, Zstd

from heatpool.pool.derive.convert import convert_store
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.store.levels import choose_levels, count_float16
from heatpool.pool.store.quantise import quantise
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter

PRECISIONS = ("f2", "u1", "error:1%", "error:2%", "error:4%", "error:5%", "float16:2%")
ORDERS = {"T V C (as is)": (0, 1, 2), "T C V": (0, 2, 1), "V C T": (1, 2, 0), "C V T": (2, 1, 0)}


@dataclass(frozen=True)
class Chain:
    """An encoder with its decoder, for one person's contiguous array."""

    encode: Callable[[np.ndarray], bytes]
    decode: Callable[[bytes], object]


def load_clips(place: Path, most: int) -> tuple[list[np.ndarray], int]:
    """Clips (M, T, V, C) float32 of distinct persons only, and the bytes of the arrays as published."""
    if (place / "zarr.json").exists():
        store = FeatureStore.open(place)
        rows = store.clips.rows()
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]
        found = (store.read([row])["pooled"][0, : store.clips.persons[row]] for row in rows.tolist())
        clips = [persons.astype(np.float32) for persons in found if len(persons)]
        return clips, sum(2 * clip[0].nbytes for clip in clips)
    clips, total = [], 0
    for file in sorted(place.glob("*.npy")):
        clip = np.load(file, allow_pickle=False).transpose(1, 0, 2, 3)
        total += clip.nbytes
        clips.append(clip[:1] if np.array_equal(clip[0], clip[-1]) else clip)
    if not clips:
        raise SystemExit(f"expected a store or .npy files in {place}, got neither")
    return clips, total


def write_store(path: Path, clips: Sequence[np.ndarray]) -> FeatureStore:
    """A store of the clips' pooled features, a shard a clip, so that each clip's files can be weighed."""
    persons = max(len(clip) for clip in clips)
    _, steps, joints, channels = clips[0].shape
    spec = StoreSpec(persons, steps, joints, channels, "published", "", "", {})
    names = tuple(map(str, range(len(clips))))
    index = ClipIndex(names, names, np.full(len(clips), -1, np.int32), ())
    with StoreWriter.create(path, spec=spec, index=index, shard_clips=1) as writer:
        for number, clip in enumerate(clips):
            pooled = np.zeros((persons, *clip.shape[1:]), np.float32)
            pooled[: len(clip)] = clip
            features = ClipFeatures(
                pooled,
                keypoints=np.zeros((persons, steps, joints, 3), np.float32),
                boxes=np.zeros((persons, steps, 4), np.float32),
                mask=np.zeros((persons, steps), bool),
                time_s=np.zeros(steps, np.float32),
            )
            writer.write_shard(number, [features], [ClipResult(Status.OK)])
        writer.finish()
    return FeatureStore.open(path)


def show_store(clips: Sequence[np.ndarray], total: int) -> None:
    """Print what the store takes for the clips, and how far what is read is from what was written."""
    each, distinct = total / len(clips), sum(map(len, clips))
    print(f"{len(clips)} clips of {each:,.0f} bytes each as published, {distinct} distinct persons\n")
    heads: tuple[str, ...] = ("precision", "bytes a clip", "smaller, over all bytes")
    heads += ("smaller, mean of clips", "relative L2 error", "write ms a clip", "read ms a clip")
    print(f"| {' | '.join(heads)} |")
    print("|---|---|---|---|---|---|---|")
    for precision in PRECISIONS:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            store = write_store(Path(folder, "a.zarr"), clips)
            if precision != "f2":
                begun = time.perf_counter()
                convert_store(store, Path(folder, "b.zarr"), precision=precision)
                store = FeatureStore.open(Path(folder, "b.zarr"))
            write_s = (time.perf_counter() - begun) / len(clips)
            parts = store.layout.parts("pooled")
            sizes = [
                sum(store.source.size(store.layout.shard_key(part, shard)) or 0 for part in parts)
                for shard in range(len(clips))
            ]
            begun = time.perf_counter()
            read = store.read(range(len(clips)))["pooled"].astype(np.float64)
            read_s = (time.perf_counter() - begun) / len(clips)
        pairs = [(clip, found[: len(clip)]) for clip, found in zip(clips, read, strict=True)]
        error = sum(((clip - found) ** 2).sum() for clip, found in pairs)
        signal = sum((clip.astype(np.float64) ** 2).sum() for clip in clips)
        ratios = [each / size for size in sizes]
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios[:4])
        cells: tuple[str, ...] = (precision, f"{np.mean(sizes):,.0f}", f"{total / sum(sizes):.2f}")
        cells += (f"{np.mean(ratios):.2f} ({shown})", f"{np.sqrt(error / signal):.3%}")
        cells += (f"{write_s * 1e3:.0f}", f"{read_s * 1e3:.1f}")
        print(f"| {' | '.join(cells)} |")


def chains(itemsize: int) -> dict[str, Chain]:
    """Chains of the codecs that Zarr has, and of two slow ones."""
    shuffle, found = Shuffle(itemsize), {}
    for level in (5, 9, 19):
        zstd = Zstd(level=level)
        found[f"zstd {level}, no shuffle"] = Chain(zstd.encode, zstd.decode)
    modes = {"no shuffle": Blosc.NOSHUFFLE, "byte shuffle": Blosc.SHUFFLE, "bit shuffle": Blosc.BITSHUFFLE}
    for name, mode in modes.items():
        for level in (1, 5, 7, 8, 9):
            blosc = Blosc("zstd", level, mode, blocksize=1 << 24)
            found[f"blosc(zstd {level}, {name})"] = Chain(blosc.encode, blosc.decode)
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 6, "lc": 4, "lp": 0, "pb": 0}]
    found["byte shuffle, lzma"] = Chain(
        lambda data: lzma.compress(bytes(shuffle.encode(data)), format=lzma.FORMAT_ALONE, filters=filters),
        lambda data: shuffle.decode(lzma.decompress(data)),
    )
    found["byte shuffle, bz2"] = Chain(
        lambda data: bz2.compress(bytes(shuffle.encode(data))),
        lambda data: shuffle.decode(bz2.decompress(data)),
    )
    return found


def show_chains(title: str, persons: Sequence[np.ndarray], total: int) -> None:
    """Print all chains in all axis orders, smallest first."""
    print(f"\n{title}\n\n| chain | order in chunk | bytes a person | times smaller | encode ms | decode ms |")
    print("|---|---|---|---|---|---|")
    rows = []
    for name, chain in chains(persons[0].itemsize).items():
        for order_name, order in ORDERS.items():
            chunks = [np.ascontiguousarray(person.transpose(order)) for person in persons]
            start = time.perf_counter()
            packed = [chain.encode(chunk) for chunk in chunks]
            middle = time.perf_counter()
            for data in packed * 5:
                chain.decode(data)
            encode_ms = (middle - start) / len(packed) * 1e3
            decode_ms = (time.perf_counter() - middle) / (5 * len(packed)) * 1e3
            size = sum(map(len, packed))
            text = f"{size / len(packed):,.0f} | {total / size:.2f} | {encode_ms:.1f} | {decode_ms:.2f}"
            rows.append((size, f"| {name} | {order_name} | {text} |"))
    print("\n".join(row for _, row in sorted(rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", type=Path)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--chains", action="store_true")
    options = parser.parse_args()
    clips, total = load_clips(options.place, options.clips)
    if not options.chains:
        show_store(clips, total)
        return
    halves = [person.astype(np.float16) for clip in clips for person in clip]
    show_chains("float16 as it is", halves, total)
    changes = [
        np.diff(half.view(np.uint16), axis=0, prepend=np.zeros_like(half[:1]).view(np.uint16))
        for half in halves
    ]
    show_chains("float16, differences of the bits along time", changes, total)
    show_chains("u1: differences of the level along time", [quantise(half)[0] for half in halves], total)
    for error in (0.02, 0.05):
        counts = sum((count_float16(half) for half in halves), np.zeros(1 << 16, np.int64))
        chosen = choose_levels(counts, error)
        assert chosen is not None
        levels = [chosen.to_levels(half) for half in halves]
        show_chains(f"levels, error {error:.0%}", levels, total)
        changes = [np.diff(each, axis=0, prepend=np.zeros_like(each[:1])) for each in levels]
        show_chains(f"levels, error {error:.0%}: differences along time", changes, total)


if __name__ == "__main__":
    main()
