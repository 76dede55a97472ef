"""Class names as text: tokens, and embeddings of a CLIP, kept in the run folder.

Axis letters: K classes, L tokens, D values an embedding.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from heatpool.pool.disk.atomic import write_bytes
from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError

__all__ = ["LabelText", "embed_labels", "load_label_text", "save_label_text", "tokenise"]


@dataclass(frozen=True, eq=False)
class LabelText:
    """Embeddings of class names by a text network.

    Attributes:
        class_names: K, in label order.
        embeddings: (K, D) float32.
        source: folder or hub name of the network.
        logit_scale: natural logarithm of the factor that the network was trained with.

    Raises:
        ValueError: if the shape is not as stated or a value not finite.
    """

    class_names: tuple[str, ...]
    embeddings: Tensor
    source: str
    logit_scale: float

    def __post_init__(self) -> None:
        if self.embeddings.ndim != 2 or len(self.embeddings) != len(self.class_names):
            got = tuple(self.embeddings.shape)
            raise ValueError(f"expected embeddings of {len(self.class_names)} class names, got {got}")
        if not self.embeddings.isfinite().all():
            raise ValueError("expected finite embeddings, got others")


def tokenise(tokenizer: Any, texts: Sequence[str], *, length: int = 77) -> Tensor:
    """Tokenise as CLIP was trained: start, text, end, zeros; texts that are too long are cut.

    Args:
        tokenizer: transformers' `CLIPTokenizer`.
        texts: K.
        length: L.

    Returns:
        (K, L) int64.
    """
    tokens = torch.zeros(len(texts), length, dtype=torch.int64)
    rows = tokenizer(list(texts), truncation=True, max_length=length)["input_ids"]
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return tokens


@torch.no_grad()
def embed_labels(model: Any, tokenizer: Any, class_names: Sequence[str], *, source: str) -> LabelText:
    """Embed class names; underscores, dots and slashes in them are read as spaces.

    Args:
        model: `CLIPModel`, `CLIPTextModelWithProjection` or `XCLIPModel` of transformers, in eval mode.
        tokenizer: that belongs to it.
        class_names: K.
        source: where both come from, for the record.
    """
    texts = [re.sub(r"[_./\s]+", " ", name).strip() for name in class_names]
    length = model.text_model.embeddings.position_embedding.num_embeddings
    tokens = tokenise(tokenizer, texts, length=length)
    embeddings = model.text_projection(model.text_model(input_ids=tokens).pooler_output)
    scale = getattr(model, "logit_scale", None)
    logit_scale = float(torch.tensor(1 / 0.07).log()) if scale is None else float(scale)
    return LabelText(tuple(class_names), embeddings.float().contiguous(), source, logit_scale)


def save_label_text(path: Path, text: LabelText) -> None:
    """Write embeddings and what they are of into one .safetensors file."""
    about = {"class_names": list(text.class_names), "source": text.source, "logit_scale": text.logit_scale}
    write_bytes(path, save({"embeddings": text.embeddings}, {"about": json.dumps(about)}), overwrite=True)


def load_label_text(path: Path) -> LabelText:
    """Read a file of `save_label_text`.

    Raises:
        HeatpoolError: if it is missing or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            about = parse_json(file.metadata()["about"])
            embeddings = file.get_tensor("embeddings")
        return LabelText(tuple(about["class_names"]), embeddings, about["source"], about["logit_scale"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise HeatpoolError(f"cannot read the class texts {path}: {error}") from error
