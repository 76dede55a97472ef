"""HRNet checkpoints by path: what network they hold, and loading it tensor for tensor."""

from __future__ import annotations

import logging
import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from heatpool.extract.networks.foreign_files import name_foreign_file
from heatpool.extract.networks.hrnet.network import HRNetSimCC
from heatpool.pool.disk.files import hash_file
from heatpool.pool.disk.limits import check_members, check_unpacked
from heatpool.pool.errors import HeatpoolError

__all__ = ["load_network", "read_checkpoint"]

_WIDTH_OF = "stage2.0.branches.0.0.conv1.weight"  # its first axis is the width of the finest branch
_SIMCC_HEADS = ("mlp_head_x.weight", "mlp_head_y.weight")
_COUNTER = ".num_batches_tracked"  # of a batch norm; training only, and absent in old checkpoints
_WRAPPERS = ("state_dict", "model", "model_state_dict")
_REFUSED = "Weights only load failed"  # as torch begins to say what it does not unpickle
_SHOWN = 3  # names a message lists of each kind
_SIZE_IN_NAME = re.compile(r"(?<!\d)(\d{2,4})x(\d{2,4})(?!\d)")  # height x width: pose_hrnet_w48_384x288.pth
_USUAL_CROP_WH_PX = (192, 256)

_log = logging.getLogger(__name__)


def load_network(path: Path, *, device: torch.device | str = "cpu") -> tuple[HRNetSimCC, str]:
    """Build the network a checkpoint is of, W32 or W48, SimCC or heatmaps, and load it.

    Args:
        path: as for `read_checkpoint`. The tensors of a network without SimCC heads do not tell the size of
            its crops; then its name does (384x288: height, width), or they are 256x192.
        device: where the network goes.

    Returns:
        the network, float32, in eval mode, and the SHA-256 of the file in hex.

    Raises:
        HeatpoolError: as `read_checkpoint`; if the tensors are not those of an HRNet pose network, it says
            how many are missing, unexpected or of another shape, and names the first ones.
    """
    state, digest = read_checkpoint(path)
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced at once
        network = _network_of(state, path.name)
    wanted = network.state_dict()
    state.update({n: torch.zeros((), dtype=torch.long) for n in wanted if n.endswith(_COUNTER)})
    _check(state, wanted, path.name, network)
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False).eval().to(device), digest


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read the tensors of a PyTorch (.pth, .pt, .tar) or safetensors file, floating ones as float32.

    Tensors wrapped as `state_dict` or `model` are unwrapped, and the prefix that training frameworks put
    before all names (`module.`, `model.`) is taken off. Only tensors and plain containers are unpickled.

    Returns:
        name → tensor on the CPU, and the SHA-256 of the file in hex.

    Raises:
        HeatpoolError: if the file cannot be read or holds anything else.
    """
    what = f"expected a checkpoint of tensors (.pth or .safetensors), cannot read {path.name}"
    try:
        _, digest = hash_file(path)
        if foreign := name_foreign_file(path):
            raise HeatpoolError(f"{what}: it {foreign}")
        content = _read(path)
    except OSError as error:
        reason = error.strerror or error
        raise HeatpoolError(f"expected a checkpoint, cannot read {path}: {reason}") from error
    except HeatpoolError:
        raise
    except Exception as error:  # torch's unpickler raises whatever the damaged bytes lead it to
        objects = "it holds Python objects beside its tensors, save these alone, as torch.save(state_dict)"
        reason = objects if _REFUSED in str(error) else str(error).partition("\n")[0]
        raise HeatpoolError(f"{what}: {reason}") from error
    inner = content
    if isinstance(content, Mapping):
        inner = next((content[name] for name in _WRAPPERS if isinstance(content.get(name), Mapping)), content)
    if not isinstance(inner, Mapping) or not inner or not all(isinstance(v, Tensor) for v in inner.values()):
        raise HeatpoolError(
            f"expected names and tensors in {path.name}, plain or as {' or '.join(_WRAPPERS)}, got "
            f"{_describe(content)}"
        )
    # Tensors can be views of one number: 10^12 values in a file of a kilobyte.
    claimed = sum(tensor.numel() * 4 for tensor in inner.values())
    check_unpacked(path.name, "its tensors", claimed, packed=path.stat().st_size)
    return _bare({n: t.float() if t.is_floating_point() else t for n, t in inner.items()}, path.name), digest


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_members(path.name, archive.infolist(), packed=path.stat().st_size)
    return torch.load(path, map_location="cpu", weights_only=True)


def _bare(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Take the prefix off that stands before the names of an HRNet."""
    if not all(isinstance(key, str) for key in state):
        raise HeatpoolError(f"expected an HRNet pose checkpoint in {name}, its tensors have no names")
    found = [key.removesuffix(_WIDTH_OF) for key in state if key.endswith(_WIDTH_OF)]
    if len(found) > 1:
        raise HeatpoolError(f"expected one network in {name}, got several: {', '.join(sorted(found))}")
    prefix = found[0] if found else "module."
    return {key.removeprefix(prefix): value for key, value in state.items()}


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"entries {', '.join(map(str, list(content)[:_SHOWN]))}" if content else "nothing"
    return type(content).__name__


