from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.classify.data.clips import ClipSet
from heatpool.classify.data.rgb import StoredCrops
from heatpool.classify.hpnet.architecture import HPNetArchitecture, build_hpnet, load_hpnet
from heatpool.classify.hpnet.frames import FrameEncoder
from heatpool.classify.hpnet.network import SKELETONS
from heatpool.classify.hpnet.recipe import HPNetRecipe
from heatpool.classify.hpnet.text import LabelText
from heatpool.classify.training.history import EpochReport, Training
from heatpool.classify.training.loop import train_network
from heatpool.classify.training.optim import AdamW
from heatpool.classify.training.predict import predict_heads
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.jpeg import pack_jpegs
from tests.classify.clip_cases import CLASSES, moving_clips
from tests.classify.hpnet.hpnet_cases import FRAMES, RGB_SOURCE, TINY, WIDTH, clips_with_rgb, recipe, shape_of
from tests.fixtures.torchvision_shim import install


class _StopError(Exception):
    pass


def run(
    config: HPNetRecipe, train: ClipSet, val: ClipSet, out: Path, *, given: bool = False, **more: object
) -> Training:
    shape = shape_of(train)
    text = None
    if given:
        config = dataclasses.replace(config, text="a")
        embeddings = torch.randn(len(CLASSES), WIDTH, generator=torch.Generator().manual_seed(0))
        text = LabelText(CLASSES, embeddings, "a", 3.0)
    model = build_hpnet(config, shape, text=text)
    return train_network(
        HPNetArchitecture(config), train, network=model, shape=shape, val=val, out_dir=out, **more
    )  # type: ignore[arg-type]


def right(scores: object) -> float:
    return float((scores.scores.argmax(1) == scores.labels).mean())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("rgb", "given"), [(True, True), (False, False)])
