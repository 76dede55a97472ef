from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.classify.data.clips import channel_stats
from heatpool.classify.training.architecture import NetworkShape, Trained
from heatpool.classify.training.checkpoint import check_compatible, save_checkpoint
from heatpool.classify.training.predict import predict_scores
from heatpool.classify.training.recipe import Recipe
from heatpool.classify.training.stream import StreamArchitecture, build_model, load_model
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import Skeleton
from tests.classify.clip_cases import CLASSES, moving_clips
from tests.classify.deterministic_weights import fill_

CONFIG = Recipe(width=8, layers=((1, 1), (2, 2)), window=8, stream="bone_motion", graph="coco17")
SHAPE = NetworkShape(channels=4, classes=3, persons=2)


def make_trained(**fields: object) -> Trained:
    clips = moving_clips(6)
    base = Trained(
        model=fill_(build_model(CONFIG, SHAPE)).eval(), architecture=StreamArchitecture(CONFIG), shape=SHAPE,
        stats=channel_stats(clips), class_names=CLASSES, source=clips.source, epoch=7,
        metrics={"val/acc/top1": 0.5},
    )  # fmt: skip
    return dataclasses.replace(base, **fields)


@pytest.mark.parametrize("with_stats", [True, False])
def test_a_loaded_stream_scores_as_the_saved_one(tmp_path: Path, with_stats: bool) -> None:
    trained = make_trained() if with_stats else make_trained(stats=None)
    save_checkpoint(tmp_path / "best.safetensors", trained)
    again = load_model(tmp_path / "best.safetensors")
    clips = moving_clips(8, seed=5)
    np.testing.assert_array_equal(predict_scores(again, clips).scores, predict_scores(trained, clips).scores)
    assert again.recipe == CONFIG
    assert (again.class_names, again.epoch, again.metrics) == (CLASSES, 7, {"val/acc/top1": 0.5})


def test_scores_do_not_depend_on_the_company_of_a_clip() -> None:
    trained, clips = make_trained(), moving_clips(8)
    whole = predict_scores(trained, clips)
    alone = predict_scores(trained, clips.subset(np.array([5])))
    assert alone.clip_ids == ("s0-005",)
    np.testing.assert_allclose(alone.scores[0], whole.scores[5], rtol=1e-4, atol=1e-5)


def test_damaged_checkpoints_are_named(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    with pytest.raises(HeatpoolError, match="no checkpoint"):
        load_model(path)
    save_checkpoint(path, make_trained())
    side = json.loads(path.with_suffix(".json").read_text())

    def rewritten(**changes: object) -> None:
        path.with_suffix(".json").write_text(json.dumps({**side, **changes}))

    rewritten(version=9)
    with pytest.raises(HeatpoolError, match="expected heatpool-stream 1, got heatpool-stream 9"):
        load_model(path)
    rewritten(shape={**side["shape"], "channels": 5})
    with pytest.raises(HeatpoolError, match="cannot load the checkpoint"):
        load_model(path)
    rewritten(config={**side["config"], "colour": 1})
    with pytest.raises(HeatpoolError, match="colour"):
        load_model(path)
    rewritten(class_names=[["a"]])
    with pytest.raises(HeatpoolError, match=r"expected a text in class_names\[0\], got \['a'\]"):
        load_model(path)
    rewritten()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(HeatpoolError, match="cannot load the checkpoint"):
        load_model(path)


def test_foreign_features_are_refused() -> None:
    trained, clips = make_trained(), moving_clips(3)
    check_compatible(trained, clips)
    wide = dataclasses.replace(clips, features=torch.zeros(*clips.features.shape[:3], 9).half())
    with pytest.raises(HeatpoolError, match="its channels is 4, theirs 9"):
        predict_scores(trained, wide)
    renamed = dataclasses.replace(clips, class_names=("a", "b", "c"))
    with pytest.raises(HeatpoolError, match="its classes is"):
        predict_scores(trained, renamed)


def test_the_network_decides_which_joints_there_are_not_what_they_are_called() -> None:
    """Predict extracts with the run's network, but without the file that named the joints for its store."""
    clips = moving_clips(3)
    called = dataclasses.replace(clips, source={**clips.source, "skeleton": "hand"})
    plain = dataclasses.replace(clips, source={**clips.source, "skeleton": "unnamed17"})
    for weights in ("ab" * 32, ""):
        source = {"weights_sha256": weights}
        trained = make_trained(source={**called.source, **source})
        other = dataclasses.replace(plain, source={**plain.source, **source})
        if weights:
            check_compatible(trained, other)
        else:  # imported keypoints: nothing else tells them apart
            with pytest.raises(HeatpoolError, match="its skeleton is 'hand', theirs 'unnamed17'"):
                check_compatible(trained, other)


def test_a_skeleton_comes_back_from_disk(tmp_path: Path) -> None:
    skeleton = Skeleton("pair", ("a", "b"), ((1, 0),))
    recipe = dataclasses.replace(CONFIG, graph="skeleton")
    network = build_model(recipe, SHAPE, skeleton)
    trained = make_trained(model=network, architecture=StreamArchitecture(recipe, skeleton))
    save_checkpoint(tmp_path / "best.safetensors", trained)
    again = load_model(tmp_path / "best.safetensors")
    assert again.architecture == trained.architecture
    side = json.loads((tmp_path / "best.json").read_text())
    (tmp_path / "best.json").write_text(json.dumps({**side, "skeleton": None}))
    with pytest.raises(HeatpoolError, match="expected a skeleton"):
        load_model(tmp_path / "best.safetensors")


def test_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_model(CONFIG, SHAPE)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = build_model(CONFIG, SHAPE)
    third = build_model(dataclasses.replace(CONFIG, seed=1), SHAPE)
    assert torch.equal(first.fc.weight, second.fc.weight)
    assert not torch.equal(first.fc.weight, third.fc.weight)


def test_a_network_far_larger_than_its_weights_is_refused_before_it_is_built(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, make_trained())
    side = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    side["shape"]["channels"] = 5_000_000
    path.with_suffix(".json").write_text(json.dumps(side), encoding="utf-8")
    with pytest.raises(HeatpoolError, match="its network would take .* MB, the file has"):
        load_model(path)
