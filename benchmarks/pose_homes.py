"""The packages that pose networks come from: each cuts crops and reads joints by its own code.

The same ONNX file runs in a home and in heatpool: a network that finds coloured dots in its crop and predicts
for them exactly what such networks are taught (`tests/fixtures/ideal_pose.py`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch

from heatpool.extract.engine.at_once import look_at, pose_now
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.extract.networks.onnx_input import OnnxInput
from heatpool.extract.records import Detections, Frame
from tests.fixtures.ideal_pose import MEAN, STD, IdealNetwork, Person, draw, make_persons
from tests.fixtures.torchvision_shim import install

__all__ = ["CASES", "Case", "Home", "golden_persons", "joints_of_heatpool", "joints_of_home"]

Home = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes a frame (H, W, 3) uint8 RGB and a box (4,), returns joints (3, 2) in frame pixels."""

_MEAN_255, _STD_255 = 255 * np.array(MEAN), 255 * np.array(STD)


@dataclass(frozen=True)
class Case:
    """A kind of network, and whose code it is compared with.

    Attributes:
        title: of the row.
        package: the home, as pip names it.
        network: what runs in both.
        given: what a user of heatpool has to say of the file.
        home: makes the home's side of the network and its file; raises ImportError without the package.
        differs: why the home is not followed, empty where it is.
    """

    title: str
    package: str
    network: IdealNetwork
    home: Callable[[IdealNetwork, Path], Home]
    given: OnnxInput = field(default_factory=OnnxInput)
    differs: str = ""

    @property
    def name(self) -> str:
        """Package and title: no two are the same."""
        return f"{self.package}: {self.title}"


def joints_of_heatpool(path: Path, given: OnnxInput, persons: Sequence[Person]) -> np.ndarray:
    """Return the joints (D, 3, 2), in frame pixels, that stage one finds with `--backend onnx`."""
    backbone = OnnxBackbone(path, ("dots",), given=given)
    found = []
    for person in persons:
        detector = _Given(person.box_xyxy_px)
        estimator = TopDown(detector, backbone, device="cpu")
        (cropped,) = look_at(estimator, [Frame(0, 0, 0.0, draw(person))])
        found.append(pose_now(estimator, [(cropped, 0)]).joints_xy_px[0])
    return np.array(found)


class _Given:
    """A detector that finds one person, whose box is given."""

    def __init__(self, box_xyxy_px: np.ndarray) -> None:
        self._found = Detections(box_xyxy_px[None], np.ones(1, np.float32))

    def prepare(self, frame: Frame) -> None:
        """Need nothing of a frame."""

    def detect(self, prepared: Sequence[None]) -> list[Detections]:
        return [self._found for _ in prepared]


def _runner(path: Path) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return what runs a file on a normalised crop (height, width, 3)."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(crop: np.ndarray) -> list[np.ndarray]:
        image = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32)
        return list(session.run(None, {name: image}))

    return run


