from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import pytest

from heatpool.pipelines.options.archive_import import ImportOptions
from heatpool.pipelines.options.fields import option_table
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.detect import PoseFormat, find_format, open_poses

JSON: dict[str, list[Any]] = {
    "coco": [
        {"images": [], "annotations": []},
        {"info": {}, "categories": [{"name": "person", "keypoints": ["nose", "left_hip"]}]},
        [{"image_id": 42, "category_id": 1, "keypoints": [1, 2, 0.5], "score": 0.9}],
    ],
    "mmpose": [
        {"meta_info": {}, "instance_info": []},
        [{"frame_id": 0, "instances": []}],
        [{"keypoints": [[1, 2]], "keypoint_scores": [0.5]}],
    ],
    "openpose": [{"version": 1.3, "people": [{"pose_keypoints_2d": [1, 2, 0.5]}]}],
    "alphapose": [
        [{"image_id": "0.jpg", "category_id": 1, "keypoints": [1, 2, 0.5], "score": 2.9}],
        {"version": "AlphaPose v0.3", "bodies": []},
        {"0.jpg": {"version": "AlphaPose v0.2", "bodies": []}},
    ],
    "mediapipe": [[{"poseLandmarks": []}], [[{"x": 0.5, "y": 0.5, "visibility": 0.9}]]],
}


@pytest.mark.parametrize(("kind", "content"), [(kind, each) for kind in JSON for each in JSON[kind]])
def test_json_is_told_by_its_first_keys(tmp_path: Path, kind: str, content: Any) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    assert find_format(path) == kind
    path.write_text(json.dumps(content, indent=4))
    assert find_format(path) == kind


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("x.slp", "", "sleap"),
        ("x.skeleton", "", "ntu"),
        ("x.csv", "scorer,DLC,DLC\nbodyparts,nose,nose\n", "deeplabcut"),
        ("x.csv", "frame,nose_x,nose_y,nose_visibility\n", "mediapipe"),
        ("x.csv", "class,x1,y1,x32,y32\n", "mediapipe"),
        ("x.csv", "path,frame,x1,y1,x2,y2,score\n", None),
        ("x.txt", "0 0.5 0.5 0.1 0.2 0.5 0.5 0.9\n", "ultralytics"),
        ("x.txt", "person 0.9\n", None),
        ("x.json", "[]", None),
        ("x.bin", "\x00", None),
    ],
)
def test_files_are_told_by_suffix_and_beginning(
    tmp_path: Path, name: str, text: str, kind: str | None
) -> None:
    (tmp_path / name).write_text(text)
    assert find_format(tmp_path / name) == kind
    (tmp_path / "notes.md").write_text("of a folder, the first file that tells one counts")
    assert find_format(tmp_path) == kind


def test_arrays_are_told_by_their_names_and_shapes(tmp_path: Path) -> None:
    for name, keys, kind in (("a.h5", ("tracks", "node_names"), "sleap"), ("b.h5", ("pooled",), None)):
        with h5py.File(tmp_path / name, "w") as file:
            for key in keys:
                file[key] = np.zeros(1)
        assert find_format(tmp_path / name) == kind
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_group("df_with_missing/table")
    assert find_format(tmp_path / "c.h5") == "deeplabcut"
    np.savez(tmp_path / "a.npz", x_train=np.zeros((1, 2, 150)), y_train=np.zeros(1))
    assert find_format(tmp_path / "a.npz") == "ctrgcn"
    for shape, kind in (((4, 33, 3), "mediapipe"), ((4, 1, 33, 4), "mediapipe"), ((4, 512), None)):
        np.save(tmp_path / "a.npy", np.zeros(shape))
        assert find_format(tmp_path / "a.npy") == kind


def test_what_is_not_known_is_refused_with_what_is(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(
        HeatpoolError, match=r"x\.json: expected .* sleap, deeplabcut, coco.*--keypoints-format"
    ):
        open_poses(tmp_path / "x.json")
    with pytest.raises(HeatpoolError, match="no such file or folder"):
        open_poses(tmp_path / "gone.slp")
    (tmp_path / "x.h5").write_text("no HDF5")
    with pytest.raises(HeatpoolError, match=r"x\.h5: cannot be read as HDF5"):
        open_poses(tmp_path / "x.h5")


def test_the_command_knows_every_format() -> None:
    assert set(get_args(PoseFormat)) < set(get_args(option_table(ImportOptions)["format"].kind))
