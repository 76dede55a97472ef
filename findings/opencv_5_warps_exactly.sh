#!/usr/bin/env bash
# OpenCV 4.14.0 and 5.0.0: cv2.warpAffine with INTER_LINEAR reads a picture at whole 32nds of a pixel in OpenCV 4, float pictures
# too, and where it is asked to in OpenCV 5. Both answer the same call without a word, so crops of one data set
# differ by the version that cut them, and what a network makes of them: 2 to 3 % of pooled features on small people.
# cv2.resize gives the same bytes in both. heatpool records the version in each store and refuses to mix these two (docs/versions.md).
# Shifts a ramp by 1/100 pixel and halves noise by both, prints what comes, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
for version in 4.14.0.94 5.0.0.93; do
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "opencv-python==$version" numpy==2.4.6
  "$work/venv/bin/python" - "$work" <<'PY'
import sys
from pathlib import Path

import cv2
import numpy as np

ramp = np.tile(np.arange(0, 6400, 100, dtype=np.float32), (64, 1))  # 100 from pixel to pixel
shift = np.array([[1, 0, 0.01], [0, 1, 0]])
moved = float(cv2.warpAffine(ramp, shift, (64, 64), flags=cv2.INTER_LINEAR)[32, 32] - ramp[32, 32])
noise = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
half = cv2.resize(noise, (70, 40), interpolation=cv2.INTER_LINEAR)
before = Path(sys.argv[1], "half.npy")
same = bool((np.load(before) == half).all()) if before.exists() else None
np.save(before, half)
print(f"OpenCV {cv2.__version__}: a shift by 1/100 pixel of a ramp of 100 a pixel moves it by {moved:.3f}; resize as before: {same}")
old = cv2.__version__.startswith("4.")
assert (moved == 0.0) if old else (abs(moved + 1) < 0.01), moved
assert same is (None if old else True)
PY
done
