"""JSON of strangers, of bounded size, and the persons that it lists.

Axis letters: R persons of frames, V joints, D axes of space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.pose_rows import note_lines, pose_video, track_numbers
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.skeleton import Skeleton

__all__ = [
    "MAX_JSON_BYTES",
    "Person",
    "PersonLists",
    "VideoPersons",
    "corners",
    "count_joints",
    "expect_dict",
    "expect_list",
    "flat_joints",
    "load_json",
    "numbers_of",
    "split_joints",
]  # fmt: skip

MAX_JSON_BYTES = 512 << 20
"""Of a file; in memory it takes some six times as much. The keypoints of all of COCO are half of it."""


def load_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        HeatpoolError: if it cannot be read, is none, or is larger than `MAX_JSON_BYTES`.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            size = f"{path.stat().st_size / 2**20:,.0f} MiB"
            most = f"{MAX_JSON_BYTES >> 20} MiB"
            raise HeatpoolError(f"{path}: expected JSON of at most {most}, got {size}; write one a video")
        return parse_json(path.read_bytes())
    except OSError as error:
        raise HeatpoolError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise HeatpoolError(f"{path}: expected JSON, got {shorten(str(error))}") from error


def expect_list(value: Any, what: str) -> list[Any]:
    """Return a value that must be a list of JSON; ValueError if it is none."""
    if not isinstance(value, list):
        raise ValueError(f"expected a list of {what}, got {shorten(value)}")
    return value


def expect_dict(value: Any, what: str) -> dict[str, Any]:
    """Return a value that must be an object of JSON; ValueError if it is none."""
    if not isinstance(value, dict):
        raise ValueError(f"expected {what} as an object, got {shorten(value)}")
    return value


def corners(box: Any) -> list[float] | None:
    """The corners of a box x, y, width, height; None for what is none."""
    try:
        x, y, width, height = map(float, box)
    except (TypeError, ValueError, OverflowError):
        return None
    return [x, y, x + width, y + height]


class Person(NamedTuple):
    """A person of a frame as the file has it; nothing of it is checked yet.

    Attributes:
        frame: number in the video, from 0.
        place: in the file, for messages.
        keypoints: numbers of V joints, flat or one list a joint.
        track: who it is, None where not said.
        score: of the person, None where not said.
        box_xyxy_px: of the person, None where not said.
        joint_score: V numbers where they do not stand between the coordinates.
    """

    frame: int
    place: str
    keypoints: Any
    track: Any = None
    score: Any = None
    box_xyxy_px: Any = None
    joint_score: Any = None


@dataclass(eq=False)
class VideoPersons:
    """Persons of a video, and what is known of it; see `PoseVideo`."""

    persons: list[Person] = field(default_factory=list)
    width_px: int = 0
    height_px: int = 0
    fps: float = 0.0
    frames: int = 0


Joints = tuple[np.ndarray, np.ndarray | None]
"""(R, V, D) joints and (R, V) scores, None without."""


@dataclass(eq=False)
class PersonLists:
    """A `PoseFile` of lists of persons.

    Attributes:
        kind: what it is.
        source: name of the file.
        skeleton: its joints.
        videos: persons by name of the video.
        joints_of: makes arrays of persons' keypoints; ValueError where they are none.
        given: lines on what was taken for granted.
        most_score: what a person's score is divided by.
        remarks: what was left out, complete when every video has been read.
    """

    kind: str
    source: str
    skeleton: Skeleton
    videos: Mapping[str, VideoPersons]
    joints_of: Callable[[Sequence[Person], int], Joints]
    given: tuple[str, ...] = ()
    most_score: float = 1.0
    remarks: Counter[str] = field(default_factory=Counter)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its videos."""
        return tuple(self.videos)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines on what was left out or taken for granted."""
        return note_lines(self.remarks, *self.given)

    def read(self, number: int) -> PoseVideo:
        """The keypoints of a video. Raises HeatpoolError if they are damaged."""
        name = self.names[number]
        video = self.videos[name]
        try:
            joints, scores = self.joints_of(video.persons, self.skeleton.joints)
            score = _scalars(video.persons, "score")
            return pose_video(
                name,
                frame=[person.frame for person in video.persons],
                track=track_numbers([person.track for person in video.persons]),
                joints=joints,
                joint_score=scores,
                score=None if score is None else score / self.most_score,
                box_xyxy_px=_boxes(video.persons),
                remarks=self.remarks,
                width_px=video.width_px,
                height_px=video.height_px,
                fps=video.fps,
                frames=video.frames,
            )
        except (ValueError, OverflowError) as error:
            raise HeatpoolError(f"{self.source}: video {shorten(name)}: {error}") from error


def count_joints(points: Any) -> int:
    """V of a list x, y, score, x, y, score and so on. Raises ValueError if it is none."""
    if not isinstance(points, list) or not points or len(points) % 3:
        raise ValueError(f"expected x, y and score of each joint, got {shorten(points)}")
    return len(points) // 3


def flat_joints(persons: Sequence[Person], joints: int) -> Joints:
    """Joints and scores of lists x, y, score, x, y, score and so on."""
    values = numbers_of(persons, "keypoints", 3 * joints).reshape(len(persons), joints, 3)
    return values[..., :2], values[..., 2]


def split_joints(persons: Sequence[Person], joints: int) -> Joints:
    """Joints of a list x, y or x, y, z a joint, and scores that stand apart."""
    first = persons[0].keypoints if persons else None
    axes = len(first[0]) if isinstance(first, list) and first and isinstance(first[0], list) else 2
    values = numbers_of(persons, "keypoints", axes * joints).reshape(len(persons), joints, axes)
    if axes not in (2, 3):
        raise ValueError(f"expected keypoints x, y or x, y, z, got {axes} numbers each")
    scored = bool(persons) and persons[0].joint_score is not None
    return values, numbers_of(persons, "joint_score", joints) if scored else None


def _boxes(persons: Sequence[Person]) -> np.ndarray | None:
    if not persons or any(person.box_xyxy_px is None for person in persons):
        return None
    return numbers_of(persons, "box_xyxy_px", 4)


def _scalars(persons: Sequence[Person], name: str) -> np.ndarray | None:
    if all(getattr(person, name) is None for person in persons):
        return None
    return numbers_of(persons, name, 1)[:, 0]


def numbers_of(persons: Sequence[Person], name: str, count: int) -> np.ndarray:
    """(R, count) float64 of what persons have under a name. Raises ValueError for the first that lacks it."""
    values = [getattr(person, name) for person in persons]
    try:
        return np.array(values, np.float64).reshape(len(values), count)
    except (ValueError, TypeError, OverflowError):
        for person, value in zip(persons, values, strict=True):
            if not _are_numbers(value, count):
                what = name.replace("_xyxy_px", "")
                raise ValueError(
                    f"{person.place}: expected {count} numbers as {what}, got {shorten(value)}"
                ) from None
    return np.array([np.array(value, np.float64).reshape(count) for value in values])


def _are_numbers(value: Any, count: int) -> bool:
    try:
        return np.array(value, np.float64).size == count
    except (ValueError, TypeError, OverflowError):
        return False
