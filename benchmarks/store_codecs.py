"""Compares codec chains for the `pooled` array on real feature files; the table of docs/format.md.

Usage: python benchmarks/store_codecs.py FOLDER
FOLDER holds .npy files as the authors of HP-Net publish them: (T, M, V, C) float32, with the only
person copied into the second slot where there is one. The copy is dropped before compression.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numcodecs import Blosc, Shuffle, Zstd

ORDERS = {"T V C (as is)": (0, 1, 2), "T C V": (0, 2, 1), "V C T": (1, 2, 0), "C V T": (2, 1, 0)}


def load_persons(folder: Path) -> tuple[list[np.ndarray], int]:
    """Every distinct person (T, V, C) float16, and the bytes of the arrays they came from."""
    persons, total = [], 0
    for file in sorted(folder.glob("*.npy")):
        clip = np.load(file)
        total += clip.nbytes
        for number in range(clip.shape[1]):
            if number == 0 or not np.array_equal(clip[:, number], clip[:, 0]):
                persons.append(clip[:, number].astype(np.float16))
    return persons, total


def chains() -> dict[str, tuple[Callable, Callable]]:
    """Encoder and decoder of each chain, applied to one person's bytes."""
    shuffle, found = Shuffle(2), {}
    for level in (5, 9, 19):
        zstd = Zstd(level=level)
        if level == 9:
            found["zstd 9, no shuffle"] = (zstd.encode, zstd.decode)
        found[f"byte shuffle, zstd {level}"] = (
            lambda data, zstd=zstd: zstd.encode(shuffle.encode(data)),
            lambda data, zstd=zstd: shuffle.decode(zstd.decode(data)),
        )
    for mode, name in ((Blosc.SHUFFLE, "byte shuffle"), (Blosc.BITSHUFFLE, "bit shuffle")):
        for level in (1, 5, 7, 9):
            blosc = Blosc("zstd", level, mode, blocksize=1 << 24)
            found[f"blosc(zstd {level}, {name})"] = (blosc.encode, blosc.decode)
    return found


def main(folder: Path) -> None:
    persons, total = load_persons(folder)
    print(f"{total} bytes of float32 hold {len(persons)} persons\n")
    print("| chain | order in chunk | bytes a person | times smaller | encode ms | decode ms |")
    print("|---|---|---|---|---|---|")
    rows = []
    for name, (encode, decode) in chains().items():
        for order_name, order in ORDERS.items():
            chunks = [np.ascontiguousarray(person.transpose(order)) for person in persons]
            start = time.perf_counter()
            packed = [encode(chunk) for chunk in chunks]
            middle = time.perf_counter()
            for data in packed * 5:
                decode(data)
            encode_ms = (middle - start) / len(packed) * 1e3
            decode_ms = (time.perf_counter() - middle) / (5 * len(packed)) * 1e3
            size = sum(len(data) for data in packed)
            timing = f"{encode_ms:.1f} | {decode_ms:.2f}"
            rows.append(
                (
                    size,
                    f"| {name} | {order_name} | {size / len(packed):,.0f} | {total / size:.2f} | {timing} |",
                )
            )
    print("\n".join(row for _, row in sorted(rows)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
