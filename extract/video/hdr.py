"""Pictures of high dynamic range as the standard ones that networks were trained on."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc

__all__ = ["hdr_kind", "sdr_pixels", "to_sdr"]

_UNSPECIFIED, _BT2020 = 2, 9  # AVCOL_SPC_…, which not every PyAV has names for
_KINDS: dict[int, str] = {ColorTrc.SMPTE2084: "pq", ColorTrc.ARIB_STD_B67: "hlg"}
_WHITE_NITS = 203.0  # diffuse white of HDR production (ITU-R BT.2408); the white of standard pictures
_HLG_PEAK_NITS = 1000.0  # of the display that HLG is graded on, for which its system gamma is 1.2
_LUMA = np.array([[0.2627, 0.6780, 0.0593]], np.float32)  # of BT.2020
_TO_BT709 = np.array(  # BT.2020's primaries as BT.709's (ITU-R BT.2087)
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
_ROWS = 32  # at a time: their floats stay in the processor's cache


def hdr_kind(frame: VideoFrame) -> str:
    """Return pq or hlg, the transfer function of a frame of high dynamic range, or ""."""
    return _KINDS.get(frame.color_trc, "")


def sdr_pixels(frame: VideoFrame, *, width_px: int, height_px: int) -> np.ndarray:
    """Return a frame of that size as (H, W, 3) uint8 RGB for a standard display."""
    kind = hdr_kind(frame)
    if not kind:
        return np.asarray(frame.to_ndarray(format="rgb24", width=width_px, height=height_px), np.uint8)
    if frame.colorspace == _UNSPECIFIED:  # FFmpeg would take it for that of old television
        frame.colorspace = _BT2020
    return to_sdr(frame.to_ndarray(format="rgb48le", width=width_px, height=height_px), kind=kind)


def to_sdr(rgb: np.ndarray, *, kind: str) -> np.ndarray:
    """Return what a standard display would show of an HDR picture: diffuse white is white, brighter is cut.

    The same as FFmpeg's `scale` filter gives with `out_transfer=bt709:out_primaries=bt709`, which needs
    five seconds a clip before the first frame.

    Args:
        rgb: (H, W, 3) uint16, R'G'B' as coded.
        kind: pq or hlg.

    Returns:
        (H, W, 3) uint8 RGB.

    Source: ITU-R BT.2100 (PQ and HLG), BT.2408 (reference white), BT.1886 (gamma 2.4).
    """
    light, code = _light(kind), _gamma_codes()
    sdr = np.empty(rgb.shape, np.uint8)
    for row in range(0, len(rgb), _ROWS):
        linear = light[rgb[row : row + _ROWS]]
        if kind == "hlg":  # light of the scene; a display shows it by a gamma on its luminance
            linear *= (cv2.transform(linear, _LUMA) ** 0.2 * (_HLG_PEAK_NITS / _WHITE_NITS))[..., None]
        linear = cv2.transform(linear, _TO_BT709).clip(0, 1)
        sdr[row : row + _ROWS] = code[(linear * 65535 + 0.5).astype(np.uint16)]
    return sdr


@cache
def _light(kind: str) -> np.ndarray:
    """Return light for each of 65,536 codes: 1 is white (pq), or the brightest of the scene (hlg)."""
    code = np.arange(65536) / 65535
    if kind == "pq":
        root = code ** (32 / 2523)
        nits = 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (8192 / 1305)
        return (nits / _WHITE_NITS).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12).astype(np.float32)


@cache
def _gamma_codes() -> np.ndarray:
    return np.round(255 * (np.arange(65536) / 65535) ** (1 / 2.4)).astype(np.uint8)
