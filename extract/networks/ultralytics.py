"""Networks of ultralytics: loaded without free unpickling, run without their predictor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from heatpool.extract.networks.foreign_files import name_foreign_file
from heatpool.extract.networks.joint_names import describe_joints
from heatpool.extract.networks.letterbox import Letterbox, Letterboxed, letterbox
from heatpool.extract.networks.person_classes import find_person_classes
from heatpool.extract.networks.runtime.runner import Runtime, make_runner, runs_module
from heatpool.extract.networks.runtime.streams import network_stream
from heatpool.extract.networks.yolo_layers import YoloLayers, lower_precision
from heatpool.extract.records import Frame
from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.skeleton import Skeleton

__all__ = ["MAX_IOU", "ImageRows", "LoadedModel", "PersonNetwork", "load_ultralytics", "pick_persons"]

MAX_IOU = 0.7
"""Of two boxes of a class that overlap more the weaker goes, as in `YOLO.predict`."""

_LEAST_STRIDE = 32  # what ultralytics pads to at least

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network of ultralytics, ready for inference.

    Attributes:
        model: in eval mode, float32, batch norm fused into the convolutions.
        person_classes: numbers of the classes that count as persons.
        skeleton: of its joints, None for a plain detector.
        image_px: longer side of the input that it was trained at, a multiple of its stride.
        weights_sha256: hex digest of the checkpoint file.
    """

    model: nn.Module
    person_classes: tuple[int, ...]
    skeleton: Skeleton | None
    image_px: int
    weights_sha256: str

    @property
    def joints(self) -> int:
        """V, 0 for a plain detector."""
        return self.skeleton.joints if self.skeleton else 0


def load_ultralytics(weights: str | Path) -> LoadedModel:
    """Load a detect or pose checkpoint; an official name such as yolo11n-pose.pt is fetched if it is missing.

    The checkpoint is read by ultralytics' restricted loader, which rebuilds known model classes only.

    Args:
        weights: path, or name of an official checkpoint.

    Raises:
        HeatpoolError: if the file is missing and cannot be fetched, is damaged, holds anything else than
            a known model, or the model knows no person.
    """
    # Imported here: ultralytics takes over a second to import.
    from ultralytics.nn import tasks
    from ultralytics.utils import SETTINGS
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    places = (Path(weights), Path(SETTINGS["weights_dir"], weights))
    official = Path(weights).name in GITHUB_ASSETS_NAMES or str(weights).startswith(("http://", "https://"))
    present = [place for place in places if place.is_file()]
    if places[0].is_dir():
        raise HeatpoolError(
            f"expected an ultralytics checkpoint, cannot load {weights}: it is a folder, as of an export for "
            "OpenVINO; give the checkpoint itself, or as --detector its export to ONNX"
        )
    if not official and not present:  # ultralytics would ask GitHub for it
        raise HeatpoolError(
            f"expected an ultralytics checkpoint, cannot load {weights}: there is no such file, and it is "
            "no official name"
        )
    if present and (foreign := name_foreign_file(present[0])):
        raise HeatpoolError(f"expected an ultralytics checkpoint, cannot load {weights}: it {foreign}")
    if not getattr(tasks._SafeLoad, "SUPPORTED", False):
        raise HeatpoolError("this torch cannot load ultralytics checkpoints safely; install torch >= 2.6")
    try:
        checkpoint, file = tasks.torch_safe_load(str(weights), safe_only=True)
        _, digest = hash_file(Path(file))
    except Exception as error:  # ultralytics raises many classes for a bad or unreachable file
        reason = " ".join(str(error).split())[:300]
        raise HeatpoolError(f"expected an ultralytics checkpoint, cannot load {weights}: {reason}") from error
    model = checkpoint.get("ema") or checkpoint.get("model")
    if type(model) not in (tasks.DetectionModel, tasks.PoseModel):  # RT-DETR, OBB, … derive from these
        held = type(model).__name__ if model else f"entries {shorten(list(checkpoint))}"
        raise HeatpoolError(
            f"expected a detect or pose checkpoint of ultralytics in {weights}, got {held}; take the same "
            "network trained for detect or pose, such as yolo11n-pose.pt"
        )
    model = model.float().eval()
    layers: Any = model.model
    if getattr(layers[-1], "cv2", None) is not None:
        model.end2end = False  # as in `YOLO.predict`: of two heads that of which doubles are thinned out
    model.fuse(verbose=False)
    image_px = _image_px(checkpoint.get("train_args"), _stride(model), weights)
    return _describe(model, image_px, digest, weights)


