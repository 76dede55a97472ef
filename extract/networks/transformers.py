"""Networks of Hugging Face transformers: imported when needed, loaded whole or refused, digested."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from heatpool.pool.disk.limits import bounded_network, parse_json
from heatpool.pool.errors import HeatpoolError

__all__ = ["load_pretrained", "read_preprocessor", "read_settings", "state_digest"]

_SETTINGS = (
    "hidden_act", "layer_norm_eps", "num_attention_heads", "out_indices", "scale_factor",
    "use_simple_decoder",
)  # fmt: skip


def load_pretrained(source: str | Path, classes: Mapping[str, str], *, kind: str, fetch: bool = True) -> Any:
    """Load a network in float32 and eval mode. Weights are safetensors, or unpickled as plain tensors only.

    Args:
        source: local folder, or name of a model on the Hugging Face hub.
        classes: class of transformers by the model type that the source states; other types are refused.
        kind: what the source should be, for the error: a CLIP model.
        fetch: may be fetched from the hub; else only what was fetched before is found.

    Raises:
        HeatpoolError: if transformers is missing or does not import, or the model cannot be found, is of
            another kind, or lacks weights.
    """
    try:
        return _load(str(source), classes, kind, fetch)
    except ImportError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if "torchvision" in str(cause):
            raise HeatpoolError(
                f"transformers cannot be imported because torchvision does not match torch ({cause}); "
                "install the pair that belongs together, see the torch release notes"
            ) from error
        raise HeatpoolError(f"{kind} needs transformers: pip install 'heatpool[hf]' ({cause})") from error
    except HeatpoolError:
        raise
    except Exception as error:  # safetensors, pickle, json and the hub have many classes for damaged weights
        reason = " ".join(str(error).split())[:300]
        raise HeatpoolError(
            f"expected {kind} in a local folder or on the Hugging Face hub, cannot load {source}: {reason}"
        ) from error


def _load(source: str, classes: Mapping[str, str], kind: str, fetch: bool) -> Any:
    transformers = importlib.import_module("transformers")
    model_type = transformers.AutoConfig.from_pretrained(source, local_files_only=not fetch).model_type
    if model_type not in classes:
        raise HeatpoolError(f"expected {kind}, {source} is of type {model_type}")
    network_class = getattr(transformers, classes[model_type])
    files = Path(source).glob("*") if Path(source).is_dir() else ()
    packed = sum(file.stat().st_size for file in files)
    with bounded_network(source, packed=packed) if packed else nullcontext():
        model, report = network_class.from_pretrained(
            source,
            dtype=torch.float32,
            weights_only=True,
            output_loading_info=True,
            local_files_only=not fetch,
        )
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise HeatpoolError(f"expected {kind}, {source} lacks {len(missing)} of its tensors: {missing[0]}, …")
    return model.eval()


def read_preprocessor(source: str | Path) -> dict[str, Any]:
    """Return what `preprocessor_config.json` of a model says, nothing where there is none.

    Args:
        source: local folder, or name of a model on the Hugging Face hub.

    Raises:
        HeatpoolError: if it is no JSON object.
    """
    try:
        path = importlib.import_module("transformers.utils").cached_file(source, "preprocessor_config.json")
    except OSError:  # also where the hub cannot be asked: what came with the weights is enough to run them
        return {}
    try:
        said = parse_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"expected JSON in {Path(path).name} of {source}: {error}") from error
    if not isinstance(said, dict):
        raise HeatpoolError(f"expected a JSON object in {Path(path).name} of {source}")
    return said


def read_settings(*configs: Any) -> dict[str, Any]:
    """Return what configurations say that changes numbers and does not show in the weights."""
    return {name: getattr(each, name) for each in configs for name in _SETTINGS if hasattr(each, name)}


def state_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and values: the same for a folder, a hub name and a re-sharded copy."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
