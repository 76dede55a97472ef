"""Labels of ultralytics, written by ultralytics itself (`Results.save_txt`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.ultralytics_txt import read_ultralytics
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton

WIDTH, HEIGHT = 640, 480


def save(
    folder: Path,
    *,
    joints: int = 17,
    frames: int = 5,
    visible: bool = True,
    conf: bool = True,
    track: bool = True,
) -> np.ndarray:
    """Save two persons in each frame of clip.mp4, joints in their boxes; return those of the last frame."""
    import torch
    from ultralytics.engine.results import Results

    rng = np.random.default_rng(0)
    for frame in range(1, frames + 1):
        boxes = torch.tensor([[100.0, 50, 200, 300, 0.75, 0], [400, 60, 500, 320, 0.5, 0]])
        if track:
            boxes = torch.cat([boxes[:, :4], torch.tensor([[3.0], [9.0]]), boxes[:, 4:]], 1)
        points = rng.uniform(
            [[[110, 60, 0.6]], [[410, 70, 0.6]]], [[[190, 290, 0.9]], [[490, 310, 0.9]]], (2, joints, 3)
        )
        keypoints = torch.tensor(points[..., : 3 if visible else 2], dtype=torch.float32)
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        result = Results(picture, path="clip.mp4", names={0: "person"}, boxes=boxes, keypoints=keypoints)
        result.save_txt(folder / "labels" / f"clip_{frame}.txt", save_conf=conf)
    return points


@pytest.mark.parametrize("joints", [17, 21])
@pytest.mark.parametrize("visible", [True, False])
@pytest.mark.parametrize("conf", [True, False])
@pytest.mark.parametrize("track", [True, False])
def test_what_stands_in_a_line_is_found(
    tmp_path: Path, joints: int, visible: bool, conf: bool, track: bool
) -> None:
    points = save(tmp_path, joints=joints, visible=visible, conf=conf, track=track)
    file = read_ultralytics(tmp_path)
    assert file.names == ("clip",)
    assert file.skeleton == (COCO17_SKELETON if joints == 17 else Skeleton.unnamed(21))
    assert f"{joints} joints of x, y{', score' * visible}" in file.notes[0]
    video = file.read(0)
    assert video.frame.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert video.in_fractions
    np.testing.assert_allclose(video.joints[-2:] * (WIDTH, HEIGHT), points[..., :2], atol=1e-3)
    np.testing.assert_allclose(video.joint_score[-2:], points[..., 2] if visible else 1, atol=1e-5)
    assert video.track[-2:].tolist() == ([3, 9] if track else [-1, -1])
    assert video.score[-2:].tolist() == ([0.75, 0.5] if conf else [1, 1])
    assert video.box_xyxy_px is not None
    np.testing.assert_allclose(
        video.box_xyxy_px[-2] * (WIDTH, HEIGHT, WIDTH, HEIGHT), [100, 50, 200, 300], atol=1e-2
    )


def test_frames_are_counted_from_1_folders_name_videos_and_gaps_stay(tmp_path: Path) -> None:
    save(tmp_path / "wave", frames=3)
    save(tmp_path / "clap", frames=3, track=False)
    (tmp_path / "wave/labels/clip_2.txt").unlink()
    (tmp_path / "wave/labels/classes.txt").write_text("person\n")
    file = read_ultralytics(tmp_path)
    assert file.names == ("clap/clip", "wave/clip")
    assert file.read(1).frame.tolist() == [0, 0, 2, 2]
    assert file.read(0).track.tolist() == [-1] * 6


def test_pictures_are_frames_of_what_they_are_called(tmp_path: Path) -> None:
    save(tmp_path, frames=1)
    line = (tmp_path / "labels/clip_1.txt").read_text()
    for name in ("take2_0003", "img0007", "wave/000010", "wave/000012"):
        path = tmp_path / "labels" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(line)
    file = read_ultralytics(tmp_path)
    assert file.names == ("clip", "img", "take2", "wave")
    assert [file.read(number).frame.tolist() for number in range(4)] == [
        [0, 0],
        [6, 6],
        [2, 2],
        [9, 9, 11, 11],
    ]


def test_a_joint_in_the_corner_is_not_given_and_a_line_counts_once(tmp_path: Path) -> None:
    save(tmp_path, frames=1)
    path = tmp_path / "labels/clip_1.txt"
    words = path.read_text().splitlines()[0].split()
    words[5:8] = ["0", "0", "0.2"]
    path.write_text(f"{' '.join(words)}\n" * 2)
    video = read_ultralytics(tmp_path).read(0)
    assert len(video) == 1
    assert np.isnan(video.joints[0, 0]).all()
    assert video.joint_score[0, 0] == 0


def test_tracks_may_count_from_0(tmp_path: Path) -> None:
    save(tmp_path)
    for path in (tmp_path / "labels").iterdir():
        path.write_text(path.read_text().replace(" 3\n", " 0\n"))
    video = read_ultralytics(tmp_path).read(0)
    assert video.joints.shape == (10, 17, 2)
    assert video.track[:2].tolist() == [0, 9]


def test_labels_to_train_on_have_visibility(tmp_path: Path) -> None:
    joints = " ".join(f"0.5 0.5 {number % 3}" for number in range(17))
    (tmp_path / "clip_1.txt").write_text(f"0 0.5 0.5 0.2 0.2 {joints}\n")
    file = read_ultralytics(tmp_path)
    assert file.read(0).joint_score[0, :3].tolist() == [0, 0.5, 1]
    assert len(file.notes) == 1


def test_what_cannot_be_told_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match=r"labels NAME_FRAME\.txt"):
        read_ultralytics(tmp_path)
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "clip_1.txt").write_text("0 0.5 0.5 0.1 0.1 0.9\n")  # a box and its score
    with pytest.raises(HeatpoolError, match="class, box and x, y"):
        read_ultralytics(tmp_path)
    # Six values around the centre of the box: three joints, or two with a score.
    (labels / "clip_1.txt").write_text("0 0.5 0.5 0.2 0.2" + " 0.5" * 6 + "\n")
    with pytest.raises(HeatpoolError, match="2 joints of x, y, score, or 3 joints of x, y: .* --skeleton"):
        read_ultralytics(tmp_path)
    assert read_ultralytics(tmp_path, skeleton=Skeleton.unnamed(3)).read(0).joints.shape == (1, 3, 2)
    (labels / "clip_1.txt").write_text("0 0.5 0.5 0.2 0.2" + " 300.0 200.0" * 9 + "\n")  # pixels
    with pytest.raises(HeatpoolError, match=r"joints in the person's box, .* 0% are: .* --skeleton"):
        read_ultralytics(tmp_path)
    (labels / "clip_1.txt").write_text("0 0.5 0.5 0.2 0.2" + " 0.5" * 6 + "\n")
    (labels / "clip_2.txt").write_text("0 0.5 0.5 0.2 0.2 0.5\n")
    with pytest.raises(HeatpoolError, match="same number of values, got .6, 11."):
        read_ultralytics(tmp_path)
    (labels / "clip_2.txt").write_text("person 0.9\n")
    with pytest.raises(HeatpoolError, match=r"clip_2\.txt: expected numbers"):
        read_ultralytics(tmp_path)
