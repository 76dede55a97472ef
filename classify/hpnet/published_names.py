"""The published names of HP-Net's tensors and ours, in one table.

Ours are those of `HPNet`, and of transformers' `CLIPTextModelWithProjection` behind the prefix `text.`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from torch import Tensor

from heatpool.classify.hpnet.network import SKELETONS
from heatpool.pool.errors import HeatpoolError

__all__ = ["RULES", "Rule", "fill_template", "from_published", "match_template"]

Change = Literal["same", "transpose", "qkv"]


class Rule(NamedTuple):
    """A published name and ours. {i} stands for a number, {p} for the rest of a name.

    "qkv" means one tensor there, three here: {p} is weight or bias.
    """

    published: str
    ours: str
    change: Change = "same"


def _block(published: str, ours: str, attentions: Mapping[str, str]) -> list[Rule]:
    """Rules of a transformer block of CLIP: OpenAI's names and those of transformers."""
    rules = [
        Rule(f"{published}.mlp.c_fc.{{p}}", f"{ours}.mlp.fc1.{{p}}"),
        Rule(f"{published}.mlp.c_proj.{{p}}", f"{ours}.mlp.fc2.{{p}}"),
        Rule(f"{published}.ln_1.{{p}}", f"{ours}.layer_norm1.{{p}}"),
        Rule(f"{published}.ln_2.{{p}}", f"{ours}.layer_norm2.{{p}}"),
    ]
    for theirs, mine in attentions.items():
        rules.append(Rule(f"{published}.{theirs}.in_proj_{{p}}", f"{ours}.{mine}.@_proj.{{p}}", "qkv"))
        rules.append(Rule(f"{published}.{theirs}.out_proj.{{p}}", f"{ours}.{mine}.out_proj.{{p}}"))
    return rules


def _rules() -> list[Rule]:
    rules = []
    for number, name in enumerate(SKELETONS, 1):
        rules.append(Rule(f"ske_fc{number}.{{p}}", f"skeletons.{name}.fc.{{p}}"))
        rules.append(Rule(f"GCN{number}.{{p}}", f"skeletons.{name}.{{p}}"))
    mit, visual, text = "mit.resblocks.{i}", "visual.transformer.resblocks.{i}", "transformer.resblocks.{i}"
    tower, words = "encoder.tower", "text.text_model"
    return [
        *rules,
        Rule("ske_film.{p}", "trmm.{p}"),
        Rule("logit_scale", "logit_scale"),
        Rule("mit.positional_embedding", "mit.positional_embedding"),
        Rule(f"{mit}.attn.{{p}}", f"{mit}.self_attn.{{p}}"),
        Rule(f"{mit}.mlp.c_fc.{{p}}", f"{mit}.linear1.{{p}}"),
        Rule(f"{mit}.mlp.c_proj.{{p}}", f"{mit}.linear2.{{p}}"),
        Rule(f"{mit}.ln_{{i}}.{{p}}", f"{mit}.norm{{i}}.{{p}}"),
        Rule("visual.class_embedding", f"{tower}.embeddings.class_embedding"),
        Rule("visual.conv1.weight", f"{tower}.embeddings.patch_embedding.weight"),
        Rule("visual.positional_embedding", f"{tower}.embeddings.position_embedding.weight"),
        Rule("visual.ln_pre.{p}", f"{tower}.pre_layernorm.{{p}}"),
        Rule("visual.ln_post.{p}", f"{tower}.post_layernorm.{{p}}"),
        Rule("visual.proj", "encoder.projection.weight", "transpose"),
        Rule(f"{visual}.message_fc.{{p}}", f"{tower}.encoder.layers.{{i}}.message_fc.{{p}}"),
        Rule(f"{visual}.message_ln.{{p}}", f"{tower}.encoder.layers.{{i}}.message_ln.{{p}}"),
        *_block(
            visual,
            f"{tower}.encoder.layers.{{i}}",
            {"attn": "self_attn", "message_attn": "message_attn"},
        ),
        Rule("token_embedding.weight", f"{words}.embeddings.token_embedding.weight"),
        Rule("positional_embedding", f"{words}.embeddings.position_embedding.weight"),
        Rule("ln_final.{p}", f"{words}.final_layer_norm.{{p}}"),
        Rule("text_projection", "text.text_projection.weight", "transpose"),
        *_block(text, f"{words}.encoder.layers.{{i}}", {"attn": "self_attn"}),
    ]


RULES = _rules()
# The published CTR-GCNs keep a last layer that is never called: ske_fc1 to 3 are called instead.
_UNUSED = re.compile(r"GCN[123]\.fc\.(weight|bias)")


def match_template(template: str) -> re.Pattern[str]:
    """Return what finds the names that a template of a `Rule` stands for, and their parts."""
    text = re.escape(template).replace(r"\{i\}", r"(\d+)").replace(r"\{p\}", "(.+)").replace("@", "([qkv])")
    return re.compile(text)


def fill_template(template: str, values: tuple[str, ...]) -> str:
    """Return the name that a template with these parts in it makes."""
    parts = iter(values)
    return re.sub(r"\{[ip]\}", lambda _: next(parts), template)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a published HP-Net state dict.

    Returns:
        Tensors by our names; those of the text encoder begin with `text.`.

    Raises:
        HeatpoolError: if a name is not one of HP-Net's.
    """
    patterns = [(match_template(rule.published), rule) for rule in RULES]
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
        ours = fill_template(rule.ours, match.groups())
        if rule.change == "qkv":
            renamed.update(zip((ours.replace("@", each) for each in "qkv"), tensor.chunk(3), strict=True))
        else:
            renamed[ours] = tensor.T if rule.change == "transpose" else tensor
    return renamed
