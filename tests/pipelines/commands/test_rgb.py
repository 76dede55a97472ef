"""`heatpool extract --rgb` as users run it, on clips of the demo's rendered people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.demo.dataset import DemoSpec, render_demo
from heatpool.extract.rgb.networks import ImageEmbedder
from heatpool.pipelines.cli import main
from heatpool.pool.records import Status
from heatpool.pool.store.jpeg import unpack_jpegs
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import RgbSpec
from tests.fixtures.clip_networks import CROP_PX, WIDTH, XCLIP_FRAMES, save_clip, save_xclip
from tests.pipelines.program import run_program

COMMON = ["--steps", "8", "--device", "cpu", "--threads", "1", "--shard-clips", "1", "--quiet"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short clips: one person who jumps, two who shake hands."""
    spec = DemoSpec(
        classes=("jump", "shake_hands"), subjects=(1,), cameras=(1,), min_frames=40, max_frames=48
    )
    return render_demo(spec, tmp_path_factory.mktemp("demo"))


def extract(videos: Path, out: Path, *options: str | Path) -> int:
    return main(["extract", "--videos", str(videos), "--out", str(out), *COMMON, *map(str, options)])


@pytest.fixture(scope="module")
def crops(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("crops") / "features.zarr"
    done = run_program("extract", "--videos", videos, "--out", out, *COMMON, "--rgb", "crops")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return out


def test_crops_show_the_people(crops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = FeatureStore.open(crops)
    assert (store.clips.status == Status.OK).all()
    arrays = store.read([0, 1], ("rgb_jpeg", "boxes", "mask"))
    assert arrays["rgb_jpeg"].shape[:2] == (2, 8)
    for slots in arrays["rgb_jpeg"]:
        pictures = unpack_jpegs(slots).astype(int)
        assert pictures.shape == (8, 224, 224, 3)
        assert (pictures.std((1, 2)) > 5).all()  # something is to be seen
        assert np.abs(np.diff(pictures, axis=0)).mean() > 1  # and it moves
    assert main(["info", str(crops)]) == 0
    said = capsys.readouterr().out
    assert "8 crops of 224 x 224 px per clip, JPEG" in said
    assert "rgb_jpeg" in said  # among the bytes per clip


@pytest.mark.parametrize("kind", ["clip", "xclip"])
def test_embeddings_are_those_of_the_crops(
    kind: str, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    folder = (save_clip if kind == "clip" else save_xclip)(tmp_path / "model")
    out = tmp_path / "features.zarr"
    options = ["--rgb", kind, "--rgb-weights", folder, "--rgb-frames", str(XCLIP_FRAMES)]
    assert extract(videos, out, *options) == 0
    store = FeatureStore.open(out)
    embedder = ImageEmbedder(kind, folder, frames=XCLIP_FRAMES)  # type: ignore[arg-type]
    assert store.spec.rgb == RgbSpec(kind, XCLIP_FRAMES, WIDTH, CROP_PX, embedder.weights_sha256)
    values = store.read([0, 1], ("rgb",))["rgb"]
    assert values.shape == (2, XCLIP_FRAMES, WIDTH)
    assert np.isfinite(values).all()
    assert (np.abs(values).max(2) > 0.01).all()
    assert main(["info", str(out)]) == 0
    assert f"{XCLIP_FRAMES} {kind} embeddings of {WIDTH} per clip" in capsys.readouterr().out

    assert extract(videos, out, *options, "--overwrite", "--person-batch", "3") == 0
    again = FeatureStore.open(out).read([0, 1], ("rgb",))["rgb"]
    np.testing.assert_allclose(again.astype(float), values.astype(float), atol=2e-3)


def test_the_same_frames_and_boxes_with_and_without_rgb(videos: Path, crops: Path, tmp_path: Path) -> None:
    out = tmp_path / "plain.zarr"
    assert extract(videos, out) == 0
    plain, with_rgb = FeatureStore.open(out), FeatureStore.open(crops)
    names = tuple(plain.layout.features)
    assert set(with_rgb.layout.features) == {*names, "rgb_jpeg"}
    for name in names:
        np.testing.assert_array_equal(*(store.read([0, 1], (name,))[name] for store in (plain, with_rgb)))
    assert "rgb" not in plain.attributes


def test_a_store_goes_on_with_its_own_rgb_only(
    videos: Path, crops: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in ([], ["--rgb", "crops", "--rgb-frames", "4"]):
        assert extract(videos, crops, "--resume", *other) == 1
        assert "cannot resume, the store was made from other input: rgb" in capsys.readouterr().err
    assert extract(videos, crops, "--resume", "--rgb", "crops") == 0


@pytest.mark.slow
def test_workers_give_the_same_crops(videos: Path, crops: Path, tmp_path: Path) -> None:
    out = tmp_path / "workers.zarr"
    more = ["--rgb", "crops", "--workers", "2"]
    done = run_program("extract", "--videos", videos, "--out", out, *COMMON, *more)
    assert done.returncode == 0, done.stderr
    for shard in range(2):
        name = f"rgb_jpeg/c/{shard}/0/0"
        assert (out / name).read_bytes() == (crops / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rgb-weights", "somewhere"], "expected --rgb clip or --rgb xclip with --rgb-weights"),
        (["--rgb", "crops", "--rgb-weights", "somewhere"], "expected --rgb clip or --rgb xclip"),
        (["--rgb", "crops", "--rgb-frames", "0"], "rgb-frames"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: list[str], said: str, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        extract(videos, tmp_path / "x.zarr", *options)
    assert left.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x.zarr").exists()
