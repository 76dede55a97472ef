"""Which program wrote a file or folder of keypoints, and the reader for it."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.array_files import EXPORTED, array_heads
from heatpool.pool.exchange.keypoints.landmarks import landmark_axes
from heatpool.pool.exchange.keypoints.records import PoseFile
from heatpool.pool.skeleton import Skeleton

__all__ = ["PoseFormat", "find_format", "open_poses"]

PoseFormat = Literal[
    "sleap", "deeplabcut", "coco", "mmpose", "openpose", "alphapose", "ultralytics", "mediapipe",
    "mediapipe-world", "ntu", "ntu-2d", "ctrgcn", "movement",
]  # fmt: skip
"""What is read. Of MediaPipe and NTU there are joints in the picture and in space."""

_LOOKED_AT = 4096  # characters of a text file that tell what it is
_MOST_LOOKED_AT = 100  # files of a folder, for one that is known

_SUFFIXES: dict[str, PoseFormat] = {".slp": "sleap", ".skeleton": "ntu", ".nc": "movement"}
_JSON_KEYS: tuple[tuple[str, PoseFormat], ...] = (
    (r'AlphaPose|"bodies"|^\s*\[\s*\{[^}]*"image_id"\s*:\s*"', "alphapose"),
    (r'"people"\s*:|"pose_keypoints', "openpose"),
    (r'"instance_info"|"instances"|"meta_info"|"keypoint_scores"', "mmpose"),
    (r'"(pose_?)?(world_?)?landmarks?"|"visibility"|"left_?eye_?inner"', "mediapipe"),
    (r'"(annotations|categories|images|info|licenses)"\s*:|"image_id"', "coco"),
)
"""What stands near the beginning of a JSON file, the most telling first."""


def open_poses(
    path: str | Path,
    format: PoseFormat | Literal["auto"] = "auto",
    *,
    skeleton: Skeleton | None = None,
) -> PoseFile:
    """Open a file, or a folder with one file a video, of another program's keypoints.

    Args:
        path: file or folder.
        format: who wrote it; auto = by its suffix and what it begins with.
        skeleton: of its joints, for formats that do not even say how many there are.

    Raises:
        HeatpoolError: if there is no such file, its format is not known, or it is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise HeatpoolError(f"{path}: no such file or folder")
    kind = find_format(path) if format == "auto" else format
    if kind is None:
        raise HeatpoolError(
            f"{path}: expected keypoints of {', '.join(get_args(PoseFormat))}, got nothing that is told from "
            "its name and beginning; --format (archive import) or --keypoints-format says which it is"
        )
    return _open(path, kind, skeleton)


def _open(path: Path, kind: PoseFormat, skeleton: Skeleton | None) -> PoseFile:
    """Open with the reader of a format; each brings libraries that others do not need."""
    if kind == "sleap":
        from heatpool.pool.exchange.keypoints.sleap import read_sleap

        return read_sleap(path)
    if kind == "deeplabcut":
        from heatpool.pool.exchange.keypoints.deeplabcut import read_deeplabcut

        return read_deeplabcut(path)
    if kind == "coco":
        from heatpool.pool.exchange.keypoints.coco_json import read_coco

        return read_coco(path)
    if kind == "mmpose":
        from heatpool.pool.exchange.keypoints.mmpose_json import read_mmpose

        return read_mmpose(path)
    if kind == "openpose":
        from heatpool.pool.exchange.keypoints.openpose import read_openpose

        return read_openpose(path)
    if kind == "alphapose":
        from heatpool.pool.exchange.keypoints.alphapose import read_alphapose

        return read_alphapose(path)
    if kind == "ultralytics":
        from heatpool.pool.exchange.keypoints.ultralytics_txt import read_ultralytics

        return read_ultralytics(path, skeleton=skeleton)
    if kind in ("mediapipe", "mediapipe-world"):
        from heatpool.pool.exchange.keypoints.mediapipe import read_mediapipe

        return read_mediapipe(path, world=kind == "mediapipe-world")
    if kind == "ctrgcn":
        from heatpool.pool.exchange.keypoints.ctrgcn import read_ctrgcn

        return read_ctrgcn(path)
    if kind == "movement":
        from heatpool.pool.exchange.keypoints.movement_nc import read_movement

        return read_movement(path)
    from heatpool.pool.exchange.keypoints.ntu_skeleton import read_ntu

    return read_ntu(path, spatial=kind == "ntu")


def find_format(path: Path) -> PoseFormat | None:
    """Return the format of a file, or of the first file that tells one in a folder; None if none does.

    Raises:
        HeatpoolError: if a file cannot be read.
    """
    if path.is_dir():
        files = (each for each in sorted(path.rglob("*")) if each.is_file())
        return next(filter(None, map(_format_of_file, islice(files, _MOST_LOOKED_AT))), None)
    return _format_of_file(path)


def _format_of_file(path: Path) -> PoseFormat | None:
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    try:
        if suffix in (".h5", ".hdf5"):
            return _of_hdf5(path)
        if suffix in (".npy", ".npz"):
            return _of_arrays(path)
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            start = file.read(_LOOKED_AT)
    except OSError as error:
        raise HeatpoolError(f"{path}: cannot be read ({error.strerror or error})") from error
    if suffix == ".json":
        return next((kind for keys, kind in _JSON_KEYS if re.search(keys, start, re.IGNORECASE)), None)
    if suffix in (".csv", ".tsv"):
        return _of_table(start)
    if suffix == ".txt" and re.match(r"\d+( -?[\d.]+(e-?\d+)?){7,}\s*$", start.partition("\n")[0]):
        return "ultralytics"
    return None


def _of_hdf5(path: Path) -> PoseFormat | None:
    """SLEAP's analysis files have tracks, those of DeepLabCut a table of pandas."""
    import h5py

    try:
        with h5py.File(path) as file:
            if {"tracks", "node_names"} <= set(file):
                return "sleap"
            tables = [each for each in file.values() if isinstance(each, h5py.Group)]
            return "deeplabcut" if any({"table", "axis0_level0"} & set(each) for each in tables) else None
    except (OSError, RuntimeError, KeyError) as error:
        raise HeatpoolError(f"{path}: cannot be read as HDF5 ({shorten(str(error))})") from error


def _of_arrays(path: Path) -> PoseFormat | None:
    heads = array_heads(path)
    if EXPORTED in heads:
        return None
    if {"x_train", "y_train"} <= set(heads):
        return "ctrgcn"
    is_mediapipe = any(landmark_axes(head.shape) > 2 for head in heads.values())
    return "mediapipe" if is_mediapipe else None


def _of_table(start: str) -> PoseFormat | None:
    header = start.partition("\n")[0].casefold()
    if header.startswith("scorer"):
        return "deeplabcut"
    known = r"visibility|landmark|left_?eye_?inner|\bx_?32\b|\b32_x\b"
    return "mediapipe" if re.search(known, header) else None
