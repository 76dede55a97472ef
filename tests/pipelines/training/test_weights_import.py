"""Weights under their published names, in files as their authors save them, through the command line."""

from __future__ import annotations

import argparse
import os
import pickle
import re
import shutil
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from heatpool.classify.hpnet.architecture import skeleton_streams
from heatpool.classify.hpnet.frames import FrameEncoder
from heatpool.classify.hpnet.network import SKELETONS, HPNet
from heatpool.classify.hpnet.pictures import normalise
from heatpool.classify.hpnet.text import tokenise
from heatpool.classify.networks.ctrgcn import CTRGCN
from heatpool.classify.networks.graph import HPNET_GRAPH
from heatpool.classify.scores.scores import load_scores
from heatpool.classify.training.stream import load_model
from heatpool.pipelines.cli import main
from heatpool.pipelines.training.hpnet import load_tokenizer
from heatpool.pipelines.training.trained_run import load_run
from heatpool.pool.derive.remake import relabel_store
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Split, Status
from heatpool.pool.store.jpeg import SLOT_BYTES, pack_jpegs, unpack_jpegs
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import RgbSpec, StoreSpec
from heatpool.pool.store.writer import StoreWriter
from tests.classify.deterministic_weights import array, fill_
from tests.classify.hpnet.published_names import to_published
from tests.fixtures.clip_networks import CROP_PX
from tests.fixtures.torchvision_shim import install
from tests.paths import GOLDEN, ROOT
from tests.pipelines.training.test_hpnet import save_tokenizer

CLASSES = tuple(f"action {number}" for number in range(60))


def golden_input() -> np.ndarray:
    """(N, M, T, V, C) of the published (N, C, T, V, M)."""
    return np.abs(array("ctrgcn", (3, 96, 64, 17, 2))).transpose(0, 4, 2, 3, 1)


def write_store(
    path: Path, pooled: np.ndarray, *, classes: tuple[str, ...] = CLASSES, pictures: Any = None, **more: Any
) -> Path:
    """A store of clips (N, M, T, V, C), with or without pictures, that are all in the test split."""
    clips, persons, steps, joints, channels = pooled.shape
    index = ClipIndex(
        clip_id=tuple(f"clip_{row}" for row in range(clips)),
        path=tuple(f"clip_{row}.mp4" for row in range(clips)),
        label=np.arange(clips, dtype=np.int32),
        class_names=classes,
        splits={"xsub": np.full(clips, Split.TEST, np.uint8)},
    )
    spec = StoreSpec(persons, steps, joints, channels, "hrnet-simcc", "stage4", "ab" * 32, {}, **more)
    writer = StoreWriter.create(path, spec=spec, index=index, shard_clips=clips)
    features = [
        ClipFeatures(
            pooled=np.ascontiguousarray(clip, np.float32),
            keypoints=np.zeros((persons, steps, joints, 3), np.float32),
            boxes=np.zeros((persons, steps, 4), np.float32),
            mask=np.ones((persons, steps), bool),
            time_s=np.zeros(steps, np.float32),
            rgb_jpeg=None if pictures is None else pictures[row],
        )
        for row, clip in enumerate(pooled)
    ]
    writer.write_shard(0, features, [ClipResult(Status.OK, steps, 25.0, 64, 48, persons)] * clips)
    writer.finish()
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("import") / "golden.zarr", golden_input())


@pytest.fixture(scope="module")
def network() -> CTRGCN:
    """The published CTR-GCN with weights that follow from the tensors' names."""
    adjacency = torch.from_numpy(HPNET_GRAPH.adjacency())
    return fill_(CTRGCN(96, 60, adjacency=adjacency)).eval()  # type: ignore[return-value]


def import_weights(weights: Path, features: Path, out: Path, *more: str) -> int:
    return main(["weights", "import", str(weights), str(features), "--out", str(out), *more])


def run_docs(about: str) -> None:
    """Run the example of docs/hpnet.md whose first line has `about`, in the working folder."""
    page = (ROOT / "docs/hpnet.md").read_text(encoding="utf-8")
    lines = re.findall(r"^heatpool (.*)$", page, re.MULTILINE)
    (first,) = [number for number, line in enumerate(lines) if about in line]
    for line in lines[first : first + 2]:
        assert main(line.split()) == 0


def evaluate(run: Path) -> np.ndarray:
    assert main(["evaluate", str(run), "--threads", "1", "--quiet"]) == 0
    return scores_of(run)


def scores_of(run: Path) -> np.ndarray:
    (scores,) = run.glob("*/scores_test.npz")
    return load_scores(scores).scores


def stored_features(store: Path) -> Tensor:
    """(N, M, T, V, C) float32 of what the store keeps."""
    opened = FeatureStore.open(store)
    return torch.from_numpy(opened.read(range(len(opened)), ("pooled",))["pooled"].astype(np.float32))


