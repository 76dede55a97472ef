"""What is kept of a video while it is drawn: who is where, joints, energies, heatmaps; no frame."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from heatpool.pipelines.drawing.view import Heatmap, PersonsInView
from heatpool.pool.skeleton import Skeleton

__all__ = ["HeatFile", "Scene"]


@dataclass(frozen=True, eq=False)
class Scene:
    """M slots over the F frames of a video; zeros where a slot is empty.

    Attributes:
        filled: (M, F) bool.
        boxes_xyxy_px: (M, F, 4), pixels of the frame.
        joints_xy_px: (M, F, V, 2), pixels of the frame.
        scores: (M, F, V) in [0, 1].
        energy: (M, F), L2 norm of the V x C pooled values.
        skeleton: as in `PersonsInView`.
    """

    filled: np.ndarray
    boxes_xyxy_px: np.ndarray
    joints_xy_px: np.ndarray
    scores: np.ndarray
    energy: np.ndarray
    skeleton: Skeleton | None = None

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

    def persons(self, at: int) -> PersonsInView:
        """Return who is in a frame."""
        slots = np.flatnonzero(self.filled[:, at]).tolist()
        boxes, joints = self.boxes_xyxy_px[slots, at], self.joints_xy_px[slots, at]
        return PersonsInView(slots, boxes, joints, self.scores[slots, at], self.skeleton)


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

        Raises:
            OSError: if the folder for temporary files, which it names, has no room.
        """
        self._shape = (heatmap.shape[0], heatmap.shape[1])
        self._at[slot, frame] = (len(self._at), to_cells)
        try:
            self._file.write(heatmap.tobytes())
        except OSError as error:
            raise OSError(error.errno, error.strerror, tempfile.gettempdir()) from error

    def get(self, slot: int, frame: int) -> Heatmap | None:
        """Return the map of a slot in a frame, None where there is none."""
        if (slot, frame) not in self._at:
            return None
        number, to_cells = self._at[slot, frame]
        size = self._shape[0] * self._shape[1]
        self._file.seek(number * size)
        heatmap = np.frombuffer(self._file.read(size), np.uint8).reshape(self._shape)
        return heatmap.astype(np.float32) / 255, to_cells

    def of_frame(self, frame: int, slots: Sequence[int]) -> list[Heatmap]:
        """Return the maps of some slots in a frame, where there are any."""
        found = (self.get(slot, frame) for slot in slots)
        return [each for each in found if each is not None]