def _transformers(network: IdealNetwork, path: Path) -> Home:
    install()
    from transformers import VitPoseImageProcessor

    run = _runner(path)
    processor: Any = VitPoseImageProcessor(size={"height": network.height_px, "width": network.width_px})

    def home(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
        boxes = [[[*box[:2], *(box[2:] - box[:2])]]]
        pixels = processor(images=[rgb], boxes=boxes, return_tensors="pt")["pixel_values"]
        (heatmaps,) = run(pixels[0].numpy().transpose(1, 2, 0))
        output = SimpleNamespace(heatmaps=torch.from_numpy(heatmaps))
        return np.asarray(processor.post_process_pose_estimation(output, boxes=boxes)[0][0]["keypoints"])

    return home


def _mmpose(network: IdealNetwork, path: Path, *, codec: str, **options: Any) -> Home:
    from mmpose import codecs
    from mmpose.datasets.transforms import GetBBoxCenterScale, TopdownAffine

    size = (network.width_px, network.height_px)
    if codec != "SimCCLabel":
        options |= {"heatmap_size": (size[0] // 4, size[1] // 4), "sigma": 2}
    run = _runner(path)
    decoder = getattr(codecs, codec)(input_size=size, **options)
    steps = (GetBBoxCenterScale(), TopdownAffine(size, use_udp=codec == "UDPHeatmap"))

    def home(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
        results = {"img": rgb[..., ::-1].copy(), "bbox": box[None]}
        for step in steps:
            results = step.transform(results)
        crop = (results["img"][..., ::-1] - _MEAN_255) / _STD_255  # PoseDataPreprocessor, bgr_to_rgb
        outputs = run(crop)
        joints, _ = decoder.decode(*(each if codec == "SimCCLabel" else each[0] for each in outputs))
        # as `add_pred_to_datasample` of its heads does
        scale, centre = results["input_scale"], results["input_center"]
        return np.asarray(joints[0] / size * scale + centre - 0.5 * scale)

    return home


def _rtmlib(network: IdealNetwork, path: Path, *, tool: str) -> Home:
    import rtmlib

    size = (network.width_px, network.height_px)
    with contextlib.redirect_stdout(sys.stderr):  # it prints what it loads
        model = getattr(rtmlib, tool)(str(path), model_input_size=size, backend="onnxruntime")

    def home(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
        joints, _ = model(rgb[..., ::-1], bboxes=[box])  # it takes what cv2.imread gives
        return np.asarray(joints[0])

    return home


def _hrnet(network: IdealNetwork, path: Path) -> Home:
    from core.inference import get_final_preds
    from utils.transforms import get_affine_transform

    size = np.array([network.width_px, network.height_px])
    run = _runner(path)
    config = SimpleNamespace(TEST=SimpleNamespace(POST_PROCESS=True))

    def home(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
        # as `_xywh2cs` of its COCODataset does, which cannot be imported without its compiled operators
        wide_px = max(box[2] - box[0], (box[3] - box[1]) * size[0] / size[1])
        centre = (box[:2] + box[2:]) / 2
        scale = np.array([wide_px, wide_px * size[1] / size[0]], np.float32) / 200 * 1.25
        matrix = get_affine_transform(centre, scale, 0, size)
        crop = cv2.warpAffine(rgb, matrix, tuple(map(int, size)), flags=cv2.INTER_LINEAR)
        (heatmaps,) = run((crop - _MEAN_255) / _STD_255)
        return np.asarray(get_final_preds(config, heatmaps, [centre], [scale])[0][0])

    return home


_HRNET = "deep-high-resolution-net.pytorch"
_UDP = OnnxInput(alignment="udp")
_SIMCC = IdealNetwork(targets="simcc")
_BGR = OnnxInput(colours="bgr", mean=MEAN, std=STD)
CASES = (
    Case("ViTPose", "transformers", IdealNetwork(targets="udp", input_name="pixel_values"), _transformers),
    Case(
        "ViTPose at 384x288",
        "transformers",
        IdealNetwork(384, 288, targets="udp", input_name="pixel_values"),
        _transformers,
    ),
    Case("`MSRAHeatmap`", "mmpose", IdealNetwork(), partial(_mmpose, codec="MSRAHeatmap")),
    Case(
        "`MSRAHeatmap(unbiased=True)`",
        "mmpose",
        IdealNetwork(),
        partial(_mmpose, codec="MSRAHeatmap", unbiased=True),
        OnnxInput(refinement="dark"),
    ),
    Case("`UDPHeatmap`", "mmpose", IdealNetwork(targets="udp"), partial(_mmpose, codec="UDPHeatmap"), _UDP),
    Case("`SimCCLabel`", "mmpose", _SIMCC, partial(_mmpose, codec="SimCCLabel")),
    Case(
        "`SimCCLabel` at 384x288",
        "mmpose",
        IdealNetwork(384, 288, targets="simcc"),
        partial(_mmpose, codec="SimCCLabel"),
    ),
    Case("`RTMPose`, BGR", "rtmlib", _SIMCC, partial(_rtmlib, tool="RTMPose"), _BGR),
    Case(
        "`ViTPose`",
        "rtmlib",
        IdealNetwork(targets="udp"),
        partial(_rtmlib, tool="ViTPose"),
        replace(_BGR, alignment="udp"),
        differs="it cuts crops as for HRNet, but reads joints as from crops of unbiased data processing",
    ),
    Case("`get_final_preds`", _HRNET, IdealNetwork(), _hrnet),
    Case("`get_final_preds` at 384x288", _HRNET, IdealNetwork(384, 288), _hrnet),
)


def joints_of_home(case: Case, path: Path, persons: Sequence[Person]) -> np.ndarray:
    """Return the joints (D, 3, 2), in frame pixels, that the home finds.

    Raises:
        ImportError: if it is not installed.
    """
    home = case.home(case.network, path)
    return np.array([home(draw(person), person.box_xyxy_px) for person in persons])


def golden_persons() -> list[Person]:
    """Return those whose joints the golden file keeps: a few of all."""
    return make_persons(13)
