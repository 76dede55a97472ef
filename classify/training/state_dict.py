"""State dicts in files of other programs, read without running anything that they hold."""

from __future__ import annotations

import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from heatpool.pool.disk.limits import check_members, check_unpacked
from heatpool.pool.errors import HeatpoolError, shorten

__all__ = ["read_state_dict"]

_INSIDE = ("model", "state_dict", "model_state_dict", "net", "network", "weights")
"""What training scripts call the state dict beside optimiser, epoch and configuration."""
_DAMAGED = (SafetensorError, UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, EOFError)
_PARALLEL = "module."  # what torch's DataParallel and DistributedDataParallel put in front of every name


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a network's tensors by name from a .safetensors file or one that `torch.save` wrote.

    It may lie beside other things, and behind the prefix `module.`. Values of floating point become float32.

    Raises:
        HeatpoolError: if the file is missing, damaged, or holds no state dict.
    """
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _load_inert(path)
    except OSError as error:
        raise HeatpoolError(f"{path}: cannot be read ({error.strerror or error})") from error
    except _DAMAGED as error:
        raise HeatpoolError(
            f"{path}: expected weights as torch.save writes them, got {_reason(str(error))}"
        ) from error
    state = _find(content)
    if not state:
        raise HeatpoolError(
            f"{path}: expected a state dict, named tensors, got none; of a network that was saved whole, "
            "save network.state_dict()"
        )
    # Tensors can be views of one number: 10^12 values in a file of a kilobyte.
    claimed = sum(tensor.numel() * 4 for tensor in state.values())
    check_unpacked(str(path), "its tensors", claimed, packed=path.stat().st_size)
    if all(name.startswith(_PARALLEL) for name in state):
        state = {name.removeprefix(_PARALLEL): tensor for name, tensor in state.items()}
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def _reason(text: str) -> str:
    """What is wrong, without torch's advice for programmers in front of it."""
    for advice in ("WeightsUnpickler error:", "from a trusted source."):
        text = text.partition(advice)[2] or text
    return shorten(" ".join(text.split()), limit=120)


class _InertDict:
    """Stands in for a class or function that a file names beside tensors and plain containers.

    Nothing of the file is called: a dict takes its place, with what the file puts into it (of a yacs
    configuration, say).
    """

    def __new__(cls, *arguments: Any) -> OrderedDict[Any, Any]:  # type: ignore[misc] # on purpose
        return OrderedDict()


class _InertNumber:
    """The same for numpy's scalars and types, which put nothing into a dict."""

    def __new__(cls, *arguments: Any) -> _InertNumber:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def _load_inert(path: Path) -> Any:
    """What `torch.load` reads of tensors and plain containers; for all else there are stand-ins."""
    zipped = zipfile.is_zipfile(path)
    if other := _other_kind(path, zipped=zipped):
        raise HeatpoolError(f"{path}: expected weights as torch.save writes them, got {other}")
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipped else []
    inert: list[Any] = [(_InertNumber if name.startswith("numpy.") else _InertDict, name) for name in names]
    with torch.serialization.safe_globals(inert), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of pickles that torch did not write
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)


def _other_kind(path: Path, *, zipped: bool) -> str:
    """What a file is that `torch.save` did not write; "" where it may have."""
    if zipped:
        with zipfile.ZipFile(path) as archive:
            check_members(str(path), archive.infolist(), packed=path.stat().st_size)
            inside = any(name.endswith("/data.pkl") for name in archive.namelist())
        return "" if inside else "another zip file"
    with path.open("rb") as file:
        first = file.read(1)
    if not first:
        return "an empty file"
    return "" if first == b"\x80" else "another kind of file"  # with which pickles begin


def _find(content: Any) -> dict[str, Tensor]:
    """The named tensors of what was read: itself, or what it calls its model."""
    if not isinstance(content, Mapping):
        return {}
    for inside in [*map(content.get, _INSIDE), content]:
        if isinstance(inside, Mapping):
            found = {name: value for name, value in inside.items() if _is_plain(name, value)}
            if found:
                return found
    return {}


def _is_plain(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor) and value.layout == torch.strided
