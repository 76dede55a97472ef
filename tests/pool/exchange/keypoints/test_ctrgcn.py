"""CTR-GCN's `.npz`, written as its seq_transformation.py does: by numpy.savez of these four arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.ctrgcn import read_ctrgcn
from heatpool.pool.records import Split


def write(path: Path, *, compressed: bool = False, **changes: Any) -> Path:
    """Three clips to train and two to test, of 4 frames; the first person's x is the clip's number + 1."""
    train = np.zeros((3, 6, 150), np.float32)
    train[:, :4, :75:3] = np.arange(1, 4)[:, None, None]
    train[0, 1:3, 75:] = 7  # a second person in two frames
    test = train[:2] + 10 * (train[:2] != 0)
    arrays = {"x_train": train, "y_train": np.eye(4)[[0, 3, 1]], "x_test": test, "y_test": np.eye(4)[[2, 2]]}
    (np.savez_compressed if compressed else np.savez)(path, **arrays | changes)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_clips_labels_and_the_split_come_in(tmp_path: Path, compressed: bool) -> None:
    file = read_ctrgcn(write(tmp_path / "NTU60_CS.npz", compressed=compressed))
    assert file.names == ("train_000000", "train_000001", "train_000002", "test_000000", "test_000001")
    index = file.index()
    assert index.label.tolist() == [0, 3, 1, 2, 2]
    assert index.class_names == ("class 0", "class 1", "class 2", "class 3")
    assert index.splits["xsub"].tolist() == [Split.TRAIN] * 3 + [Split.TEST] * 2
    assert file.index("abcd").class_names == ("a", "b", "c", "d")
    x = [file.read(number).joints[0, 0, 0] for number in (0, 1, 2, 3, 4, 1)]
    assert x == [1, 2, 3, 11, 12, 2]
    video = file.read(0)
    assert list(zip(video.frame.tolist(), video.track.tolist(), strict=True)) == [
        (0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0),
    ]  # fmt: skip
    assert (video.joints[2] == 7).all()


def test_labels_may_be_numbers_or_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.npz", y_train=np.array([4, 0, 1]), y_test=np.array([1, 1]))
    index = read_ctrgcn(path).index()
    assert (index.label.tolist(), list(index.splits)) == ([4, 0, 1, 1, 1], ["split"])
    np.savez(path, x_test=np.ones((2, 3, 150), np.float32))
    assert read_ctrgcn(path).index().label.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_test": np.zeros((2, 4, 75, 2), np.float32)},
            r"x_test as floats \(N, T, 150\), got float32 \(2, 4",
        ),
        ({"x_train": np.zeros((3, 4, 150), object)}, "as floats"),
        ({"y_train": np.eye(4)[[0, 1]]}, r"y_train \(3, classes\)"),
        ({"y_test": np.ones((2, 4))}, "single 1 for each clip"),
    ],
)
def test_others_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(HeatpoolError, match=message):
        read_ctrgcn(write(tmp_path / "x.npz", **changes))


def test_damage_and_too_few_names_are_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "x.npz")
    with pytest.raises(HeatpoolError, match="names of 4 classes, got 1"):
        read_ctrgcn(path).index(["a"])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(HeatpoolError, match="cannot be read as NumPy arrays"):
        read_ctrgcn(path)