def test_eight_clips_are_learnt_by_heart(rgb: bool, given: bool, tmp_path: Path) -> None:
    """With RGB and given texts, or with neither: main and auxiliary heads alike."""
    clips = clips_with_rgb(8, rgb=rgb)
    config = recipe(shared={"epochs": 20, "batch_size": 4, "p_interval": (1.0, 1.0)})
    trained = load_hpnet(run(config, clips, clips, tmp_path, given=given).last)
    scores = predict_heads(trained, clips)
    assert set(scores) == {"hpnet", *SKELETONS}
    assert {name: right(of_head) for name, of_head in scores.items()} == dict.fromkeys(scores, 1)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "lr", "train/loss", "train/acc", "val/loss", "val/acc/top1"]
    assert float(rows[-1]["train/loss"]) < 0.5 * float(rows[0]["train/loss"])


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With mixup, dropout and accumulation; stopped once between epochs and once in the middle of one."""
    config = recipe(
        mixup=0.8, shared={"epochs": 4, "dropout": 0.1, "label_smoothing": 0.1, "accumulation": 2}
    )
    train, val = clips_with_rgb(18), clips_with_rgb(9, seed=1)
    whole = run(config, train, val, tmp_path / "whole")

    def stop_after_two(report: EpochReport) -> None:
        if report.epoch == 1:
            raise _StopError

    monkeypatch.setattr("heatpool.classify.training.history._SAVE_EVERY_S", 0.0)
    with pytest.raises(_StopError):
        run(config, train, val, tmp_path / "cut", progress=stop_after_two)
    calls = []
    step = AdamW.step

    def broken_step(self: torch.optim.Optimizer) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise _StopError
        step(self)

    with monkeypatch.context() as patch:
        patch.setattr(AdamW, "step", broken_step)
        with pytest.raises(_StopError):
            run(config, train, val, tmp_path / "cut", resume=True)
    resumed = run(config, train, val, tmp_path / "cut", resume=True)
    assert [each.resumed for each in resumed.history] == [True, True, False, False]
    assert [each.figures for each in resumed.history] == [each.figures for each in whole.history]
    assert resumed.last.read_bytes() == whole.last.read_bytes()
    assert (tmp_path / "cut/metrics.csv").read_bytes() == (tmp_path / "whole/metrics.csv").read_bytes()
    with pytest.raises(HeatpoolError, match="already exists; choose another, resume it"):
        run(config, train, val, tmp_path / "cut")
    with pytest.raises(HeatpoolError, match="another configuration or other clips"):
        run(dataclasses.replace(config, mixup=0.0), train, val, tmp_path / "cut", resume=True)


def test_accumulated_batches_make_one_step_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    step = AdamW.step

    def counted_step(self: torch.optim.Optimizer) -> None:
        taken.append(1)
        step(self)

    monkeypatch.setattr(AdamW, "step", counted_step)
    clips = clips_with_rgb(18)  # batches of 4, 4, 4, 4, 2
    run(recipe(shared={"epochs": 1, "accumulation": 3}), clips, clips, tmp_path)
    assert len(taken) == 2


def test_checkpoints_refuse_what_they_were_not_made_for(tmp_path: Path) -> None:
    clips = clips_with_rgb(8)
    best = run(recipe(shared={"epochs": 1}), clips, clips, tmp_path).best
    trained = load_hpnet(best)
    for changes, said in (
        ({"rgb_frames": 5}, "its rgb_frames is 4, theirs 5"), ({"tap": "y"}, "its tap is 'x', theirs 'y'"),
    ):  # fmt: skip
        with pytest.raises(HeatpoolError, match=said):
            predict_heads(trained, dataclasses.replace(clips, source={**clips.source, **changes}))
    with pytest.raises(HeatpoolError, match="its rgb is 'xclip', theirs None"):
        predict_heads(trained, clips_with_rgb(8, rgb=False))
    blind = load_hpnet(
        run(recipe(shared={"epochs": 1}), *[clips_with_rgb(8, rgb=False)] * 2, tmp_path / "blind").best
    )
    with pytest.raises(HeatpoolError, match="its rgb is None, theirs 'xclip'"):
        predict_heads(blind, clips)
    best.write_bytes(b"damaged")
    with pytest.raises(HeatpoolError, match="cannot load the checkpoint"):
        load_hpnet(best)
    with pytest.raises(HeatpoolError, match="no checkpoint"):
        load_hpnet(tmp_path / "none.safetensors")


def test_unlabelled_clips_and_divergence_are_one_clear_line(tmp_path: Path) -> None:
    clips = clips_with_rgb(8)
    unlabelled = dataclasses.replace(clips, labels=torch.full((8,), -1))
    with pytest.raises(HeatpoolError, match="the val split needs labels: 8 of 8 clips have no label"):
        run(TINY, clips, unlabelled, tmp_path)
    with pytest.raises(HeatpoolError, match=r"training diverged: .* use a lower --learning-rate"):
        run(recipe(shared={"learning_rate": 1e25}), clips, clips, tmp_path)


def test_the_image_network_is_trained_on_crops(tmp_path: Path) -> None:
    """A small X-CLIP on red, green and blue crops; its checkpoint needs no other file."""
    install()
    vision = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 32, "patch_size": 16, "num_frames": FRAMES,
    }  # fmt: skip
    skeletons = moving_clips(6)
    pictures = np.zeros((6, FRAMES, 32, 32, 3), np.uint8)
    for picture, label in zip(pictures, skeletons.labels.tolist(), strict=True):
        picture[..., label] = 200
    crops = StoredCrops([pack_jpegs(each) for each in pictures], 32)
    clips = dataclasses.replace(skeletons, rgb=crops, source={**skeletons.source, **RGB_SOURCE})
    config = recipe(
        rgb="crops", image="x", new_rate=10, mixup=0.8, cutmix=1.0, colour_jitter=0.0, grey=0.0,
        shared={"epochs": 3, "learning_rate": 1e-3}, skeleton_rate=10, text_rate=10,
    )  # fmt: skip
    torch.manual_seed(0)
    encoder = FrameEncoder.from_config(vision, WIDTH)
    before = encoder.tower.embeddings.patch_embedding.weight.clone()
    shape = shape_of(clips, vision=encoder.describe())
    model = build_hpnet(config, shape, encoder=encoder)
    done = train_network(
        HPNetArchitecture(config), clips, network=model, shape=shape, val=clips, out_dir=tmp_path
    )
    assert not torch.equal(before, encoder.tower.embeddings.patch_embedding.weight)
    assert done.history[-1].figures["train/loss"] < done.history[0].figures["train/loss"]
    model.eval()
    back = load_hpnet(done.last)
    assert back.model.encoder is not None
    x = torch.randn(2, FRAMES, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(back.model.encoder(x), encoder(x))
