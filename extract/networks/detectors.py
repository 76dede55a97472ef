"""Where people are: an ultralytics network, a file of boxes, or the whole frame."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from heatpool.extract.networks.ultralytics import lower_precision
from heatpool.extract.records import Detections, Frame
from heatpool.pool.errors import HeatpoolError

__all__ = ["BoxesFile", "FullFrame", "UltralyticsDetector", "letterbox", "to_detections"]


class FullFrame:
    """One person that fills the frame: for clips that are cut out already."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the frame itself as the only box of each frame."""
        found = []
        for frame in frames:
            height, width = frame.rgb.shape[:2]
            box = np.array([[0, 0, width, height]], np.float32)
            found.append(Detections(box, np.ones(1, np.float32)))
        return found


class BoxesFile:
    """Boxes made beforehand, from a CSV with the columns path, frame, x1, y1, x2, y2, score.

    Frames are numbered from 0 in the video, boxes are pixels. A relative path is looked up beside the
    CSV, then in `root`.

    Args:
        path: CSV file.
        videos: video of each clip, so that a `Frame` finds its boxes.
        root: folder that the paths may also be relative to.
        min_score: boxes below are left out.

    Raises:
        HeatpoolError: if the file cannot be read or none of its paths is one of `videos`.
    """

    def __init__(self, path: Path, *, videos: Sequence[Path], root: Path, min_score: float = 0.0) -> None:
        wanted: dict[Path, list[int]] = defaultdict(list)
        for clip, video in enumerate(videos):
            wanted[video.resolve()].append(clip)
        self._boxes: dict[tuple[int, int], list[tuple[float, ...]]] = defaultdict(list)
        named: dict[str, list[int]] = {}
        for row in _read_boxes(path):
            name = row[0]
            if name not in named:
                places = ((path.parent / name).resolve(), (root / name).resolve())
                named[name] = next((wanted[place] for place in places if place in wanted), [])
            for clip in named[name] if row[2][4] >= min_score else ():
                self._boxes[clip, row[1]].append(row[2])
        if not any(named.values()):
            example = next(iter(named), "no row at all")
            raise HeatpoolError(
                f"expected boxes for the videos in {path}, got none (its first path: {example})"
            )

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the file's boxes of each frame."""
        found = []
        for frame in frames:
            rows = sorted(self._boxes.get((frame.clip, frame.index), ()), key=lambda row: -row[4])
            table = np.array(rows, np.float32).reshape(-1, 5)
            found.append(Detections(table[:, :4], table[:, 4]))
        return found


def _read_boxes(path: Path) -> list[tuple[str, int, tuple[float, ...]]]:
    columns = ("path", "frame", "x1", "y1", "x2", "y2", "score")
    rows: list[tuple[str, int, tuple[float, ...]]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if not set(columns) <= set(header):
                raise HeatpoolError(
                    f"expected columns {', '.join(columns)} in {path}, got {', '.join(header)}"
                )
            at = [header.index(name) for name in columns]
            for row in reader:
                name, frame, *numbers = (row[place] for place in at)
                box = tuple(float(number) for number in numbers)
                if not np.isfinite(box).all() or box[0] >= box[2] or box[1] >= box[3]:
                    raise ValueError(f"box {numbers}")
                rows.append((name, int(frame), box))
    except OSError as error:
        raise HeatpoolError(f"expected a boxes file, cannot read {path}: {error.strerror}") from error
    except (ValueError, IndexError, UnicodeDecodeError, csv.Error) as error:
        line = len(rows) + 2
        raise HeatpoolError(
            f"expected a frame number and x1 < x2, y1 < y2, got {error} in line {line} of {path}"
        ) from error
    return rows


class UltralyticsDetector:
    """A person detector of the ultralytics family, run without its predictor.

    Args:
        model: detection network in eval mode.
        image_px: longer side of the network's input.
        person_class: class number of "person".
        min_score: boxes below are left out.
        max_iou: of two boxes that overlap more, the weaker goes.
        device: where the network runs.
        dtype: of the layers below the head.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        image_px: int,
        person_class: int = 0,
        min_score: float = 0.25,
        max_iou: float = 0.6,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        lower_precision(model, dtype)
        self._model = model.to(device).eval()
        self._dtype = dtype
        self._image_px = image_px
        self._person = person_class
        self._min_score = min_score
        self._max_iou = max_iou
        self._device = torch.device(device)

    @torch.inference_mode()
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Run the network on frames, in batches of equal shape."""
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for at, frame in enumerate(frames):
            groups[frame.rgb.shape].append(at)
        found: dict[int, Detections] = {}
        for places in groups.values():
            found.update(zip(places, self._detect([frames[at].rgb for at in places]), strict=True))
        return [found[at] for at in range(len(frames))]

    def _detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        # Imported here: ultralytics takes over a second to import and most commands never detect.
        from ultralytics.utils.nms import non_max_suppression

        height, width = images[0].shape[:2]
        boxed, scale, left, top = zip(*(letterbox(image, self._image_px) for image in images), strict=True)
        batch = torch.from_numpy(np.stack(boxed)).to(self._device).permute(0, 3, 1, 2) / 255
        output = self._model(batch.to(self._dtype))
        rows = non_max_suppression(
            output[0] if isinstance(output, (tuple, list)) else output,
            self._min_score,
            self._max_iou,
            classes=[self._person],
            nc=len(getattr(self._model, "names", {0: "person"})),
            max_time_img=10.0,  # never let a slow machine drop people
        )
        place = (scale[0], left[0], top[0], width, height)
        return [to_detections(row.float().cpu().numpy(), *place)[0] for row in rows]


def letterbox(image: np.ndarray, longer_px: int) -> tuple[np.ndarray, float, int, int]:
    """Scale an image to a longer side and pad it with grey to multiples of 32.

    Args:
        image: (H, W, 3) uint8.
        longer_px: longer side after scaling.

    Returns:
        the padded image, the scale, and the padding at the left and the top in pixels.
    """
    height, width = image.shape[:2]
    scale = longer_px / max(height, width)
    new_height, new_width = max(round(height * scale), 1), max(round(width * scale), 1)
    small = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    pad_height, pad_width = -new_height % 32, -new_width % 32
    top, left = pad_height // 2, pad_width // 2
    border = (top, pad_height - top, left, pad_width - left)
    return cv2.copyMakeBorder(small, *border, cv2.BORDER_CONSTANT, value=(114, 114, 114)), scale, left, top


def to_detections(
    rows: np.ndarray, scale: float, left: int, top: int, width: int, height: int
) -> tuple[Detections, np.ndarray]:
    """Map network rows (x1, y1, x2, y2, score, …) of a letterboxed image to frame pixels.

    Args:
        rows: (D, 5 or more) float.
        scale: of the letterbox.
        left: its padding at the left, pixels.
        top: its padding at the top.
        width: of the frame; boxes are clipped to it.
        height: of the frame.

    Returns:
        the detections, best first, and for each the row it came from. Slivers under a pixel are dropped.
    """
    boxes = (rows[:, :4] - [left, top, left, top]) / scale
    boxes = boxes.clip(0, [width, height, width, height]).astype(np.float32)
    kept = np.flatnonzero((boxes[:, 2:] - boxes[:, :2] > 1).all(1))
    order = kept[np.argsort(-rows[kept, 4], kind="stable")]
    return Detections(boxes[order], rows[order, 4].astype(np.float32)), order
