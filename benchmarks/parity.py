"""What each fault of the published extractor does to the features, and what HRNet costs; see docs/parity.md.

Usage: python -m benchmarks.parity VIDEO... --boxes BOXES.csv [--weights HRNET.pth]
       python -m benchmarks.parity VIDEO... --boxes BOXES.csv --onnx POSE.onnx --tap NAME
       python -m benchmarks.parity VIDEO... --boxes BOXES.csv --boxes-only
       python -m benchmarks.parity --speed
Without --weights HRNet-W48 has weights made from its tensors' names, as in the golden outputs.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from torch import Tensor

from heatpool.extract.datasets.boxes import read_boxes
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.engine.slots import SELECTIONS, select_first, select_tracked
from heatpool.extract.networks.crops import crop_affines
from heatpool.extract.networks.detectors import detect_frames
from heatpool.extract.networks.hrnet.backbone import BatchNorm, HRNetBackbone
from heatpool.extract.networks.hrnet.network import HRNetSimCC
from heatpool.extract.networks.hrnet.weights import load_network
from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.extract.networks.persons_file import PersonsFile
from heatpool.extract.records import CropSpec, Detections, Frame, PoseBackbone
from heatpool.extract.video.reader import probe
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pool.records import ClipFeatures
from tests.classify.deterministic_weights import fill_

PERSONS = 2
NORMS: tuple[BatchNorm, BatchNorm] = ("eval", "published")


@dataclass(frozen=True)
class Variant:
    """The published extractor's switches."""

    batchnorm: BatchNorm = "eval"
    crop_aspect: Literal["model", "published"] = "model"
    person_selection: Literal["tracked", "first"] = "tracked"


OURS = Variant()
VARIANTS = {
    "batch norm": Variant(batchnorm="published"),
    "crop aspect": Variant(crop_aspect="published"),
    "person selection": Variant(person_selection="first"),
    "all three": Variant("published", "published", "first"),
}


def hrnet(weights: Path | None) -> HRNetSimCC:
    if weights is not None:
        return load_network(weights)[0]
    network = HRNetSimCC()
    fill_(network)
    return network.eval()


def crop_statistics(path: Path, folder: Path) -> Path:
    """Copy an ONNX network with its batch norms made to normalise each crop by its own statistics."""
    model = onnx.load(path)
    norms = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    if not norms:
        raise SystemExit(f"{path.name} has no batch norms left: they were folded into its convolutions")
    for node in norms:
        node.op_type = "InstanceNormalization"
        del node.input[3:]  # running mean and variance
        kept = [attribute for attribute in node.attribute if attribute.name == "epsilon"]
        del node.attribute[:]
        node.attribute.extend(kept)
    onnx.save(model, folder / path.name)
    return folder / path.name


def extract(
    video: Path, clip: int, detector: PersonsFile, backbone: PoseBackbone, variant: Variant, steps: int
) -> ClipFeatures:
    """Run the engine on one clip."""
    options = EngineOptions(
        persons=PERSONS,
        steps=steps,
        selection=SELECTIONS[variant.person_selection],
        gaps="zeros" if variant.person_selection == "first" else "skip",
        person_batch=8,
    )
    estimator = TopDown(detector, backbone, device="cpu", crop_aspect=variant.crop_aspect)
    features = extract_clips([ClipJob(clip, video)], options, estimator=estimator)[0].features
    if features is None:
        raise SystemExit(f"nobody found in {video}: are its boxes in the file?")
    return features


def compare(ours: ClipFeatures, theirs: ClipFeatures, size_px: np.ndarray) -> list[str]:
    """Relative L2 and cosine of the pooled features, joints moved; slots matched to fit best."""
    orders = [list(order) for order in itertools.permutations(range(PERSONS))]
    order = min(orders, key=lambda order: float(np.square(theirs.pooled[order] - ours.pooled).sum()))
    both = ours.mask & theirs.mask[order]
    a, b = theirs.pooled[order][both].astype(np.float64), ours.pooled[both].astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosines = (a * b).sum(-1)[norms > 0] / norms[norms > 0]
    shift = (theirs.keypoints[order][both] - ours.keypoints[both])[..., :2] * size_px / 2
    moved = np.linalg.norm(shift, axis=-1)
    return [
        f"{np.linalg.norm(a - b) / np.linalg.norm(b):.2f}",
        f"{np.median(cosines):.3f}",
        f"{np.median(moved):.0f}",
        f"{np.percentile(moved, 90):.0f}",
        f"{ours.keypoints[both][..., 2].mean():.3f} → {theirs.keypoints[order][both][..., 2].mean():.3f}",
    ]


def detections(video: Path, clip: int, detector: PersonsFile) -> list[Detections]:
    """Boxes of every frame, without decoding any."""
    nothing = np.zeros((1, 1, 3), np.uint8)
    return detect_frames(detector, [Frame(clip, index, 0.0, nothing) for index in range(probe(video).frames)])


