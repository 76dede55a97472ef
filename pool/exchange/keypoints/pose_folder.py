"""Several files of keypoints as one, opened one after the other."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.pose_rows import unique_names
from heatpool.pool.exchange.keypoints.records import NamesClasses, PoseFile, PoseVideo
from heatpool.pool.skeleton import Skeleton

__all__ = ["PoseFolder", "find_files", "open_folder", "open_together"]

_log = logging.getLogger(__name__)


class PoseFolder:
    """A `PoseFile` of files of the same joints; one of them is in memory at a time.

    Args:
        folder: that they are in.
        paths: of the files.
        read: opens one.

    Raises:
        HeatpoolError: if none can be read, or two have different joints.
    """

    def __init__(self, folder: Path, paths: Sequence[Path], read: Callable[[Path], PoseFile]) -> None:
        self._read = read
        self._open: tuple[Path, PoseFile] | None = None
        self._places: list[tuple[Path, int]] = []
        self._notes: dict[str, None] = {}
        names, classes, failed, first = [], [], None, None
        for path in paths:
            try:
                file = self._file(path)
            except HeatpoolError as error:  # its video fails when it is asked for, as any damaged one
                _log.warning("%s", error)
                failed = failed or error
                self._places.append((path, 0))
                names.append(path.stem)
                classes.append("")
                continue
            first = first or file
            if file.skeleton != first.skeleton:
                raise HeatpoolError(
                    f"{path}: expected {first.skeleton.joints} joints as in {paths[0].name}, got "
                    f"{file.skeleton.joints} or others; import files of other joints apart"
                )
            self._places += [(path, number) for number in range(len(file.names))]
            names += file.names
            classes += file.class_names if isinstance(file, NamesClasses) else [""] * len(file.names)
        if first is None:
            raise failed or HeatpoolError(f"{folder}: expected files of keypoints, got none")
        self.kind, self.skeleton, self.names = first.kind, first.skeleton, self._name(folder, names)
        self.class_names = tuple(classes)

    kind: str
    skeleton: Skeleton
    names: tuple[str, ...]
    class_names: tuple[str, ...]

    def _name(self, folder: Path, names: Sequence[str]) -> tuple[str, ...]:
        """Names of the videos; those that several files have, with the folder of their file before them."""
        count = Counter(names)
        full = []
        for name, (path, _) in zip(names, self._places, strict=True):
            below = path.parent.relative_to(folder).as_posix()
            alone = count[name] == 1 or below == "."
            full.append(name if alone else below if path.parent.name == name else f"{below}/{name}")
        return unique_names(full)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines of the files that were read so far, with the file's name where they have several."""
        if self._open is not None:
            self._keep_notes(*self._open)
        return tuple(self._notes)

    def read(self, number: int) -> PoseVideo:
        """The keypoints of a video. Raises HeatpoolError if they are damaged."""
        path, place = self._places[number]
        return replace(self._file(path).read(place), name=self.names[number])

    def _file(self, path: Path) -> PoseFile:
        if self._open is None or self._open[0] != path:
            if self._open is not None:
                self._keep_notes(*self._open)
            self._open = None
            self._open = path, self._read(path)
        return self._open[1]

    def _keep_notes(self, path: Path, file: PoseFile) -> None:
        self._notes |= dict.fromkeys(f"{path.name}: {note}" for note in file.notes)


def find_files(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    """Files below a folder whose names fit a pattern, each once, without those that macOS leaves beside."""
    names = {path for pattern in patterns for path in folder.rglob(pattern)}
    return (path for path in names if path.is_file() and not path.name.startswith("."))


def open_folder(folder: Path, patterns: Sequence[str], read: Callable[[Path], PoseFile]) -> PoseFile:
    """Open the files of a folder, and of the folders in it, whose names fit a pattern.

    Raises:
        HeatpoolError: if there is none, none can be read, or two have different joints.
    """
    paths = sorted(find_files(folder, patterns))
    if not paths:
        raise HeatpoolError(f"{folder}: expected files {', '.join(patterns)}, got none")
    return open_together(folder, paths, read)


def open_together(folder: Path, paths: Sequence[Path], read: Callable[[Path], PoseFile]) -> PoseFile:
    """Open files of a folder, as `open_folder` does."""
    return read(paths[0]) if len(paths) == 1 else PoseFolder(folder, paths, read)
