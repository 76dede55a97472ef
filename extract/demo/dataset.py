"""The demo data set on disk: real videos, ground truth beside them, a manifest with splits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.demo.clip import CAMERAS, ClipPlan, render_clip
from heatpool.extract.demo.motion import ACTIONS, persons_of
from heatpool.extract.demo.objects import OBJECT_ACTIONS
from heatpool.extract.demo.subjects import demo_subjects
from heatpool.pool.disk.atomic import write_json, write_text
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

MARKER = "demo.json"
"""File that a folder of the demo is known by."""

KINDS = "kinds.csv"
"""Table beside the manifest of object classes: `class_name,kind`, for `heatpool ablate --divide-by`."""

_FORMAT, _VERSION = "heatpool-demo", 1
_MANIFEST = "clips.csv"
_VAL_SUBJECTS, _TEST_SUBJECTS, _TEST_CAMERA = (7, 8), (9, 10), 3


DEMO_CLASSES = (
    "stand_up", "sit_down", "wave_left_hand", "wave_right_hand", "push", "pull",
    "clap", "pick_up", "kick", "jump", "shake_hands", "punch",
)  # fmt: skip
"""Classes of the data set: as many of ``ACTIONS`` as a demo of five minutes can render, extract and learn."""

OBJECT_CLASSES = (
    *OBJECT_ACTIONS, "wave_left_hand", "wave_right_hand", "push", "pull", "clap", "pick_up", "kick",
)  # fmt: skip
"""Classes that differ by what is held or touched, beside as many that differ by motion alone."""


@dataclass(frozen=True)
class DemoSpec:
    """What is rendered; equal specs give equal files.

    Attributes:
        seed: fixes everything.
        classes: action names, a selection of ``ACTIONS``; the label is the position in this tuple.
        subjects: 1-based numbers of the ten demo people.
        cameras: 1-based numbers of the three cameras.
        width_px, height_px: frame size, both even.
        min_frames, max_frames: limits of the clip length.
    """

    seed: int = 0
    classes: tuple[str, ...] = DEMO_CLASSES
    subjects: tuple[int, ...] = tuple(range(1, 11))
    cameras: tuple[int, ...] = (1, 2, 3)
    width_px: int = 256
    height_px: int = 192
    min_frames: int = 40
    max_frames: int = 200

    def __post_init__(self) -> None:
        if (
            not self.classes
            or not set(self.classes) <= set(ACTIONS)
            or len(set(self.classes)) < len(self.classes)
        ):
            raise ValueError(f"expected different classes out of {', '.join(ACTIONS)}, got {self.classes}")
        people = len(demo_subjects())
        if not self.subjects or not set(self.subjects) <= set(range(1, people + 1)):
            raise ValueError(f"expected subjects out of 1..{people}, got {self.subjects}")
        if not self.cameras or not set(self.cameras) <= set(range(1, len(CAMERAS) + 1)):
            raise ValueError(f"expected cameras out of 1..{len(CAMERAS)}, got {self.cameras}")
        if self.width_px % 2 or self.height_px % 2 or min(self.width_px, self.height_px) < 32:
            raise ValueError(f"expected even sizes of at least 32, got {self.width_px}x{self.height_px}")
        if not 2 <= self.min_frames <= self.max_frames:
            raise ValueError(
                f"expected 2 <= min_frames <= max_frames, got {self.min_frames}, {self.max_frames}"
            )

    @classmethod
    def objects(cls, *, seed: int = 0) -> DemoSpec:
        """The set whose classes differ by objects, beside those that differ by motion; in larger frames."""
        return cls(seed=seed, classes=OBJECT_CLASSES, width_px=512, height_px=384)

    @classmethod
    def small(cls, *, seed: int = 0, objects: bool = False) -> DemoSpec:
        """A few short clips for tests: 3 classes (one of two people), a subject per split, 1 camera."""
        classes = ("wave_left_hand", "wave_right_hand", "shake_hands")
        if objects:
            classes = ("drink_from_cup", "take_pill", "clap")
        return cls(seed=seed, classes=classes, subjects=(1, 7, 9), cameras=(2,), min_frames=40, max_frames=44)

    def clips(self) -> tuple[ClipPlan, ...]:
        """The plan of every clip, in manifest order."""
        return tuple(
            self._plan(subject, camera, label)
            for subject in self.subjects
            for label in range(len(self.classes))
            for camera in self.cameras
        )

    def _plan(self, subject: int, camera: int, label: int) -> ClipPlan:
        action = self.classes[label]
        number = ACTIONS.index(action) + 1
        rng = np.random.default_rng([self.seed, subject, number])
        partner = 0
        if persons_of(action) == 2:
            others = [other for other in _members(xsub_split(subject)) if other != subject]
            partner = int(rng.choice(others))
        return ClipPlan(
            clip_id=f"S{subject:02d}C{camera}A{number:02d}",
            action=action,
            label=label,
            subject=subject,
            partner=partner,
            camera=camera,
            frames=_length(rng, self.min_frames, self.max_frames),
            seed=self.seed,
            width_px=self.width_px,
            height_px=self.height_px,
        )


def _length(rng: np.random.Generator, low: int, high: int) -> int:
    """Mostly 45 to 80 frames, a few long clips up to the limit; mean about 66."""
    kind = rng.random()
    if kind < 0.91:
        frames = rng.uniform(46, 80)
    elif kind < 0.97:
        frames = rng.uniform(80, 200)
    else:
        frames = rng.uniform(40, 46)
    return int(np.clip(round(frames), low, high))


def xsub_split(subject: int) -> Split:
    """Split of the cross-subject protocol: people 1-6 train, 7-8 val, 9-10 test."""
    return Split.VAL if subject in _VAL_SUBJECTS else Split.TEST if subject in _TEST_SUBJECTS else Split.TRAIN


def xview_split(subject: int, camera: int) -> Split:
    """Split of the cross-view protocol: camera 3 is test; of cameras 1, 2 people 7-8 val, the rest train."""
    if camera == _TEST_CAMERA:
        return Split.TEST
    return Split.VAL if subject in _VAL_SUBJECTS else Split.TRAIN


def _members(split: Split) -> list[int]:
    return [subject for subject in range(1, len(demo_subjects()) + 1) if xsub_split(subject) == split]


def render_demo(
    spec: DemoSpec, out_dir: Path | str, *, workers: int = 1, progress: Callable[[int], None] | None = None
) -> Path:
    """Render the data set, or what is missing of it.

    Args:
        spec: what to render.
        out_dir: folder; gets ``videos/<clip_id>.mp4`` and ``.npz``, ``clips.csv`` and ``demo.json``, with
            object classes also ``kinds.csv``: which classes those are.
        workers: processes; 0 or 1 renders in this one.
        progress: called with the number of newly finished clips (finished ones of an earlier run come first).

    Returns:
        Path of the manifest.

    Raises:
        HeatpoolError: the folder holds other data or the demo of another spec, or cannot be written.
    """
    out_dir = Path(out_dir)
    _prepare_folder(spec, out_dir)
    plans = spec.clips()
    videos = out_dir / "videos"
    todo = [plan for plan in plans if not all(path.exists() for path in _outputs(videos, plan))]
    if progress is not None and len(todo) < len(plans):
        progress(len(plans) - len(todo))
    try:
        for _ in _render_all(todo, videos, workers):
            if progress is not None:
                progress(1)
    except BrokenProcessPool as error:
        raise HeatpoolError("a rendering process was killed; run again to render what is missing") from error
    _manifest(plans, spec, out_dir).write(out_dir / _MANIFEST, overwrite=True)
    if not OBJECT_ACTIONS.keys().isdisjoint(spec.classes):
        kinds = (f"{name},{'object' if name in OBJECT_ACTIONS else 'motion'}\n" for name in spec.classes)
        write_text(out_dir / KINDS, "class_name,kind\n" + "".join(kinds), overwrite=True)
    return out_dir / _MANIFEST


def _outputs(videos: Path, plan: ClipPlan) -> tuple[Path, Path]:
    return videos / f"{plan.clip_id}.mp4", videos / f"{plan.clip_id}.npz"


def _render_all(plans: list[ClipPlan], videos: Path, workers: int) -> Iterator[str]:
    """Render ``plans`` in any order; yields the id of each finished clip."""
    job = partial(render_clip, folder=videos)
    if workers <= 1:
        yield from map(job, plans)
        return
    # Long clips first, so that no process is left alone with one at the end.
    plans = sorted(plans, key=lambda plan: -plan.frames * persons_of(plan.action))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        pending = {executor.submit(job, plan) for plan in plans}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def _prepare_folder(spec: DemoSpec, out_dir: Path) -> None:
    """Make the folder, or check that it holds this demo."""
    marker = {"format": _FORMAT, "version": _VERSION, "spec": json.loads(json.dumps(asdict(spec)))}
    path = out_dir / MARKER
    if path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise HeatpoolError(
                f"{path}: expected the marker of a demo data set, got unreadable JSON"
            ) from error
        if found != marker:
            raise HeatpoolError(
                f"{out_dir} holds demo data of another spec or version; choose another folder or delete it"
            )
        return
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise HeatpoolError(f"{out_dir} exists and is not a demo data set; choose another folder")
    try:
        (out_dir / "videos").mkdir(parents=True)
    except OSError as error:
        raise HeatpoolError(f"cannot write to {out_dir}: {error.strerror}") from error
    write_json(path, marker)


def _manifest(plans: tuple[ClipPlan, ...], spec: DemoSpec, root: Path) -> Manifest:
    names = [person.name for person in demo_subjects()]
    clips = tuple(
        Clip(
            clip_id=plan.clip_id,
            path=root / "videos" / f"{plan.clip_id}.mp4",
            label=plan.label,
            class_name=plan.action,
            columns={
                "subject": f"{plan.subject:02d}-{names[plan.subject - 1]}",
                "camera": str(plan.camera),
                "setup": "demo",
                "repeat": "1",
            },
            persons=persons_of(plan.action),
            splits={
                "xsub": xsub_split(plan.subject),
                "xview": xview_split(plan.subject, plan.camera),
            },
        )
        for plan in plans
    )
    return Manifest(clips, spec.classes, root, {"xsub": "subject", "xview": "camera"})
