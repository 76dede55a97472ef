#!/usr/bin/env bash
# ultralytics 8.4.190: `save_txt=True` opens each label file to append. A second run into the same folder (exist_ok=True, or a
# save_dir that is given again) leaves every person twice in every frame, and nothing in the files says so.
# Writes the labels of one picture twice by Results.save_txt, counts the lines, and fails if the second run replaced the first.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  ultralytics==8.4.190 torch==2.13.0 numpy==2.4.6
cd "$work"
YOLO_OFFLINE=True YOLO_CONFIG_DIR="$work" "$work/venv/bin/python" - <<'PY' 2>/dev/null
import sys
from pathlib import Path

import numpy as np
import torch
from ultralytics.engine.results import Results

boxes = torch.tensor([[8.0, 4, 24, 60, 0.9, 0]])  # corners in pixels, score, class
person = Results(np.zeros((64, 32, 3), np.uint8), "frame.jpg", {0: "person"}, boxes=boxes)
lines = []
for _ in range(2):
    person.save_txt("frame.txt")
    lines.append(len(Path("frame.txt").read_text().splitlines()))
print(f"lines after the first run: {lines[0]}, after the second: {lines[1]}")
sys.exit(lines != [1, 2])
PY
