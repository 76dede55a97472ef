"""Batches of random clips for training: the loader cache against other ways to read the same features.

Usage: python -m benchmarks.loader [--clips 512] [--batches 40] [--folder FOLDER]

Makes a store of synthetic clips (M, T, V, C) = (2, 64, 17, 96), the size that HP-Net's authors publish, half
of them with one person, writes the same clips as their .npy folder and as HDF5, and reads batches of 64
random clips, as joint and as bone stream in float32, on one thread:

    authors    np.load of one .npy a clip, bone by a loop over pairs, stacked (as in their feeder)
    zarr       array[row] of the store, one clip after another
    h5py       dataset[row] of the exported file, one clip after another
    cache      LoaderCache("disk"), memory-mapped; and LoaderCache("ram"): persons one by one

Cold: the files are out of the page cache (the memory of `ram` is not). Warm: read before. First: a first pass
over all clips, with the making of the cache.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import zarr

from heatpool.classify.data.batches import load_clips
from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.data.streams import make_stream
from heatpool.classify.networks.graph import GRAPHS
from heatpool.pool.exchange.hdf5 import export_hdf5
from heatpool.pool.exchange.published import export_published
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter

BATCH = 64
GRAPH = GRAPHS["hpnet"]
Fetch = Callable[[np.ndarray], torch.Tensor]


def make_store(path: Path, clips: int) -> FeatureStore:
    spec = StoreSpec(2, 64, 17, 96, backbone="synthetic", tap="none", weights_sha256="", config={})
    rng = np.random.default_rng(0)
    index = ClipIndex(
        tuple(f"clip{n:05d}" for n in range(clips)), tuple(f"{n}.mp4" for n in range(clips)),
        np.arange(clips, dtype=np.int32) % 60, tuple(f"class {n}" for n in range(60)),
    )  # fmt: skip
    with StoreWriter.create(path, spec=spec, index=index) as writer:
        for shard in writer.pending_shards():
            features = [_clip(rng, persons=1 + row % 2) for row in writer.shard_rows(shard)]
            results = [
                ClipResult(Status.OK, 64, 30, 1920, 1080, int(clip.mask.any(1).sum())) for clip in features
            ]
            writer.write_shard(shard, features, results)
        writer.finish()
    return FeatureStore.open(path)


def _clip(rng: np.random.Generator, *, persons: int) -> ClipFeatures:
    """Values as after a ReLU that drift along time, so that they compress about as real ones do."""
    steps = rng.standard_normal((2, 64, 17, 96), np.float32) * 0.1
    steps[:, 0] = rng.standard_normal((2, 17, 96), np.float32)
    mask = np.arange(2)[:, None].repeat(64, 1) < persons
    return ClipFeatures(
        pooled=np.maximum(steps.cumsum(1), 0) * mask[..., None, None],
        keypoints=np.zeros((2, 64, 17, 3), np.float32),
        boxes=np.zeros((2, 64, 4), np.float32),
        mask=mask,
        time_s=np.arange(64, dtype=np.float32) / 30,
    )


def authors_way(folder: Path, names: list[str], *, stream: str) -> Fetch:
    pairs = [(joint, parent) for joint, parent in enumerate(GRAPH.parents().tolist())]

    def fetch(rows: np.ndarray) -> torch.Tensor:
        batch = []
        for row in rows.tolist():
            data = torch.from_numpy(np.load(folder / f"{names[row]}.npy")).permute(3, 0, 2, 1)  # C, T, V, M
            if stream == "bone":
                bones = torch.zeros(data.shape)
                for joint, parent in pairs:
                    bones[:, :, joint] = data[:, :, joint] - data[:, :, parent]
                data = bones
            batch.append(data)
        return torch.stack(batch)

    return fetch


def one_by_one(read: Callable[[int], np.ndarray], *, stream: str) -> Fetch:
    def fetch(rows: np.ndarray) -> torch.Tensor:
        joint = torch.from_numpy(np.stack([read(row) for row in rows.tolist()])).float()
        return make_stream(joint, stream, GRAPH) if stream != "joint" else joint  # type: ignore[arg-type]

    return fetch


def cached(store: FeatureStore, cache: LoaderCache, *, stream: str) -> Fetch:
    """Persons one by one, so that each stays in the processor's cache, into memory that is used again.

    Fresh memory for a batch of 40 MB costs more (page faults) than reading and converting it.
    """
    clips = load_clips(store, np.arange(len(store)), cache=cache)
    item = clips.features.shape[1:]
    parents = torch.from_numpy(GRAPH.parents())
    out, joint = torch.empty(BATCH * store.spec.persons, *item), torch.empty(item)

    def fetch(rows: np.ndarray) -> torch.Tensor:
        persons, _ = clips.persons_of(torch.from_numpy(rows))
        for place, person in zip(out, persons.tolist(), strict=False):
            if stream == "joint":
                place.copy_(clips.features[person])
            else:
                joint.copy_(clips.features[person])
                torch.index_select(joint, 1, parents, out=place)
                torch.sub(joint, place, out=place)
        return out[: len(persons)]

    return fetch


def evict(folder: Path) -> None:
    """Write everything below a folder to the disk and drop it from the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def batches_of(clips: int, count: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield rng.choice(clips, BATCH, replace=False)


def speed(fetch: Fetch, clips: int, count: int, *, seed: int) -> float:
    """Clips a second of the batch at the lower quartile: other programs on the machine disturb the rest."""
    times = []
    for rows in batches_of(clips, count, seed):
        started = time.perf_counter()
        fetch(rows)
        times.append(time.perf_counter() - started)
    return BATCH / statistics.quantiles(times, n=4)[0]


def check_equal(store: FeatureStore, authors: Fetch, stream: str) -> None:
    """Fail unless the cache gives the values of the authors' way, without the copied persons."""
    rows = np.arange(BATCH)
    theirs = authors(rows).permute(0, 4, 2, 3, 1)  # B, M, T, V, C
    ours = cached(store, LoaderCache(), stream=stream)(rows)
    present = torch.from_numpy(store.read(rows, ("mask",))["mask"].any(2))
    torch.testing.assert_close(ours, theirs[present], rtol=0, atol=0)


def measure(root: Path, clips: int, count: int) -> None:
    store = make_store(root / "store.zarr", clips)
    export_hdf5(store, root / "h5" / "features.h5")
    export_published(store, root / "npy")
    names = list(store.clips.clip_ids(np.arange(clips)))
    array: Any = zarr.open_group(root / "store.zarr", mode="r")["pooled"]
    file = h5py.File(root / "h5" / "features.h5", "r")
    few = max(count // 10, 2)
    print(f"{clips} clips, batches of {BATCH}, one thread; clips/s at the faster quartile\n")
    print("| stream | way | first | cold | warm | warm over authors |\n|---|---|---|---|---|---|")
    for stream in ("joint", "bone"):
        check_equal(store, authors_way(root / "npy", names, stream=stream), stream)
        rows: list[tuple[str, float, float, float]] = []
        ways: list[tuple[str, Fetch, int]] = [
            ("authors", authors_way(root / "npy", names, stream=stream), count),
            ("zarr", one_by_one(lambda row: array[row], stream=stream), few),
            ("h5py", one_by_one(lambda row: file["pooled"][row], stream=stream), few),
        ]
        for name, fetch, batches in ways:
            evict(root)
            cold = speed(fetch, clips, batches, seed=1)
            rows.append((name, cold, cold, speed(fetch, clips, batches, seed=1)))
        for mode in ("disk", "ram"):
            cache = LoaderCache(mode=mode, folder=root / f"cache-{stream}")
            evict(root)
            started = time.perf_counter()
            fetch = cached(store, cache, stream=stream)
            speed(fetch, clips, clips // BATCH, seed=1)
            first = clips / (time.perf_counter() - started)
            evict(root)
            cold = speed(fetch, clips, count, seed=1)
            rows.append((f"cache {mode}", first, cold, speed(fetch, clips, count, seed=1)))
        base = rows[0][3]
        for name, first, cold, warm in rows:
            print(f"| {stream} | {name} | {first:,.0f} | {cold:,.0f} | {warm:,.0f} | {warm / base:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=512)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--folder", type=Path, help="where to work; default a temporary folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure(Path(folder), options.clips, options.batches)


if __name__ == "__main__":
    main()
