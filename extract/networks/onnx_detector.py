"""A person detector in an ONNX file: a YOLO export, or FastestDet."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from heatpool.extract.networks.letterbox import Letterbox, Letterboxed, letterbox
from heatpool.extract.networks.onnx_file import OnnxFile, read_onnx
from heatpool.extract.networks.onnx_network import FileRuntime, OnnxNetwork
from heatpool.extract.networks.person_classes import find_person_classes
from heatpool.extract.networks.ultralytics import MAX_IOU, pick_persons
from heatpool.extract.records import Detections, Frame
from heatpool.pool.errors import HeatpoolError, shorten

__all__ = ["OnnxDetector"]

Layout = Literal["candidates", "end2end", "fastestdet"]

_OPEN_HW_PX = (640, 640)  # of networks that leave the size open and do not tell the one of their training
_COCO_CLASSES = 80  # of which person is the first
_FASTESTDET_IOU = 0.45


class OnnxDetector:
    """A person detector run by onnxruntime or OpenVINO.

    Three kinds are known, by the shapes of their outputs: YOLO without non-maximum suppression,
    (B, 4 + classes, N) with centres and sizes in input pixels; YOLO end to end, (B, N, 6) with corners, score
    and class; FastestDet, (B, 5 + classes, h, w). The class called person counts; names are read from the
    metadata that ultralytics writes. Without any, a network of one class or of 80 (COCO) finds persons as its
    first.

    Args:
        path: ONNX file.
        image_hw_px: height and width that frames are fitted into, where the file leaves them open.
        min_score: persons below are left out.
        max_iou: of two boxes that overlap more the weaker goes; None for what its authors take.
        device: cpu or cuda device that runs it.
        runtime: what runs it; OpenVINO on a CPU.

    Raises:
        HeatpoolError: if the runtime is not installed, or the file is no such network, knows no person or is
            made for another size.
    """

    def __init__(
        self,
        path: Path,
        *,
        image_hw_px: tuple[int, int] | None = None,
        min_score: float = 0.25,
        max_iou: float | None = None,
        device: torch.device | str = "cpu",
        runtime: FileRuntime = "onnxruntime",
    ) -> None:
        file = read_onnx(path)
        height_px, width_px = image_hw_px or _told(file, "imgsz", _OPEN_HW_PX)
        size = (int(height_px), int(width_px))
        self._network = OnnxNetwork(file, open_hw_px=size, device=device, runtime=runtime)
        if image_hw_px not in (None, self._network.input_hw_px):
            made, asked = (f"{height},{width}" for height, width in (self._network.input_hw_px, image_hw_px))
            raise HeatpoolError(f"expected no --imgsz, or {made}, for which {file.name} is made, got {asked}")
        self._stride = int(_told(file, "stride", 32)) if self._network.size_is_open else None
        self._min_score = min_score
        names: dict[int, str] = _told(file, "names", {})
        joint_values = math.prod(_told(file, "kpt_shape", [0]))
        found = self._run(np.zeros((1, 3, *self._network.input_hw_px), np.float32))
        is_one = len(found) == 1 and found[0].dtype == np.float32
        output = found[0] if is_one else np.empty(0)  # two outputs, or one of 8 bits, are of another kind
        layout = _layout(output.shape, self._network.input_hw_px, len(names), joint_values)
        if layout is None or _is_normalised(output, layout):
            shapes = ", ".join(str(each.shape) for each in found) or "no output"
            raise HeatpoolError(
                "expected a YOLO export, (1, 4 + classes, N) or end to end (1, N, 6), or FastestDet, "
                f"(1, 5 + classes, h, w), as --detector {file.name}, got {shapes}"
                f"{' with boxes from 0 to 1, as RT-DETR gives' if layout else ''}; boxes of other detectors "
                "are read from a file, --boxes"
            )
        self._layout: Layout = layout
        self._max_iou = max_iou or (_FASTESTDET_IOU if layout == "fastestdet" else MAX_IOU)
        self._classes = len(names) or output.shape[1] - (5 if layout == "fastestdet" else 4)
        self._persons = find_person_classes(names, file.name).numbers

    def prepare(self, frame: Frame) -> Letterboxed:
        """Fit a frame into the network's input."""
        if self._layout == "fastestdet":
            return _stretch(frame.rgb, self._network.input_hw_px)
        return letterbox(frame.rgb, self._network.input_hw_px, stride=self._stride)

    def detect(self, prepared: Sequence[Letterboxed]) -> list[Detections]:
        """Run the network on frames, one by one: exports are made for one image."""
        return [self._detect(*each) for each in prepared]

    def _run(self, pixels: np.ndarray) -> list[np.ndarray]:
        return self._network.run(pixels, self._network.outputs)

    def _detect(self, boxed: np.ndarray, place: Letterbox) -> Detections:
        pixels = np.ascontiguousarray(boxed.transpose(2, 0, 1)[None], np.float32) / 255
        predictions = torch.from_numpy(self._run(pixels)[0])
        if self._layout == "fastestdet":
            predictions = _read_fastestdet(predictions, self._network.input_hw_px)
        (rows,) = pick_persons(
            predictions,
            self._persons,
            classes=self._classes,
            min_score=self._min_score,
            end2end=self._layout == "end2end",
            max_iou=self._max_iou,
        )
        return place.detections(rows[:, :6].float().numpy())[0]


