"""What is made from a store replaces its like when asked to, and never anything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.datasets.pyskl_index import index_pyskl
from heatpool.pool.archive.pack import pack, unpack
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.derive.merge import merge_stores, subset_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.hdf5 import export_hdf5, import_hdf5
from heatpool.pool.exchange.npz import export_npz, import_npz
from heatpool.pool.exchange.published import export_published, import_published
from heatpool.pool.exchange.pyskl import export_pyskl, import_pyskl
from heatpool.pool.exchange.pyskl_file import read_pyskl
from heatpool.pool.sources.archive import ArchiveSource, DiskFile
from heatpool.pool.store.create import lock_store
from heatpool.pool.store.reader import FeatureStore
from tests.pool.store.store_cases import make_spec, make_store

Make = Callable[..., object]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and everything that it can be imported from."""
    folder = tmp_path_factory.mktemp("from")
    store = FeatureStore.open(make_store(folder / "s.zarr", spec=make_spec(joints=17)).path)
    pack(store, folder / "s.hpz")
    export_hdf5(store, folder / "s.h5")
    export_npz(store, folder / "s.npz")
    export_pyskl(store, folder / "s.pkl")
    export_published(store, folder / "npy")
    return folder


MAKE_STORE: dict[str, Callable[[Path], Make]] = {
    "subset": lambda at: (
        lambda out, **more: subset_store(FeatureStore.open(at / "s.zarr"), out, rows=np.array([0]), **more)
    ),
    "merge": lambda at: lambda out, **more: merge_stores([FeatureStore.open(at / "s.zarr")], out, **more),
    "convert": lambda at: (
        lambda out, **more: convert_store(FeatureStore.open(at / "s.zarr"), out, precision="u1", **more)
    ),
    "unpack": lambda at: lambda out, **more: unpack(ArchiveSource(DiskFile(at / "s.hpz")), out, **more),
    "hdf5": lambda at: lambda out, **more: import_hdf5(at / "s.h5", out, **more),
    "npz": lambda at: lambda out, **more: import_npz(at / "s.npz", out, **more),
    "pyskl": lambda at: (
        lambda out, **more: import_pyskl(
            file := read_pyskl(at / "s.pkl"), out, index=index_pyskl(file), **more
        )
    ),
    "npy": lambda at: lambda out, **more: import_published(at / "npy", out, **more),
}


@pytest.mark.parametrize("how", MAKE_STORE)
def test_a_store_replaces_a_store_that_nobody_writes_and_nothing_else(
    folder: Path, tmp_path: Path, how: str
) -> None:
    make, out = MAKE_STORE[how](folder), tmp_path / "out"
    make_store(out, clips=2)
    with pytest.raises(
        HeatpoolError, match="already exists; choose another.* or replace it with --overwrite"
    ):
        make(out)
    with lock_store(out), pytest.raises(HeatpoolError, match="is being written by process"):
        make(out, overwrite=True)
    assert len(FeatureStore.open(out)) == 2
    make(out, overwrite=True)
    assert FeatureStore.open(out).finished
    assert len(FeatureStore.open(out)) != 2
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter1.txt").write_text("my only copy")
    with pytest.raises(HeatpoolError, match="--overwrite replaces heatpool feature stores only"):
        make(thesis, overwrite=True)
    assert [path.name for path in thesis.iterdir()] == ["chapter1.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "thesis"]


@pytest.mark.parametrize("export", [pack, export_hdf5, export_npz, export_pyskl])
def test_a_file_replaces_a_file(folder: Path, tmp_path: Path, export: Make) -> None:
    store, out = FeatureStore.open(folder / "s.zarr"), tmp_path / "out"
    out.write_bytes(b"old")
    with pytest.raises(HeatpoolError, match="already exists; choose another or replace it with --overwrite"):
        export(store, out)
    assert out.read_bytes() == b"old"
    export(store, out, overwrite=True)
    assert out.stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_published_folder_replaces_its_like(folder: Path, tmp_path: Path) -> None:
    store, out = FeatureStore.open(folder / "s.zarr"), tmp_path / "npy"
    export_published(store, out)
    (out / "old.npy").touch()
    export_published(store, out, overwrite=True)
    assert not (out / "old.npy").exists()
    (out / "thesis.txt").write_text("my only copy")
    with pytest.raises(HeatpoolError, match=r"--overwrite replaces folders of \.npy files only"):
        export_published(store, out, overwrite=True)
    assert (out / "thesis.txt").exists()
