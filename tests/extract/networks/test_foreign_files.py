from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from heatpool.extract.networks.foreign_files import name_foreign_file


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"<!DOCTYPE html>", "web page"),
        (b"<html>", "web page"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "git lfs pull"),
        (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
        (b"\x1c\0\0\0ORTM", "onnxruntime's own format"),
        (b"ftrt\0\0", "TensorRT"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"", "is empty"),
        (b"\x80\x02}q\x00", ""),
        (b"<\x68\0\0\0\0\0\0{", ""),  # a safetensors file with a header of 26,684 bytes
    ],
)
def test_files_are_known_by_their_first_bytes(tmp_path: Path, start: bytes, said: str) -> None:
    (tmp_path / "file").write_bytes(start)
    found = name_foreign_file(tmp_path / "file")
    assert (said in found) if said else not found


def test_checkpoints_are_archives_and_networks_of_onnx_are_not(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "pose.pth")
    save_file({"weight": torch.zeros(1)}, tmp_path / "pose.safetensors")
    assert not name_foreign_file(tmp_path / "pose.pth")
    assert not name_foreign_file(tmp_path / "pose.safetensors")
    assert "unpack it" in name_foreign_file(tmp_path / "pose.pth", is_zip_foreign=True)