def box_height_cut(found: list[Detections], size_px: np.ndarray) -> np.ndarray:
    """Share of the first box's height that lies outside the published crop, frame by frame."""
    spec = CropSpec(height_px=256, width_px=192)
    boxes = np.concatenate([each.boxes_xyxy_px[:1] for each in found])
    seen_px = 256 / crop_affines(boxes, spec, aspect=size_px[1] / size_px[0])[:, 0, 0]
    return (1 - seen_px / (boxes[:, 3] - boxes[:, 1])).clip(min=0)


def other_person(found: list[Detections]) -> float:
    """Share of slot fillings by `first` that are not the person whom tracking keeps in that slot."""
    first, tracked = select_first(found, PERSONS), select_tracked(found, PERSONS)
    orders = [list(order) for order in itertools.permutations(range(PERSONS))]
    wrong = [((first[order] != tracked) & (first[order] >= 0)).sum() for order in orders]
    return float(min(wrong) / max((first >= 0).sum(), 1))


def rows(arguments: argparse.Namespace) -> Iterator[list[str]]:
    """Table rows: clip, fault, figures."""
    videos: list[Path] = arguments.videos
    given = read_boxes(arguments.boxes, videos=videos, root=Path())
    detector = PersonsFile(given.of_clip, given.source)
    backbones: dict[str, PoseBackbone] = {}
    if arguments.onnx:
        backbones["eval"] = OnnxBackbone(arguments.onnx, (arguments.tap,))
        with tempfile.TemporaryDirectory() as folder:
            copy = crop_statistics(arguments.onnx, Path(folder))
            backbones["published"] = OnnxBackbone(copy, (arguments.tap,))
    elif not arguments.boxes_only:
        for batchnorm in NORMS:
            backbones[batchnorm] = HRNetBackbone(hrnet(arguments.weights), batchnorm=batchnorm)
    for clip, video in enumerate(videos):
        info = probe(video)
        size_px = np.array([info.width_px, info.height_px])
        found = detections(video, clip, detector)
        cut = box_height_cut(found, size_px)
        print(
            f"{video.name}: {info.frames} frames; published crops cut {np.median(cut):.2%} of the box height "
            f"in the median frame, {cut.max():.2%} at most; `first` fills {other_person(found):.1%} of its "
            "slots with another person than the tracked one"
        )
        if not backbones:
            continue
        ours = extract(video, clip, detector, backbones["eval"], OURS, arguments.steps)
        for name, variant in VARIANTS.items():
            backbone = backbones[variant.batchnorm]
            theirs = extract(video, clip, detector, backbone, variant, arguments.steps)
            yield [video.stem, name, *compare(ours, theirs, size_px)]


@torch.inference_mode()
def speed() -> Iterator[tuple[str, float]]:
    """Milliseconds a crop, fastest of three, on the threads that torch was given."""
    one = torch.randn(1, 3, 256, 192)
    crops = torch.randint(256, (8, 256, 192, 3), dtype=torch.uint8)
    plain = HRNetSimCC()

    def clock(forward: Callable[[Tensor], object], images: Tensor) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            forward(images)
            times.append(time.perf_counter() - start)
        return 1000 * min(times) / len(images)

    def ours(**options: Any) -> float:
        return clock(HRNetBackbone(HRNetSimCC(), **options).forward, crops)

    yield "as published: training mode, a crop at a time", clock(plain.train(), one)
    yield "the same in eval mode", clock(plain.eval(), one)
    yield "ours, 8 crops, --batchnorm published", ours(batchnorm="published")
    yield "ours, 8 crops", ours()
    yield "ours, 8 crops, bfloat16", ours(dtype=torch.bfloat16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--boxes", type=Path, help="CSV for the boxes-file detector")
    parser.add_argument("--weights", type=Path, help="HRNet checkpoint")
    parser.add_argument("--onnx", type=Path, help="another pose network, its batch norms not folded")
    parser.add_argument("--tap", help="feature map of --onnx")
    parser.add_argument("--boxes-only", action="store_true", help="only what the boxes tell")
    parser.add_argument("--steps", type=int, default=16, help="time steps; at most twice as many frames")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--speed", action="store_true", help="time HRNet-W48 instead")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.speed:
        keep_heap()  # as `heatpool extract` does; it helps all rows
        print("| HRNet-W48, float32 unless said | ms a crop |\n|---|---|", flush=True)
        for name, milliseconds in speed():
            print(f"| {name} | {milliseconds:.0f} |", flush=True)
        return
    head = ["clip", "fault", "relative L2", "cosine", "joints moved px (median)", "(90 %)", "mean score"]
    if not arguments.videos or arguments.boxes is None:
        parser.error("expected videos and --boxes")
    lines = [head, ["---"] * len(head), *rows(arguments)]
    if len(lines) > 2:
        print("\n".join(f"| {' | '.join(line)} |" for line in lines))


if __name__ == "__main__":
    main()
