"""The coarsest features that a run still reads rightly: curve, choice, and `convert --like-accuracy`."""

from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.pipelines.cli import main
from heatpool.pipelines.training.accuracy_curve import AccuracyCurve, CurvePoint, trace_accuracy
from heatpool.pool.store.reader import open_store


def curve(*fused: float) -> AccuracyCurve:
    errors = (0.0, 0.01, 0.02, 0.05)
    points = [CurvePoint(error, 9.5, {"fused": top1}) for error, top1 in zip(errors, fused, strict=False)]
    return AccuracyCurve(tuple(points), clips=40)


@pytest.mark.parametrize(
    ("fused", "error"),
    [
        ((0.9, 0.9, 0.9, 0.9), 0.05),
        ((0.9, 0.95, 0.9, 0.8), 0.02),
        ((0.9, 0.9, 0.8, 0.9), 0.01),  # a rise after a fall is luck
        ((0.9, 0.8, 0.9, 0.9), 0.0),
    ],
)
def test_the_coarsest_before_accuracy_falls(fused: tuple[float, ...], error: float) -> None:
    assert curve(*fused).coarsest.error == error


def test_a_run_is_scored_on_what_is_read_back(brightness_run: Path) -> None:
    store = open_store(brightness_run.parent / "features.zarr")
    found = trace_accuracy(brightness_run, store, errors=(0.02, 0.6))
    sizes = [point.kb_per_person for point in found.points]
    assert sizes == sorted(sizes, reverse=True)
    assert found.clips == len(store.clips.rows(store.clips.protocols[0], split="val"))
    whole, fine, _ = (point.top1 for point in found.points)
    assert whole == fine
    assert set(whole) == {"pooled_joint", "fused"}


def test_convert_like_a_run(brightness_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = brightness_run.parent / "features.zarr"
    asked = ["convert", str(store), str(tmp_path / "small.zarr"), "--like-accuracy", str(brightness_run)]
    assert main([*asked, "--quiet", "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "as is" in shown
    assert "5.0%" in shown
    assert open_store(tmp_path / "small.zarr").spec.precision == "levels"
