"""The published names of HP-Net's tensors and ours, both ways, in one table.

Ours are those of `HPNet`, and of transformers' `CLIPTextModelWithProjection` behind the prefix `text.`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from heatpool.classify.hpnet.network import SKELETONS
from heatpool.pool.errors import HeatpoolError

__all__ = ["from_published", "to_published"]

Change = Literal["same", "transpose", "qkv"]


class _Rule(NamedTuple):
    """A published name and ours. {i} stands for a number, {p} for the rest of a name.

    "qkv" means one tensor there, three here: {p} is weight or bias.
    """

    published: str
    ours: str
    change: Change = "same"


def _block(published: str, ours: str, attentions: Mapping[str, str]) -> list[_Rule]:
    """Rules of a transformer block of CLIP: OpenAI's names and those of transformers."""
    rules = [
        _Rule(f"{published}.mlp.c_fc.{{p}}", f"{ours}.mlp.fc1.{{p}}"),
        _Rule(f"{published}.mlp.c_proj.{{p}}", f"{ours}.mlp.fc2.{{p}}"),
        _Rule(f"{published}.ln_1.{{p}}", f"{ours}.layer_norm1.{{p}}"),
        _Rule(f"{published}.ln_2.{{p}}", f"{ours}.layer_norm2.{{p}}"),
    ]
    for theirs, mine in attentions.items():
        rules.append(_Rule(f"{published}.{theirs}.in_proj_{{p}}", f"{ours}.{mine}.@_proj.{{p}}", "qkv"))
        rules.append(_Rule(f"{published}.{theirs}.out_proj.{{p}}", f"{ours}.{mine}.out_proj.{{p}}"))
    return rules


def _rules() -> list[_Rule]:
    rules = []
    for number, name in enumerate(SKELETONS, 1):
        rules.append(_Rule(f"ske_fc{number}.{{p}}", f"skeletons.{name}.fc.{{p}}"))
        rules.append(_Rule(f"GCN{number}.{{p}}", f"skeletons.{name}.{{p}}"))
    mit, visual, text = "mit.resblocks.{i}", "visual.transformer.resblocks.{i}", "transformer.resblocks.{i}"
    tower, words = "encoder.tower", "text.text_model"
    return [
        *rules,
        _Rule("ske_film.{p}", "trmm.{p}"),
        _Rule("logit_scale", "logit_scale"),
        _Rule("mit.positional_embedding", "mit.positional_embedding"),
        _Rule(f"{mit}.attn.{{p}}", f"{mit}.self_attn.{{p}}"),
        _Rule(f"{mit}.mlp.c_fc.{{p}}", f"{mit}.linear1.{{p}}"),
        _Rule(f"{mit}.mlp.c_proj.{{p}}", f"{mit}.linear2.{{p}}"),
        _Rule(f"{mit}.ln_{{i}}.{{p}}", f"{mit}.norm{{i}}.{{p}}"),
        _Rule("visual.class_embedding", f"{tower}.embeddings.class_embedding"),
        _Rule("visual.conv1.weight", f"{tower}.embeddings.patch_embedding.weight"),
        _Rule("visual.positional_embedding", f"{tower}.embeddings.position_embedding.weight"),
        _Rule("visual.ln_pre.{p}", f"{tower}.pre_layernorm.{{p}}"),
        _Rule("visual.ln_post.{p}", f"{tower}.post_layernorm.{{p}}"),
        _Rule("visual.proj", "encoder.projection.weight", "transpose"),
        _Rule(f"{visual}.message_fc.{{p}}", f"{tower}.encoder.layers.{{i}}.message_fc.{{p}}"),
        _Rule(f"{visual}.message_ln.{{p}}", f"{tower}.encoder.layers.{{i}}.message_ln.{{p}}"),
        *_block(
            visual,
            f"{tower}.encoder.layers.{{i}}",
            {"attn": "self_attn", "message_attn": "message_attn"},
        ),
        _Rule("token_embedding.weight", f"{words}.embeddings.token_embedding.weight"),
        _Rule("positional_embedding", f"{words}.embeddings.position_embedding.weight"),
        _Rule("ln_final.{p}", f"{words}.final_layer_norm.{{p}}"),
        _Rule("text_projection", "text.text_projection.weight", "transpose"),
        *_block(text, f"{words}.encoder.layers.{{i}}", {"attn": "self_attn"}),
    ]


_RULES = _rules()
# The published CTR-GCNs keep a last layer that is never called: ske_fc1 to 3 are called instead.
_UNUSED = re.compile(r"GCN[123]\.fc\.(weight|bias)")


def _pattern(template: str) -> re.Pattern[str]:
    text = re.escape(template).replace(r"\{i\}", r"(\d+)").replace(r"\{p\}", "(.+)").replace("@", "([qkv])")
    return re.compile(text)


def _fill(template: str, values: tuple[str, ...]) -> str:
    parts = iter(values)
    return re.sub(r"\{[ip]\}", lambda _: next(parts), template)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a published HP-Net state dict.

    Returns:
        Tensors by our names; those of the text encoder begin with `text.`.

    Raises:
        HeatpoolError: if a name is not one of HP-Net's.
    """
    patterns = [(_pattern(rule.published), rule) for rule in _RULES]
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if _UNUSED.fullmatch(name):
            continue
        found = next(
            ((match, rule) for pattern, rule in patterns if (match := pattern.fullmatch(name))), None
        )
        if found is None:
            raise HeatpoolError(f"expected the weights of a published HP-Net, they have a tensor {name}")
        match, rule = found
        ours = _fill(rule.ours, match.groups())
        if rule.change == "qkv":
            renamed.update(zip((ours.replace("@", each) for each in "qkv"), tensor.chunk(3), strict=True))
        else:
            renamed[ours] = tensor.T if rule.change == "transpose" else tensor
    return renamed


def to_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `from_published`: tensors under their published names.

    What the published network has no place for (class texts, the stand-in for RGB) is left out; its
    unused last layers of the CTR-GCNs repeat the auxiliary heads.
    """
    return dict(_published_tensors(state))


def _published_tensors(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for rule in _RULES:
        pattern = _pattern(rule.ours)
        for name in state:
            match = pattern.fullmatch(name)
            if match is None or (rule.published.startswith("GCN") and _is_head(name)):
                continue
            if rule.change != "qkv":
                theirs = _fill(rule.published, match.groups())
                yield theirs, state[name].T if rule.change == "transpose" else state[name]
                if theirs.startswith("ske_fc"):
                    yield theirs.replace("ske_fc", "GCN").replace(".", ".fc.", 1), state[name]
            elif "q" in match.groups():
                values = tuple(value for value in match.groups() if value != "q")
                three = [state[name.replace(".q_proj.", f".{each}_proj.")] for each in "qkv"]
                yield _fill(rule.published, values), torch.cat(three)


def _is_head(name: str) -> bool:
    return re.fullmatch(r"skeletons\.\w+\.fc\.\w+", name) is not None
