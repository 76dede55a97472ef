"""Our names of HP-Net's tensors turned into the published ones, to make files as its authors publish them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from heatpool.classify.hpnet.published_names import RULES, fill_template, match_template


def to_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `from_published`: tensors under their published names.

    What the published network has no place for (class texts, the stand-in for RGB) is left out; its
    unused last layers of the CTR-GCNs repeat the auxiliary heads.
    """
    return dict(_published_tensors(state))


def _published_tensors(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for rule in RULES:
        pattern = match_template(rule.ours)
        for name in state:
            match = pattern.fullmatch(name)
            if match is None or (rule.published.startswith("GCN") and _is_head(name)):
                continue
            if rule.change != "qkv":
                theirs = fill_template(rule.published, match.groups())
                yield theirs, state[name].T if rule.change == "transpose" else state[name]
                if theirs.startswith("ske_fc"):
                    yield theirs.replace("ske_fc", "GCN").replace(".", ".fc.", 1), state[name]
            elif "q" in match.groups():
                values = tuple(value for value in match.groups() if value != "q")
                three = [state[name.replace(".q_proj.", f".{each}_proj.")] for each in "qkv"]
                yield fill_template(rule.published, values), torch.cat(three)


def _is_head(name: str) -> bool:
    return re.fullmatch(r"skeletons\.\w+\.fc\.\w+", name) is not None
