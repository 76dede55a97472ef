"""COCO's JSON: annotations and results, of pictures in folders or of videos (CocoVID, PoseTrack 2018).

Layout: https://cocodataset.org/#format-data, https://cocodataset.org/#format-results. Coordinates are pixels,
boxes x, y, width, height, edges count joints from 1.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.coco_images import find_videos, hashable_id
from heatpool.pool.exchange.keypoints.json_files import (
    Joints,
    Person,
    PersonLists,
    VideoPersons,
    corners,
    count_joints,
    expect_dict,
    expect_list,
    flat_joints,
    load_json,
    numbers_of,
)
from heatpool.pool.exchange.keypoints.pose_folder import find_files, open_together
from heatpool.pool.exchange.keypoints.pose_rows import make_skeleton
from heatpool.pool.exchange.keypoints.records import PoseFile
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton

__all__ = ["read_coco"]

_HIDDEN_SCORE = 0.5  # of a joint that the annotator saw hidden: where it is was guessed
_SPARSE = 4  # picture ids that span so many times their number are no frames of one video


def read_coco(path: Path, *, images: Path | None = None) -> PoseFile:
    """Open COCO's annotations or results, or a folder of such files.

    A video is as `find_videos` says. Visibility 2 is the score 1, 1
    (hidden) is 0.5, and 0 is a joint that is not given; the third number of results is the score.

    Args:
        path: file or folder.
        images: annotations with the pictures that results are of; those that lie alone beside results in a
            folder serve for this. Without, ids of pictures are frame numbers.

    Raises:
        HeatpoolError: if it is no such file.
    """
    if path.is_dir():
        return _folder(path, images)
    content = load_json(path)
    try:
        if isinstance(content, list):
            body = expect_dict(load_json(images), "annotations") if images else {}
            return _results(path, content, body)
        body = expect_dict(content, "annotations")
        return _annotations(path, body)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise HeatpoolError(f"{path}: {error}") from error


def _folder(path: Path, images: Path | None) -> PoseFile:
    """A folder of annotations, or of results and perhaps the annotations that they are of."""
    paths = sorted(find_files(path, ("*.json",)))
    results = [each for each in paths if _begins_list(each)]
    if images is None and results and len(paths) == len(results) + 1:
        (images,) = set(paths) - set(results)
        paths = results
    return open_together(path, paths, lambda each: read_coco(each, images=images))


def _begins_list(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["


def _annotations(path: Path, body: Mapping[str, Any]) -> PoseFile:
    entries = _entries(body.get("annotations"), "annotations")
    if not entries:
        raise ValueError(f"expected annotations with keypoints, got {shorten(', '.join(map(str, body)))}")
    videos, frame_of = _videos(body, path)
    return _file(path, entries, body, videos, frame_of, joints_of=_visible_joints)


def _results(path: Path, content: Sequence[Any], body: Mapping[str, Any]) -> PoseFile:
    entries = _entries(content, "results")
    if not entries:
        raise ValueError("expected results with keypoints, got none")
    given: tuple[str, ...] = ()
    ids = [entry.get("image_id") for entry in entries]
    if body:
        videos, frame_of = _videos(body, path)
    elif all(isinstance(each, str) for each in ids):
        images = [{"id": each, "file_name": each} for each in dict.fromkeys(ids)]
        videos, frame_of = _videos({"images": images}, path)
        for video in videos.values():
            video.frames = 0  # those without anybody are not listed
    else:
        whole = [each for each in ids if isinstance(each, int) and each >= 0]
        span = max(whole, default=0) - min(whole, default=0) + 1
        if len(whole) < len(ids) or span > _SPARSE * len(set(whole)) + 100:
            raise ValueError(
                f"expected results whose image_id is the number of a frame, got {shorten(ids[:3])}; give a "
                "folder with these results and the annotations that list the pictures"
            )
        videos = {path.stem: VideoPersons()}
        frame_of = {each: (path.stem, each) for each in whole}
        given = ("image_id counts as the number of the frame",)
    return _file(path, entries, body, videos, frame_of, joints_of=_scored_joints, given=given)


def _videos(
    body: Mapping[str, Any], path: Path
) -> tuple[dict[str, VideoPersons], dict[Any, tuple[str, int]]]:
    """Videos by name, without persons yet, and the video and frame of each picture by its id."""
    found = find_videos(body, default=path.stem)
    videos = {name: VideoPersons([], *each.size_px, each.fps, each.frames) for name, each in found.items()}
    return videos, {
        picture: (name, frame) for name, each in found.items() for picture, frame in each.frame_of.items()
    }


def _entries(value: Any, what: str) -> list[dict[str, Any]]:
    entries = [expect_dict(entry, f"each of the {what}") for entry in expect_list(value, what)]
    return [entry for entry in entries if isinstance(entry.get("keypoints"), list) and entry["keypoints"]]


def _file(
    path: Path,
    entries: Sequence[dict[str, Any]],
    body: Mapping[str, Any],
    videos: dict[str, VideoPersons],
    frame_of: Mapping[Any, tuple[str, int]],
    *,
    joints_of: Callable[[Sequence[Person], int], Joints],
    given: tuple[str, ...] = (),
) -> PoseFile:
    """Put entries into their videos, those of the joints that most have."""
    remarks: Counter[str] = Counter()
    skeletons = _skeletons(body, entries)
    count = Counter(skeletons.get(entry.get("category_id")) for entry in entries)
    skeleton = max((each for each in count if each), key=lambda each: count[each], default=None)
    skeleton = skeleton or Skeleton.unnamed(count_joints(entries[0]["keypoints"]))
    for number, entry in enumerate(entries):
        place = f"annotation {entry.get('id', number)}"
        if entry.get("iscrowd"):
            remarks["crowds are left out"] += 1
        elif skeletons.get(entry.get("category_id"), skeleton) != skeleton:
            remarks["annotations of other categories, with other joints, are left out"] += 1
        elif hashable_id(entry.get("image_id"), place) not in frame_of:
            raise ValueError(f"{place}: image_id {shorten(entry.get('image_id'))} is none of its images")
        else:
            video, frame = frame_of[entry["image_id"]]
            videos[video].persons.append(_person(entry, frame, place))
    return PersonLists("COCO JSON", str(path), skeleton, videos, joints_of, given, remarks=remarks)


def _person(entry: Mapping[str, Any], frame: int, place: str) -> Person:
    box = corners(entry.get("bbox"))
    more = entry.get("attributes")
    of_cvat = more.get("track_id") if isinstance(more, dict) else None
    track = entry.get("track_id", entry.get("instance_id", of_cvat))
    scores = entry.get("scores") or None
    return Person(frame, place, entry["keypoints"], track, entry.get("score"), box, scores)


def _skeletons(body: Mapping[str, Any], entries: Sequence[dict[str, Any]]) -> dict[Any, Skeleton]:
    """Joints of the categories that have any, by category."""
    skeletons = {}
    for category in expect_list(body.get("categories", []), "categories"):
        names = expect_dict(category, "categories").get("keypoints")
        if isinstance(names, list) and names:
            pairs = expect_list(category.get("skeleton") or [], "edges")
            first = 0 if any(0 in pair for pair in pairs if isinstance(pair, list)) else 1
            edges = [[joint - first for joint in expect_list(pair, "joints")] for pair in pairs]
            name = str(category.get("name") or "coco")
            skeletons[category.get("id")] = make_skeleton(name, [str(each) for each in names], edges)
    if not skeletons:
        joints = count_joints(entries[0]["keypoints"])
        plain = COCO17_SKELETON if joints == COCO17_SKELETON.joints else Skeleton.unnamed(joints)
        return {entry.get("category_id"): plain for entry in entries}
    return skeletons


def _visible_joints(persons: Sequence[Person], joints: int) -> Joints:
    values, visible = flat_joints(persons, joints)
    assert visible is not None
    if not np.isin(visible, (0, 1, 2)).all():
        return values, visible  # some tools write scores there
    if persons and all(person.joint_score is not None for person in persons):  # as in PoseTrack
        return values, np.where(visible > 0, numbers_of(persons, "joint_score", joints), 0)
    return values, np.choose(visible.astype(int), (0, _HIDDEN_SCORE, 1))


def _scored_joints(persons: Sequence[Person], joints: int) -> Joints:
    values, scores = flat_joints(persons, joints)
    assert scores is not None
    return values, scores.clip(0, 1) if np.isin(scores, (0, 1, 2)).all() else scores
