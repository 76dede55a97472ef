from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.ntu_skeleton import read_ntu
from heatpool.pool.skeleton import NTU25_SKELETON
from tests.pool.exchange.keypoints.pose_cases import write_ntu

NAME = "S001C002P003R001A050"


def test_joints_in_space_and_in_the_colour_picture(tmp_path: Path) -> None:
    tracked = [2] * 23 + [1, 0]
    write_ntu(tmp_path / "a" / f"{NAME}.skeleton", bodies=2, frames=3, tracked=tracked)
    file = read_ntu(tmp_path)
    assert (file.names, file.skeleton) == ((f"a/{NAME}",), NTU25_SKELETON)
    video = file.read(0)
    assert (video.frame.tolist(), video.frames, video.fps) == ([0, 0, 1, 1, 2, 2], 3, 30)
    # Bodies are told apart by numbers that differ in the last of 17 digits.
    assert video.track.tolist() == [0, 1] * 3
    np.testing.assert_allclose(video.joints[1, 4], [1.04, 0.5, 3], atol=1e-6)
    assert video.joint_score[0].tolist() == [1] * 23 + [0.5, 0]
    assert np.isnan(video.joints[:, 24]).all()
    flat = read_ntu(tmp_path / "a" / f"{NAME}.skeleton", spatial=False)
    assert flat.names == (NAME,)
    video = flat.read(0)
    assert (video.width_px, video.height_px) == (1920, 1080)
    np.testing.assert_allclose(video.joints[1, 4], [1064, 540], atol=1e-3)


def test_nobody_and_joints_without_a_place(tmp_path: Path) -> None:
    assert len(read_ntu(write_ntu(tmp_path / "none.skeleton", bodies=0)).read(0)) == 0
    path = write_ntu(tmp_path / "gap.skeleton", frames=1)
    path.write_text(path.read_text().replace("960.0000", "-inf"))
    video = read_ntu(path, spatial=False).read(0)
    assert video.joint_score[0].tolist() == [0] + [1] * 24
    assert np.isnan(video.joints[0, 0]).all()


@pytest.mark.parametrize(
    ("old", "new"), [("\r\n25\r\n", "\r\n20\r\n"), ("6\r\n", "60\r\n"), ("0.5", "x"), ("7205", "-x")]
)
def test_damage_is_one_line(tmp_path: Path, old: str, new: str) -> None:
    path = write_ntu(tmp_path / f"{NAME}.skeleton")
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode(), 1))
    with pytest.raises(HeatpoolError, match="no .skeleton file of NTU RGB.D, or ends early"):
        read_ntu(path).read(0)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match=r"expected \.skeleton files, got none"):
        read_ntu(tmp_path)
