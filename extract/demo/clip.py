"""One clip of the demo data set: plan -> frames -> mp4 and ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from heatpool.extract.demo.camera import Camera
from heatpool.extract.demo.effects import Mover, Occluder, random_occluder
from heatpool.extract.demo.motion import Performance, perform
from heatpool.extract.demo.objects import OBJECT_ACTIONS
from heatpool.extract.demo.props import Chair
from heatpool.extract.demo.scene import MARGIN_PX, Place, random_light
from heatpool.extract.demo.shot import Shot, ShotRenderer
from heatpool.extract.demo.subjects import demo_subjects
from heatpool.pool.disk.atomic import atomic_file

FPS = 30


@dataclass(frozen=True)
class Viewpoint:
    """A camera position of the data set."""

    angle_deg: float
    distance_m: float
    height_m: float


CAMERAS = (Viewpoint(-40.0, 4.5, 1.15), Viewpoint(0.0, 3.9, 1.55), Viewpoint(40.0, 5.0, 2.3))
_FOCAL = 1.02  # focal length in frame widths


@dataclass(frozen=True)
class ClipPlan:
    """Everything that fixes a clip.

    Attributes:
        clip_id: ``S<subject>C<camera>A<action>``.
        action, label: class name and number.
        subject, partner: 1-based numbers of the demo people; partner 0 = acts alone.
        camera: 1-based number of ``CAMERAS``.
        frames: length.
        seed: of the data set.
        width_px, height_px: frame size.
    """

    clip_id: str
    action: str
    label: int
    subject: int
    partner: int
    camera: int
    frames: int
    seed: int
    width_px: int
    height_px: int


def stage_clip(plan: ClipPlan) -> ShotRenderer:
    """Set up the renderer of ``plan``; all cameras of a performance see the same motion at the same place.

    An action with an object is performed anew for each camera: looks tell its class, and three views of one
    cup would be one example of a cup.
    """
    people = demo_subjects()
    actors = [people[plan.subject - 1]] + ([people[plan.partner - 1]] if plan.partner else [])
    # One stream for what the cameras share, one for what each camera has of its own.
    take = [plan.camera] if plan.action in OBJECT_ACTIONS else []
    shared = np.random.default_rng([plan.seed, 1, plan.subject, sum(plan.action.encode()), *take])
    performance = perform(plan.action, actors, frames=plan.frames, rng=shared)
    place, light = Place.random(shared), random_light(shared)
    mover = Mover.random(place, shared)
    bystander = Chair.beside(shared) if shared.random() < 0.3 else None
    own = np.random.default_rng([plan.seed, 2, plan.subject, sum(plan.action.encode()), plan.camera])
    camera = _camera(plan, own)
    shot = Shot(
        camera=camera,
        light=light,
        place=place,
        mover=mover,
        shake_px=_shake(plan.frames, own),
        gain=_gain(plan.frames, own),
        grain=float(own.uniform(1.0, 4.5)),
        occluder=_occluder(plan, camera, performance, own),
        bystander=bystander,
    )
    return ShotRenderer(performance, actors, shot, own)


def _camera(plan: ClipPlan, rng: np.random.Generator) -> Camera:
    view = CAMERAS[plan.camera - 1]
    return Camera.around(
        angle_rad=float(np.deg2rad(view.angle_deg + rng.normal(0, 2.0))),
        distance_m=float(view.distance_m + rng.normal(0, 0.1)),
        height_m=float(view.height_m + rng.normal(0, 0.05)),
        focal_px=_FOCAL * plan.width_px,
        width_px=plan.width_px,
        height_px=plan.height_px,
        aim_m=(float(rng.normal(0, 0.04)), 0.0, 0.92),
    )


def _shake(frames: int, rng: np.random.Generator) -> np.ndarray:
    """(T, 2) whole pixels; two clips of three stand on a tripod."""
    if rng.random() < 0.67:
        return np.zeros((frames, 2), int)
    time = np.arange(frames)[:, None] / FPS
    rate, angle = rng.uniform(0.2, 0.9, (2, 2, 1)), rng.uniform(0, 6.28, (2, 2, 1))
    drift = sum(np.sin(2 * np.pi * rate[k].T * time + angle[k].T) for k in range(2))
    return np.asarray(np.clip(np.round(1.4 * drift), -MARGIN_PX, MARGIN_PX).astype(int))


def _gain(frames: int, rng: np.random.Generator) -> np.ndarray:
    """(T,) brightness: a slow swell, and now and then a lamp that is switched."""
    time = np.arange(frames) / FPS
    gain = rng.uniform(0.85, 1.12) + rng.uniform(0.0, 0.1) * np.sin(
        rng.uniform(0.8, 3.0) * time + rng.uniform(0, 6.28)
    )
    if rng.random() < 0.2:
        step = rng.uniform(0.2, 0.8) * frames
        gain *= 1 + rng.choice([-0.22, 0.18]) / (1 + np.exp(-(np.arange(frames) - step) / 1.5))
    return gain


def _occluder(
    plan: ClipPlan, camera: Camera, performance: Performance, rng: np.random.Generator
) -> Occluder | None:
    if rng.random() > 0.25:
        return None
    floor, _ = camera.project(np.append(performance.joints_xyz_m[0, 0, 0, :2], 0.0))
    return random_occluder(rng, width_px=plan.width_px, height_px=plan.height_px, floor_px=float(floor[1]))


def render_clip(plan: ClipPlan, *, folder: Path) -> str:
    """Write ``<clip_id>.mp4`` and ``<clip_id>.npz`` (joints_xy_px, visible, boxes_xyxy_px) into ``folder``.

    Each appears whole or not at all.

    Returns:
        the clip id.
    """
    renderer = stage_clip(plan)
    with _one_thread(), atomic_file(folder / f"{plan.clip_id}.mp4", overwrite=True) as video:
        _encode(renderer, video)
    with atomic_file(folder / f"{plan.clip_id}.npz", overwrite=True) as arrays:
        np.savez(arrays, **vars(renderer.truth()))
    return plan.clip_id


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV on one thread while a clip is rendered: the processes share the cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _encode(renderer: ShotRenderer, path: Path) -> None:
    """H.264 where the PyAV build has x264, else MPEG-4 part 2."""
    camera = renderer.shot.camera
    has_x264 = "libx264" in av.codecs_available
    options = {"preset": "ultrafast", "crf": "23"} if has_x264 else {"qscale": "3"}
    with av.open(f"file:{path}", "w", format="mp4") as container:
        stream = container.add_stream("libx264" if has_x264 else "mpeg4", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = camera.width_px, camera.height_px, "yuv420p"
        stream.thread_count = 1  # also: the same bytes on every machine
        for step in range(len(renderer)):
            planes = np.asarray(cv2.cvtColor(renderer.frame(step), cv2.COLOR_RGB2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = step
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