@dataclass(frozen=True, eq=False)
class ImageRows:
    """What a network found in one image of a batch.

    Attributes:
        frame: place of its frame among those that were given.
        rows: (D, 6 or more) float32 tensor: x1, y1, x2, y2 in input pixels, score, class, joints; none where
            persons were not asked for.
        maps: (C, h, w) of each tapped layer.
        place: of the frame in the input.
        input_hw_px: height and width of the input.
    """

    frame: int
    rows: Tensor
    maps: tuple[Tensor, ...]
    place: Letterbox
    input_hw_px: tuple[int, int]


class PersonNetwork:
    """A detect or pose network run without ultralytics' predictor, which needs torchvision and one size.

    Args:
        model: the network.
        image_px: longer side of its input, or its height and width; rounded up to multiples of its stride.
        person_classes: numbers of the classes that count as persons.
        min_score: persons below are left out.
        max_iou: of two boxes that overlap more the weaker goes.
        taps: numbers of layers whose maps are returned, too.
        device: where it runs.
        dtype: of the layers below the head; OpenVINO runs the head in it, too, but not what it adds up.
        runtime: what runs it.

    Attributes:
        model: on its device, in eval mode.
        device: as given.
        tap_channels: of the maps.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        image_px: int | tuple[int, int],
        person_classes: Sequence[int] = (0,),
        min_score: float = 0.25,
        max_iou: float = MAX_IOU,
        taps: Sequence[int] = (),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        runtime: Runtime = "torch",
    ) -> None:
        if runs_module(runtime):
            lower_precision(model, dtype)
        self.model: Any = model.to(device).eval()
        self.device = torch.device(device)
        layers = YoloLayers(self.model, taps, exported=not runs_module(runtime))
        self._runner = make_runner(
            layers, runtime=runtime, title="the YOLO network", device=device, dtype=dtype
        )
        self.tap_channels = layers.widths() if taps else ()
        self._stride = _stride(model)
        sides = image_px if isinstance(image_px, tuple) else (image_px, image_px)
        self._limit_hw_px = (_rounded(sides[0], self._stride), _rounded(sides[1], self._stride))
        self._persons, self._min_score, self._max_iou = tuple(person_classes), min_score, max_iou

    def prepare(self, frame: Frame) -> Letterboxed:
        """Fit a frame into the network's input."""
        return letterbox(frame.rgb, self._limit_hw_px, stride=self._stride)

    @torch.inference_mode()
    def run(
        self, prepared: Sequence[Letterboxed], read: Callable[[ImageRows], Answer], *, persons: bool = True
    ) -> list[Answer]:
        """Run the network on frames, in batches of equal size, and return `read` of each, in order.

        `read` is called right after the batch of its image, so that no maps are kept. Without `persons`
        nobody is picked out of what the network predicts.
        """
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for at, (_, place) in enumerate(prepared):
            groups[place.size_px].append(at)
        answers: dict[int, Answer] = {}
        with network_stream(self.device):
            for frames in groups.values():
                images = self._forward(frames, [prepared[at] for at in frames], persons=persons)
                answers.update((image.frame, read(image)) for image in images)
        return [answers[at] for at in range(len(prepared))]

    def _forward(
        self, frames: Sequence[int], prepared: Sequence[Letterboxed], *, persons: bool
    ) -> list[ImageRows]:
        boxed, places = zip(*prepared, strict=True)
        batch = torch.from_numpy(np.stack(boxed)).to(self.device).permute(0, 3, 1, 2) / 255
        predictions, *maps = self._runner(batch)
        rows = self._pick(predictions) if persons else [batch.new_zeros((0, 6))] * len(frames)
        size = (batch.shape[2], batch.shape[3])
        return [
            ImageRows(frame, row.float(), tuple(each[at] for each in maps), places[at], size)
            for at, (frame, row) in enumerate(zip(frames, rows, strict=True))
        ]

    def _pick(self, predictions: Any) -> list[Tensor]:
        return pick_persons(
            predictions,
            self._persons,
            classes=len(getattr(self.model, "names", {0: "person"})),
            min_score=self._min_score,
            end2end=getattr(self.model, "end2end", False),
            max_iou=self._max_iou,
        )


