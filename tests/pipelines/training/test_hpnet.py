"""HP-Net from the command line, on a small store whose two classes differ in motion and in RGB."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from heatpool.classify.scores.scores import load_scores
from heatpool.pipelines.cli import main
from heatpool.pool.records import ClipFeatures, ClipResult, Status
from heatpool.pool.store.jpeg import SLOT_BYTES, pack_jpegs
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import RgbSpec, StoreSpec
from heatpool.pool.store.writer import StoreWriter
from tests.fixtures.clip_networks import CROP_PX, WIDTH, XCLIP_FRAMES, save_clip, save_xclip
from tests.pipelines.training.train_cases import CHANNELS, CLIPS, STEPS, clip, make_store, rising, train

EMBEDDINGS = RgbSpec("xclip", frames=XCLIP_FRAMES, width=WIDTH, crop_px=CROP_PX, weights_sha256="cd" * 32)
CROPS = RgbSpec("crops", frames=XCLIP_FRAMES, width=SLOT_BYTES, crop_px=CROP_PX)


def rgb_clip(row: int, rgb: RgbSpec) -> ClipFeatures:
    """A clip whose RGB is of one colour, or one direction, per class; clip 4 has none."""
    features, side = clip(row), 0 if rising(row) else 1
    if rgb.kind == "crops":
        pictures = np.zeros((XCLIP_FRAMES, CROP_PX, CROP_PX, 3), np.uint8)
        pictures[..., side] = 200
        return replace(features, rgb_jpeg=pack_jpegs(pictures) * (row != 4))
    embeddings = np.eye(2, rgb.width, dtype=np.float32)[np.full(XCLIP_FRAMES, side)]
    return replace(features, rgb=embeddings * (row != 4))


def rgb_store(path: Path, rgb: RgbSpec) -> Path:
    index = FeatureStore.open(make_store(path.with_name("plain.zarr"))).clips.index
    spec = StoreSpec(2, STEPS, 17, CHANNELS, "tiny", "tap", "ab" * 32, {}, rgb=rgb)
    writer = StoreWriter.create(path, spec=spec, index=index, shard_clips=CLIPS)
    results = [ClipResult(Status.OK, STEPS, 25.0, 64, 48, 1)] * CLIPS
    writer.write_shard(0, [rgb_clip(row, rgb) for row in range(CLIPS)], results)
    writer.finish()
    return path


def save_tokenizer(folder: Path) -> None:
    """A tokenizer of the 64 tokens that the small networks know: letters, and letters that end a word."""
    from transformers import CLIPTokenizer

    letters = [chr(ord("a") + number) for number in range(26)]
    names = ["<|startoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    vocab = {name: number for number, name in enumerate(names)}
    vocab["<|endoftext|>"] = 63  # the largest: where CLIP reads its answer
    CLIPTokenizer(vocab=vocab, merges=[]).save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with embeddings, a CLIP with its tokenizer, and a run trained on both."""
    folder = tmp_path_factory.mktemp("hpnet")
    rgb_store(folder / "features.zarr", EMBEDDINGS)
    save_tokenizer(save_clip(folder / "clip"))
    assert hpnet(folder / "features.zarr", folder / "run", "--text", str(folder / "clip")) == 0
    return folder


def hpnet(store: Path, out: Path, *more: str) -> int:
    common = ("--model", "hpnet", "--epochs", "4", "--batch-size", "8")
    return train(store, out, *common, *more)


def test_a_run_is_laid_out_as_every_other_and_says_what_it_learnt_from(folder: Path) -> None:
    run = folder / "run"
    summary = json.loads((run / "summary.json").read_text())
    assert list(summary["streams"]) == ["hpnet"]
    said = summary["streams"]["hpnet"]["modalities"]
    assert said[0] == f"HP-Net, RGB: frozen xclip embeddings of {XCLIP_FRAMES} frames a clip"
    assert said[1] == f"HP-Net, text: class names embedded by {folder / 'clip'}"
    assert said[2:] == ["HP-Net, RGB: missing in 1 of 8 val clips"]
    log, report = (run / "log.txt").read_text(), (run / "report.html").read_text()
    for line in said:
        assert line in log
        assert line in report
    files = {file.name for file in (run / "hpnet").iterdir()}
    assert {"metrics.csv", "checkpoints", "scores_test.npz", "confusion_test.png"} <= files
    assert {f"scores_test_{head}.npz" for head in ("joint", "joint_motion", "bone")} <= files
    scores = load_scores(run / "hpnet/scores_test.npz")
    assert (scores.scores.argmax(1) == scores.labels).mean() == pytest.approx(
        summary["streams"]["hpnet"]["test"]["acc/top1"]
    )
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["rgb"], config["text"]) == ("embeddings", str(folder / "clip"))


