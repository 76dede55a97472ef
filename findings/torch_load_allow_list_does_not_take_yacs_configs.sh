#!/usr/bin/env bash
# torch 2.13.0, yacs 0.1.8: checkpoints of many detection and action networks (X-CLIP's among them) hold their configuration, a
# yacs CfgNode, beside the weights. torch.load(weights_only=True) refuses it and names add_safe_globals as the remedy; with CfgNode
# on that list the same file is refused again: the restricted reader sets items of dict, OrderedDict and Counter by exact
# type, and CfgNode is a subclass of dict. The list cannot help; the message then asks for a bug report.
# `heatpool weights import` reads such files with a plain dict in the class's place.
# Saves one tensor beside a CfgNode, loads it with and without the list, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 yacs==0.1.8
"$work/venv/bin/python" - "$work/checkpoint.pth" <<'PY'
import sys

import torch
from yacs.config import CfgNode

torch.save({"model": {"weight": torch.zeros(1)}, "config": CfgNode({"DEPTH": 1})}, sys.argv[1])


def refusal() -> str:
    try:
        torch.load(sys.argv[1], weights_only=True)
    except Exception as error:
        return str(error)
    return ""


unlisted = refusal()
torch.serialization.add_safe_globals([CfgNode])
listed = refusal()
assert "yacs.config.CfgNode" in unlisted and "add_safe_globals" in unlisted, unlisted
assert "Can only SETITEM for dict" in listed and "CfgNode" in listed, listed
print(f"torch {torch.__version__}: not on the list: refused; on the list: refused, {listed.split('error: ')[-1].strip().splitlines()[0]}")
PY
