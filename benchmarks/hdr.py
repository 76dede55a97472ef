"""What high dynamic range does to pooled features: a clip encoded as SDR, PQ and HLG, converted and as it is.

Usage: python -m benchmarks.hdr --video clip.mp4 --weights yolo11n-pose.pt

The clip's own pictures are shown at a diffuse white of 203 cd/m², in 10 bits of BT.2020. Converted rightly
they are the same pictures, so all that is left is what encoding costs: the row "SDR, 10 bits" says how much.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from scipy.optimize import linear_sum_assignment

from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame, FramePersons
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pool.resample import ResamplePlan

__all__ = ["encode", "signal"]

WHITE_NITS, HLG_PEAK_NITS = 203.0, 1000.0
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TRANSFER = {"sdr": 1, "pq": 16, "hlg": 18, "untagged": 2}
CASES = {  # name: curve, what the file says of it, bits
    "SDR": ("sdr", "sdr", 8),
    "SDR, 10 bits": ("sdr", "sdr", 10),
    "PQ": ("pq", "pq", 10),
    "PQ, not converted": ("pq", "untagged", 10),
    "HLG": ("hlg", "hlg", 10),
    "HLG, not converted": ("hlg", "untagged", 10),
}


def signal(rgb: np.ndarray, kind: str) -> np.ndarray:
    """Return R'G'B' from 0 to 1 of a picture (H, W, 3) uint8 by a curve (ITU-R BT.1886, BT.2100)."""
    if kind == "sdr":
        return rgb / 255
    nits = (rgb / 255) ** 2.4 @ TO_BT2020.T * WHITE_NITS
    if kind == "pq":
        root = (nits / 10_000) ** (1305 / 8192)
        return ((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** (2523 / 32)
    shown = nits / HLG_PEAK_NITS
    luma = shown @ np.array([0.2627, 0.6780, 0.0593])
    scene = shown * np.maximum(luma, 1e-9)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def encode(path: Path, pictures: Sequence[np.ndarray], *, curve: str, told: str, bits: int) -> Path:
    """Write pictures of even sides as HEVC by a curve, with the tag of another one or of the same."""
    matrix = 1 if curve == "sdr" else 9
    red, blue = (0.2126, 0.0722) if curve == "sdr" else (0.2627, 0.0593)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p" if bits == 8 else "yuv420p10le"
        stream.options = {"crf": "8", "preset": "veryfast", "x265-params": "log-level=none"}
        codec = stream.codec_context
        codec.colorspace, codec.color_primaries, codec.color_range = matrix, matrix, 1
        codec.color_trc = TRANSFER[told]
        for picture in pictures:
            coded = signal(picture, curve)
            luma = coded @ np.array([red, 1 - red - blue, blue])
            chroma = (coded[..., 2] - luma) / (2 * (1 - blue)), (coded[..., 0] - luma) / (2 * (1 - red))
            halves = [each.reshape(stream.height // 2, 2, -1, 2).mean((1, 3)) for each in chroma]
            levels = [16 + 219 * luma, *(128 + 224 * each for each in halves)]
            container.mux(stream.encode(_frame(levels, stream.pix_fmt, 1 << (bits - 8))))
        container.mux(stream.encode())
    return path


def _frame(levels: Sequence[np.ndarray], pix_fmt: str, step: int) -> VideoFrame:
    kind = np.uint8 if step == 1 else np.uint16
    frame = VideoFrame(levels[0].shape[1], levels[0].shape[0], pix_fmt)
    for plane, values in zip(frame.planes, levels, strict=True):
        rows = np.zeros((len(values), plane.line_size // np.dtype(kind).itemsize), kind)
        rows[:, : values.shape[1]] = (values * step).round()
        plane.update(rows.tobytes())
    return frame


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--video", type=Path, required=True, help="a standard video of people")
    parser.add_argument("--weights", required=True, help="a YOLO pose checkpoint")
    parser.add_argument("--frames", type=int, default=12)
    options = parser.parse_args()
    backbone = YoloPose(load_ultralytics(options.weights))
    pictures = [
        each[: len(each) // 2 * 2, : each.shape[1] // 2 * 2] for each in _read(options.video, options.frames)
    ]
    print("| the clip as | persons found in both | pooled features differ from SDR by |\n|---|---|---|")
    first: list[FramePersons] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (curve, told, bits) in CASES.items():
            path = encode(Path(folder, "clip.mp4"), pictures, curve=curve, told=told, bits=bits)
            frames = [Frame(0, at, 0.0, rgb) for at, rgb in enumerate(_read(path, options.frames))]
            found = backbone.estimate([backbone.prepare(frame) for frame in frames])
            first = first or found
            pairs = [pair for two in zip(first, found, strict=True) for pair in _pairs(*two)]
            one, other = (np.stack(each).astype(float) for each in zip(*pairs, strict=True))
            share = len(pairs) / sum(len(each.detections) for each in first)
            print(
                f"| {name} | {share:.0%} | {np.linalg.norm(other - one) / np.linalg.norm(one):.1%} |",
                flush=True,
            )
    return 0


def _read(path: Path, count: int) -> list[np.ndarray]:
    info = probe(path)
    wanted = np.unique(ResamplePlan.linear(info.frames, count).frames)
    return [frame.rgb for frame in iter_frames(path, wanted, info=info)]


def _pairs(one: FramePersons, other: FramePersons) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pooled features of the persons of a frame whose boxes lie within a quarter of their height."""
    boxes, others = one.detections.boxes_xyxy_px, other.detections.boxes_xyxy_px
    apart = np.abs(boxes[:, None] - others).max(2) / (boxes[:, 3] - boxes[:, 1])[:, None]
    rows, columns = linear_sum_assignment(apart)
    return [
        (one.pooled[row], other.pooled[column])
        for row, column in zip(rows, columns, strict=True)
        if apart[row, column] < 0.25
    ]


if __name__ == "__main__":
    sys.exit(main())
