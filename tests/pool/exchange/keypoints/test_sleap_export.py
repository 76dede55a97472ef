from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.sleap import read_sleap
from heatpool.pool.exchange.keypoints.sleap_export import export_sleap
from heatpool.pool.store.reader import FeatureStore
from tests.pool.store.store_cases import make_spec, make_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    path = tmp_path_factory.mktemp("sleap") / "s.zarr"
    spec = make_spec(joint_names=("a", "b", "c"), edges=((0, 1), (1, 2)), skeleton="chain")
    make_store(path, clips=4, spec=spec)
    return FeatureStore.open(path)


def test_what_goes_out_comes_back(store: FeatureStore, tmp_path: Path) -> None:
    pytest.importorskip("sleap_io")
    assert export_sleap(store, tmp_path / "x.slp") == 4
    file = read_sleap(tmp_path / "x.slp")
    assert (file.skeleton, file.names) == (store.spec.graph, store.clips.index.path)
    arrays = store.read(range(4), ("keypoints", "mask", "time_s"))
    for row, (keypoints, mask) in enumerate(zip(arrays["keypoints"], arrays["mask"], strict=True)):
        poses = file.read(row)
        step, who = np.nonzero(mask.T)
        wanted = keypoints[who, step].astype(float)
        found = wanted[..., 2] > 0
        kept = found.any(1)
        frames = np.rint(arrays["time_s"][row] * store.clips.fps[row]).astype(int)
        assert (poses.frame.tolist(), poses.track.tolist()) == (
            frames[step][kept].tolist(),
            who[kept].tolist(),
        )
        pixels = np.where(found[..., None], (wanted[..., :2] + 1) / 2 * (640, 480), np.nan)
        np.testing.assert_allclose(poses.joints, pixels[kept], rtol=1e-6)
        np.testing.assert_allclose(poses.joint_score, np.where(found, wanted[..., 2], 0)[kept], rtol=1e-6)
        assert (poses.width_px, poses.height_px, poses.frames) == (640, 480, 100 + row)
        assert poses.fps == pytest.approx(29.97)


def test_without_sleap_io_it_is_said(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sleap_io", None)
    with pytest.raises(HeatpoolError, match=r"pip install 'heatpool\[sleap\]'"):
        export_sleap(store, tmp_path / "x.slp")


def test_what_is_too_much_for_a_project_is_refused(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sleap_io")
    monkeypatch.setattr("heatpool.pool.exchange.keypoints.sleap_export._MOST_PERSONS", 31)
    with pytest.raises(HeatpoolError, match="at most 31 persons in frames for one SLEAP project, got 4"):
        export_sleap(store, tmp_path / "x.slp")
