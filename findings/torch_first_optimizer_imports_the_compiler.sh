#!/usr/bin/env bash
# torch 2.13.0: making the first optimizer of a process imports torch._dynamo (its zero_grad, add_param_group and step are
# decorated so that the compiler leaves them alone), also where nothing is ever compiled. It costs about as much
# processor time as `import torch` itself: felt by programs that train something small. Seen on Linux with Python 3.11;
# heatpool's optimizers go around it (classify/training/optim.py).
# Prints modules and processor time before and after, and fails if the compiler is not imported any more.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import sys
import time

start = time.process_time()
import torch

imported = time.process_time() - start
before = len(sys.modules)
assert "torch._dynamo" not in sys.modules
start = time.process_time()
torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
made = time.process_time() - start
print(
    f"torch {torch.__version__}: import torch {imported:.2f} s of processor time; the first SGD of one number "
    f"{made:.2f} s and {len(sys.modules) - before} modules"
)
assert "torch._dynamo" in sys.modules and len(sys.modules) - before > 100
PY
