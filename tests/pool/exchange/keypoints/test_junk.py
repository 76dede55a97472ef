"""Whatever stands in a JSON instead of what should, it is read or refused in one line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.alphapose import read_alphapose
from heatpool.pool.exchange.keypoints.coco_json import read_coco
from heatpool.pool.exchange.keypoints.mmpose_json import read_mmpose
from heatpool.pool.exchange.keypoints.openpose import read_openpose
from heatpool.pool.exchange.keypoints.records import PoseFile

POINTS = [number for joint in range(17) for number in (100 + joint, 50.5, 1)]
ANNOTATION = {
    "id": 1,
    "image_id": 0,
    "category_id": 1,
    "keypoints": POINTS,
    "bbox": [1, 2, 3, 4],
    "track_id": 3,
}
COCO = {
    "images": [{"id": 0, "file_name": "a/1.jpg", "width": 640, "height": 480, "video_id": 7, "frame_id": 0}],
    "videos": [{"id": 7, "name": "walk", "fps": 25}],
    "annotations": [ANNOTATION],
    "categories": [{"id": 1, "name": "p", "keypoints": [f"j{n}" for n in range(17)], "skeleton": [[1, 2]]}],
}
RESULTS = [{"image_id": "0.jpg", "keypoints": POINTS, "score": 2.5, "box": [1, 2, 3, 4], "idx": [0.0]}]
CMU = {"0.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": POINTS + POINTS[:3]}]}}
PERSON = {"keypoints": [[1, 2.5]] * 2, "keypoint_scores": [1, 0.5], "bbox": [[1, 2, 3, 4]], "bbox_score": 1}
META = {"keypoint_id2name": {"0": "a", "1": "b"}, "skeleton_links": [[0, 1]], "dataset_name": "x"}
MMPOSE = {"meta_info": META, "instance_info": [{"frame_id": 1, "instances": [PERSON]}]}
OPENPOSE = {
    "version": 1.3,
    "people": [{"person_id": [-1], "pose_keypoints_2d": POINTS, "face_keypoints_2d": []}],
}
JUNK: list[Any] = [
    None, {}, [], [[]], [None], {"a": 1}, [1, 2, 3], "", "x", True, -1, 0, 0.5, 1e308, 1 << 63, 10**400,
    float("nan"), float("inf"),
]  # fmt: skip


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All places in a JSON, of lists those of the first values."""
    yield path
    items = enumerate(content) if isinstance(content, list) else getattr(content, "items", tuple)()
    for key, value in [*items][:4]:
        yield from places(value, (*path, key))


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (read_coco, COCO), (read_coco, [ANNOTATION]), (read_alphapose, RESULTS), (read_alphapose, CMU),
        (read_mmpose, MMPOSE), (read_openpose, OPENPOSE),
    ],
)  # fmt: skip
@settings(max_examples=60)
@given(data=st.data())
def test_junk_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory,
    read: Callable[[Path], PoseFile],
    content: Any,
    data: st.DataObject,
) -> None:
    *above, key = (None, *data.draw(st.sampled_from([*places(content)])))
    root = {None: copy.deepcopy(content)}
    inside: Any = root
    for each in above:
        inside = inside[each]
    inside[key] = data.draw(st.sampled_from(JUNK))
    path = tmp_path_factory.getbasetemp() / "junk.json"
    path.write_text(json.dumps(root[None]))
    try:
        file = read(path)
        for number in range(len(file.names)):
            file.read(number)
    except HeatpoolError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 - most junk is read, or in a place that is not looked at
        assert "\n" not in str(error)  # noqa: PT017
