"""Features of frames as other networks' programs save them: by numpy.save, numpy.savez."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.clip_store import ClipPart
from heatpool.pool.exchange.frame_features import import_frame_features, open_frame_features
from heatpool.pool.records import ClipIndex, Status
from heatpool.pool.store.reader import FeatureStore


def ramp(frames: int, channels: int = 5) -> np.ndarray:
    """Channel c of frame f is f + c / 10."""
    return (np.arange(frames)[:, None] + np.arange(channels) / 10).astype(np.float32)


def take(path: Path, out: Path, parts: list[ClipPart] | None = None, **options: Any) -> FeatureStore:
    file = open_frame_features(path)
    assert file is not None
    parts = parts or [ClipPart(number) for number in range(len(file.names))]
    names = tuple(f"clip {number}" for number in range(len(parts)))
    index = ClipIndex(names, names, np.full(len(parts), -1, np.int32), ())
    import_frame_features(file, out, index=index, parts=parts, **{"steps": 4} | options)
    return FeatureStore.open(out)


def test_a_folder_becomes_a_store_of_one_joint(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    (folder / "wave").mkdir(parents=True)
    np.save(folder / "wave" / "a.npy", ramp(4))
    np.save(folder / "wave" / "b.npy", ramp(8)[None, :, :, None].astype(np.float64))
    np.save(folder / "wave" / "c.npy", ramp(9, 4))
    np.save(folder / "wave" / "d.npy", np.full((4, 5), np.inf, np.float32))
    np.savez(folder / "wave" / "e.npz", features=ramp(1)[0], label=np.array(3))
    store = take(folder, tmp_path / "s.zarr", fps=2.0)
    assert store.spec.joint_names == ("frame",)
    assert store["pooled"].shape == (5, 1, 4, 1, 5)
    np.testing.assert_allclose(store["pooled"][0, 0, :, 0], ramp(4), atol=1e-3)
    np.testing.assert_allclose(store["pooled"][1, 0, :, 0, 0], [0.5, 2.5, 4.5, 6.5])
    np.testing.assert_allclose(store["pooled"][4, 0, :, 0, 0], [0] * 4)
    assert store["time_s"][1].tolist() == [0.25, 1.25, 2.25, 3.25]
    reasons = [result.reason for result in store.results(range(5))]
    assert store.clips.status.tolist() == [Status.OK, Status.OK, Status.FAILED, Status.FAILED, Status.OK]
    assert reasons[2].endswith("c.npy: expected features (F, 5), got (9, 4)")
    assert "expected finite features" in reasons[3]


def test_an_npz_of_many_arrays_is_a_video_each(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "all.npz", a=ramp(4), b=ramp(6), ids=np.arange(3))
    file = open_frame_features(tmp_path / "all.npz")
    assert file is not None
    assert file.names == ("a", "b")
    store = take(tmp_path / "all.npz", tmp_path / "s.zarr", [ClipPart(1, start_s=2.0, end_s=6.0)], fps=1.0)
    np.testing.assert_allclose(store["pooled"][0, 0, :, 0, 0], [2, 3, 4, 5])


def test_what_is_turned_or_damaged_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    np.save(folder / "a.npy", ramp(4))
    np.save(folder / "b.npy", ramp(7).T)
    (folder / "c.npy").write_bytes((folder / "a.npy").read_bytes()[:-10])
    file = open_frame_features(folder)
    assert file is not None
    with pytest.raises(HeatpoolError, match=r"b\.npy: .* got \(5, 7\): its axes seem turned"):
        file.read(1)
    with pytest.raises(HeatpoolError, match=r"c\.npy: cannot be read as NumPy arrays .*ends early"):
        file.read(2)


@pytest.mark.parametrize("shape", [(4, 2, 17, 3), (4, 10, 32), (0, 5, 5, 5), (1,)])
def test_other_arrays_are_none(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    assert open_frame_features(tmp_path) is None
    assert open_frame_features(tmp_path / "a.npy") is None
