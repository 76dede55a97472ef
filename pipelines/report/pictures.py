"""Frames of sample clips with persons and heatmaps drawn on them, as JPEG inside the page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch

from heatpool.extract.networks.crops import crop_affines, crop_boxes
from heatpool.extract.records import PoseBackbone
from heatpool.extract.video.reader import FrameCountError, iter_frames, probe
from heatpool.pipelines.drawing.overlay import crop_cells
from heatpool.pipelines.drawing.view import Heatmap, PersonsInView, View
from heatpool.pipelines.report.samples import ClipPictures, Picture, SampleFeatures
from heatpool.pool.errors import HeatpoolError

__all__ = ["draw_clip", "embed_picture", "nearest_frames", "person_heatmaps"]

_JPEG_QUALITY = 82
_MARGIN_S = 0.5
_STRIP_WIDTH_PX, _HEAT_WIDTH_PX, _SHEET_WIDTH_PX = 340, 460, 1600


@contextmanager
def _one_thread() -> Iterator[None]:
    """For a few crops: more threads would spend twice as long waiting for one another as computing."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
def draw_clip(
    clip: SampleFeatures, video: Path, load_network: Callable[[], PoseBackbone | None], *, fps: float
) -> ClipPictures:
    """Draw the strip and the heatmap frame of a clip.

    Args:
        clip: its features.
        video: its video file.
        load_network: gives the pose network, None where there is none.
        fps: of the video, which matters where it is pictures.

    Raises:
        HeatpoolError: if the video is unreadable or has no frame around these times.
    """
    frames = nearest_frames(video, clip.time_s[clip.shown], fps=fps)
    size_px = frames[0].shape[1], frames[0].shape[0]
    persons = [_persons(clip, step, size_px) for step in clip.shown.tolist()]
    view = View.around(np.concatenate([each.boxes_xyxy_px for each in persons]), size_px=size_px)
    times = [f"{time_s:.2f} s" for time_s in clip.time_s[clip.shown].tolist()]
    strip = tuple(
        _encode(view.draw(frame, each, size_px=_fit(view, _STRIP_WIDTH_PX)), time)
        for frame, each, time in zip(frames, persons, times, strict=True)
    )
    network = load_network()
    if network is None:
        return ClipPictures(strip, missing=("No heatmaps: no pose network was given.",))
    # The frame with most persons, in the middle if there are several.
    offside = np.abs(np.arange(len(frames)) - (len(frames) - 1) / 2) / len(frames)
    best = int(np.argmax([len(each.slots) for each in persons] - offside))
    heat = _draw_heat(frames[best], persons[best], times[best], network)
    missing = () if heat else (f"No heatmaps: the network {network.name} gives none.",)
    return ClipPictures(strip, heat, missing)


def _persons(clip: SampleFeatures, step: int, size_px: tuple[int, int]) -> PersonsInView:
    slots = np.flatnonzero(clip.mask[:, step]).tolist()
    keypoints = clip.keypoints[slots, step]
    return PersonsInView(
        slots,
        clip.boxes[slots, step] * np.tile(size_px, 2),
        (keypoints[..., :2] + 1) / 2 * size_px,
        keypoints[..., 2],
        clip.skeleton,
    )


def _fit(view: View, width_px: int) -> tuple[int, int]:
    return width_px, round(view.height_px * width_px / view.width_px)


def _draw_heat(frame: np.ndarray, persons: PersonsInView, time: str, network: PoseBackbone) -> Picture | None:
    """The persons of one frame, in grey, with the heatmaps that the network gives for their boxes."""
    maps = person_heatmaps(frame, persons.boxes_xyxy_px, network=network)
    if maps is None:
        return None
    peaks = [max(float(heatmap.max()), float(np.finfo(np.float32).tiny)) for heatmap, _ in maps]
    size_px = frame.shape[1], frame.shape[0]
    view = View.around(persons.boxes_xyxy_px, size_px=size_px, least=0.15)
    drawn = view.draw(
        np.repeat(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
        # Joints would hide the maps: without a score none is drawn.
        PersonsInView(persons.slots, persons.boxes_xyxy_px, persons.joints_xy_px, persons.scores * 0),
        size_px=_fit(view, _HEAT_WIDTH_PX),
        heatmaps=[(heatmap / peak, to_cells) for (heatmap, to_cells), peak in zip(maps, peaks, strict=True)],
    )
    each = ", ".join(f"{slot + 1}: {peak:.2f}" for slot, peak in zip(persons.slots, peaks, strict=True))
    return _encode(drawn, f"{time}, peak of person {each}")


def embed_picture(path: Path, caption: str) -> Picture:
    """Return a picture file as one of the page, at most 1,600 pixels wide.

    Raises:
        HeatpoolError: if it is no picture.
    """
    bgr = cv2.imread(str(path))
    if bgr is None:
        raise HeatpoolError(f"expected a picture, got {path}")
    scale = min(_SHEET_WIDTH_PX / bgr.shape[1], 1.0)
    size_px = round(bgr.shape[1] * scale), round(bgr.shape[0] * scale)
    return _encode(cv2.resize(bgr, size_px, interpolation=cv2.INTER_AREA)[..., ::-1], caption)


def _encode(rgb: np.ndarray, caption: str) -> Picture:
    done, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ValueError(f"expected a picture that can be encoded, got {rgb.shape}")
    uri = "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
    return Picture(uri, rgb.shape[1], rgb.shape[0], caption)


def nearest_frames(path: Path, times_s: np.ndarray, *, fps: float = 0.0) -> list[np.ndarray]:
    """Decode the frames that are nearest to the wanted times.

    Args:
        path: video file.
        times_s: (n,) rising, seconds from the start of the video.
        fps: of the video, which matters where it is pictures.

    Returns:
        n frames, (H, W, 3) uint8 each.

    Raises:
        HeatpoolError: if the video is missing, unreadable or has no frame around these times.
    """
    first_s, last_s = max(float(times_s[0]) - _MARGIN_S, 0.0), float(times_s[-1]) + _MARGIN_S
    info = probe(path, start_s=first_s, end_s=last_s, fps=fps)
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
def person_heatmaps(
    rgb: np.ndarray, boxes_xyxy_px: np.ndarray, *, network: PoseBackbone
) -> list[Heatmap] | None:
    """Run the pose network, on the processor, on persons of a frame.

    Args:
        rgb: (H, W, 3) uint8.
        boxes_xyxy_px: (D, 4) in pixels of the frame.
        network: the pose network.

    Returns:
        Each person's map, the highest over all joints and not below 0; None if the network predicts none.
    """
    spec = network.crop
    affines = crop_affines(boxes_xyxy_px, spec)
    pose = network.forward(torch.from_numpy(crop_boxes(rgb, affines, spec)))
    if pose.heatmaps is None:
        return None
    highest = pose.heatmaps.float().amax(1).clamp(min=0).cpu().numpy()
    crop_size_px = spec.width_px, spec.height_px
    return [
        (heatmap, crop_cells(heatmap, affine, crop_size_px))
        for heatmap, affine in zip(highest, affines, strict=True)
    ]
