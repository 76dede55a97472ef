"""Frames of clips with people and heatmaps drawn on them, as JPEG inside the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from heatpool.extract.networks.crops import crop_affines, crop_boxes, normalise_crops
from heatpool.extract.records import PoseBackbone
from heatpool.extract.video.reader import FrameCountError, iter_frames, probe
from heatpool.pipelines.drawing.overlay import blend_heatmap, draw_people
from heatpool.pool.errors import HeatpoolError

__all__ = ["Picture", "View", "draw_heatmaps", "nearest_frames"]

_JPEG_QUALITY = 82
_MARGIN_S = 0.5


@dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Attributes:
        uri: `data:` address of the JPEG.
        width_px: of the picture.
        height_px: of the picture.
        caption: short text below it.
    """

    uri: str
    width_px: int
    height_px: int
    caption: str

    @classmethod
    def of(cls, rgb: np.ndarray, caption: str) -> Picture:
        """Encode (H, W, 3) uint8 as JPEG."""
        done, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not done:
            raise ValueError(f"expected a picture that can be encoded, got {rgb.shape}")
        uri = "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
        return cls(uri, rgb.shape[1], rgb.shape[0], caption)


@dataclass(frozen=True)
class View:
    """The part of a frame that is shown: everybody's boxes with a margin, in the frame's own aspect.

    Attributes:
        left_px: first column.
        top_px: first row.
        width_px: columns.
        height_px: rows.
    """

    left_px: int
    top_px: int
    width_px: int
    height_px: int

    @classmethod
    def around(cls, boxes_xyxy_px: np.ndarray, *, width_px: int, height_px: int, least: float = 0.3) -> View:
        """Smallest view around (B, 4) boxes.

        Args:
            boxes_xyxy_px: in pixels of the frame, B >= 1.
            width_px: of the frame.
            height_px: of the frame.
            least: share of the frame's sides that the view has at least.
        """
        low, high = boxes_xyxy_px[:, :2].min(0), boxes_xyxy_px[:, 2:].max(0)
        size = np.array([width_px, height_px])
        share = float(np.clip(((high - low) * 1.3 / size).max(), least, 1.0))
        wide, tall = np.round(size * share).astype(int).tolist()
        left, top = np.round((low + high) / 2 - [wide / 2, tall / 2]).astype(int).tolist()
        return cls(min(max(left, 0), width_px - wide), min(max(top, 0), height_px - tall), wide, tall)

    def draw(
        self,
        rgb: np.ndarray,
        *,
        slots: Sequence[int],
        boxes_xyxy_px: np.ndarray,
        joints_xy_px: np.ndarray,
        scores: np.ndarray,
        out_width_px: int,
        caption: str,
    ) -> Picture:
        """Cut the view out of a frame, scale it and draw the people of `slots` on it.

        Args:
            rgb: (H, W, 3) uint8 frame.
            slots: person slots to draw.
            boxes_xyxy_px: (M, 4) in pixels of the frame.
            joints_xy_px: (M, V, 2) in pixels of the frame.
            scores: (M, V).
            out_width_px: width of the picture.
            caption: of the picture.
        """
        scale = out_width_px / self.width_px
        cut = rgb[self.top_px : self.top_px + self.height_px, self.left_px : self.left_px + self.width_px]
        size = (out_width_px, round(self.height_px * scale))
        small = cv2.resize(cut, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        # Pixel centres are integers, so edges lie half a pixel outside them.
        corner = np.array([self.left_px, self.top_px]) - 0.5
        drawn = draw_people(
            small,
            boxes_xyxy_px=(boxes_xyxy_px[slots] - np.tile(corner, 2)) * scale - 0.5,
            joints_xy_px=(joints_xy_px[slots] - corner) * scale - 0.5,
            scores=scores[slots],
            slots=slots,
            names=[str(slot + 1) for slot in slots],
        )
        return Picture.of(drawn, caption)


def nearest_frames(path: Path, times_s: np.ndarray) -> list[np.ndarray]:
    """Decode the frames that are nearest to the wanted times.

    Args:
        path: video file.
        times_s: (n,) rising, seconds from the start of the video.

    Returns:
        n frames, (H, W, 3) uint8 each.

    Raises:
        HeatpoolError: if the video is missing, unreadable or has no frame around these times.
    """
    info = probe(path, start_s=max(float(times_s[0]) - _MARGIN_S, 0.0), end_s=float(times_s[-1]) + _MARGIN_S)
    best: list[tuple[float, np.ndarray]] = [(np.inf, np.empty(0))] * len(times_s)
    try:
        for frame in iter_frames(path, np.arange(info.frames), info=info):
            for at, time_s in enumerate(times_s.tolist()):
                if abs(frame.time_s - time_s) < best[at][0]:
                    best[at] = (abs(frame.time_s - time_s), frame.rgb)
    except FrameCountError:
        pass  # a damaged video: the frames that could be decoded are there
    if not np.isfinite([away_s for away_s, _ in best]).all():
        raise HeatpoolError(f"no frame of {path.name} could be decoded")
    return [rgb for _, rgb in best]


@torch.inference_mode()
def draw_heatmaps(
    rgb: np.ndarray, boxes_xyxy_px: np.ndarray, *, backbone: PoseBackbone, device: str
) -> tuple[np.ndarray, list[float]] | None:
    """Run the pose network on people of a frame and lay its heatmaps, maximum over joints, over it.

    Args:
        rgb: (H, W, 3) uint8.
        boxes_xyxy_px: (D, 4) in pixels of the frame.
        backbone: the pose network.
        device: that it runs on.

    Returns:
        The frame in grey with each person's map in colour, (H, W, 3) uint8, every map scaled to its own
        highest value, and these D values; None if the network predicts no heatmaps.
    """
    spec = backbone.crop
    affines = crop_affines(boxes_xyxy_px, spec)
    pose = backbone.forward(normalise_crops(crop_boxes(rgb, affines, spec), spec, device=device))
    if pose.heatmaps is None:
        return None
    highest = pose.heatmaps.float().amax(1).clamp(min=0).cpu().numpy()
    peaks = highest.max((1, 2))
    drawn = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    for heatmap, peak, affine in zip(highest, peaks, affines, strict=True):
        drawn = blend_heatmap(
            drawn,
            heatmap / max(peak, np.finfo(np.float32).tiny),
            affine,
            crop_width_px=spec.width_px,
            crop_height_px=spec.height_px,
        )
    return drawn, peaks.tolist()
