"""AlphaPose's results: one JSON of all frames, in its own layout or as `--format cmu` and `open` write it.

Layout: https://github.com/MVIG-SJTU/AlphaPose/blob/master/docs/output.md. A frame is named by its picture
(`12.jpg` of a video); boxes are x, y, width, height.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.body_joints import BODY_SKELETONS, OPENPOSE18_SKELETON
from heatpool.pool.exchange.keypoints.json_files import (
    Person,
    PersonLists,
    VideoPersons,
    corners,
    count_joints,
    expect_dict,
    expect_list,
    flat_joints,
    load_json,
)
from heatpool.pool.exchange.keypoints.openpose import read_openpose
from heatpool.pool.exchange.keypoints.picture_names import number_pictures, split_picture
from heatpool.pool.exchange.keypoints.pose_folder import open_folder
from heatpool.pool.exchange.keypoints.records import PoseFile
from heatpool.pool.skeleton import Skeleton

__all__ = ["read_alphapose"]

_RESULTS = "alphapose-results"
_MOST_SCORE = 3.25  # the sum of the box's, the joints' mean and 1.25 times the joints' best score


def read_alphapose(path: Path) -> PoseFile:
    """Open results of AlphaPose, or a folder of them: one file, or one folder, a video.

    A video is called by its file, or by its folder where the file is called `alphapose-results.json`. The
    score of a person, which AlphaPose adds up to at most 3.25, is divided by that.

    Raises:
        HeatpoolError: if it is no such file.
    """
    if path.is_dir():
        whole = any(path.rglob(f"{_RESULTS}.json"))
        if not whole and any(path.glob("[0-9]*.json")):
            return read_openpose(path)  # its folder sep-json
        return open_folder(path, (f"{_RESULTS}.json" if whole else "*.json",), read_alphapose)
    content = load_json(path)
    try:
        persons = list(_pictures(content) if isinstance(content, dict) else _list(content))
        if not persons:
            raise ValueError("expected persons, got none")
        skeleton = OPENPOSE18_SKELETON if isinstance(content, dict) else _skeleton(persons[0][1])
        # Frames of a video are called 0.jpg, 1.jpg; only those with persons are listed.
        is_video = all(stem.isdecimal() and stem == str(int(stem)) for stem, _ in persons)
        number_of = number_pictures((stem for stem, _ in persons), from_zero=is_video)
        placed = [person._replace(frame=number_of[stem]) for stem, person in persons]
        name = path.parent.resolve().name if path.stem == _RESULTS else path.stem
        videos = {name: VideoPersons(placed)}
    except (ValueError, TypeError, AttributeError) as error:
        raise HeatpoolError(f"{path}: {error}") from error
    given = (f"scores of persons are divided by {_MOST_SCORE}, the most that AlphaPose adds up",)
    return PersonLists("AlphaPose", str(path), skeleton, videos, flat_joints, given, most_score=_MOST_SCORE)


def _list(content: Any) -> Iterator[tuple[str, Person]]:
    """Persons with the stem of their picture, of AlphaPose's own layout."""
    for number, entry in enumerate(expect_list(content, "persons")):
        place = f"person {number}"
        entry = expect_dict(entry, place)
        picture, points = entry.get("image_id"), entry.get("keypoints")
        if picture is None or not isinstance(points, list):
            raise ValueError(f"{place}: expected image_id and keypoints, got {shorten(', '.join(entry))}")
        box = corners(entry.get("box", entry.get("bbox")))
        yield (
            split_picture(str(picture))[1],
            Person(0, place, points, _track(entry.get("idx")), entry.get("score"), box),
        )


def _track(value: Any) -> int | None:
    """Number of a track; without tracking there is a list of zeros."""
    while isinstance(value, list):
        value = value[0] if value else None
    return int(value) if isinstance(value, int | float) and 0 <= value < 1 << 62 else None


def _pictures(content: Mapping[str, Any]) -> Iterator[tuple[str, Person]]:
    """Persons with the stem of their picture, of the layouts cmu and open."""
    for picture, frame in content.items():
        frame = expect_dict(frame, f"picture {picture}")
        for person in expect_list(frame.get("bodies", frame.get("people")), "bodies or people"):
            person = expect_dict(person, f"a person of {picture}")
            points = person.get("joints", person.get("pose_keypoints_2d"))
            yield split_picture(picture)[1], Person(0, f"picture {picture}", points)


def _skeleton(person: Person) -> Skeleton:
    joints = count_joints(person.keypoints)
    return BODY_SKELETONS.get(joints) or Skeleton.unnamed(joints)
