#!/usr/bin/env bash
# sleap-io 0.9.5: a SLEAP project keeps a prediction beside the user's label that corrects it, and `from_predicted` says which one
# that is. load_slp gives it; load_slp(lazy=True) gives None for it once the frames are read, so a program that counts persons
# takes each corrected one for two.
# Writes a frame with a corrected prediction, reads it both ways, and fails if lazy reading keeps the link.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check sleap-io==0.9.5
cd "$work"
"$work/venv/bin/python" - <<'PY'
import sys

import numpy as np
import sleap_io as sio

skeleton = sio.Skeleton(["nose", "tail"])
predicted = sio.PredictedInstance.from_numpy(
    np.array([[1.0, 2.0], [3.0, 4.0]]), skeleton=skeleton, point_scores=np.ones(2), score=0.9
)
label = sio.Instance.from_numpy(np.array([[1.5, 2.0], [3.0, 4.5]]), skeleton=skeleton)
label.from_predicted = predicted
video = sio.Video(filename="mouse.mp4", open_backend=False)
frame = sio.LabeledFrame(video=video, frame_idx=0, instances=[predicted, label])
sio.Labels(labeled_frames=[frame]).save("mouse.slp")
linked = []
for lazy in (False, True):
    labels = sio.load_slp("mouse.slp", open_videos=False, lazy=lazy)
    users = [each for frame in labels for each in frame.instances if type(each) is sio.Instance]
    linked.append(users[0].from_predicted is not None)
    print(f"lazy={lazy}: from_predicted {'is there' if linked[-1] else 'is None'}")
sys.exit(linked != [True, False])
PY
