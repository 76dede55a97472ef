#!/usr/bin/env bash
# transformers 5.23.0: ViTPose's checkpoints are mmpose's, and so is the decoding that post_dark_unbiased_data_processing follows: blur
# the heatmaps by `kernel` (11), step to the peak of their logarithm. mmpose blurs by cv2.GaussianBlur(kernel 11, sigma 0), whose sigma
# is 2.0 cells; transformers fixes 0.8 cells, and `kernel` cuts its tails only: 3 or 11 is nearly the same. On
# heatmaps with noise, as networks make them, joints come out elsewhere, with a larger error.
# heatpool decodes ViTPose as transformers does, and exports of mmpose as mmpose does (extract/networks/heatmaps.py).
# Decodes 200 noisy Gaussians whose peaks are known by both, prints the errors, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  transformers==5.23.0 torch==2.13.0 scipy==1.17.1 pillow==12.2.0 opencv-python==5.0.0.93 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import cv2
import numpy as np
import transformers
from transformers.models.vitpose import image_processing_pil_vitpose as vitpose

random = np.random.default_rng(0)
true = random.uniform(20, 28, (20, 10, 2))  # x, y in cells
y, x = np.mgrid[:64, :48]
squares = (x - true[..., 0, None, None]) ** 2 + (y - true[..., 1, None, None]) ** 2
heat = (np.exp(-squares / (2 * 2.0**2)) + random.normal(0, 0.02, squares.shape)).astype(np.float32)
cells = np.stack(np.unravel_index(heat.reshape(20, 10, -1).argmax(2), heat.shape[2:])[::-1], -1).astype(np.float64)


def error(maps: np.ndarray, kernel: int) -> float:
    """Mean distance to the true peaks, in cells."""
    found = vitpose.post_dark_unbiased_data_processing(cells.copy(), maps, kernel=kernel)
    return float(np.linalg.norm(found - true, axis=-1).mean())


class AsMmpose:
    """cv2.GaussianBlur in the place of scipy's filter: all else stays."""

    def __call__(self, heatmap, **_):
        return cv2.GaussianBlur(heatmap, (11, 11), 0)


own = {kernel: error(heat, kernel) for kernel in (3, 11)}
vitpose.gaussian_filter = AsMmpose()
mmpose = error(heat, 11)
sigma = float(np.sqrt((cv2.getGaussianKernel(11, 0, cv2.CV_64F)[:, 0] * np.arange(-5, 6) ** 2).sum()))
print(f"transformers {transformers.__version__}: mean error {own[11]:.3f} cells with kernel 11, {own[3]:.3f} with kernel 3; "
      f"with OpenCV's blur of kernel 11 (sigma {sigma:.2f}) {mmpose:.3f}")
assert abs(sigma - 2) < 0.1
assert abs(own[3] - own[11]) < 0.02 and own[11] > 1.5 * mmpose
PY
