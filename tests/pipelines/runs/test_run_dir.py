"""Run folders: what may be replaced or resumed; what a run says of itself, as older builds wrote it too."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from heatpool.classify.hpnet.recipe import HPNetRecipe
from heatpool.classify.training.recipe import HEADS
from heatpool.pipelines.options.train import TrainOptions
from heatpool.pipelines.runs.config import describe_run, full_location, same_run
from heatpool.pipelines.runs.run_dir import prepare_run_dir, read_summary
from heatpool.pipelines.training.prediction.scoring import RunScorer
from heatpool.pool.errors import HeatpoolError
from tests.paths import ROOT

CONFIG = {"features": "/x.zarr", "protocol": "xsub", "epochs": 3, "p_interval": (0.5, 1.0)}
ENVIRONMENT = {"processor": "abacus"}


def prepare(out: Path, config: dict[str, Any], *, resume: bool = False, overwrite: bool = False) -> None:
    prepare_run_dir(out, config, ENVIRONMENT, resume=resume, overwrite=overwrite)


def test_a_run_folder_is_made_resumed_and_replaced(tmp_path: Path) -> None:
    out = tmp_path / "some" / "run"
    prepare(out, CONFIG)
    assert yaml.safe_load((out / "config.yaml").read_text()) == {**CONFIG, "p_interval": [0.5, 1.0]}
    assert json.loads((out / "env.json").read_text()) == ENVIRONMENT
    (out / "metrics.csv").touch()
    with pytest.raises(HeatpoolError, match="already exists; choose another, resume it with --resume or"):
        prepare(out, CONFIG)
    prepare(out, CONFIG, resume=True)
    assert (out / "metrics.csv").exists()
    with pytest.raises(HeatpoolError, match="begun with other options"):
        prepare(out, {**CONFIG, "epochs": 4}, resume=True)
    prepare(out, {**CONFIG, "epochs": 4}, overwrite=True)
    assert not (out / "metrics.csv").exists()
    assert yaml.safe_load((out / "config.yaml").read_text())["epochs"] == 4


def test_what_is_no_run_stays(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    prepare(tmp_path / "empty", CONFIG)
    for out in (tmp_path / "folder", tmp_path / "file"):
        if out.name == "folder":
            out.mkdir()
            (out / "thesis.tex").touch()
        else:
            out.write_text("a file")
        for words in ({"overwrite": True}, {"resume": True}):
            with pytest.raises(HeatpoolError, match="is not a run folder of heatpool"):
                prepare(out, CONFIG, **words)
        assert out.exists()


def test_the_options_of_a_run_are_complete() -> None:
    options = TrainOptions(model="linear", epochs=3)
    recipe = HEADS["linear"]
    config = describe_run(options, recipe, features="/x.zarr", protocol="xsub", model="linear", text=None)
    assert config["learning_rate"] == recipe.learning_rate
    assert config["layers"] == recipe.layers
    assert not {"device", "text", "out", "stream"} & set(config)
    TrainOptions(**config)  # they are options, all of them
    of_hpnet = describe_run(options, HPNetRecipe(), model="hpnet", rgb="none", text="learned")
    assert (of_hpnet["rgb"], of_hpnet["text"], of_hpnet["betas"]) == ("none", "learned", HPNetRecipe().betas)


@pytest.mark.parametrize("name", ["run", "seeds", "ctrgcn", "hpnet"])
def test_runs_of_the_old_build_are_recognised(name: str, tmp_path: Path) -> None:
    with tarfile.open(ROOT / "tests" / "fixtures" / "old_build.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    begun = yaml.safe_load((tmp_path / name / "config.yaml").read_text())
    shared = begun["recipe"].get("shared", begun["recipe"])
    config = {
        "features": full_location(begun["features"]), "protocol": "xsub", "model": begun["model"],
        "recipe": "small",
        "epochs": shared["epochs"], "batch_size": shared["batch"], "learning_rate": shared["lr"],
        "layers": shared["layers"], "seed": shared["seed"], "seeds": begun["seeds"],
    }  # fmt: skip
    if name == "hpnet":
        config |= {"rgb": begun["recipe"]["rgb"], "text": begun["recipe"]["text"] or "learned"}
    assert same_run(begun, config)
    assert same_run({**begun, "split": "xsub"}, config)
    for changed in ({"batch_size": 7}, {"learning_rate": 0.5}, {"protocol": "xview"}, {"seeds": 9}):
        assert not same_run({**begun, "split": "xsub"}, {**config, **changed}), changed


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("class_names", 0), 7, r"expected a text in class_names\[0\], got 7"),
        (("streams", "pooled_joint"), None, "expected an object in streams.pooled_joint, got None"),
        (
            ("streams", "pooled_joint", "test"),
            {"top1": ""},
            "expected a number in streams.pooled_joint.test.top1",
        ),
        (("fused",), {}, "expected weights in fused, got none"),
        (("fused", "weights", "pooled_joint"), [], "expected a number in fused.weights.pooled_joint"),
        (("extraction",), [], "expected an object in extraction"),
        (("extraction", "spec", "versions"), {"av": "2"}, "expected a list in extraction.spec.versions.av"),
    ],
)
def test_a_summary_of_other_content_is_one_line(
    brightness_run: Path, tmp_path: Path, place: tuple[Any, ...], value: Any, says: str
) -> None:
    summary = json.loads((brightness_run / "summary.json").read_text())
    at = summary
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(HeatpoolError, match=rf"summary of a run in .*summary\.json: {says}"):
        read_summary(tmp_path)


@pytest.mark.parametrize("names", [["rise", "fall"], ["fall"], ["fall", "rise", "jump"]])
def test_a_summary_of_other_classes_than_the_networks(
    brightness_run: Path, tmp_path: Path, names: list[str]
) -> None:
    """Else answers would bear the wrong names."""
    run = shutil.copytree(brightness_run, tmp_path / "run")
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "class_names": names}))
    with pytest.raises(HeatpoolError, match=r"the classes of the network pooled_joint in .*summary\.json"):
        RunScorer(run, read_summary(run), device=torch.device("cpu"))
