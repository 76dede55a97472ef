"""Other programs read stores and archives equal to the bit, or say that they cannot: those that pip installs.

tests/real/test_zarrita.py does the same with zarrita; `python -m benchmarks.readers` with more versions.
"""

from __future__ import annotations

import re
import shutil
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from benchmarks.read_with import read_all
from benchmarks.readers import compare, make_stores, old_stores, own_values, said_by
from heatpool.pool.store.reader import open_store
from tests.paths import ROOT

KINDS = ("f2", "u1", "levels", "crops", "keypoints", "spatial")
TEXTS = ("clip_id", "path")
"""Arrays of strings, which Zarr has as an extension."""


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_stores(tmp_path_factory.mktemp("readers"))


@pytest.fixture(scope="module")
def own(stores: dict[str, Path]) -> dict[str, dict[str, Any]]:
    return {kind: own_values(path) for kind, path in stores.items()}


def arrays_of(path: Path, *, decoded: bool) -> list[str]:
    """Names of all arrays, and of those that a reader can decode beside them."""
    store = open_store(path)
    names = [*store.clips.group.array_keys()]
    if decoded:
        names += [f"{name} decoded" for name in store.layout.levels]
        names += ["pooled decoded"] if store.spec.precision == "u1" else []
    return sorted(names)


@pytest.mark.parametrize("kind", [*KINDS, "packed"])
@pytest.mark.parametrize("reader", ["by_zarr", "by_xarray"])
def test_zarr_and_xarray_read_all(kind: str, reader: str, stores: dict[str, Path], own: dict) -> None:
    """Xarray lazily with dask; steps it decodes by itself, `u1` by the recipe of docs/format.md."""
    if reader == "by_xarray":
        pytest.importorskip("xarray")
    equal, wrong = compare(read_all(reader, stores[kind]), own[kind])
    assert (equal, wrong) == (arrays_of(stores[kind], decoded=reader == "by_xarray"), {})


@pytest.mark.parametrize("kind", KINDS)
def test_virtual_references_in_icechunk_read_all(kind: str, stores: dict[str, Path], own: dict) -> None:
    for package in ("virtualizarr", "icechunk", "arro3.core"):
        pytest.importorskip(package)
    equal, wrong = compare(read_all("by_virtualizarr", stores[kind]), own[kind])
    assert (equal, wrong) == (arrays_of(stores[kind], decoded=False), {})


@pytest.mark.parametrize(
    ("reader", "package", "kinds"),
    [("by_tensorstore", "tensorstore", [*KINDS, "packed"]), ("by_zarrs", "zarrs", KINDS)],
)
def test_what_knows_no_strings_reads_all_else_and_says_so(
    reader: str, package: str, kinds: list[str], stores: dict[str, Path], own: dict
) -> None:
    pytest.importorskip(package)
    for kind in kinds:
        equal, wrong = compare(read_all(reader, stores[kind]), own[kind])
        left = [name for name in arrays_of(stores[kind], decoded=False) if name not in TEXTS]
        assert (equal, sorted(chain.from_iterable(wrong.values()))) == (left, [*TEXTS]), kind
        assert "other values" not in " ".join(wrong), kind


@pytest.mark.parametrize("name", ["features.zarr", "features.hpz", "small.zarr"])
def test_version_1_is_read_as_before(name: str, tmp_path: Path) -> None:
    pytest.importorskip("xarray")
    path = old_stores(tmp_path)[name]
    equal, wrong = compare(read_all("by_xarray", path), own_values(path))
    assert (equal, wrong) == (arrays_of(path, decoded=True), {})


@pytest.mark.parametrize("kind", KINDS)
def test_our_engine_decodes_lazily(kind: str, stores: dict[str, Path]) -> None:
    """Chunk by chunk in dask, whose own sums over time once ignored the type of the numbers."""
    xarray = pytest.importorskip("xarray")
    store = open_store(stores[kind])
    data = xarray.open_dataset(stores[kind], engine="heatpool", chunks={}, mask_and_scale=False)
    assert data.pooled.chunks is not None
    np.testing.assert_array_equal(data.pooled.values, store["pooled"][:])
    few = data.pooled.isel(clip=[7, 2], step=slice(1, None, 2)).compute()
    np.testing.assert_array_equal(few.values, store["pooled"][:][[7, 2], :, 1::2])


@pytest.mark.parametrize("package", ["tensorstore", "zarrs", "virtualizarr"])
def test_the_examples_of_format_md_run(
    package: str, stores: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    page = (ROOT / "docs/format.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```py\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (block,) = (each for each in blocks if re.search(f"^(import|from) {package}", each, re.MULTILINE))
    shutil.copytree(stores["f2"], tmp_path / "features.zarr")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with zarr.config.set({"codec_pipeline.path": zarr.config.get("codec_pipeline.path")}):  # and back
        exec(block, names)
    np.testing.assert_array_equal(names["first_shard"], open_store(stores["f2"])["pooled"][:4])


def test_a_reader_in_an_environment_of_its_own_says_the_same(stores: dict[str, Path], own: dict) -> None:
    script = Path(sys.modules[read_all.__module__].__file__ or "")
    said = said_by([sys.executable, str(script), "by_zarr", str(stores["u1"])])
    assert compare(said, own["u1"]) == (arrays_of(stores["u1"], decoded=False), {})
    (failed,) = said_by([sys.executable, str(script), "by_zarr", "nowhere.zarr"])
    assert failed[1]["error"].startswith("exit code 1")


def test_other_values_and_errors_are_told(own: dict) -> None:
    said = [
        ("label", own["f2"]["label"]),
        ("mask", own["f2"]["time_s"]),
        ("path", {"error": "ValueError: string data type\nand more"}),
    ]
    assert compare(said, own["f2"]) == (
        ["label"], {"other values, without a word": ["mask"], "ValueError: string data type": ["path"]}
    )  # fmt: skip
