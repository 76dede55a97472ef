#!/usr/bin/env bash
# ultralytics 8.4.190: YOLO26 is published as a detector without suppression of doubles, and its YAML says end2end: True. The network
# made of that YAML has both heads and says end2end False, and predict() runs the other head with suppression; only
# nms=False chooses the published one. So a program that reads the YAML, or takes YOLO26 to be free of doubles, decodes
# another head than predict() does: other boxes and scores. heatpool runs what predict() runs (extract/networks/ultralytics.py).
# Sets up the predictor as predict() does, with random weights, prints what is chosen, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  torch==2.13.0 numpy==2.4.6 ultralytics==8.4.190
YOLO_OFFLINE=True YOLO_CONFIG_DIR="$work" "$work/venv/bin/python" - <<'PY'
import ultralytics
from ultralytics.models.yolo.detect import DetectionPredictor


def chosen(**options: bool) -> bool:
    network = ultralytics.YOLO("yolo26n.yaml").model
    predictor = DetectionPredictor(overrides={"verbose": False, **options})
    predictor.setup_model(network, verbose=False)
    return bool(predictor.model.end2end)


network = ultralytics.YOLO("yolo26n.yaml").model
written, made = network.yaml["end2end"], network.end2end
print(f"ultralytics {ultralytics.__version__}, end2end: {written} in the YAML, {made} of the network made of it, "
      f"{chosen()} in predict(), {chosen(nms=False)} in predict(nms=False)")
assert hasattr(network.model[-1], "one2one_cv2") and network.model[-1].cv2 is not None
assert (written, made, chosen(), chosen(nms=False)) == (True, False, False, True)
PY