def _told(file: OnnxFile, key: str, default: Any) -> Any:
    """Return an entry of the metadata that ultralytics writes, of the default's kind, or the default."""
    text = file.metadata.get(key)
    if text is None:
        return default
    try:
        value = ast.literal_eval(text)
        return type(default)(value.items() if isinstance(default, dict) else value)
    except (AttributeError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise HeatpoolError(
            f"expected metadata {key!r} of {file.name} as ultralytics writes it, got {shorten(text)}"
        ) from error


def _layout(
    shape: tuple[int, ...], input_hw_px: tuple[int, int], classes: int, joint_values: int
) -> Layout | None:
    """Tell the kind of a detector by the shape of its only output.

    Args:
        shape: of the output for one image.
        input_hw_px: of the input.
        classes: how many the metadata names; 0 if it names none.
        joint_values: V times 2 or 3 of a pose network that says so in its metadata, else 0.
    """
    if len(shape) == 4:
        is_grid = shape[2] * input_hw_px[1] == shape[3] * input_hw_px[0] and shape[2] > 1
        return "fastestdet" if is_grid and _fits(shape[1] - 5, classes) else None
    if len(shape) != 3:
        return None
    if shape[2] == 6 + joint_values:
        return "end2end"
    return "candidates" if shape[2] > shape[1] and _fits(shape[1] - 4 - joint_values, classes) else None


def _is_normalised(output: np.ndarray, layout: Layout) -> bool:
    """Whether boxes are fractions of the frame, of rows as long as those of a YOLO network in pixels."""
    boxes = {"candidates": output[:, :4], "end2end": output[..., :4], "fastestdet": output[:0]}[layout]
    return 0 < float(boxes.max(initial=0)) <= 1


def _fits(classes: int, told: int) -> bool:
    return classes == told if told else classes in (1, _COCO_CLASSES)


def _stretch(rgb: np.ndarray, input_hw_px: tuple[int, int]) -> Letterboxed:
    """Resize a frame to the input without keeping its proportions, in BGR, as FastestDet was trained."""
    height, width = input_hw_px
    scale_xy = (width / rgb.shape[1], height / rgb.shape[0])
    resized = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized[..., ::-1], Letterbox(scale_xy, (0, 0), (rgb.shape[1], rgb.shape[0]))


def _read_fastestdet(grid: Tensor, input_hw_px: tuple[int, int]) -> Tensor:
    """Turn (B, 5 + classes, h, w) into candidates (B, 4 + classes, h w), boxes in input pixels.

    A cell holds certainty of an object, offset of its centre (tanh, in cells), size (sigmoid, of the input)
    and certainty of each class.

    Source: `handle_preds` of dog-qiuqiu/FastestDet.
    """
    height_px, width_px = input_hw_px
    height, width = grid.shape[2:]
    x = torch.arange(width) + grid[:, 1].tanh()
    y = torch.arange(height)[:, None] + grid[:, 2].tanh()
    boxes = [
        x * (width_px / width),
        y * (height_px / height),
        grid[:, 3].sigmoid() * width_px,
        grid[:, 4].sigmoid() * height_px,
    ]
    scores = grid[:, :1].clamp(min=0) ** 0.6 * grid[:, 5:].clamp(min=0) ** 0.4
    return torch.cat([torch.stack(boxes, 1), scores], 1).flatten(2)
