"""The coarsest features that a run still reads rightly: curve, choice, and `convert --like-accuracy`."""

from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.pipelines.cli import main
from heatpool.pipelines.training import accuracy_curve
from heatpool.pipelines.training.accuracy_curve import (
    LEAST_CLIPS,
    AccuracyCurve,
    CurvePoint,
    trace_accuracy,
)
from heatpool.pool.store.reader import open_store


def curve(clips: int, *changes: tuple[float, float]) -> AccuracyCurve:
    """Clips lost and gained at 1, 2, 5 % error."""
    points = [CurvePoint(0.0, 9.5, {"fused": 0.9}, 0.0, 0.0)]
    for error, (lost, gained) in zip((0.01, 0.02, 0.05), changes, strict=True):
        points.append(CurvePoint(error, 9.5, {"fused": 0.9 + (gained - lost) / clips}, lost, gained))
    return AccuracyCurve(tuple(points), clips)


@pytest.mark.parametrize(
    ("clips", "changes", "error"),
    [
        (1000, ((0, 0), (5, 2), (7, 3)), 0.05),  # falls by 0.4 points, at most 0.9
        (1000, ((0, 0), (5, 2), (9, 3)), 0.02),  # falls by 0.6, perhaps by 1.2
        (1000, ((0, 0), (40, 40), (0, 0)), 0.01),  # as often right, but too many answers changed to be sure
        (40, ((0, 0), (0, 1), (0, 0)), 0.05),
        (40, ((0, 0), (1, 1), (0, 0)), 0.01),  # a clip that is gained does not make up for one that is lost
        (40, ((0, 0), (0.2, 0), (0.4, 0)), 0.01),  # of five seeds one lost a clip
        (40, ((1, 0), (0, 0), (0, 0)), 0.0),
    ],
)
def test_the_coarsest_that_is_surely_no_worse(
    clips: int, changes: tuple[tuple[float, float], ...], error: float
) -> None:
    assert curve(clips, *changes).coarsest.error == error


def test_what_clips_can_tell() -> None:
    """Of n clips of which none changed its answer the fall is below 1.645 / (n + 2)."""
    assert curve(98, (0, 0), (0, 0), (0, 0)).tolerance == pytest.approx(0.01645, abs=1e-5)
    assert curve(163, (0, 0), (0, 0), (0, 0)).tolerance == 0.01
    assert curve(LEAST_CLIPS, (0, 0), (0, 0), (0, 0)).tolerance < 0.05
    one = curve(98, (1, 0), (0, 1), (0, 0))
    # By hand: (1 + 1.645 sqrt(2 - 1/100)) / 100, and the same with -1.
    assert one.most_fall(one.points[1]) == pytest.approx(0.03320, abs=1e-5)
    assert one.most_fall(one.points[2]) == pytest.approx(0.01320, abs=1e-5)


def test_a_run_is_scored_on_what_is_read_back(brightness_run: Path) -> None:
    store = open_store(brightness_run.parent / "features.zarr")
    found = trace_accuracy(brightness_run, store, errors=(0.02, 0.6))
    sizes = [point.kb_per_person for point in found.points]
    assert sizes == sorted(sizes, reverse=True)
    assert found.clips == len(store.clips.rows(store.clips.protocols[0], split="val"))
    whole, fine, _ = (point.top1 for point in found.points)
    assert (found.points[1].lost, found.points[1].gained) == (0, 0)
    assert whole == fine
    assert set(whole) == {"pooled_joint", "fused"}


def test_convert_like_a_run(
    brightness_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = brightness_run.parent / "features.zarr"
    asked = ["convert", str(store), str(tmp_path / "small.zarr"), "--like-accuracy", str(brightness_run)]
    assert main([*asked, "--quiet", "--device", "cpu"]) == 1
    said = capsys.readouterr()
    assert "as is" in said.out  # the curve is shown, and nothing is made of it
    assert "expected at least 31 val clips to tell whether accuracy falls, got 4" in said.err
    assert not (tmp_path / "small.zarr").exists()
    monkeypatch.setattr(accuracy_curve, "LEAST_CLIPS", 4)
    assert main([*asked, "--quiet", "--device", "cpu"]) == 0
    assert "the coarsest up to which with 95 % certainty" in capsys.readouterr().out
    assert open_store(tmp_path / "small.zarr").spec.precision == "levels"