def test_evaluate_gives_the_same_scores_without_the_text_network(folder: Path, tmp_path: Path) -> None:
    assert main(["evaluate", "--run", str(folder / "run"), "--out", str(tmp_path), "--threads", "1"]) == 0
    again, first = (load_scores(where / "hpnet/scores_test.npz") for where in (tmp_path, folder / "run"))
    assert again.clip_ids == first.clip_ids
    np.testing.assert_array_equal(again.scores, first.scores)


def test_a_store_with_other_rgb_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rgb_store(tmp_path / "other.zarr", replace(EMBEDDINGS, weights_sha256="ef" * 32))
    run = ["evaluate", "--run", str(folder / "run"), "--out", str(tmp_path / "out")]
    assert main([*run, "--features", str(tmp_path / "other.zarr")]) == 1
    assert "its rgb_weights_sha256 is 'cdcdcd" in capsys.readouterr().err


def test_without_rgb_and_text_it_says_so_and_resumes(tmp_path: Path) -> None:
    store = make_store(tmp_path / "plain.zarr")
    assert hpnet(store, tmp_path / "run", "--quiet") == 0
    before = (tmp_path / "run/hpnet/scores_test.npz").read_bytes()
    log = (tmp_path / "run/log.txt").read_text()
    assert "RGB: none (the store has no embeddings); a linear map of the skeleton vector stands in" in log
    assert "text: no text network was given (--text), class embeddings are learned" in log
    assert hpnet(store, tmp_path / "run", "--quiet", "--resume") == 0
    assert (tmp_path / "run/hpnet/scores_test.npz").read_bytes() == before


def test_an_xclip_is_trained_on_crops_and_gives_the_texts(tmp_path: Path) -> None:
    store = rgb_store(tmp_path / "features.zarr", CROPS)
    xclip = save_xclip(tmp_path / "xclip")
    save_tokenizer(xclip)
    out = tmp_path / "run"
    assert hpnet(store, out, "--rgb", "crops", "--rgb-weights", str(xclip), "--quiet") == 0
    log = (out / "log.txt").read_text()
    assert f"RGB: crops, {xclip} is trained on them" in log
    assert f"class names embedded by {xclip}" in log
    assert (out / "label_text.safetensors").is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rgb", "embeddings"), "expected RGB embeddings in"),
        (("--rgb-weights", "x"), "expected --rgb-weights with --rgb crops only"),
        (
            ("--text", "no/such"),
            "expected a CLIP or X-CLIP model in a local folder or on the Hugging Face hub",
        ),
    ],
)
def test_what_is_not_there_is_one_clear_line(
    options: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    store = make_store(tmp_path / "plain.zarr")
    assert hpnet(store, tmp_path / "run", *options, "--quiet") == 1
    assert said in capsys.readouterr().err


def test_a_text_network_of_another_width_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = rgb_store(tmp_path / "wide.zarr", replace(EMBEDDINGS, width=WIDTH + 8))
    assert hpnet(store, tmp_path / "run", "--text", str(folder / "clip"), "--quiet") == 1
    assert f"has {WIDTH} values, the RGB {WIDTH + 8}; take both from the same" in capsys.readouterr().err


@pytest.mark.slow
def test_seeds_side_by_side_end_as_each_alone(folder: Path, tmp_path: Path) -> None:
    store = folder / "features.zarr"
    assert hpnet(store, tmp_path / "both", "--seeds", "2", "--threads", "2", "--quiet") == 0
    assert hpnet(store, tmp_path / "alone", "--seed", "1", "--threads", "1", "--quiet") == 0
    last = "hpnet/checkpoints/last.safetensors"
    assert (tmp_path / "both/seed_1" / last).read_bytes() == (tmp_path / "alone" / last).read_bytes()
    said = json.loads((tmp_path / "both/seed_0/summary.json").read_text())["streams"]["hpnet"]["modalities"]
    assert said[0].startswith("HP-Net, RGB: frozen xclip embeddings")
    assert "HP-Net, RGB: frozen" in (tmp_path / "both/seed_0/log.txt").read_text()
