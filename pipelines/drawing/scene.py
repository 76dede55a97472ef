"""What is kept of a video while it is drawn: who is where, joints, energies, heatmaps; no frame."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from heatpool.extract.records import Detections, Frame, FramePeople
from heatpool.extract.video.reader import VideoInfo, iter_frames

__all__ = ["HeatFile", "Scene", "Sighting"]


@dataclass(frozen=True, eq=False)
class Sighting:
    """What is known of a video once it has been looked at: F frames and the people found in them.

    Attributes:
        path: video file.
        info: of the window, with the number of frames that can be decoded.
        frames: (F,) int64, numbers of the frames within the window.
        time_s: (F,) float64, from the start of the video.
        size_px: width and height of a frame, upright.
        found: F looks: `Detections`, or `FramePeople` of a one-stage network whose `pooled` is reduced to
            (D, V, 1), the L2 norms.
    """

    path: Path
    info: VideoInfo
    frames: np.ndarray
    time_s: np.ndarray
    size_px: tuple[int, int]
    found: Sequence[Detections | FramePeople]

    def detections(self) -> list[Detections]:
        """Return the people of each frame."""
        return [each.detections if isinstance(each, FramePeople) else each for each in self.found]

    def read(self, at: np.ndarray) -> Iterator[tuple[int, Frame]]:
        """Decode some of the F frames, by their rising positions, and yield each with its position."""
        frames = iter_frames(self.path, self.frames[at], info=self.info)
        for place, frame in zip(at.tolist(), frames, strict=True):
            yield place, Frame(0, self.info.first_frame + frame.index, frame.time_s, frame.rgb)


@dataclass(frozen=True, eq=False)
class Scene:
    """M slots over the F frames of a video; zeros where a slot is empty.

    Attributes:
        filled: (M, F) bool.
        boxes_xyxy_px: (M, F, 4), pixels of the frame.
        joints_xy_px: (M, F, V, 2), pixels of the frame.
        scores: (M, F, V) in [0, 1].
        energy: (M, F), L2 norm of the V x C pooled values.
    """

    filled: np.ndarray
    boxes_xyxy_px: np.ndarray
    joints_xy_px: np.ndarray
    scores: np.ndarray
    energy: np.ndarray

    @classmethod
    def empty(cls, persons: int, frames: int, joints: int) -> Scene:
        """Return a scene without anybody."""
        shape = (persons, frames)
        return cls(
            np.zeros(shape, np.bool_),
            np.zeros((*shape, 4)),
            np.zeros((*shape, joints, 2)),
            np.zeros((*shape, joints), np.float32),
            np.zeros(shape),
        )


class HeatFile:
    """One map a slot and frame, in [0, 1] by steps of 1/255, in a temporary file: memory stays flat."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._at: dict[tuple[int, int], tuple[int, np.ndarray]] = {}
        self._shape = (0, 0)

    def __enter__(self) -> HeatFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._at)

    def put(self, slot: int, frame: int, heatmap: np.ndarray, to_cells: np.ndarray) -> None:
        """Append the map of a slot in a frame.

        Args:
            slot: person slot.
            frame: position of the frame in the scene.
            heatmap: (h, w) uint8; all maps have one shape.
            to_cells: (2, 3), frame pixels to cells of the map.
        """
        self._shape = (heatmap.shape[0], heatmap.shape[1])
        self._at[slot, frame] = (len(self._at), to_cells)
        self._file.write(heatmap.tobytes())

    def get(self, slot: int, frame: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the map (h, w) float32 in [0, 1] and its `to_cells`, None where there is none."""
        if (slot, frame) not in self._at:
            return None
        number, to_cells = self._at[slot, frame]
        size = self._shape[0] * self._shape[1]
        self._file.seek(number * size)
        heatmap = np.frombuffer(self._file.read(size), np.uint8).reshape(self._shape)
        return heatmap.astype(np.float32) / 255, to_cells
