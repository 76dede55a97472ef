"""Exports of networks to ONNX, kept in the user's cache."""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import nn

from heatpool.extract.networks.transformers import state_digest
from heatpool.pool.disk.atomic import write_bytes
from heatpool.pool.disk.files import cache_folder, hash_bytes, hash_file
from heatpool.pool.disk.locks import Lock
from heatpool.pool.errors import HeatpoolError

__all__ = ["OPSET", "GraphCache"]

OPSET = 18
"""Of the exports: the first that torch's exporter writes without converting."""

_MOST_BYTES = 4_000_000_000  # of all exports together; the oldest make room
_DIGEST_BYTES = 64  # a file begins with the SHA-256 of the rest, in hex
_PACKAGES = ("torch", "onnx", "onnxscript", "ultralytics", "transformers")

_log = logging.getLogger(__name__)


class GraphCache:
    """Graphs of a network, one for each size of its input.

    A file's name is the digest of all that shapes the graph: the network's tensors and `repr`, the source of
    our modules in it, the size, and the versions of the packages that build and export it.

    Args:
        network: (B, 3, H, W) → tensors, on the CPU, float32, in eval mode.
        title: of the network, for messages.
        folder: of the files; by default `runtime` in the user's cache folder for heatpool.
    """

    def __init__(self, network: nn.Module, *, title: str, folder: Path | None = None) -> None:
        self._network, self._title = network, title
        self._folder = folder or cache_folder() / "runtime"
        self._known = [state_digest(network.state_dict()), repr(network), *_sources(network), *_versions()]

    def graph(self, input_hw_px: tuple[int, int]) -> bytes:
        """Return the ONNX graph for one image of this height and width, exported if it is not there.

        Raises:
            HeatpoolError: if onnxscript is missing, the network cannot be exported, or the cache's folder not
                be written to.
        """
        facts = [*self._known, OPSET, *input_hw_px]
        path = self._folder / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()}.onnx"
        found = _read(path)
        if found is not None:
            return found
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Who comes second waits: workers that start together would export the same network all at once.
            with Lock.acquire(path.with_suffix(".lock"), what=f"the export of {self._title}", wait=True):
                found = _read(path)
                if found is None:
                    found = self._export(input_hw_px)
                    write_bytes(path, _digest(found) + found, overwrite=True)
                    _make_room(self._folder, spare=path)
        except OSError as error:
            raise HeatpoolError(f"{self._folder}: cannot be written ({error.strerror or error})") from error
        return found

    def _export(self, input_hw_px: tuple[int, int]) -> bytes:
        try:
            importlib.import_module("onnxscript")
        except ImportError as error:
            raise HeatpoolError(
                "exporting a network needs onnx and onnxscript: pip install 'heatpool[openvino]' or "
                f"'heatpool[onnx]' ({error})"
            ) from error
        begun = time.monotonic()
        height, width = input_hw_px
        try:
            with torch.no_grad(), _quiet():
                program = torch.onnx.export(
                    self._network,
                    (torch.zeros(1, 3, height, width),),
                    dynamo=True,
                    opset_version=OPSET,
                    input_names=["images"],
                    verbose=False,
                )
                assert program is not None
                content: bytes = program.model_proto.SerializeToString()
        except Exception as error:  # the exporter raises what the network's own operators lead it to
            reason = " ".join(str(error).split())[:300]
            raise HeatpoolError(
                f"{self._title} cannot be exported, run it by --runtime torch: {reason}"
            ) from error
        _log.info(
            "%s: exported for %d x %d pixels in %.0f s, kept in %s",
            self._title, width, height, time.monotonic() - begun, self._folder,
        )  # fmt: skip
        return content


def _read(path: Path) -> bytes | None:
    """Return a graph that is there and whole."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    graph = content[_DIGEST_BYTES:]
    if _digest(graph) == content[:_DIGEST_BYTES]:
        return graph
    _log.warning("%s is damaged: the network is exported again", path)
    return None


def _digest(content: bytes) -> bytes:
    return hash_bytes(content)[1].encode()


def _make_room(folder: Path, *, spare: Path) -> None:
    """Remove the oldest exports while all of them take too many bytes."""
    files = sorted(folder.glob("*.onnx"), key=lambda file: file.stat().st_mtime)
    held = sum(file.stat().st_size for file in files)
    for file in files:
        if held > _MOST_BYTES and file != spare:
            held -= file.stat().st_size
            file.unlink(missing_ok=True)


def _sources(network: nn.Module) -> list[str]:
    """Digests of the source files of our classes in a network: what they do may change between releases."""
    modules = {type(each).__module__ for each in network.modules()}
    ours = sorted(each for each in modules if each.startswith("heatpool."))
    return [hash_file(Path(str(sys.modules[each].__file__)))[1] for each in ours]


def _versions() -> Iterator[str]:
    for package in _PACKAGES:
        try:
            yield version(package)
        except PackageNotFoundError:
            yield ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter says of its own operators from a user who cannot change them."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
