"""ONNX files and the weights beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data

from heatpool.extract.networks import onnx_file
from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.extract.networks.onnx_file import read_onnx
from heatpool.pool.errors import HeatpoolError
from tests.fixtures.crops import noise_crops
from tests.fixtures.onnx_networks import changed, heatmap_network

CROPS = noise_crops(2, 64, 48)


def maps(path: Path) -> torch.Tensor:
    return OnnxBackbone(path, ("brightness",)).forward(CROPS).maps[0]


def place(path: Path, name: str) -> Path:
    """Move the weights of a network out of its file, all into one file beside it."""
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location=name, size_threshold=0)
    return path.parent / name


def rename(path: Path, *, old: str, new: str) -> None:
    """Let a network call a file with its weights by another name."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = new if entry.value == old else entry.value
    path.write_bytes(model.SerializeToString())


def test_weights_beside_the_file_are_read_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")
    wanted = maps(path)
    data = place(path, "pose.data")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pose.data").write_bytes(bytes(data.stat().st_size))  # must not be taken
    monkeypatch.chdir(elsewhere)
    assert torch.equal(maps(path), wanted)
    content, digest = data.read_bytes(), read_onnx(path).sha256
    data.write_bytes(b"\x7f" + content[1:])
    assert read_onnx(path).sha256 != digest
    for left, reason in ((content[:-4], "it is cut"), (b"version https://git-lfs", "git lfs pull gets it")):
        data.write_bytes(left)
        said = rf"bytes in pose\.data beside pose\.onnx, got {len(left)}: .*{reason}"
        with pytest.raises(HeatpoolError, match=said):
            read_onnx(path)
    data.unlink()
    with pytest.raises(HeatpoolError, match=r"cannot read .*pose\.data: No such file"):
        read_onnx(path)


def test_weights_in_several_files_and_folders_are_all_in_the_digest(tmp_path: Path) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")
    wanted = maps(path)
    model = onnx.load(path)
    convert_model_to_external_data(model, all_tensors_to_one_file=False, size_threshold=0)
    onnx.save(model, path)
    (tmp_path / "weights" / "deep").mkdir(parents=True)
    (tmp_path / "blocks").rename(tmp_path / "weights" / "deep" / "blocks")
    rename(path, old="blocks", new="./weights/deep/blocks")
    assert torch.equal(maps(path), wanted)
    digests = {read_onnx(path).sha256}
    for part in (tmp_path / "heads", tmp_path / "weights" / "deep" / "blocks"):
        content = part.read_bytes()
        part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        digests.add(read_onnx(path).sha256)
    assert len(digests) == 3


def test_links_are_followed_as_the_hubs_cache_needs(tmp_path: Path) -> None:
    """In the cache of the Hugging Face hub a snapshot is links to blobs; others link the network alone."""
    path = heatmap_network(tmp_path / "pose.onnx")
    wanted = maps(path)
    data = place(path, "pose.onnx_data")
    snapshot, alone = tmp_path / "snapshots" / "1a2b", tmp_path / "alone"
    for folder in (snapshot, alone):
        folder.mkdir(parents=True)
        (folder / "pose.onnx").symlink_to(path)
    (snapshot / "pose.onnx_data").symlink_to(data)
    assert torch.equal(maps(snapshot / "pose.onnx"), wanted)
    assert torch.equal(maps(alone / "pose.onnx"), wanted)


def test_weights_inside_of_nodes_and_branches_are_read_too(tmp_path: Path) -> None:
    """A constant of a branch, whose weights onnxruntime would seek in the working directory."""
    path = heatmap_network(tmp_path / "pose.onnx")

    def add_branches(model: onnx.ModelProto) -> None:
        half = numpy_helper.from_array(np.array([0.5], np.float32), "half_value")
        half.raw_data, half.data_location = b"", TensorProto.EXTERNAL
        for key, value in (("location", "half.bin"), ("offset", "4"), ("length", "4")):
            half.external_data.add(key=key, value=value)
        inner = [
            helper.make_node("Constant", [], ["half"], value=half),
            helper.make_node("Mul", ["brightness", "half"], ["halved"]),
        ]
        out = [helper.make_tensor_value_info("halved", TensorProto.FLOAT, None)]
        branch = helper.make_graph(inner, "branch", [], out)
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
        model.graph.node.append(
            helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch)
        )

    (tmp_path / "half.bin").write_bytes(np.array([9, 0.5], np.float32).tobytes())
    changed(path, add_branches)
    both = OnnxBackbone(path, ("brightness", "chosen")).forward(CROPS).maps
    torch.testing.assert_close(both[1], both[0] / 2)


@pytest.mark.parametrize("name", ["../pose.data", "/dev/zero", ".", "", "weights/../../pose.data"])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "inside").mkdir()
    path = heatmap_network(tmp_path / "inside" / "pose.onnx")
    place(path, "pose.data").rename(tmp_path / "pose.data")
    rename(path, old="pose.data", new=name)
    with pytest.raises(HeatpoolError, match=r"expected the weights of pose\.onnx in its folder"):
        read_onnx(path)


def test_more_than_a_message_of_protobuf_can_hold_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")
    data = place(path, "pose.data")
    room = path.stat().st_size + data.stat().st_size
    monkeypatch.setattr(onnx_file, "_MOST_BYTES", room)
    read_onnx(path)
    monkeypatch.setattr(onnx_file, "_MOST_BYTES", room - 1)
    with pytest.raises(HeatpoolError, match=r"at most 2 GB of pose\.onnx .* got pose\.data .*float16"):
        read_onnx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*pose.onnx: No such file"),
        (b"", "pose.onnx is empty"),
        (b"no network", "cannot read pose.onnx"),
        (b"PK\x03\x04", "is a zip archive: unpack it"),
        (b"\x18\0\0\0ORTM", "onnxruntime's own format: give the .onnx"),
        (b"\x18\0\0\0TFL3", "a TensorFlow Lite file: tf2onnx"),
        (b"version https://git-lfs.github.com/spec/v1", "the pointer of git-lfs .* git lfs pull"),
        (b"<!doctype html>", "is a web page or XML"),
    ],
)
def test_what_is_no_network_is_said_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "pose.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(HeatpoolError, match=message) as caught:
        read_onnx(path)
    assert "\n" not in str(caught.value)
