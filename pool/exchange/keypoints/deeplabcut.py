"""DeepLabCut's predictions and labelled pictures, of one animal or several, as `.h5` and `.csv`.

Axis letters: T rows of a table, M individuals, V body parts, D axes of space.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.deeplabcut_tables import (
    Column,
    PoseTable,
    read_pose_columns,
    read_pose_table,
)
from heatpool.pool.exchange.keypoints.picture_names import number_pictures, split_picture
from heatpool.pool.exchange.keypoints.pose_folder import open_folder
from heatpool.pool.exchange.keypoints.pose_rows import PoseReader, make_skeleton, pose_video
from heatpool.pool.exchange.keypoints.records import PoseFile, PoseVideo
from heatpool.pool.skeleton import Skeleton

__all__ = ["read_deeplabcut"]


def read_deeplabcut(path: Path) -> PoseFile:
    """Open a file of DeepLabCut, or a folder of them: one a video, or labelled pictures of several.

    A video is called by its file without the scorer, or by the folder of its pictures, whose frame is the
    number in their name. Of a folder the `.h5` are read, the `.csv` where there are none.

    Raises:
        HeatpoolError: if it is no such file.
    """
    if path.is_dir():
        suffixes = ("*.h5", "*.hdf5") if any(path.rglob("*.h5")) else ("*.csv",)
        return open_folder(path, suffixes, read_deeplabcut)
    columns, is_video = read_pose_columns(path)
    try:
        return _DeepLabCut(path, columns, None if is_video else read_pose_table(path))
    except ValueError as error:
        raise HeatpoolError(f"{path}: {error}") from error


class _DeepLabCut(PoseReader):
    """A `PoseFile`; predictions are read when they are asked for."""

    kind = "DeepLabCut"

    def __init__(self, path: Path, columns: Sequence[Column], labelled: PoseTable | None) -> None:
        super().__init__(path)
        self._labelled = labelled
        scorer = columns[0][0] if columns else ""
        self._individuals = tuple(dict.fromkeys(column[1] for column in columns))
        parts = tuple(dict.fromkeys(column[2] for column in columns))
        self._axes = [axis for axis in ("x", "y", "z") if any(column[3] == axis for column in columns)]
        if self._axes[:2] != ["x", "y"]:
            coords = sorted({column[3] for column in columns})
            raise ValueError(f"expected coords x and y, got {shorten(coords)}")
        self.skeleton: Skeleton = make_skeleton("deeplabcut", parts)
        place = {column[1:]: number for number, column in enumerate(columns)}
        self._places = np.array(
            [
                [[place.get((who, part, axis), -1) for axis in (*self._axes, "likelihood")] for part in parts]
                for who in self._individuals
            ]
        )
        self._pictures: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for row, picture in enumerate(labelled.rows if labelled else ()):
            folder, stem = split_picture(str(picture))
            self._pictures[folder.rpartition("/")[2]].append((row, stem))
        name = (path.stem.partition(scorer)[0] if scorer else "").rstrip("_") or path.stem
        self.names = tuple(self._pictures) or (name,)

    def read(self, number: int) -> PoseVideo:
        """The keypoints of a video. Raises HeatpoolError if they are damaged."""
        name = self.names[number]
        table = self._labelled or read_pose_table(self._path)
        try:
            if self._labelled:
                rows, stems = zip(*self._pictures[name], strict=True)
                numbers = number_pictures(stems, from_zero=True)
                frames, values = np.array([numbers[stem] for stem in stems]), table.values[list(rows)]
            else:
                frames, values = np.array(table.rows, np.int64), table.values
            return self._video(name, frames, values)
        except ValueError as error:
            raise HeatpoolError(f"{self._path}: video {shorten(name)}: {error}") from error

    def _video(self, name: str, frames: np.ndarray, values: np.ndarray) -> PoseVideo:
        """Rows of the individuals that are anywhere in a frame."""
        padded = np.concatenate([values, np.full((len(values), 1), np.nan, np.float32)], 1)
        points = padded[:, self._places]  # (T, M, V, D + 1)
        row, who = np.nonzero(np.isfinite(points[..., :-1]).all(-1).any(-1))
        scored = (self._places[..., -1] >= 0).any()
        return pose_video(
            name,
            frame=frames[row],
            track=who,
            joints=points[row, who, :, :-1],
            joint_score=points[row, who, :, -1] if scored else None,
            remarks=self._remarks,
            frames=0 if self._labelled else int(frames.max(initial=-1)) + 1,
        )
