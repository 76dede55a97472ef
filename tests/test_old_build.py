"""What heatpool 0.1.0 wrote before its modules and options were renamed is read as before.

`fixtures/old_build.tar.gz` was made by that build: a store of 36 clips (features.zarr), the same as u1 and as
an archive, a store whose extraction was interrupted, and runs of a linear model, of two seeds, of CTR-GCN and
of HP-Net (whose weights are too large to be here). The figures below are what that build printed.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from heatpool.pipelines.cli import main
from heatpool.pool.records import ClipResult, Status
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.paths import ROOT


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ROOT / "tests/fixtures/old_build.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def old(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to write into, which is the working folder, as it was when the runs were trained."""
    folder = tmp_path / "old"
    shutil.copytree(unpacked, folder)
    monkeypatch.chdir(folder)
    return folder


def heatpool(line: str, *, expect: int = 0) -> None:
    assert main(line.split()) == expect, line


@pytest.mark.parametrize("store", ["features.zarr", "features.hpz", "small.zarr"])
def test_stores_are_described_and_sound(store: str, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heatpool(f"info {store}")
    text = " ".join(capsys.readouterr().out.split())
    for said in ("36: 36 ok", "(36, 2, 16, 17, 6)", "2: rise, fall", "20 train, 8 val, 8 test"):
        assert said in text
    heatpool(f"archive verify {store}" if store.endswith(".hpz") else f"verify {store}")


def test_a_flipped_byte_is_found(old: Path) -> None:
    (shard,) = (old / "features.zarr/pooled").glob("c*")
    for path in (shard, old / "features.hpz"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    heatpool("verify features.zarr", expect=1)
    heatpool("archive verify features.hpz", expect=1)


def test_an_archive_unpacks_to_the_store(old: Path) -> None:
    heatpool("archive unpack features.hpz again.zarr")
    heatpool("verify again.zarr")
    rows = range(36)
    for name in ("pooled", "keypoints", "boxes", "mask", "time_s"):
        before, after = (
            FeatureStore.open(old / each).read(rows, name)[name] for each in ("features.zarr", "again.zarr")
        )
        np.testing.assert_array_equal(before, after)


def test_one_byte_a_value_is_within_its_error(old: Path) -> None:
    full, small = (FeatureStore.open(old / name) for name in ("features.zarr", "small.zarr"))
    there = full.read(range(36), ("pooled", "mask"))
    exact, seen = there["pooled"].astype("f4"), there["mask"]
    rough = small.read(range(36))["pooled"].astype("f4")
    # A channel's range within a clip is divided into 255 steps; both values are rounded to float16 besides.
    spread = np.ptp(exact, axis=(2, 3))[:, :, None, None]
    error = np.abs(rough - exact)[seen]
    assert error.max() > 0
    assert (error <= np.broadcast_to(0.51 * spread / 255 + 2e-3, exact.shape)[seen]).all()


def test_an_interrupted_extraction_is_taken_up(old: Path) -> None:
    store = FeatureStore.open(old / "unfinished.zarr")
    assert not store.finished
    assert np.bincount(store.clips.status).tolist()[Status.PENDING] == 3
    kept = store.read(range(8), ("pooled", "keypoints"))
    writer = StoreWriter.resume(store.path, spec=store.spec, index=store.clips.index)
    assert writer.pending_shards(check="hashes") == [2]
    writer.write_shard(2, [None] * 3, [ClipResult(Status.FAILED)] * 3)
    writer.finish()
    finished = FeatureStore.open(old / "unfinished.zarr")
    assert finished.finished
    assert not (finished.clips.status == Status.PENDING).any()
    for name, values in finished.read(range(8), ("pooled", "keypoints")).items():
        np.testing.assert_array_equal(values, kept[name])
    heatpool("verify unfinished.zarr")


@pytest.mark.parametrize("run", ["run", "ctrgcn", "seeds"])
def test_runs_are_scored_as_by_the_old_build(run: str, old: Path) -> None:
    heatpool(f"evaluate {run} --out scored")
    seeds = ["seed_0/", "seed_1/"] if run == "seeds" else [""]
    for seed in seeds:
        before = _scores(old / run / f"{seed}scores_test.npz")
        after = _scores(old / "scored" / f"{seed}scores_test.npz")
        assert before.keys() == after.keys()
        for name in before:
            same = np.testing.assert_array_equal if before[name].dtype.kind in "US" else _close
            same(before[name], after[name])


@pytest.mark.parametrize("lost", [(), ("summary.json", "fusion.json", "keypoints_joint/scores_test.npz")])
def test_a_run_is_resumed_without_training_again(lost: tuple[str, ...], old: Path) -> None:
    """What an interruption took is made again from the old build's checkpoints, to the same figures."""
    before = json.loads((old / "run/summary.json").read_text())
    scores = {name: _scores(old / f"run/{name}scores_test.npz") for name in ("", "keypoints_joint/")}
    weights = (old / "run/pooled_joint/checkpoints/best.safetensors").read_bytes()
    for name in lost:
        (old / "run" / name).unlink()
    heatpool("train --resume --features ./features.zarr --model linear --epochs 3 --out run")
    after = json.loads((old / "run/summary.json").read_text())
    for name in ("pooled_joint", "keypoints_joint"):
        for split in ("val", "test"):
            assert after["streams"][name][split] == pytest.approx(before["streams"][name][split])
    for name, values in scores.items():  # weights of a fusion are fitted to some digits only
        again = _scores(old / f"run/{name}scores_test.npz")["scores"]
        np.testing.assert_allclose(again, values["scores"], rtol=1e-5 if name else 1e-3, atol=1e-5)
    assert (old / "run/pooled_joint/checkpoints/best.safetensors").read_bytes() == weights
    assert (old / "run/report.html").is_file()


def test_scores_of_old_runs_are_fused_and_compared(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heatpool("fuse run ctrgcn hpnet --out fused")
    heatpool("compare run ctrgcn --stream keypoints_joint --out difference.json")
    said = capsys.readouterr().out
    assert "8" in said
    assert (old / "fused/scores_test.npz").is_file()
    assert (old / "difference.json").is_file()


def _scores(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def _close(before: np.ndarray, after: np.ndarray) -> None:
    np.testing.assert_allclose(before, after, rtol=1e-4, atol=1e-5)
