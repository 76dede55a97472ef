"""Which pictures of COCO's JSON are frames of which video, for its keypoints and its boxes alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heatpool.pool.errors import shorten
from heatpool.pool.exchange.keypoints.json_files import expect_dict, expect_list
from heatpool.pool.exchange.keypoints.picture_names import begin_of, number_pictures, split_picture
from heatpool.pool.exchange.keypoints.pose_rows import unique_names

__all__ = ["CocoVideo", "find_videos", "hashable_id"]

_FRAME_KEYS = ("frame_id", "frame_index", "frame_number")

Wanted = Callable[[str], bool]
"""Says whether a name is of a video that is asked for."""


@dataclass(frozen=True)
class CocoVideo:
    """A video of a file.

    Attributes:
        frame_of: number of each of its pictures, by their ids.
        size_px: width and height of the pictures; zeros where they are not said, or differ.
        fps: frames a second, 0.0 where not known.
    """

    frame_of: dict[Any, int]
    size_px: tuple[int, int]
    fps: float

    @property
    def frames(self) -> int:
        """Number of frames; 0 where pictures are missing, so that it may have more of them at the end."""
        count = len(set(self.frame_of.values()))
        return count if count == max(self.frame_of.values()) + 1 else 0


def find_videos(
    body: Mapping[str, Any],
    *,
    default: str,
    wanted: Wanted = lambda name: False,
    first_frame: int | None = None,
) -> dict[str, CocoVideo]:
    """Find the videos of a file's pictures, by their names.

    A picture is of the video that `video_id` (CocoVID) or `vid_id` (PoseTrack) says; else of its folder, or
    where a folder has pictures of several, `walk_0012.jpg` and `clap_0007.jpg`, of what stands before the
    number. Its frame is `frame_id`, unless that counts all videos', else the number in its name, from 1 where
    the first is 1.

    Args:
        body: of the file.
        default: name of pictures that say no video.
        wanted: names that it accepts go before the others.
        first_frame: number of a video's first frame; None = as above, and 0 of a `frame_id`.

    Raises:
        ValueError: if there are no pictures, or one has no proper entries.
    """
    pictures = [expect_dict(each, "images") for each in expect_list(body.get("images"), "images")]
    records = [expect_dict(each, "videos") for each in expect_list(body.get("videos", []), "videos")]
    listed = {hashable_id(each.get("id"), "a video"): each for each in records}
    of_several = _videos_in_one_folder(pictures)
    groups: dict[tuple[str, Any], list[dict[str, Any]]] = defaultdict(list)
    for picture in pictures:
        video = _video_of(picture)
        folder, begin = _folder_and_begin(picture)
        if video is not None:
            record = listed.get(hashable_id(video, "an image"), {})
            name = str(record.get("name") or record.get("file_name") or folder or video)
        elif "file_name" not in picture:
            raise ValueError(f"expected images with file_name, got {shorten(picture)}")
        else:
            both = f"{folder}/{begin}".strip("/")
            tries = (both, folder, begin) if begin else (folder,)
            usual = of_several.get((folder, begin)) or folder or begin or default
            name = next((each for each in tries if each and wanted(each)), usual)
        groups[name, video].append(picture)
    names = unique_names(name for name, _ in groups)
    return {
        name: _video(group, listed, first_frame) for name, group in zip(names, groups.values(), strict=True)
    }


def _videos_in_one_folder(pictures: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Names of the videos of which several have pictures in one folder, by folder and beginning.

    There is more than one picture of most beginnings. The folder counts where two of them have the same.
    """
    counts = Counter(map(_folder_and_begin, pictures))
    begins, held = Counter(folder for folder, _ in counts), Counter[str]()
    for (folder, _), count in counts.items():
        held[folder] += count
    found = [key for key in counts if key[1] and 1 < begins[key[0]] <= held[key[0]] / 2]
    alike = Counter(begin for _, begin in found)
    return {key: key[1] if alike[key[1]] == 1 else "/".join(key).strip("/") for key in found}


def _folder_and_begin(picture: Mapping[str, Any]) -> tuple[str, str]:
    folder, stem = split_picture(str(picture.get("file_name", "")))
    return folder, begin_of(stem)


def _video_of(picture: Mapping[str, Any]) -> Any:
    return picture.get("video_id", picture.get("vid_id"))


def _video(
    group: Sequence[dict[str, Any]], listed: Mapping[Any, Mapping[str, Any]], first_frame: int | None
) -> CocoVideo:
    record = listed.get(_video_of(group[0]), {})
    sizes = {(each.get("width"), each.get("height")) for each in [*group, record] if each.get("width")}
    width, height = sizes.pop() if len(sizes) == 1 else (0, 0)
    fps = record.get("fps") or 0
    ids = [hashable_id(each.get("id"), "an image") for each in group]
    frames = (number - (first_frame or 0) for number in _frame_numbers(group, first_frame))
    return CocoVideo(
        dict(zip(ids, frames, strict=True)),
        (int(width or 0), int(height or 0)),
        float(fps) if 0 < fps < 1e4 else 0.0,
    )


def _frame_numbers(pictures: Sequence[dict[str, Any]], first_frame: int | None) -> list[int]:
    ids = [next((each[key] for key in _FRAME_KEYS if key in each), None) for each in pictures]
    whole = [each for each in ids if isinstance(each, int)]
    if "video_id" in pictures[0] and len(whole) == len(pictures):
        return whole
    stems = [split_picture(str(each.get("file_name", each.get("id"))))[1] for each in pictures]
    number_of = number_pictures(stems, from_zero=first_frame is not None)
    return [number_of[stem] for stem in stems]


def hashable_id(value: Any, place: str) -> Any:
    """Return an id; ValueError if it is none."""
    if isinstance(value, list | dict):
        raise ValueError(f"{place}: expected a number or text as id, got {shorten(value)}")
    return value
