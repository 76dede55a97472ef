"""What `heatpool.pool` exports is there, and costs nothing until it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from heatpool import pool
from tests.paths import ROOT

HEAVY = (
    "torch",
    "pandas",
    "h5py",
    "requests",
    "obstore",
    "scipy",
    "cv2",
    "xarray",
    "dask",
    "matplotlib",
    "av",
)


@pytest.mark.parametrize("name", pool.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(pool, name).__module__.startswith("heatpool.pool.")


def test_another_name_is_not() -> None:
    assert not hasattr(pool, "FeatureShop")


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("import heatpool.pool", ("numpy", "zarr", *HEAVY)),
        ("import heatpool.pool.disk.atomic, heatpool.pool.disk.locks", ("numpy", "zarr", *HEAVY)),
        ("from heatpool.pool.store.reader import FeatureStore", HEAVY),
        ("import heatpool.pool.store.writer, heatpool.pool.archive.pack, heatpool.pool.derive.merge", HEAVY),
        ("import heatpool.pool.exchange.hdf5, heatpool.pool.exchange.pyskl", HEAVY),
        ("import heatpool.pool.split_findings, heatpool.pool.store.jpeg", HEAVY),
    ],
)
def test_an_import_loads_no_more_than_it_needs(line: str, absent: tuple[str, ...]) -> None:
    code = f"import sys; {line}; print(*({{*sys.modules}} & {{{', '.join(map(repr, absent))}}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
