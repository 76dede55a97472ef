"""Our YOLO pose networks against ultralytics' own `YOLO(…).predict`, on frames of real videos.

Usage: python -m benchmarks.yolo_parity --weights yolo11n-pose.pt --videos ../shared/videos clip.mp4 …

Without a YOLO26 checkpoint among the weights, random ones stand for that generation: they find hundreds of
"persons" a frame, so every comparison is one over thousands of joints. A YOLO26 network has two heads;
`predict` takes the one whose doubles are thinned out, unless its checkpoint holds the end-to-end head alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from heatpool.extract.networks.ultralytics import MAX_IOU, load_ultralytics
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame, FramePersons
from heatpool.extract.video.reader import iter_frames, probe
from tests.fixtures.torchvision_shim import install

__all__ = ["Differences", "compare", "random_network"]

_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm")


@dataclass(frozen=True, eq=False)
class Differences:
    """Absolute differences of all persons that both found.

    Attributes:
        boxes_px: (D, 4), frame pixels.
        joints_px: (D, V), distance in frame pixels.
        scores: (D,) of the boxes.
        joint_scores: (D, V).
        unmatched: persons that only one of them found, in all frames.
    """

    boxes_px: np.ndarray
    joints_px: np.ndarray
    scores: np.ndarray
    joint_scores: np.ndarray
    unmatched: int

    def row(self, name: str) -> str:
        """Return a row of the table."""
        each = (self.joints_px, self.boxes_px, self.scores, self.joint_scores)
        cells = " | ".join(f"{part.max():.1e} | {np.median(part):.1e}" for part in each)
        return f"| {name} | {len(self.scores)} | {self.unmatched} | {cells} |"


def random_network(
    config: str,
    path: Path,
    *,
    raised: float | Sequence[float] = -4.0,
    image_px: int = 640,
    end2end: bool = False,
    **changes: object,
) -> Path:
    """Save a pose network of an ultralytics configuration with random weights.

    Args:
        config: name of the configuration, such as yolo26n-pose.yaml.
        path: of the checkpoint.
        raised: bias of the classes, one for all or one each, so that something is found.
        image_px: longer side of the input that the checkpoint says it was trained at.
        end2end: keep only the head of YOLO26 that needs no non-maximum suppression.
        changes: entries of the configuration that are set otherwise, and `names`, the class names.
    """
    from ultralytics.nn.tasks import PoseModel, yaml_model_load

    torch.manual_seed(0)
    names = changes.pop("names", {0: "person"})
    assert isinstance(names, dict)
    model: Any = PoseModel({**yaml_model_load(config), **changes, "nc": len(names)}, verbose=False)
    head = model.model[-1]
    for branches in (head.cv3, getattr(head, "one2one_cv3", ())):
        for branch in branches or ():
            branch[-1].bias.data[:] = torch.tensor(raised)
    model.names, model.kpt_shape = names, head.kpt_shape
    _spread(model)
    if end2end:
        model.end2end = True
        model.eval().fuse(verbose=False)
    torch.save({"model": model, "train_args": {"task": "pose", "imgsz": image_px}}, path)
    return path


def _spread(model: Any) -> None:
    """Let activations keep their size through the layers, and what the heads give have a spread of one.

    As a new network is, its maps fade to nothing and every cell predicts the same.
    """
    layers = [each for each in model.modules() if isinstance(each, torch.nn.Conv2d)]
    for layer in (each for each in layers if each.bias is None and each.weight.requires_grad):
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    hooks = [each.register_forward_hook(_spread_one) for each in layers if each.bias is not None]
    blobs = torch.nn.functional.interpolate(torch.rand(1, 3, 12, 20), (192, 320), mode="bilinear")
    for end2end in (True, False) if hasattr(model.model[-1], "one2one_cv2") else (False,):
        model.end2end = end2end
        with torch.no_grad():
            model.eval()(blobs)
    for hook in hooks:
        hook.remove()


def _spread_one(layer: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
    assert isinstance(layer.weight, torch.Tensor)
    layer.weight /= output.std()


def compare(
    weights: Path,
    images: Sequence[np.ndarray],
    *,
    image_px: int | tuple[int, int] | None = None,
    max_iou: float = MAX_IOU,
) -> Differences:
    """Run a checkpoint on frames (H, W, 3) uint8 RGB through heatpool and through ultralytics.

    Args:
        weights: pose checkpoint.
        images: frames, each of any size.
        image_px: longer side of the input, or its height and width; None for the checkpoint's own.
        max_iou: of two boxes that overlap more the weaker goes.
    """
    install()  # ultralytics' predictor imports torchvision, which many builds of torch do not come with
    from ultralytics.models import YOLO

    loaded = load_ultralytics(weights)
    ours = YoloPose(loaded, image_px=image_px, max_iou=max_iou)
    theirs: Any = YOLO(str(weights))
    size: dict[str, Any] = {} if image_px is None else {"imgsz": image_px}
    parts: list[tuple[np.ndarray, ...]] = []
    unmatched = 0
    for image in images:
        (people,) = ours.estimate([ours.prepare(Frame(0, 0, 0.0, image))])
        (result,) = theirs.predict(
            image[..., ::-1], classes=list(loaded.person_classes), iou=max_iou, verbose=False, **size
        )
        wanted = (
            result.boxes.xyxy.numpy(),
            result.boxes.conf.numpy(),
            result.keypoints.data.numpy(),
        )
        sized = (wanted[0][:, 2:] - wanted[0][:, :2] > 1).all(1)  # heatpool drops slivers under a pixel
        part, alone = _differences(people, *(each[sized] for each in wanted))
        parts.append(part)
        unmatched += alone
    boxes, joints, scores, joint_scores = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Differences(boxes, joints, scores, joint_scores, unmatched)


def _differences(
    people: FramePersons, boxes: np.ndarray, scores: np.ndarray, keypoints: np.ndarray
) -> tuple[tuple[np.ndarray, ...], int]:
    """Pair the persons of both, the closest ones; return differences and how many have no partner."""
    found = people.detections
    cost = np.abs(found.boxes_xyxy_px[:, None] - boxes).max(2) + np.abs(found.scores[:, None] - scores)
    cost += np.abs(people.joints_xy_px[:, None] - keypoints[..., :2]).max((2, 3))
    ours, theirs = linear_sum_assignment(cost)
    joint_scores = keypoints[theirs, :, 2] if keypoints.shape[2] > 2 else np.ones(keypoints.shape[:2])[theirs]
    part = (
        np.abs(found.boxes_xyxy_px[ours] - boxes[theirs]),
        np.linalg.norm(people.joints_xy_px[ours] - keypoints[theirs, :, :2], axis=2),
        np.abs(found.scores[ours] - scores[theirs]),
        np.abs(people.scores[ours] - joint_scores),
    )
    return part, len(found) + len(boxes) - 2 * len(ours)


def _frames(videos: Sequence[Path], count: int) -> Iterator[np.ndarray]:
    """Yield frames from all over the videos, as evenly as they go."""
    for number, path in enumerate(videos):
        share = count // len(videos) + (number < count % len(videos))
        info = probe(path)
        wanted = np.unique(np.linspace(0, info.frames - 1, share).astype(int)) if share else np.zeros(0, int)
        yield from (frame.rgb for frame in iter_frames(path, wanted, info=info))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", type=Path, nargs="+", required=True, help="pose checkpoints")
    parser.add_argument("--videos", type=Path, nargs="+", required=True, help="videos, or folders of them")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 = its default")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    videos = [
        path
        for place in options.videos
        for path in ([place] if place.is_file() else sorted(place.rglob("*")))
        if path.suffix.lower() in _SUFFIXES
    ]
    step = max(len(videos) // options.frames, 1)
    images = list(_frames(videos[::step][: options.frames], options.frames))
    print(
        f"{len(images)} frames of {min(len(videos), options.frames)} videos; largest and median difference\n"
    )
    print("| network | persons | unmatched | joints px | | boxes px | | score | | joint score | |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        rows = {path.name: path for path in options.weights}
        if not any("26" in name for name in rows):
            for head, end2end in (("", False), (", end to end", True)):
                path = Path(folder) / f"{end2end}.pt"
                random_network("yolo26n-pose.yaml", path, end2end=end2end)
                rows[f"yolo26n-pose, random weights{head}"] = path
        for name, path in rows.items():
            print(compare(path, images).row(name), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
