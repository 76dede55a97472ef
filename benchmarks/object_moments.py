"""Whether a network's map holds what a hand holds: one frame a performance, true boxes and joints.

Usage: python -m benchmarks.object_moments [--performances 1000] [--seed 0] [--page docs/objects.md]
           [--block object_moments] [--backend tiny] [--weights FILE] [--tap NAMES]

Draws object actions of the demo at the moment when the acting hand is highest, pools the network's map at
that wrist, at the hand beyond it and between both wrists, and fits a ridge regression in each group of
classes that a pose does not tell apart, on eight people, for the two others, in five folds. Beside it: the
pixels around the hand, in 4 x 4 means. Guessing gets a third or half of them right.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.blocks import replace_block
from heatpool.extract.demo.clip import stage_clip
from heatpool.extract.demo.dataset import DemoSpec
from heatpool.extract.demo.kinematics import INDEX
from heatpool.extract.demo.objects import OBJECT_ACTIONS
from heatpool.extract.networks.crops import crop_affines, crop_boxes, joints_to_crop
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import PoseBackbone
from heatpool.pipelines.extraction.backends import build_backbone
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.pooling import crop_to_norm, feedback_pool

_FRAMES = 20  # of a performance, of which one is drawn
_BEYOND = 0.35  # the hand lies so far beyond the wrist, in forearms
_PATCH = 16  # pixels of a crop 128 high
_PEOPLE = 10


def draw(rng: np.random.Generator, action: int, backbone: PoseBackbone) -> tuple[int, list[np.ndarray]]:
    """Return who acts, and what is seen at the hand: channels of each map, and pixels last."""
    spec = DemoSpec.objects(seed=int(rng.integers(2**31)))
    subject, camera = int(rng.integers(1, _PEOPLE + 1)), int(rng.integers(1, 4))
    clips = replace(spec, subjects=(subject,), cameras=(camera,), classes=(list(OBJECT_ACTIONS)[action],))
    renderer = stage_clip(replace(clips.clips()[0], frames=_FRAMES))
    joints = renderer.performance.joints_xyz_m[:, 0]
    heights = np.stack([joints[:, INDEX[f"{side}_wrist"], 2] for side in ("left", "right")])
    side, step = np.unravel_index(heights.argmax(), heights.shape)
    rgb, truth = renderer.frame(int(step)), renderer.truth()
    affines = crop_affines(truth.boxes_xyxy_px[step].astype(np.float64), backbone.crop)
    crops = crop_boxes(rgb, affines, backbone.crop)
    (points,) = joints_to_crop(truth.joints_xy_px[step].astype(np.float64), affines)
    hand = points[9 + side] + _BEYOND * (points[9 + side] - points[7 + side])
    places = torch.from_numpy(
        np.stack([points[9 + side], hand, points[9:11].mean(0)])[None].astype(np.float32)
    )
    places = crop_to_norm(places, width_px=backbone.crop.width_px, height_px=backbone.crop.height_px)
    with torch.inference_mode():
        maps = backbone.forward(torch.from_numpy(crops)).maps
    seen = [feedback_pool(each.float(), places).numpy().ravel() for each in maps]
    return subject, [*seen, _pixels(crops[0], hand)]


def _pixels(crop: np.ndarray, hand_px: np.ndarray) -> np.ndarray:
    """Colours around a hand, 4 x 4 means; the crop's edge goes on outside."""
    half = _PATCH * len(crop) // 256
    padded = np.pad(crop, ((half, half), (half, half), (0, 0)), mode="edge")
    x, y = np.clip(hand_px.round().astype(int), 0, [crop.shape[1] - 1, len(crop) - 1])
    patch = padded[y : y + 2 * half, x : x + 2 * half].reshape(4, half // 2, 4, half // 2, 3)
    return np.asarray(patch.mean((1, 3)).ravel(), np.float32)


def right_share(seen: np.ndarray, labels: np.ndarray, people: np.ndarray) -> float:
    """Share of (n,) labels that a ridge regression on (n, C) gets right for people that it does not know."""
    classes = np.unique(labels)
    found = []
    for penalty in (1e-3, 1e-2, 1e-1, 1.0):
        right = 0
        for fold in range(5):
            tested = people % 5 == fold
            mean, std = seen[~tested].mean(0), seen[~tested].std(0) + 1e-6
            known, unknown = (
                np.c_[(part - mean) / std, np.ones(len(part))] for part in (seen[~tested], seen[tested])
            )
            square = known.T @ known + penalty * len(known) * np.eye(known.shape[1])
            weights = np.linalg.solve(square, known.T @ (labels[~tested][:, None] == classes))
            right += int((classes[(unknown @ weights).argmax(1)] == labels[tested]).sum())
        found.append(right / len(labels))
    return max(found)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--performances", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", default="tiny")
    parser.add_argument("--weights")
    parser.add_argument("--tap", default="stages.1.branches.0,stages.1.branches.1,stages.1.branches.2")
    parser.add_argument("--page", type=Path, help="replace a block of this page")
    parser.add_argument("--block", default="object_moments")
    options = parser.parse_args()
    network = {"backend": options.backend, "weights": options.weights, "tap": options.tap}
    given = ExtractOptions(**network, detector="full-frame", dtype="float32", runtime="torch")
    backbone = build_backbone(given, device=torch.device("cpu"))
    if isinstance(backbone, YoloPose):
        parser.error(f"expected a network that takes crops, got {options.backend}, which takes whole frames")
    rng, motions = np.random.default_rng(options.seed), [each.motion for each in OBJECT_ACTIONS.values()]
    labels = np.arange(options.performances) % len(motions)
    drawn = [draw(rng, int(label), backbone) for label in labels]
    people = np.array([subject for subject, _ in drawn])
    groups = [[at for at, each in enumerate(motions) if each is motion] for motion in dict.fromkeys(motions)]
    names = [", ".join(list(OBJECT_ACTIONS)[at] for at in group) for group in groups]
    lines = [f"| seen at the hand | {' | '.join(names)} |", f"|---|{'---|' * len(groups)}"]
    lines.append(f"| nothing | {' | '.join(f'{100 / len(group):.0f} %' for group in groups)} |")
    for number, name in enumerate([*options.tap.split(","), "pixels"]):
        seen = np.stack([each[number] for _, each in drawn])
        of_groups = [np.isin(labels, group) for group in groups]
        cells = [f"{100 * right_share(seen[rows], labels[rows], people[rows]):.0f} %" for rows in of_groups]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    command = shlex.join(["python", "-m", "benchmarks.object_moments", *sys.argv[1:]])
    block = "\n".join([f"    {command}", "", *lines])
    print(block)
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(replace_block(page, options.block, block), encoding="utf-8")


if __name__ == "__main__":
    main()
