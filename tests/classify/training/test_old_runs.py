"""Trainings of the build that wrote `batch` and `lr` are used and resumed; it made old_build.tar.gz."""

from __future__ import annotations

import dataclasses
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.classify.data.batches import load_splits
from heatpool.classify.data.splits import split_rows
from heatpool.classify.hpnet.architecture import HPNetArchitecture, build_hpnet, load_hpnet
from heatpool.classify.scores.scores import load_scores
from heatpool.classify.training.loop import train_network
from heatpool.classify.training.predict import predict_heads, predict_scores
from heatpool.classify.training.recipe import flat_recipe
from heatpool.classify.training.stream import StreamArchitecture, load_model
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from tests.classify.hpnet.hpnet_cases import RGB_SOURCE, clips_with_rgb, recipe, shape_of
from tests.paths import ROOT

_OLD = {"batch_size": "batch", "learning_rate": "lr"}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ROOT / "tests/fixtures/old_build.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("name", ["pooled_joint", "keypoints_joint"])
def test_a_stream_scores_as_before_and_is_resumed(old: Path, name: str) -> None:
    run, store = old / "run" / name, FeatureStore.open(old / "features.zarr")
    best = load_model(run / "checkpoints/best.safetensors")
    clips = load_splits(store, split_rows(store, "xsub"), input=name.partition("_")[0])
    expected = load_scores(run / "scores_test.npz")
    found = predict_scores(best, clips["test"])
    assert found.clip_ids == expected.clip_ids
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)
    done = train_network(
        StreamArchitecture(best.recipe), clips["train"], val=clips["val"], out_dir=run, resume=True
    )
    assert [report.resumed for report in done.history] == [True] * best.recipe.epochs
    longer = dataclasses.replace(best.recipe, epochs=best.recipe.epochs + 1)
    with pytest.raises(HeatpoolError, match="another configuration"):
        train_network(StreamArchitecture(longer), clips["train"], val=clips["val"], out_dir=run, resume=True)


def test_hpnet_scores_as_before_and_is_resumed(tmp_path: Path) -> None:
    """Its old files are made of new ones: other names, the RGB's origin apart, the identity as a text."""
    train, val = clips_with_rgb(8), clips_with_rgb(6, seed=1)
    config, shape = recipe(shared={"epochs": 2}), shape_of(train)
    done = train_network(
        HPNetArchitecture(config),
        train,
        network=build_hpnet(config, shape),
        shape=shape,
        val=val,
        out_dir=tmp_path,
    )
    expected = predict_heads(load_hpnet(done.best), val)

    def old_names(values: dict[str, object]) -> dict[str, object]:
        return {_OLD.get(name, name): value for name, value in values.items()}

    side = json.loads(done.best.with_suffix(".json").read_text())
    side["config"]["shared"] = old_names(side["config"]["shared"])
    side["rgb_source"] = {name: side["source"].pop(name) for name in RGB_SOURCE}
    done.best.with_suffix(".json").write_text(json.dumps(side))
    for head, scores in predict_heads(load_hpnet(done.best), val).items():
        np.testing.assert_array_equal(scores.scores, expected[head].scores)

    path = tmp_path / "checkpoints/last_state.pt"
    state = torch.load(path, weights_only=True)
    plain = {name: value for name, value in flat_recipe(config).items() if name != "device"}
    shared = {field.name for field in dataclasses.fields(config.shared)} & set(plain)
    inside = old_names({name: plain.pop(name) for name in list(plain) if name in shared})
    state["run"] = {"config": repr({"shared": inside, **plain}), "shape": repr(shape), "clips": [8, 6]}
    torch.save(state, path)
    again = train_network(
        HPNetArchitecture(config),
        train,
        network=build_hpnet(config, shape),
        shape=shape,
        val=val,
        out_dir=tmp_path,
        resume=True,
    )
    assert [report.resumed for report in again.history] == [True, True]
    assert [report.figures for report in again.history] == [report.figures for report in done.history]
