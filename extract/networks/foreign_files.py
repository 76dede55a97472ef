"""What a file is that is given for weights and is none."""

from __future__ import annotations

from pathlib import Path

__all__ = ["name_foreign_file"]

_PAGES = (b"<!doctype", b"<html", b"<?xml")  # a safetensors file may begin with "<", too
_STARTS = (
    (0, b"version https://git-lfs", "is the pointer of git-lfs in place of the file: git lfs pull gets it"),
    *((0, page, "is a web page or XML, as a proxy or OpenVINO writes it") for page in _PAGES),
    (4, b"ORTM", "is onnxruntime's own format: give the .onnx that it was made from"),
    (4, b"TFL3", "is a TensorFlow Lite file: tf2onnx makes an .onnx of it, with --inputs-as-nchw"),
    (4, b"ftrt", "is a TensorRT engine: give the .onnx that it was made from"),
    (0, b"ftrt", "is a TensorRT engine: give the .onnx that it was made from"),
    (0, b"\x89HDF", "is an HDF5 file of Keras: tf2onnx makes an .onnx of it, with --inputs-as-nchw"),
)
_ZIP = (0, b"PK\x03\x04", "is a zip archive: unpack it, and give the .onnx in it")


def name_foreign_file(path: Path, *, is_zip_foreign: bool = False) -> str:
    """Return what a file is by its first bytes, and what to do, or "" for nothing that we know.

    Args:
        path: of a file.
        is_zip_foreign: for formats that are no zip archives themselves; checkpoints of torch are.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "is empty"
    starts = (*_STARTS, _ZIP) if is_zip_foreign else _STARTS
    return next((text for at, magic, text in starts if start[at:].lower().startswith(magic.lower())), "")
