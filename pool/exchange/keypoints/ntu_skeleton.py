"""Kinect's skeletons of NTU RGB+D: a `.skeleton` file a clip, with joints in space and in the colour picture.

A file is numbers in text: frames; for each its bodies; for each body ten values, the first of them who it is,
the number of joints, and for each joint x, y, z (metres), x, y in the depth picture, x, y in the colour
picture, four of orientation, and whether it was tracked (2), guessed (1) or neither (0).
Source: read_skeleton_file.m of https://github.com/shahroudy/NTURGB-D.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.skeleton import NTU25_SKELETON, Skeleton

__all__ = ["NtuFiles", "read_ntu"]

_SPACE, _COLOUR, _TRACKED = (0, 1, 2), (5, 6), 11  # of the 12 values of a joint
_COLOUR_SIZE_PX = (1920, 1080)
_FPS = 30.0
_TRACKED_SCORES = np.array([0.0, 0.5, 1.0], np.float32)
_MOST_BYTES = 1 << 28
_DAMAGED = "it is no .skeleton file of NTU RGB+D, or ends early"


@dataclass(frozen=True)
class NtuFiles:
    """Files of NTU RGB+D, each read when it is asked for: there are 114,480.

    Attributes:
        paths: of the files.
        names: of the clips, paths below the folder without the suffix.
        spatial: joints in space, else in the colour picture.
    """

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    spatial: bool

    @property
    def kind(self) -> str:
        """Where the joints are."""
        return f"NTU .skeleton, {'3-D' if self.spatial else 'colour picture'}"

    @property
    def skeleton(self) -> Skeleton:
        """Kinect's 25 joints."""
        return NTU25_SKELETON

    @property
    def notes(self) -> tuple[str, ...]:
        """What scores mean."""
        return ("joints that Kinect guessed have score 0.5, tracked ones 1",)

    def read(self, number: int) -> PoseVideo:
        """Read a clip. Raises HeatpoolError if its file is damaged."""
        path = self.paths[number]
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise ValueError(f"expected at most {_MOST_BYTES:,} bytes")
            return _parse(path.read_bytes(), self.names[number], spatial=self.spatial)
        except OSError as error:
            raise HeatpoolError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, IndexError, OverflowError) as error:
            raise HeatpoolError(f"{path}: {_DAMAGED} ({shorten(str(error))})") from error


def read_ntu(path: Path, *, spatial: bool = True) -> NtuFiles:
    """Open a `.skeleton` file, or a folder of them.

    Args:
        path: file or folder.
        spatial: x, y, z of the joints, else their places in the colour picture of 1920 x 1080.

    Raises:
        HeatpoolError: if there is no such file.
    """
    paths = tuple(sorted(path.rglob("*.skeleton"))) if path.is_dir() else (path,)
    if not paths:
        raise HeatpoolError(f"{path}: expected .skeleton files, got none")
    root = path if path.is_dir() else path.parent
    names = tuple(each.relative_to(root).with_suffix("").as_posix() for each in paths)
    return NtuFiles(paths, names, spatial)


def _parse(data: bytes, name: str, *, spatial: bool) -> PoseVideo:
    lines = data.split(b"\n")
    frames, at = int(lines[0]), 1
    who: list[int] = []
    of_frame: list[int] = []
    texts: list[bytes] = []
    for frame in range(frames):
        bodies, at = int(lines[at]), at + 1
        for _ in range(bodies):
            who.append(int(lines[at].split(None, 1)[0]))  # 57 bits, more than a float holds
            if int(lines[at + 1]) != NTU25_SKELETON.joints:
                raise ValueError(f"expected 25 joints, got {shorten(lines[at + 1])}")
            at += 2 + NTU25_SKELETON.joints
            of_frame.append(frame)
            texts += lines[at - NTU25_SKELETON.joints : at]
    columns = (*(_SPACE if spatial else _COLOUR), _TRACKED)
    read = np.loadtxt(texts, usecols=columns, comments=None, ndmin=2) if texts else np.zeros(0)
    values = read.reshape(len(who), NTU25_SKELETON.joints, len(columns))
    joints = values[..., :-1].astype(np.float32)
    given = np.isfinite(joints).all(-1)
    score = _TRACKED_SCORES[np.nan_to_num(values[..., -1]).clip(0, 2).astype(np.int64)] * given
    joints[score == 0] = np.nan
    width, height = (0, 0) if spatial else _COLOUR_SIZE_PX
    return PoseVideo(
        name=name,
        frame=np.array(of_frame, np.int64),
        track=np.unique(np.array(who, np.int64), return_inverse=True)[1].astype(np.int64),
        joints=joints,
        joint_score=score,
        score=np.ones(len(who), np.float32),
        width_px=width,
        height_px=height,
        fps=_FPS,
        frames=frames,
    )
