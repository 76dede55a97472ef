"""MMPose's predictions as JSON: of its inferencer (`pred_out_dir`) and of its demos (`--save-predictions`).

Layout: https://mmpose.readthedocs.io/en/latest/user_guides/inference.html. A video is a list of frames with
`frame_id` and `instances`, a picture the list of its instances alone; demos put `meta_info` (names of joints
and their links) beside. The inferencer counts frames from 0, the demos from 1. A box is a list of one list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.json_files import (
    Person,
    PersonLists,
    VideoPersons,
    expect_dict,
    expect_list,
    load_json,
    split_joints,
)
from heatpool.pool.exchange.keypoints.picture_names import number_pictures
from heatpool.pool.exchange.keypoints.pose_folder import open_folder
from heatpool.pool.exchange.keypoints.pose_rows import make_skeleton
from heatpool.pool.exchange.keypoints.records import PoseFile
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton

__all__ = ["read_mmpose"]

_DEMO_PREFIX = "results_"


def read_mmpose(path: Path) -> PoseFile:
    """Open predictions of MMPose, or a folder: one JSON a video, or all of the pictures of one.

    Joints are COCO's 17 where there are so many and no names.

    Raises:
        HeatpoolError: if it is no such file.
    """
    if path.is_dir():
        paths = sorted(path.glob("*.json"))
        if not paths or not _is_picture(load_json(paths[0]), paths[0]):
            return open_folder(path, ("*.json",), read_mmpose)
        numbers = number_pictures(each.stem for each in paths)
        return _file(path, path.resolve().name, _pictures(paths, numbers))
    content = load_json(path)
    try:
        meta = content.get("meta_info") if isinstance(content, dict) else None
        is_picture, rows = _is_picture(content, path), _rows(content)
        persons = list(_persons(rows, 0, "picture") if is_picture else _frames(rows))
        return _file(path, path.stem.removeprefix(_DEMO_PREFIX), persons, meta)
    except (ValueError, TypeError, AttributeError) as error:
        raise HeatpoolError(f"{path}: {error}") from error


def _is_picture(content: Any, path: Path) -> bool:
    """Whether this is a list of persons, not of frames."""
    rows = _rows(content)
    if not isinstance(rows, list):
        raise HeatpoolError(f"{path}: expected MMPose's predictions, got {shorten(content)}")
    return not (rows and isinstance(rows[0], dict) and "instances" in rows[0])


def _rows(content: Any) -> Any:
    return content.get("instance_info") if isinstance(content, dict) else content


def _frames(rows: Sequence[Any]) -> Iterator[Person]:
    """Persons of a video's frames."""
    frames = [expect_dict(row, "a frame").get("frame_id") for row in rows]
    numbers = [number for number in frames if isinstance(number, int)]
    if len(numbers) < len(frames):
        raise ValueError(f"expected frames with a frame_id, got {shorten(frames)}")
    first = min(1, max(0, min(numbers)))
    for row, number in zip(rows, numbers, strict=True):
        yield from _persons(expect_list(row.get("instances"), "instances"), number - first, f"frame {number}")


def _pictures(paths: Sequence[Path], numbers: Mapping[str, int]) -> list[Person]:
    """Persons of pictures with a file each, which make one video."""
    persons: list[Person] = []
    for each in paths:
        content = load_json(each)
        try:
            persons += _persons(expect_list(_rows(content), "instances"), numbers[each.stem], each.name)
        except ValueError as error:
            raise HeatpoolError(f"{each}: {error}") from error
    return persons


def _persons(rows: Sequence[Any], frame: int, place: str) -> Iterator[Person]:
    for row in rows:
        row = expect_dict(row, f"a person of {place}")
        points, scores = (
            _without_batch(row.get("keypoints"), 2),
            _without_batch(row.get("keypoint_scores"), 1),
        )
        box = _without_batch(row.get("bbox"), 1)
        yield Person(frame, place, points, row.get("track_id"), row.get("bbox_score"), box, scores)


def _without_batch(value: Any, axes: int) -> Any:
    """A list of so many axes, without the axis of one that MMPose leaves around some."""
    inner = value
    for _ in range(axes):
        inner = inner[0] if isinstance(inner, list) and inner else None
    return value[0] if isinstance(inner, list) and len(value) == 1 else value


def _file(path: Path, name: str, persons: list[Person], meta: Any = None) -> PoseFile:
    if not persons:
        raise HeatpoolError(f"{path}: expected persons, got nobody in any frame")
    points = persons[0].keypoints
    joints = len(points) if isinstance(points, list) else 0
    if not joints:
        raise HeatpoolError(f"{path}: {persons[0].place}: expected keypoints, got {shorten(points)}")
    try:
        skeleton = _skeleton(expect_dict(meta, "meta_info"), joints) if meta else None
    except (ValueError, TypeError) as error:
        raise HeatpoolError(f"{path}: {error}") from error
    if skeleton is None:
        skeleton = COCO17_SKELETON if joints == COCO17_SKELETON.joints else Skeleton.unnamed(joints)
    return PersonLists("MMPose JSON", str(path), skeleton, {name: VideoPersons(persons)}, split_joints)


def _skeleton(meta: Mapping[str, Any], joints: int) -> Skeleton | None:
    """Joints as `meta_info` names them, None if it does not."""
    names = _plain(meta.get("keypoint_id2name"))
    if not isinstance(names, dict) or len(names) != joints:
        return None
    links = _plain(meta.get("skeleton_links")) or []
    ordered = [str(names[str(number)]) for number in range(joints) if str(number) in names]
    return make_skeleton(str(meta.get("dataset_name") or "mmpose"), ordered, expect_list(links, "links"))


def _plain(value: Any) -> Any:
    """An array as the demos write them (json_tricks), as the list in it."""
    return value["__ndarray__"] if isinstance(value, dict) and "__ndarray__" in value else value
