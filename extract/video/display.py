"""How the pictures of a video are shown: in square pixels, in standard colours, turned as the file asks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from heatpool.extract.video.hdr import sdr_pixels

__all__ = ["Display", "pixel_aspect", "square_px", "squared"]

# Scaling blurs more than such a squeeze does harm; encoders write 136:135 and the like for rounded sizes.
_SQUARE_ENOUGH = 0.02
_LARGEST_ASPECT = 4.0  # anamorphic film has 2; what claims more is damage


def pixel_aspect(stated: Fraction | None) -> float:
    """Return width over height of a pixel; 1 where a file states none, one near 1, or nonsense."""
    aspect = float(stated or 1)
    if not 1 / _LARGEST_ASPECT <= aspect <= _LARGEST_ASPECT or abs(aspect - 1) <= _SQUARE_ENOUGH:
        return 1.0
    return aspect


@dataclass(frozen=True)
class Display:
    """What makes the pictures of a stream upright RGB in square pixels.

    Attributes:
        coded_px: width and height as they are coded.
        square_px: width and height in square pixels; none of the two is smaller than the coded one.
        quarter_turns: counter-clockwise, 0 to 3.
        mirrored: left-right, after the turns.
    """

    coded_px: tuple[int, int]
    square_px: tuple[int, int]
    quarter_turns: int
    mirrored: bool

    @classmethod
    def of(cls, frame: VideoFrame, *, aspect: float = 1.0) -> Display:
        """Return how a frame, and those after it, are shown; `aspect` is that of `pixel_aspect`."""
        return cls((frame.width, frame.height), square_px((frame.width, frame.height), aspect), *_turn(frame))

    def show(self, frame: VideoFrame) -> np.ndarray:
        """Return (H, W, 3) uint8 RGB; a frame of another size is scaled to the first one's."""
        width, height = self.square_px
        rgb = sdr_pixels(frame, width_px=width, height_px=height)
        rgb = np.rot90(rgb, k=self.quarter_turns)
        return np.ascontiguousarray(rgb[:, ::-1] if self.mirrored else rgb)


def squared(frame: VideoFrame, aspect: float) -> VideoFrame:
    """Return a frame in square pixels; what it says of turns stays with it."""
    width, height = square_px((frame.width, frame.height), aspect)
    # In several threads FFmpeg 8.1 now and then makes other pixels of the same frame of 10 bits.
    return frame if aspect == 1 else frame.reformat(width=width, height=height, threads=1)


def square_px(coded_px: tuple[int, int], aspect: float) -> tuple[int, int]:
    """Return width and height in square pixels, of coded ones and their `pixel_aspect`."""
    width, height = coded_px
    return round(width * max(aspect, 1.0)), round(height / min(aspect, 1.0))


def _turn(frame: VideoFrame) -> tuple[int, bool]:
    """Return the nearest counter-clockwise quarter turns of a display matrix, and whether it mirrors.

    The matrix sends (x, y), y down, to (a x + c y, b x + d y) (ISO/IEC 14496-12, section 8.3.2).
    """
    stated: Any = frame.side_data  # PyAV's stubs do not know the matrix
    if Type.DISPLAYMATRIX not in stated:
        return 0, False
    a, b, _, c, d = np.frombuffer(bytes(stated[Type.DISPLAYMATRIX]), np.int32)[:5].astype(float)
    mirrored = bool(a * d < b * c)
    if mirrored:  # what is left is a turn
        a, c = -a, -c
    return round(math.atan2(c, a) / (math.pi / 2)) % 4, mirrored
