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

from heatpool.extract.networks.letterbox import Letterbox, letterbox
from heatpool.extract.records import Frame
from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError

__all__ = ["ImageRows", "LoadedModel", "PersonNetwork", "load_ultralytics"]

_MAX_IOU = 0.6  # of two boxes that overlap more, the weaker goes

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network of ultralytics, ready for inference.

    Attributes:
        model: in eval mode, float32, batch norm fused into the convolutions.
        person_class: class number of "person".
        joints: joints per person, 0 for a plain detector.
        weights_sha256: hex digest of the checkpoint file.
    """

    model: nn.Module
    person_class: int
    joints: int
    weights_sha256: str


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
    if not official and not any(place.exists() for place in places):  # ultralytics would ask GitHub for it
        raise HeatpoolError(
            f"expected an ultralytics checkpoint, cannot load {weights}: there is no such file, and it is "
            "no official name"
        )
    if not getattr(tasks._SafeLoad, "SUPPORTED", False):
        raise HeatpoolError("this torch cannot load ultralytics checkpoints safely; install torch >= 2.6")
    try:
        checkpoint, file = tasks.torch_safe_load(str(weights), safe_only=True)
        _, digest = hash_file(Path(file))
    except Exception as error:  # ultralytics raises many classes for a bad or unreachable file
        reason = " ".join(str(error).split())[:300]
        raise HeatpoolError(f"expected an ultralytics checkpoint, cannot load {weights}: {reason}") from error
    model = checkpoint.get("ema") or checkpoint.get("model")
    if not isinstance(model, tasks.DetectionModel):
        raise HeatpoolError(
            f"expected a detect or pose model in {weights}, got {type(model).__name__}; "
            "classification and segmentation checkpoints do not find persons' joints"
        )
    model = model.float().eval()
    model.fuse(verbose=False)
    return LoadedModel(model, _person_class(model, weights), _joints(model), digest)


@dataclass(frozen=True, eq=False)
class ImageRows:
    """What a network found in one image of a batch.

    Attributes:
        number: of the image in the batch.
        rows: (D, 6 or more) float32 tensor: x1, y1, x2, y2 in input pixels, score, class, joints.
        place: of the frame in the input.
        input_hw_px: height and width of the input.
    """

    number: int
    rows: Tensor
    place: Letterbox
    input_hw_px: tuple[int, int]


class PersonNetwork:
    """A detect or pose network run without ultralytics' predictor, which needs torchvision and one size.

    Args:
        model: the network.
        image_px: longer side of its input.
        person_class: class number of "person".
        min_score: persons below are left out.
        device: where it runs.
        dtype: of the layers below the head.

    Attributes:
        model: on its device, in eval mode.
        device, dtype: as given.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        image_px: int,
        person_class: int = 0,
        min_score: float = 0.25,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        _lower_precision(model, dtype)
        self.model: Any = model.to(device).eval()
        self.device, self.dtype = torch.device(device), dtype
        self._image_px, self._person, self._min_score = image_px, person_class, min_score

    @torch.inference_mode()
    def run(self, frames: Sequence[Frame], read: Callable[[ImageRows], Answer]) -> list[Answer]:
        """Run the network on frames, in batches of equal shape, and return `read` of each, in order.

        `read` is called right after the batch of its image, while inner maps still hold that batch.
        """
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for at, frame in enumerate(frames):
            groups[frame.rgb.shape].append(at)
        answers: dict[int, Answer] = {}
        for places in groups.values():
            images = self._forward([frames[at].rgb for at in places])
            answers.update((at, read(image)) for at, image in zip(places, images, strict=True))
        return [answers[at] for at in range(len(frames))]

    def _forward(self, images: Sequence[np.ndarray]) -> list[ImageRows]:
        # Imported here: ultralytics takes over a second to import and most commands never detect.
        from ultralytics.utils.nms import non_max_suppression

        boxed, places = zip(*(letterbox(image, self._image_px) for image in images), strict=True)
        batch = torch.from_numpy(np.stack(boxed)).to(self.device).permute(0, 3, 1, 2) / 255
        rows = non_max_suppression(
            self.model(batch.to(self.dtype)),
            self._min_score,
            _MAX_IOU,
            classes=[self._person],
            nc=len(getattr(self.model, "names", {0: "person"})),
            max_time_img=10.0,  # never let a slow machine drop persons
            end2end=getattr(self.model, "end2end", False),
        )
        size = (batch.shape[2], batch.shape[3])
        return [ImageRows(at, row.float(), places[at], size) for at, row in enumerate(rows)]


def _lower_precision(model: nn.Module, dtype: torch.dtype) -> None:
    """Let all layers but the head compute in `dtype`, in place.

    The head stays in float32: it adds offsets to positions of up to 640 pixels, for which float16 has
    steps of half a pixel and bfloat16 of four.
    """
    if dtype == torch.float32:
        return
    layers: Any = model.model
    model.to(dtype)
    layers[-1].float()
    layers[-1].register_forward_pre_hook(lambda head, given: ([each.float() for each in given[0]],))


def _person_class(model: Any, weights: str | Path) -> int:
    names = getattr(model, "names", {})
    found = [number for number, name in dict(names).items() if name == "person"]
    if found:
        return int(found[0])
    if len(names) == 1 or _joints(model):
        return 0  # a model of one class, whatever it is called, was trained on what the user wants found
    raise HeatpoolError(f"expected a class 'person' in {weights}, got {', '.join(list(names.values())[:8])}")


def _joints(model: Any) -> int:
    shape = getattr(model, "kpt_shape", None) or getattr(model.model[-1], "kpt_shape", None)
    return int(shape[0]) if shape else 0
