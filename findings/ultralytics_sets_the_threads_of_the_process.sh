#!/usr/bin/env bash
# ultralytics 8.4.190, torch 2.13.0, opencv-python 5.0.0.93: threads are set for the whole process, and twice. `import
# ultralytics` puts OMP_NUM_THREADS=1 into the environment unless it is there, so that every process started
# afterwards begins with one thread of torch, and turns OpenCV's threads off. The first frame of `YOLO.predict` on a
# CPU sets torch to one thread fewer than there are cores (8 at most), whatever was set before: on two cores, one.
# benchmarks/peers.py therefore sets torch's threads in every process, and after ultralytics' first frame.
# Prints the threads before and after, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  ultralytics==8.4.190 opencv-python==5.0.0.93 torch==2.13.0 numpy==2.4.6
YOLO_OFFLINE=True YOLO_CONFIG_DIR="$work" "$work/venv/bin/python" - <<'PY'
import os
import subprocess
import sys

os.environ.pop("OMP_NUM_THREADS", None)
import cv2
import torch

torch.set_num_threads(3)
cv2.setNumThreads(3)
import ultralytics
from ultralytics.utils.torch_utils import select_device

child = [sys.executable, "-c", "import torch; print(torch.get_num_threads())"]
of_child = int(subprocess.run(child, capture_output=True, text=True, check=True).stdout)
before = torch.get_num_threads()
select_device("cpu", verbose=False)  # as `predict` does
after = torch.get_num_threads()
print(f"after import ultralytics {ultralytics.__version__}: torch {before}, a new process {of_child}, OpenCV {cv2.getNumThreads()}")
print(f"after the device was chosen: torch {after} of {os.cpu_count()} cores")
assert (before, of_child, cv2.getNumThreads()) == (3, 1, 1)
assert after == min(8, max(1, os.cpu_count() - 1))
PY
