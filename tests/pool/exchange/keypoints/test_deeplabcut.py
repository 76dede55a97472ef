"""DeepLabCut's files, written by pandas as DeepLabCut does: to_csv, and to_hdf in both layouts."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.deeplabcut import read_deeplabcut
from heatpool.pool.exchange.keypoints.detect import open_poses

pd = pytest.importorskip("pandas")

SCORER = "DLC_resnet50_reachDec1shuffle1_50000"
PARTS = ("nose", "tail")
SUFFIXES = pytest.mark.parametrize("suffix", [".csv", ".h5"])


def table(
    individuals: tuple[str, ...] = (),
    coords: tuple[str, ...] = ("x", "y", "likelihood"),
    parts: tuple[str, ...] = PARTS,
    **more: Any,
) -> Any:
    """Four rows of likelihood 0.75; other values say their row, from 0 in hundreds, and column."""
    levels = [[SCORER], *([list(individuals)] if individuals else []), list(parts), list(coords)]
    names = ["scorer", *(["individuals"] if individuals else []), "bodyparts", "coords"]
    columns = pd.MultiIndex.from_product(levels, names=names)
    values = np.arange(4)[:, None] * 100.0 + np.arange(len(columns))
    values[:, [column[-1] == "likelihood" for column in columns]] = 0.75
    return pd.DataFrame(values, columns=columns, **more)


def save(frame: Any, path: Path, layout: str = "table") -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path)
    else:
        pytest.importorskip("tables")
        frame.to_hdf(path, key="df_with_missing", mode="w", format=layout)
    return path


@SUFFIXES
def test_predictions_of_one_animal_come_in(tmp_path: Path, suffix: str) -> None:
    file = open_poses(save(table(), tmp_path / f"clip1{SCORER}{suffix}"))
    poses = file.read(0)
    assert (file.kind, file.names, file.skeleton.joint_names) == ("DeepLabCut", ("clip1",), PARTS)
    assert (poses.frame.tolist(), poses.track.tolist(), poses.frames) == ([0, 1, 2, 3], [0] * 4, 4)
    np.testing.assert_array_equal(poses.joints[2], [[200, 201], [203, 204]])
    np.testing.assert_array_equal(poses.joint_score, np.full((4, 2), 0.75))


@SUFFIXES
def test_predictions_of_several_animals_come_in(tmp_path: Path, suffix: str) -> None:
    frame = table(("mouse1", "mouse2"))
    frame.iloc[1, 6:] = np.nan  # of the second one nothing, as it is not there
    frame.iloc[2, 9:] = np.nan  # and of its tail
    poses = read_deeplabcut(save(frame, tmp_path / f"clip1{SCORER}_el{suffix}")).read(0)
    assert poses.frame.tolist() == [0, 0, 1, 2, 2, 3, 3]
    assert poses.track.tolist() == [0, 1, 0, 0, 1, 0, 1]
    np.testing.assert_array_equal(poses.joints[4], [[206, 207], [np.nan, np.nan]])
    np.testing.assert_array_equal(poses.joint_score[4], [0.75, 0])


@SUFFIXES
def test_parts_of_the_single_individual_come_in(tmp_path: Path, suffix: str) -> None:
    """What is in the picture once, as a feeder, is an individual of its own parts."""
    single = table(("single",), parts=("feeder",))
    both = pd.concat([table(("mouse",)), single], axis=1)
    file = read_deeplabcut(save(both, tmp_path / f"clip1{SCORER}{suffix}"))
    poses = file.read(0)
    assert file.skeleton.joint_names == (*PARTS, "feeder")
    assert poses.track.tolist() == [0, 1] * 4
    assert (poses.joint_score[:2] > 0).tolist() == [[True, True, False], [False, False, True]]


@pytest.mark.parametrize("parts", ["several columns", "one column"])
@SUFFIXES
def test_labelled_pictures_come_in_by_their_videos(tmp_path: Path, suffix: str, parts: str) -> None:
    pictures = [("labeled-data", "a", f"img{number:04}.png") for number in (17, 3)]
    pictures += [("labeled-data", "b", f"img{number:04}.png") for number in (1, 2)]
    index = (
        pd.MultiIndex.from_tuples(pictures)
        if parts == "several columns"
        else ["\\".join(p) for p in pictures]
    )
    path = save(table(coords=("x", "y"), index=index), tmp_path / f"CollectedData_me{suffix}", "fixed")
    file = open_poses(path)
    assert file.names == ("a", "b")
    assert file.read(0).frame.tolist() == [3, 17]
    assert file.read(1).frame.tolist() == [1, 2]
    np.testing.assert_array_equal(file.read(0).joints[0], [[100, 101], [102, 103]])
    np.testing.assert_array_equal(file.read(0).joint_score, np.ones((2, 2)))


@SUFFIXES
def test_three_dimensions_come_in(tmp_path: Path, suffix: str) -> None:
    poses = read_deeplabcut(save(table(coords=("x", "y", "z")), tmp_path / f"clip{suffix}")).read(0)
    np.testing.assert_array_equal(poses.joints[1], [[100, 101, 102], [103, 104, 105]])


def test_a_folder_has_a_file_a_video(tmp_path: Path) -> None:
    for name in "ab":
        save(table(), tmp_path / f"{name}{SCORER}.csv")
    (tmp_path / "c.csv").write_text("scorer,me\n")
    file = open_poses(tmp_path)
    assert file.names == ("a", "b", "c")
    assert file.read(1).name == "b"
    with pytest.raises(HeatpoolError, match=r"c\.csv: expected lines scorer, bodyparts and coords first"):
        file.read(2)


def forge(file: h5py.File, name: str, value: bytes) -> None:
    file["df_with_missing/table"].attrs[name] = np.bytes_(value)


class Runs:
    """A pickle of it makes a folder when it is read freely."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return Path.mkdir, (Path(self.path),)


def test_a_pickle_in_the_file_is_not_run(tmp_path: Path) -> None:
    path = save(table(), tmp_path / "clip.h5")
    with h5py.File(path, "r+") as file:
        forge(file, "values_block_0_kind", pickle.dumps(Runs(tmp_path / "made"), protocol=0))
    with pytest.raises(HeatpoolError, match="refused, a pickle wants"):
        read_deeplabcut(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "expected lines scorer, bodyparts and coords first, got ''"),
        ("frame,x,y\n0,1,2\n", "expected lines scorer, bodyparts and coords first, got 'frame,x,y"),
        ("scorer,a,a\nbodyparts,n,n\ncoords,u,v\n0,1,2\n", "expected coords x and y, got ['u', 'v']"),
        (
            "scorer,a,a\nbodyparts,n,n\ncoords,x,y\n0,1,two\n",
            "row 1: could not convert string to float: 'two'",
        ),
        ("scorer,a,a\nbodyparts,n,n\ncoords,x,y\n0,1\n", "row 1: expected 2 values, got 1"),
        ("scorer,a,a\nbodyparts,n,n\ncoords,x,y\n99999999999,1,2\n", "expected frames 0 to"),
    ],
)
def test_damage_is_one_line_that_names_the_file(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "clip.csv"
    path.write_text(text)
    with pytest.raises(HeatpoolError) as error:
        read_deeplabcut(path).read(0)
    assert str(error.value).startswith(str(path))
    assert line in str(error.value)
