"""Features of other joints than COCO's, from the command line: imported, trained, scored again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from heatpool.classify.networks.graph import skeleton_graph
from heatpool.classify.scores.scores import load_scores
from heatpool.classify.training.stream import load_model
from heatpool.pipelines.cli import main
from heatpool.pipelines.training.joints import choose_graph, describe_graph
from heatpool.pool.exchange.plain_pickle import dump_plain_pickle
from heatpool.pool.exchange.skeleton_file import read_skeleton
from heatpool.pool.skeleton import COCO17_SKELETON, NTU25_SKELETON, Skeleton
from heatpool.pool.store.reader import FeatureStore
from tests.paths import ROOT
from tests.pipelines.training.train_cases import make_store

QUICK = ("--epochs", "2", "--width", "8", "--layers", "[[1,1],[2,2]]", "--window", "8", "--threads", "1")
HAND = """
joints: [wrist, thumb, index, middle, ring]
edges: [[wrist, thumb], [wrist, index], [index, middle], [middle, ring]]
"""


def save_keypoints(path: Path, *, joints: int, names: str) -> Path:
    """A PYSKL file of 12 clips whose person rises in class 0 and falls in class 1."""
    rng = np.random.default_rng(0)
    clips = [names.format(row + 1) for row in range(12)]
    annotations: list[dict[str, Any]] = []
    for row, name in enumerate(clips):
        keypoint = rng.uniform(20, 40, (1, 8, joints, 2))
        keypoint[..., 1] += np.linspace(0, 30, 8)[:, None] * (1 if row % 2 else -1)
        annotations.append(
            {
                "frame_dir": name, "label": row % 2, "img_shape": (96, 128), "total_frames": 8,
                "keypoint": keypoint.astype(np.float32),
            }
        )  # fmt: skip
    split = {"x_train": clips[:6], "x_val": clips[6:9], "x_test": clips[9:]}
    dump_plain_pickle({"split": split, "annotations": annotations}, path)
    return path


def imported(folder: Path, *, joints: int, names: str = "clip_{}") -> Path:
    source = save_keypoints(folder / "keypoints.pkl", joints=joints, names=names)
    store = folder / "features.zarr"
    assert main(["archive", "import", str(source), str(store), "--steps", "8", "--quiet"]) == 0
    return store


def trained(store: Path, out: Path, *more: str) -> Path:
    assert main(["train", str(store), "--out", str(out), *QUICK, *more]) == 0
    return out


def log_of(run: Path) -> str:
    return (run / "log.txt").read_text(encoding="utf-8")


def test_ntus_joints_train_on_their_own_graph_and_are_scored_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store of keypoints alone trains on them by itself; bones come from the joints' own edges."""
    store = imported(tmp_path, joints=25, names="S001C001P001R001A{:03d}")
    assert FeatureStore.open(store).spec.graph == NTU25_SKELETON
    run = trained(store, tmp_path / "run")
    assert json.loads((run / "summary.json").read_text())["streams"].keys() == {"keypoints_joint"}
    assert f"{store} holds keypoints only: training on that" in capsys.readouterr().err
    assert main(["train", str(store), str(tmp_path / "hpnet"), "--model", "hpnet"]) == 1
    assert f"expected pooled features for --model hpnet, {store} holds keypoints" in capsys.readouterr().err
    assert "joint graph: 25 joints of ntu25, 24 edges" in log_of(run)
    best = load_model(run / "keypoints_joint/checkpoints/best.safetensors")
    assert best.architecture.skeleton == NTU25_SKELETON
    assert main(["evaluate", str(run), "--out", str(tmp_path / "again"), "--threads", "1"]) == 0
    first, again = (load_scores(each / "scores_test.npz") for each in (run, tmp_path / "again"))
    np.testing.assert_array_equal(first.scores, again.scores)


def test_a_file_says_what_a_store_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The skeleton goes into the checkpoint: the file is not needed again."""
    store, file = imported(tmp_path, joints=5), tmp_path / "hand.yaml"
    file.write_text(HAND, encoding="utf-8")
    hand = read_skeleton(file)
    run = trained(store, tmp_path / "run", "--streams", "keypoints_bone", "--skeleton", str(file))
    assert "joint graph: 5 joints of hand, 4 edges" in log_of(run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["graph"], config["skeleton"]) == ("skeleton", str(file))
    file.unlink()
    best = load_model(run / "keypoints_bone/checkpoints/best.safetensors")
    assert best.architecture.skeleton == hand
    x = torch.from_numpy(skeleton_graph(hand).parents())
    assert x.tolist() == [2, 0, 2, 2, 3]
    assert main(["evaluate", str(run), "--threads", "1", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["train", str(store), "--out", str(tmp_path / "b"), "--skeleton", str(file)]) == 1
    assert "hand.yaml: No such file or directory" in capsys.readouterr().err
    file.write_text("joints: [a, b]", encoding="utf-8")
    assert main(["train", str(store), "--out", str(tmp_path / "b"), "--skeleton", str(file)]) == 1
    assert f"hand.yaml: expected the 5 joints of {store}, got 2" in capsys.readouterr().err


def test_joints_of_which_nothing_is_known_are_all_joined_and_that_is_said(tmp_path: Path) -> None:
    store = imported(tmp_path, joints=21)
    run = trained(store, tmp_path / "run", "--streams", "keypoints_bone_motion")
    assert "joint graph: nothing says which of the 21 joints of unnamed21 are joined: all are" in log_of(run)
    best = load_model(run / "keypoints_bone_motion/checkpoints/best.safetensors")
    assert best.architecture.skeleton == Skeleton.unnamed(21)
    assert "coco17" not in (run / "summary.json").read_text() + json.dumps(best.source)


def test_a_graph_of_other_joints_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = imported(tmp_path, joints=25)
    assert main(["train", str(store), "--out", str(tmp_path / "run"), "--graph", "hpnet"]) == 1
    assert "expected --graph skeleton, of 25 joints, got hpnet of 17" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_cocos_joints_keep_hpnets_graph_and_their_own_can_be_chosen() -> None:
    assert choose_graph(None, COCO17_SKELETON) == "hpnet"
    assert describe_graph("hpnet", COCO17_SKELETON) == ""
    assert choose_graph("skeleton", COCO17_SKELETON) == "skeleton"
    assert describe_graph("skeleton", COCO17_SKELETON) == "joint graph: 17 joints of coco17, 18 edges"
    moved = replace(COCO17_SKELETON, edges=((0, 1),))  # called coco17, but joined otherwise
    assert choose_graph(None, moved) == "skeleton"


def test_hpnet_takes_other_joints(tmp_path: Path) -> None:
    spec = {"skeleton": "three", "joint_names": ("a", "b", "c"), "edges": ((0, 1), (1, 2))}
    store = make_store(tmp_path / "features.zarr", joints=3, **spec)
    run = trained(store, tmp_path / "run", "--model", "hpnet", "--batch-size", "8")
    assert "joint graph: 3 joints of three, 2 edges" in log_of(run)
    assert main(["evaluate", str(run), "--threads", "1", "--quiet"]) == 0


def test_the_example_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/skeletons.md").read_text(encoding="utf-8")
    (file,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "hand.yaml").write_text(file, encoding="utf-8")
    save_keypoints(tmp_path / "hands.pkl", joints=21, names="clip_{}")
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"^heatpool (.*)$", page, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["archive", "train", "evaluate"]
    for line in lines:
        assert main(line.split()) == 0
    assert "joint graph: 21 joints of hand, 20 edges" in log_of(tmp_path / "work_dirs/hands")