def _network_of(state: Mapping[str, Tensor], name: str) -> HRNetSimCC:
    """Return the untrained network that a checkpoint's shapes ask for."""
    heads = _SIMCC_HEADS if any(key.startswith("mlp_head") for key in state) else ()
    for needed in (_WIDTH_OF, "final_layer.weight", *heads):
        if needed not in state or state[needed].ndim != (2 if needed in heads else 4):
            raise HeatpoolError(
                f"expected an HRNet pose checkpoint in {name}: it holds {len(state)} tensors, first "
                f"{', '.join(list(state)[:_SHOWN])}, but no {needed}{_hint(state)}"
            )
    split_ratio = None
    if not heads:
        width_px, height_px = _crop_wh_px_in(name)
    else:
        # The heads read W/4 * H/4 cells and give W * ratio and H * ratio bins: that tells all three.
        (bins_x, cells), (bins_y, _) = (state[head].shape for head in heads)
        split_ratio = math.sqrt(bins_x * bins_y / (16 * cells))
        width_px, height_px = round(bins_x / split_ratio), round(bins_y / split_ratio)
    try:
        return HRNetSimCC(
            state[_WIDTH_OF].shape[0],
            joints=state["final_layer.weight"].shape[0],
            height_px=height_px,
            width_px=width_px,
            split_ratio=split_ratio,
        )
    except ValueError as error:
        raise HeatpoolError(f"the heads of {name} fit no HRNet: {error}") from error


def _hint(state: Mapping[str, Tensor]) -> str:
    """Return what a checkpoint of another kind is, and what to do, "" where that is not known."""
    if any("patch_embed" in key for key in state):
        return ": a ViTPose, which --backend vitpose reads as transformers has it (heatpool weights list)"
    if any(key.startswith(("keypoint_head.", "head.")) for key in state):
        return ": of mmpose, export it by mmdeploy for --backend onnx"
    return ""


def _crop_wh_px_in(name: str) -> tuple[int, int]:
    """Return width and height of the crops that a file's name says, or the usual ones."""
    found = _SIZE_IN_NAME.findall(name)
    if not found:
        _log.info(
            f"{name}: crops of 256x192; a heatmap network of another size says it in its name, as 384x288"
        )
        return _USUAL_CROP_WH_PX
    height_px, width_px = map(int, found[-1])
    return width_px, height_px


def _check(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], name: str, network: HRNetSimCC) -> None:
    """Raise HeatpoolError unless both hold the same names and shapes."""
    shapes = [
        f"{n} {tuple(state[n].shape)} for {tuple(wanted[n].shape)}"
        for n in wanted
        if n in state and state[n].shape != wanted[n].shape
    ]
    groups = {
        "missing": [n for n in wanted if n not in state],
        "unexpected": [n for n in state if n not in wanted],
        "of another shape": shapes,
    }
    faults = [
        f"{len(names)} {kind} ({', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''})"
        for kind, names in groups.items()
        if names
    ]
    if faults:
        raise HeatpoolError(f"weights {name} do not fit {network.title}: {'; '.join(faults)}")
