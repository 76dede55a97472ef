"""Boxes of COCO's JSON: annotations of images that are frames, by number or by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.extract.datasets.box_columns import BoxLayout
from heatpool.extract.datasets.box_rows import BoxRows, BoxTable, as_corners, fill_table
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.coco_images import find_videos
from heatpool.pool.exchange.keypoints.json_files import expect_dict, expect_list, load_json

__all__ = ["read_coco_boxes"]

_TRACK_KEYS = ("track_id", "instance_id", "person_id")

Place = tuple[int, int]
"""Number of the video's name and of the frame."""


def read_coco_boxes(
    path: Path,
    *,
    wanted: Callable[[str], bool],
    layout: BoxLayout | None = None,
    kind: str | None = None,
    first_frame: int | None = None,
) -> BoxTable:
    """Read the boxes of a COCO file: persons by the name of their category.

    An image is a frame of a video as `find_videos` says. Results without images must name these by files.

    Args:
        path: JSON.
        wanted: whether images of a video of this name are.
        layout: what the numbers of a box are; None = left, top, width, height.
        kind: name of the category that counts; None = persons.
        first_frame: number of a video's first frame; None = as above, and 0 of a `frame_id`.

    Raises:
        HeatpoolError: if it is none, or images are numbers that stand nowhere.
    """
    content = load_json(path)
    try:
        if isinstance(content, list):
            names = dict.fromkeys(str(expect_dict(each, "a result")["image_id"]) for each in content)
            pictures: list[Any] = [{"id": name, "file_name": name} for name in names]
            if all(name.isdecimal() for name in names):
                raise HeatpoolError(
                    f"{path}: results name images by numbers that stand nowhere; give a file with images and "
                    "annotations, whose annotations are these results"
                )
            content = {
                "images": pictures,
                "annotations": [{**e, "image_id": str(e["image_id"])} for e in content],
            }
        table, places = _find_images(expect_dict(content, "COCO's file"), wanted, first_frame)
        kinds = {
            str(each["name"]): int(each["id"])
            for each in expect_list(content.get("categories", []), "categories")
        }
        rows = _rows(expect_list(content.get("annotations"), "annotations"), places, layout or "xywh")
        table.has_scores = any("score" in each for each in content["annotations"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise HeatpoolError(f"expected COCO's annotations with their images in {path}: {reason}") from error
    table.kind_column, table.unit = "category", "annotation"
    fill_table(table, [rows], kinds=kinds, wanted_kind=kind)
    return table


def _find_images(
    content: Mapping[str, Any], wanted: Callable[[str], bool], first_frame: int | None
) -> tuple[BoxTable, dict[Any, Place]]:
    """Return a table of the names that are wanted, and where each of their images is, by its id."""
    videos = find_videos(content, default="", wanted=wanted, first_frame=first_frame)
    ours = [name for name in videos if wanted(name)]
    table = BoxTable(names=ours, first_name=next(iter(videos), ""))
    table.elsewhere = sum(len(each.frame_of) for name, each in videos.items() if name not in set(ours))
    places = {
        image: (at, frame) for at, name in enumerate(ours) for image, frame in videos[name].frame_of.items()
    }
    table.size_px = {at: size for at, name in enumerate(ours) if min(size := videos[name].size_px) > 0}
    return table, places


def _rows(annotations: Iterable[Any], places: Mapping[Any, Place], layout: BoxLayout) -> BoxRows:
    """Return the boxes of the images that are wanted."""
    found = []
    tracks: dict[Any, int] = {}
    for line, each in enumerate(annotations, 1):
        place = places.get(expect_dict(each, "an annotation")["image_id"])
        if place is None or each.get("iscrowd"):
            continue
        box, score = each.get("bbox"), each.get("score", 1)
        if not isinstance(box, list) or len(box) != 4 or not isinstance(score, int | float):
            raise ValueError(
                f"expected bbox of 4 numbers and score, got {shorten((box, score))} in annotation {line}"
            )
        if not -1e-3 <= score <= 1.001:
            raise ValueError(f"expected a score from 0 to 1, got {score:g} in annotation {line}")
        if not 0 <= place[1] < 1 << 31:
            raise ValueError(
                f"expected frame numbers from 0, got {place[1]}; --first-frame says from where they are"
            )
        said = {**each, **(each.get("attributes") or {})}
        who = next((said[key] for key in _TRACK_KEYS if said.get(key) not in (None, -1)), None)
        track = -1 if who is None else tracks.setdefault(str(who), len(tracks))
        found.append((line, *place, int(each.get("category_id", 0)), track, float(score), *map(float, box)))
    columns = np.array(found, np.float64).reshape(len(found), 10).T
    line, name, frame, kind, track = columns[:5].astype(np.int64)
    boxes = as_corners(columns[6:].T, layout)
    blank = np.zeros(len(found), np.bool_)
    return BoxRows(
        line, name.astype(np.int32), frame, boxes, columns[5].clip(0), kind.astype(np.int32), track, blank
    )
