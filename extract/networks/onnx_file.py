"""ONNX files, read with the weights beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatpool.extract.networks.foreign_files import name_foreign_file
from heatpool.pool.disk.text_files import require_regular
from heatpool.pool.errors import HeatpoolError, shorten

try:
    import onnx
except ImportError as error:  # the extra is optional; what needs it says so when it is asked for
    _missing: ImportError | None = error
else:
    _missing = None

__all__ = ["OnnxFile", "read_onnx"]

_MOST_BYTES = 2**31 - 1  # what one message of protobuf, and so a network handed to onnxruntime, can hold


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """An ONNX file in memory.

    Attributes:
        name: of the file.
        model: with all of its weights.
        metadata: its `metadata_props`.
        sha256: hex digest of the file; with weights in other files, of all their digests one after the other.
    """

    name: str
    model: Any
    metadata: dict[str, str]
    sha256: str


def read_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file and what it refers to, which must lie in its folder or in folders of that.

    Raises:
        HeatpoolError: if onnx is not installed, or the file is none, or refers to what is not there.
    """
    if _missing is not None:
        raise HeatpoolError("ONNX networks need onnxruntime and onnx: pip install 'heatpool[onnx]'")
    try:
        content = _read(path, path.name, _MOST_BYTES)
        foreign = name_foreign_file(path, is_zip_foreign=True)
        if foreign:
            raise HeatpoolError(f"expected an ONNX file, {path.name} {foreign}")
        model = onnx.load_model_from_string(content)
        digests = [hashlib.sha256(content).hexdigest(), *_take_in(model, path, _MOST_BYTES - len(content))]
    except OSError as error:
        what = error.filename or path
        raise HeatpoolError(f"expected an ONNX file, cannot read {what}: {error.strerror}") from error
    except HeatpoolError:
        raise
    except Exception as error:  # protobuf's own errors, and whatever an odd graph raises: one line
        reason = " ".join(str(error).split())[:300]
        raise HeatpoolError(f"expected an ONNX file, cannot read {path.name}: {reason}") from error
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return OnnxFile(path.name, model, {prop.key: prop.value for prop in model.metadata_props}, digest)


def _take_in(model: onnx.ModelProto, path: Path, most_bytes: int) -> list[str]:
    """Put weights from other files into the model; return the digests of these files, by name.

    onnx's own loader follows no links, of which the cache of the Hugging Face hub is made, and would read
    the files a second time, after their digests; onnxruntime looks in the working directory.
    """
    outside: dict[str, list[tuple[Any, dict[str, str]]]] = {}
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            told = {entry.key: entry.value for entry in tensor.external_data}
            outside.setdefault(told.get("location", ""), []).append((tensor, told))
    digests = []
    for place in sorted(outside):
        file = _find_beside(path, place)
        content = _read(file, path.name, most_bytes)
        most_bytes -= len(content)
        digests.append(hashlib.sha256(content).hexdigest())
        for tensor, told in outside[place]:
            start = int(told.get("offset") or 0)
            end = start + int(told["length"]) if told.get("length") else len(content)
            if not 0 <= start <= end <= len(content):
                raise HeatpoolError(
                    f"expected {end} bytes in {place} beside {path.name}, got {len(content)}: it "
                    f"{name_foreign_file(file) or 'is cut, or of another network'}"
                )
            tensor.raw_data = content[start:end]
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
    return digests


def _tensors(message: Any) -> Iterator[Any]:
    """Yield all tensors in a message: of the graph, of its nodes, of graphs in these and of functions."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in (value,) if hasattr(value, "ListFields") else value:  # one message, or many
                yield from _tensors(each)


def _find_beside(path: Path, place: str) -> Path:
    """Return the file that a network calls `place`; refuse what is not a file in its folder."""
    named, file = Path(place), path.parent / place
    if not place or named.anchor or ".." in named.parts or (file.exists() and not file.is_file()):
        raise HeatpoolError(f"expected the weights of {path.name} in its folder, got {shorten(place)}")
    beside_target = path.resolve().parent / place  # of a network that is a link
    return beside_target if not file.exists() and beside_target.is_file() else file


def _read(path: Path, name: str, most_bytes: int) -> bytes:
    require_regular(path)
    size = path.stat().st_size
    if size > most_bytes:
        raise HeatpoolError(
            f"expected at most 2 GB of {name} with its weights, all that one piece of ONNX can hold, "
            f"got {path.name} of {size / 1e9:.1f} GB: export it in float16"
        )
    return path.read_bytes()
