"""OpenPose's `--write_json`: a folder with one JSON a frame; AlphaPose's folder `sep-json` is alike.

Layout: https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md. Files are
called VIDEO_000000000012_keypoints.json, or by the picture; a joint at score 0 was not found.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.body_joints import BODY25_SKELETON, MPI15_SKELETON, OPENPOSE18_SKELETON
from heatpool.pool.exchange.keypoints.json_files import (
    Person,
    PersonLists,
    VideoPersons,
    count_joints,
    expect_dict,
    expect_list,
    flat_joints,
    load_json,
)
from heatpool.pool.exchange.keypoints.picture_names import number_pictures
from heatpool.pool.exchange.keypoints.pose_folder import find_files
from heatpool.pool.exchange.keypoints.pose_rows import PoseReader
from heatpool.pool.exchange.keypoints.records import PoseFile, PoseVideo
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton

__all__ = ["read_openpose"]

_SKELETONS = {
    each.joints: each for each in (BODY25_SKELETON, OPENPOSE18_SKELETON, COCO17_SKELETON, MPI15_SKELETON)
}
_POINTS = ("pose_keypoints_2d", "pose_keypoints", "joints")  # today's name, the first one, AlphaPose's
_OTHERS = ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d", "pose_keypoints_3d")


def read_openpose(path: Path) -> PoseFile:
    """Open a folder that OpenPose wrote, or folders of such folders, one a video; or the JSON of one picture.

    Fractions of the picture (`--keypoint_scale 3`) are told from pixels by their size.

    Raises:
        HeatpoolError: if there are no such files, or nobody in any of them.
    """
    frames: dict[tuple[Path, str], dict[str, Path]] = defaultdict(dict)
    for each in sorted(find_files(path, ("*.json",))) if path.is_dir() else [path]:
        stem = each.stem.removesuffix("_keypoints")
        prefix = re.sub(r"[\W_]*\d*$", "", stem)
        frames[each.parent, prefix][stem] = each
    if not frames:
        raise HeatpoolError(f"{path}: expected JSON files of OpenPose, got none")
    prefixes = Counter(folder for folder, _ in frames)
    names = {}
    for folder, prefix in frames:
        below = "" if folder in (path, path.parent) else folder.relative_to(path).as_posix()
        alone = prefix or folder.resolve().name
        names[folder, prefix] = (f"{below}/{prefix}" if prefixes[folder] > 1 else below) if below else alone
    videos = {names[key]: _numbered(pictures) for key, pictures in frames.items()}
    return _OpenPose(path, videos)


def _numbered(pictures: dict[str, Path]) -> list[tuple[int, Path]]:
    """Frame and file of each picture of a video, by their order; AlphaPose writes none where nobody is."""
    is_whole = any(path.stem.endswith("_keypoints") for path in pictures.values())
    numbers = number_pictures(pictures, from_zero=not is_whole)
    return sorted((numbers[stem], path) for stem, path in pictures.items())


class _OpenPose(PoseReader):
    """A `PoseFile`; the files of a video are read when it is asked for."""

    kind = "OpenPose JSON"

    def __init__(self, path: Path, videos: dict[str, list[tuple[int, Path]]]) -> None:
        super().__init__(path)
        self._videos, self.names = videos, tuple(videos)
        files = (file for frames in videos.values() for _, file in frames)
        first = next((points for file in files for points in self._points(file)), None)
        if first is None:
            raise HeatpoolError(f"{path}: expected persons with pose_keypoints_2d, got nobody in any file")
        self._remarks.clear()
        try:
            joints = count_joints(first.keypoints)
        except ValueError as error:
            raise HeatpoolError(f"{path}: {first.place}: {error}") from error
        self.skeleton = _SKELETONS.get(joints) or Skeleton.unnamed(joints)

    def read(self, number: int) -> PoseVideo:
        """The keypoints of a video. Raises HeatpoolError if they are damaged."""
        name = self.names[number]
        frames = self._videos[name]
        persons = [person for frame, file in frames for person in self._points(file, frame)]
        video = VideoPersons(persons, frames=frames[-1][0] + 1)
        lists = PersonLists(
            self.kind, str(self._path), self.skeleton, {name: video}, flat_joints, remarks=self._remarks
        )
        return lists.read(0)

    def _points(self, file: Path, frame: int = 0) -> Sequence[Person]:
        content = load_json(file)
        try:
            content = expect_dict(content, "a frame")
            people = expect_list(content.get("people", content.get("bodies")), "people")
            return [person for each in people if (person := self._person(each, file, frame))]
        except ValueError as error:
            raise HeatpoolError(f"{file}: {error}") from error

    def _person(self, entry: Any, file: Path, frame: int) -> Person | None:
        entry = expect_dict(entry, "a person")
        points = next((entry[name] for name in _POINTS if name in entry), None)
        if not isinstance(points, list):
            raise ValueError(f"expected persons with pose_keypoints_2d, got {shorten(', '.join(entry))}")
        self._remarks["persons have a face, hands or joints in space too, which are left out"] += any(
            entry.get(other) for other in _OTHERS
        )
        track = entry.get("person_id")
        track = track[0] if isinstance(track, list) and track else track
        return Person(frame, file.name, points, track if isinstance(track, int) else None) if points else None
