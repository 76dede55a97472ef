"""Files that claim far more than they hold end in one line; docs/claims.md has all of them."""

from __future__ import annotations

import io
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from benchmarks.claims_files import HUGE, alias_bomb, header, zip_members
from benchmarks.claims_stores import STORES
from benchmarks.readers import make_store
from heatpool.extract.networks.hrnet.weights import read_checkpoint
from heatpool.pipelines.cli import main
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.npz import export_npz
from heatpool.pool.store.reader import FeatureStore

Say = Callable[..., str]


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command that must end with exit code 1 and one line, which it returns."""

    def run(*words: object) -> str:
        assert main([str(word) for word in words]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("claims") / "features.zarr"
    make_store(path)
    return path


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ("10^12 clips", "it claims 1,000,000,000,000 clips and has no label/c/15258789"),
        ("10^12 clips, the last label is there", "HEATPOOL_MAX_CLIPS in the environment, now 20,000,000"),
        ("10^11 channels", "expected at most 268,435,456 values a clip"),
        ("300 persons", "expected at most 255 persons, got 300"),
        ("brackets in brackets", "got no readable zarr.json"),
        ("finished.json of brackets", "unreadable finished.json (brackets within brackets without end)"),
        ("a journal of brackets", "unreadable record journal/0000000.json (brackets within brackets"),
        ("a chunk of 1 TB", "a chunk claims 1,000,000,000,000 bytes, it may hold 44"),
        ("a chunk that inflates to 300 MB", "a chunk claims 300,000,000 bytes, it may hold 44"),
        ("texts that inflate to 300 MB", "cannot read array clip_id (a chunk claims 300,000,000 bytes"),
        ("2^32 texts in a chunk", "a chunk claims 4,294,967,295 texts, it may hold 11"),
        ("a gzip chunk of 300 MB", "codec 'gzip' is none of the format"),
        ("texts of 1 GiB each", "values of type <U268435456"),
        ("an array of float64", "expected array label of i4"),
        ("10^12 instead of class names", "expected a list of texts beside it, got 1000000000000"),
    ],
)
def test_a_store_that_claims_too_much(
    claim: str, says: str, store: Path, tmp_path: Path, refuse: Say
) -> None:
    lie = shutil.copytree(store, tmp_path / "lie.zarr")
    STORES[claim](lie)
    assert says in refuse("archive", "export", lie, tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


def test_a_record_with_a_hole_of_a_terabyte(store: Path, tmp_path: Path, refuse: Say) -> None:
    lie = shutil.copytree(store, tmp_path / "lie.zarr")
    with (lie / "finished.json").open("r+b") as file:
        file.truncate(HUGE)
    assert "finished.json: refused, it has 1,000,000,000,000 bytes" in refuse("info", lie)


def test_an_exported_npz_that_claims_too_much(store: Path, tmp_path: Path, refuse: Say) -> None:
    export_npz(FeatureStore.open(store), tmp_path / "whole.npz")
    with zipfile.ZipFile(tmp_path / "whole.npz") as archive:
        members: dict[str, Any] = {name: archive.read(name) for name in archive.namelist()}
    for change, says in {
        300_000_000: "its content would take 300 MB, the file has",
        header((HUGE,), "<i4"): "label.npy claims (1000000000000,) int32 in 128 bytes",
    }.items():
        path = zip_members(tmp_path / "lie.npz", {**members, "label.npy": change})
        assert says in refuse("archive", "import", path, tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


def test_an_exported_hdf5_that_claims_too_much(store: Path, tmp_path: Path, refuse: Say) -> None:
    assert main(["archive", "export", str(store), str(tmp_path / "lie.h5"), "--quiet"]) == 0
    with h5py.File(tmp_path / "lie.h5", "a") as file:
        del file["columns/subject"]
        file.create_dataset("columns/subject", (10**9,), h5py.string_dtype(), chunks=(1 << 16,))
    line = refuse("archive", "import", tmp_path / "lie.h5", tmp_path / "out.zarr", "--quiet")
    assert "expected 11 values in columns/subject, got (1000000000,)" in line


def test_a_pickle_that_names_ten_lists_ten_times(tmp_path: Path, refuse: Say) -> None:
    keypoint: Any = [1.0] * 10
    for _ in range(8):
        keypoint = [keypoint] * 10
    clip = {"frame_dir": "a", "label": 0, "total_frames": 4, "img_shape": (9, 9), "keypoint": keypoint}
    (tmp_path / "lie.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": [clip]}, protocol=4))
    line = refuse("archive", "import", tmp_path / "lie.pkl", tmp_path / "out.zarr", "--quiet")
    assert "expected numbers, got far more than a clip has" in line


def test_options_that_unfold_by_aliases(store: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "lie.yaml").write_text(alias_bomb(), encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        main(["train", str(store), "--config", str(tmp_path / "lie.yaml")])
    assert "its aliases unfold to 123,456,797 values" in capsys.readouterr().err


def test_scores_that_claim_too_much(tmp_path: Path, refuse: Say) -> None:
    empty = io.BytesIO()
    np.save(empty, np.zeros(0, np.str_))
    members: dict[str, Any] = {
        f"{name}.npy": empty.getvalue() for name in ("clip_id", "labels", "class_names", "kind")
    }
    for scores, says in {
        header((HUGE, 4)): "scores.npy claims (1000000000000, 4) float32 in 128 bytes",
        300_000_000: "its content would take 300 MB",
    }.items():
        path = zip_members(tmp_path / "lie.npz", {**members, "scores.npy": scores})
        assert says in refuse("fuse", f"a={path}", f"b={path}")


def test_a_network_of_one_number(tmp_path: Path) -> None:
    wide = torch.zeros(1).expand(10**9, 1, 3, 3)
    torch.save({"stage2.0.branches.0.0.conv1.weight": wide}, tmp_path / "lie.pth")
    with pytest.raises(HeatpoolError, match="its tensors would take 36,000 MB, the file has 0.0 MB"):
        read_checkpoint(tmp_path / "lie.pth")
