from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from heatpool.extract.networks.hrnet.weights import load_network, read_checkpoint
from heatpool.pool.errors import HeatpoolError
from tests.extract.networks.hrnet.hrnet_cases import narrow, narrow_crops

State = dict[str, Tensor]


def message(path: Path) -> str:
    with pytest.raises(HeatpoolError) as caught:
        load_network(path)
    text = str(caught.value)
    assert "\n" not in text
    return text


def save(path: Path, state: State, wrapping: str) -> Path:
    if wrapping == "safetensors":
        path = path.with_suffix(".safetensors")
        save_file(state, path)
    elif wrapping == "plain":
        torch.save(state, path)
    elif wrapping == "old format":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        wrapper, prefix = wrapping.split(" and ")
        prefixed = {f"{prefix}{name}": value for name, value in state.items()}
        torch.save({"epoch": 210, wrapper: prefixed, "optimizer": {"lr": 1e-3}}, path)
    return path


WRAPPINGS = (
    "plain", "old format", "safetensors", "state_dict and module.", "model and ", "state_dict and model."
)  # fmt: skip


@pytest.mark.parametrize(("wrapping", "split_ratio"), [*((each, 2.0) for each in WRAPPINGS), ("plain", None)])
def test_checkpoints_load_as_they_are(tmp_path: Path, wrapping: str, split_ratio: float | None) -> None:
    saved = narrow(split_ratio=split_ratio)
    path = save(tmp_path / "pose_hrnet_w4_96x64.pth", saved.state_dict(), wrapping)
    network, digest = load_network(path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (network.channels, network.joints, network.split_ratio) == (4, 5, split_ratio)
    assert (network.width_px, network.height_px) == (64, 96)
    assert not network.training
    crops = narrow_crops(1)
    assert torch.equal(network(crops).heatmaps, saved(crops).heatmaps)


@pytest.fixture(scope="module")
def heatmap_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hrnet") / "x.pth"
    torch.save(narrow(split_ratio=None).state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("name", "crop_wh_px"),
    [
        ("pose_hrnet_w48_384x288.pth", (288, 384)),
        ("pose_hrnet_w32_256x256.pth", (256, 256)),
        ("hrnet.pth", (192, 256)),
        ("run12x3-final.pth", (192, 256)),
    ],
)
def test_heatmap_networks_get_crops_of_the_size_in_their_name(
    heatmap_checkpoint: Path,
    tmp_path: Path,
    name: str,
    crop_wh_px: tuple[int, int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="heatpool")
    (tmp_path / name).symlink_to(heatmap_checkpoint)
    network, _ = load_network(tmp_path / name)
    assert (network.width_px, network.height_px) == crop_wh_px
    told = "96" in name or "256" in name or "384" in name
    assert ("crops of 256x192" in caplog.text) == (not told)


def test_a_half_precision_file_without_counters_loads(tmp_path: Path) -> None:
    state = {name: value.half() for name, value in narrow().state_dict().items() if "num_batches" not in name}
    save_file(state, tmp_path / "half.safetensors")
    network, _ = load_network(tmp_path / "half.safetensors")
    assert {each.dtype for each in network.parameters()} == {torch.float32}
    assert network.bn1.num_batches_tracked == 0


def test_tensors_that_do_not_fit_are_counted_and_named(tmp_path: Path) -> None:
    state = narrow().state_dict()
    for name in ("conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean"):
        del state[name]
    state["head.weight"] = torch.zeros(1)
    state["final_layer.bias"] = torch.zeros(6)
    torch.save(state, tmp_path / "pose.pth")
    assert message(tmp_path / "pose.pth") == (
        "weights pose.pth do not fit HRNet-W4 with SimCC heads at 64 x 96: "
        "4 missing (conv1.weight, bn1.weight, bn1.bias, ...); 1 unexpected (head.weight); "
        "1 of another shape (final_layer.bias (6,) for (5,))"
    )


def test_half_of_the_simcc_heads_is_not_taken_for_a_heatmap_network(tmp_path: Path) -> None:
    state = narrow().state_dict()
    del state["mlp_head_y.weight"]
    torch.save(state, tmp_path / "pose.pth")
    assert message(tmp_path / "pose.pth").endswith("but no mlp_head_y.weight")


def test_another_network_is_named_as_such(tmp_path: Path) -> None:
    torch.save({"backbone.conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    text = message(tmp_path / "other.pth")
    assert "expected an HRNet pose checkpoint in other.pth" in text
    assert "1 tensors, first backbone.conv1.weight" in text
    state = {name: value for name, value in narrow().state_dict().items() if "final_layer" not in name}
    torch.save(state, tmp_path / "imagenet.pth")
    assert "no final_layer.weight" in message(tmp_path / "imagenet.pth")


@pytest.mark.parametrize("name", ["pose.pth", "pose.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_damaged_files_are_one_line_errors(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert f"cannot read {name}" in message(tmp_path / name)


def test_a_cut_file_and_a_missing_one(tmp_path: Path) -> None:
    torch.save(narrow().state_dict(), tmp_path / "pose.pth")
    whole = (tmp_path / "pose.pth").read_bytes()
    (tmp_path / "pose.pth").write_bytes(whole[: len(whole) // 2])
    assert "cannot read pose.pth" in message(tmp_path / "pose.pth")
    assert "No such file" in message(tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"backbone.patch_embed.proj.weight": torch.zeros(1)}, "a ViTPose, which --backend vitpose reads"),
        ({"keypoint_head.final_layer.weight": torch.zeros(1)}, "of mmpose, export it by mmdeploy"),
        (
            {
                f"{name}stage2.0.branches.0.0.conv1.weight": torch.zeros(1)
                for name in ("student.", "teacher.")
            },
            "expected one network in pose.pth, got several: student., teacher.",
        ),
    ],
)
def test_networks_of_others_are_named(tmp_path: Path, state: State, said: str) -> None:
    torch.save(state, tmp_path / "pose.pth")
    assert said in message(tmp_path / "pose.pth")


def test_objects_beside_the_tensors_are_named_and_not_made(tmp_path: Path) -> None:
    torch.save({"meta": Path("x"), "state_dict": {}}, tmp_path / "pose.pth")
    assert "it holds Python objects beside its tensors, save these alone" in message(tmp_path / "pose.pth")


class Attack:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (Path.touch, (Path("touched"),))  # type: ignore[return-value]


def test_nothing_but_tensors_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": Attack()}, tmp_path / "pose.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps({"conv1.weight": Attack()}))
    for name in ("pose.pth", "old.pth"):
        assert f"cannot read {name}" in message(tmp_path / name)
    assert not (tmp_path / "touched").exists()


def test_other_contents_are_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(HeatpoolError, match="got Tensor"):
        read_checkpoint(tmp_path / "tensor.pth")
    torch.save({"epoch": 3, "model": "pose_hrnet"}, tmp_path / "empty.pth")
    with pytest.raises(HeatpoolError, match="got entries epoch, model"):
        read_checkpoint(tmp_path / "empty.pth")