def test_a_ctrgcn_gives_the_golden_logits(
    store: Path, network: CTRGCN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a training script with DataParallel saves it: the state dict beside others, behind `module.`."""
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"epoch": 64, "state_dict": state, "optimizer": {"lr": 0.1}}, tmp_path / "ctrgcn.pt")
    assert import_weights(tmp_path / "ctrgcn.pt", store, tmp_path / "run", "--whole-clips") == 0
    logits = evaluate(tmp_path / "run")
    stored = torch.from_numpy(
        FeatureStore.open(store).read(range(3), ("pooled",))["pooled"].astype(np.float32)
    )
    with torch.no_grad():
        expected = network(stored, torch.ones(3, 2, dtype=torch.bool)).numpy()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    with np.load(GOLDEN / "ctrgcn_17x2_60.npz") as golden:  # of float32 features; a store keeps float16
        np.testing.assert_allclose(logits, golden["logits"], rtol=0, atol=1e-4 * np.abs(expected).max())


def test_a_store_without_a_split_takes_weights_and_gets_answers(
    store: Path, network: CTRGCN, tmp_path: Path
) -> None:
    bare = FeatureStore.open(shutil.copytree(store, tmp_path / "bare.zarr"))
    relabel_store(bare, replace(bare.clips.index, splits={}))
    torch.save(network.state_dict(), tmp_path / "ctrgcn.pt")
    assert import_weights(tmp_path / "ctrgcn.pt", bare.path, tmp_path / "run", "--whole-clips") == 0
    words = (
        "--features",
        str(bare.path),
        "--out",
        str(tmp_path / "answers.csv"),
        "--device",
        "cpu",
        "--quiet",
    )
    assert main(["predict", str(tmp_path / "run"), *words]) == 0
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 4


class CfgNode(dict[str, Any]):
    """What X-CLIP's training script leaves beside its weights: `yacs.config.CfgNode`."""


class Call:
    """Unpickled freely, it would call what it is given."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


def test_what_lies_beside_the_weights_is_never_run(
    store: Path, network: CTRGCN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yacs = types.ModuleType("yacs.config")
    yacs.CfgNode = CfgNode  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "yacs", types.ModuleType("yacs"))
    monkeypatch.setitem(sys.modules, "yacs.config", yacs)
    monkeypatch.setattr(CfgNode, "__module__", "yacs.config")
    config = CfgNode(DATA=CfgNode(NUM_CLASSES=60))
    trap = tmp_path / "ran"
    beside = {
        "config": config,
        "args": argparse.Namespace(lr=0.1),
        "max_accuracy": np.float64(0.9),
        "trap": Call(exec, f"open({str(trap)!r}, 'w')"),
    }
    torch.save({"model": network.state_dict(), **beside}, tmp_path / "best.pth")
    monkeypatch.delitem(sys.modules, "yacs.config")
    assert import_weights(tmp_path / "best.pth", store, tmp_path / "run") == 0
    assert not trap.exists()
    state = load_model(tmp_path / "run/pooled_joint/checkpoints/best.safetensors").model.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"model": Call(os.system, "true")}, "got 'Trying to load unsupported GLOBAL posix.system whose"),
        (torch.nn.Linear(2, 2), "expected a state dict, named tensors, got none; of a network"),
        ({"epoch": 3}, "expected a state dict"),
        ({"fc.weight": torch.zeros(2, 2)}, "got 1 others (fc.weight); runs of heatpool need no import"),
        ({"l1.gcn1.PA": torch.zeros(3, 17, 17)}, "CTR-GCN, they lack 'l1.gcn1.convs.0.conv3.weight'"),
        ({"GCN1.l1.gcn1.PA": torch.zeros(3, 17, 17)}, "of a published HP-Net, they lack 'ske_fc1.weight'"),
    ],
)
def test_other_files_are_refused_in_a_line(
    content: Any, reason: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "weights.pt")
    assert import_weights(tmp_path / "weights.pt", store, tmp_path / "run") == 1
    error = capsys.readouterr().err.strip()
    assert reason in error
    assert "\n" not in error
    assert not (tmp_path / "run").exists()


def test_a_missing_file_and_a_plain_pickle_are_refused(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_weights(tmp_path / "none.pt", store, tmp_path / "run") == 1
    assert "none.pt: cannot be read (No such file" in capsys.readouterr().err
    for content, kind in ((b"", "an empty file"), (b"hello", "another kind of file")):
        (tmp_path / "other.pt").write_bytes(content)
        assert import_weights(tmp_path / "other.pt", store, tmp_path / "run") == 1
        assert f"expected weights as torch.save writes them, got {kind}" in capsys.readouterr().err
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Call(print, "ran")))
    assert import_weights(tmp_path / "plain.pt", store, tmp_path / "run") == 1
    said = capsys.readouterr()
    assert "plain.pt: expected weights as torch.save writes them" in said.err
    assert "ran" not in said.out


def test_a_store_of_other_sizes_or_classes_is_refused(
    store: Path, network: CTRGCN, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, run = tmp_path / "ctrgcn.pt", tmp_path / "run"
    torch.save(network.state_dict(), weights)
    other = write_store(tmp_path / "other.zarr", np.zeros((2, 2, 4, 17, 8)))
    assert import_weights(weights, other, run) == 1
    assert "is made for 2 persons, 17 joints and 96 channels, " in capsys.readouterr().err
    few = write_store(tmp_path / "few.zarr", np.zeros((2, 2, 4, 17, 96)), classes=CLASSES[:5])
    assert import_weights(weights, few, run) == 1
    assert f"knows 60 classes, {few} names 5; --class-names takes a text file" in capsys.readouterr().err
    names = tmp_path / "names.txt"
    names.write_text("\n".join(reversed(CLASSES)), encoding="utf-8")
    assert import_weights(weights, few, run, "--class-names", str(names)) == 0
    assert load_run(run).class_names == CLASSES[::-1]
    assert str(load_run(run)) == f"imported, not yet evaluated: heatpool evaluate {run}"
    capsys.readouterr()
    for words in (("fuse", str(run)), ("compare", str(run), str(run))):
        assert main([*words]) == 1
        error = capsys.readouterr().err
        assert f"{run} has no test scores yet: heatpool evaluate {run} --split test\n" in error
    assert evaluate(run).shape == (2, 60)  # the store's classes are found by name
    assert load_run(run).figures["fused"].clips == 2
    assert str(load_run(run)).startswith("test, 2 clips")
    assert "top-5" in str(load_run(run))
    assert main(["compare", str(run), str(run), "--n-bootstrap", "100"]) == 0
    assert import_weights(weights, few, run, "--class-names", str(names)) == 1
    assert "exists" in capsys.readouterr().err


SMALL_VIT = {
    "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2,
    "patch_size": 16, "image_size": CROP_PX, "num_frames": 4,
}  # fmt: skip
SMALL_TEXT = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1,
    "vocab_size": 64, "max_position_embeddings": 12, "projection_dim": 64, "eos_token_id": 63,
}  # fmt: skip


def small_hpnet() -> tuple[HPNet, Any]:
    """An HP-Net of the published form but narrow, its class texts, and its text network."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    adjacency = torch.from_numpy(HPNET_GRAPH.adjacency())
    text = fill_(CLIPTextModelWithProjection(CLIPTextConfig(**SMALL_TEXT))).eval()
    skeletons = {name: CTRGCN(5, 2, adjacency=adjacency, width=8) for name in SKELETONS}
    encoder = FrameEncoder.from_config(SMALL_VIT, 64)
    network = HPNet(skeletons, torch.zeros(2, 64), frames=4, encoder=encoder)
    return fill_(network).eval(), text  # type: ignore[return-value]


@torch.no_grad()
def test_an_hpnet_scores_as_the_network_that_its_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network itself is held against golden outputs in tests/classify/hpnet/test_golden.py."""
    install()
    network, text = small_hpnet()
    ours = {**network.state_dict(), **{f"text.{name}": each for name, each in text.state_dict().items()}}
    torch.save({"model": to_published(ours)}, tmp_path / "hpnet.pth")
    save_tokenizer(tmp_path / "clip-vit-base-patch16")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (2, 4, CROP_PX, CROP_PX, 3), np.uint8)
    store = write_store(
        tmp_path / "crops.zarr", rng.normal(0, 1, (2, 2, 64, 17, 5)), classes=("sit", "wave_hand"),
        rgb=RgbSpec("crops", frames=4, width=SLOT_BYTES, crop_px=CROP_PX),
        pictures=[pack_jpegs(each) for each in pictures],
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    run_docs("import hpnet.pth crops.zarr")
    logits = scores_of(tmp_path / "work_dirs/hpnet")
    tokens = tokenise(load_tokenizer("clip-vit-base-patch16"), ["sit", "wave hand"], length=12)
    network.labels = text(input_ids=tokens).text_embeds
    opened = FeatureStore.open(store)
    crops = [unpack_jpegs(slots) for slots in opened.read(range(2), ("rgb_jpeg",))["rgb_jpeg"]]
    joint = stored_features(store).flatten(0, 1)  # (4, T, V, C): two persons a clip
    clip, slot = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    streams = skeleton_streams(joint, HPNET_GRAPH)
    out = network(streams, clip, slot, clips=2, rgb=normalise(torch.from_numpy(np.stack(crops))))
    np.testing.assert_allclose(logits, out.logits, rtol=0, atol=1e-4 * float(out.logits.abs().max()))
    assert out.logits.std() > 0.01