def pick_persons(
    predictions: Any,
    persons: Sequence[int],
    *,
    classes: int,
    min_score: float,
    end2end: bool,
    max_iou: float = MAX_IOU,
) -> list[Tensor]:
    """Pick the persons out of what a YOLO network predicts.

    Args:
        predictions: (B, 4 + classes + more, N) with boxes as centre and size, or of an end-to-end network
            (B, N, 6 + more) with corners, score and class; or a list that begins with it.
        persons: numbers of the classes that count.
        classes: how many there are.
        min_score: persons of this score and below are left out.
        end2end: the network has no doubles, so none are sought.
        max_iou: of two boxes of a class that overlap more the weaker goes.

    Returns:
        for each image (D, 6 + more): x1, y1, x2, y2, score, class, …
    """
    # Imported here: ultralytics takes over a second to import and most commands never detect.
    from ultralytics.utils.nms import non_max_suppression

    rows: list[Tensor] = non_max_suppression(
        predictions,
        min_score,
        max_iou,
        classes=list(persons),
        nc=classes,
        max_time_img=10.0,  # never let a slow machine drop persons
        end2end=end2end,
    )
    return rows


def _stride(model: Any) -> int:
    """Return what the sides of the input must be multiples of: 64 for networks with a level p6."""
    return max(int(max(getattr(model, "stride", (_LEAST_STRIDE,)))), _LEAST_STRIDE)


def _image_px(train_args: Any, stride: int, weights: str | Path) -> int:
    """Return the input size that `YOLO.predict` takes: that of the training, 640 where it is not told."""
    asked = dict(train_args or {}).get("imgsz", 640)
    longer = max(asked) if isinstance(asked, list | tuple) and asked else asked
    if not isinstance(longer, int) or not 32 <= longer <= 8192:
        raise HeatpoolError(f"expected imgsz of 32 to 8192 pixels in {weights}, got {shorten(asked)}")
    return _rounded(longer, stride)


def _rounded(side_px: int, stride: int) -> int:
    return -(-side_px // stride) * stride


def _describe(model: Any, image_px: int, digest: str, weights: str | Path) -> LoadedModel:
    """Find out which classes are persons and what the joints are."""
    told = getattr(model, "names", None) or {}
    named = dict(told.items() if isinstance(told, dict) else enumerate(told))  # a list in early checkpoints
    names = {int(number): str(name) for number, name in named.items()}
    shape = getattr(model, "kpt_shape", None) or getattr(model.model[-1], "kpt_shape", None)
    persons = find_person_classes(names, str(weights), has_joints=bool(shape))
    skeleton = None
    if shape:
        joints = getattr(model, "kpt_names", None) or {}
        joints = dict(joints).get(persons.numbers[0], ()) if isinstance(joints, dict) else joints
        skeleton = describe_joints(int(shape[0]), joints, persons=persons.are_persons)
    return LoadedModel(model, persons.numbers, skeleton, image_px, digest)
