"""Which video a table or an annotation file means, however it writes its path."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from heatpool.extract.datasets.alike_paths import most_alike
from heatpool.extract.datasets.clips import without_suffix
from heatpool.extract.datasets.listing import VideoFolder
from heatpool.extract.video.picture_names import is_picture, is_pictures
from heatpool.pool.disk.class_names import one_form
from heatpool.pool.errors import HeatpoolError

__all__ = ["FoundVideo", "Media"]


@dataclass(frozen=True)
class FoundVideo:
    """A video that was found.

    Attributes:
        name: path below the folder of videos where it lies there, else as it was listed.
        path: of the file, folder of pictures, or pattern.
        pictures: whether it is pictures, which need a rate.
    """

    name: str
    path: Path
    pictures: bool

    @property
    def clip_id(self) -> str:
        """What a clip of the whole video is called."""
        if not os.path.isabs(self.name):
            return without_suffix(self.name)
        path = self.path.parent if self.pictures and "%" in self.path.name else self.path
        return without_suffix(path.name)


class Media:
    """Finds the videos of a folder by what lists call them.

    Args:
        folder: the videos.
        by_name: a path may name other folders than those that are there: annotations come from elsewhere.
    """

    def __init__(self, folder: VideoFolder, *, by_name: bool = False) -> None:
        self._folder, self._by_name = folder, by_name
        listed = dict.fromkeys([*folder.videos, *folder.pictures])
        plain = {without_suffix(path): path for path in listed} | {path: path for path in listed}
        self._paths = {one_form(name): path for name, path in plain.items()} | plain
        self._parts = [one_form(part) for part in folder.path.absolute().parts[1:]]
        self._named: dict[str, list[str]] = defaultdict(list)
        for path in listed:
            name = one_form(path).rpartition("/")[2]
            for each in {name, without_suffix(name)}:
                self._named[each].append(path)

    def find(self, listed: str) -> FoundVideo | None:
        """Return the video of a path below the folder, of an absolute path, or by its name; None without.

        Names are equal in whatever form of Unicode they are written.

        A file name alone, and a path of another computer, mean the video of that name with the most folders
        above it that are called alike. Of another path at least the last folder must be, unless `by_name`:
        `wave/1.mp4` is not `clap/1.mp4`.

        Raises:
            HeatpoolError: if several videos fit equally.
        """
        plain = unquote(listed.removeprefix("file://")) if listed.startswith("file:") else listed
        posix = plain.replace("\\", "/").removeprefix("./")
        path = self._paths.get(posix.rstrip("/")) or self._paths.get(one_form(posix).rstrip("/"))
        if path is not None:
            clip = self._folder.clip("", path)
            return FoundVideo(path, clip.path, path in self._folder.pictures)
        return self._by_pattern(posix) or self._by_absolute_path(plain) or self._by_its_name(one_form(posix))

    def _by_its_name(self, posix: str) -> FoundVideo | None:
        *folders, name = posix.rstrip("/").split("/")
        called = self._named.get(name) or self._named.get(without_suffix(name), [])
        folders_of = {path: [*self._parts, *one_form(path).split("/")[:-1]] for path in called}
        paths = most_alike(folders_of, path=posix, folders=folders, any_folder=self._by_name)
        if len(paths) > 1:
            raise HeatpoolError(
                f"expected one video called {name} below {self._folder.path}, got {paths[0]} and {paths[1]}"
            )
        return self.find(paths[0]) if paths else None

    def _by_pattern(self, posix: str) -> FoundVideo | None:
        inside, _, name = posix.rpartition("/")
        if inside in self._folder.pictures and is_picture(name) and "%" in name:
            return FoundVideo(inside, self._folder.path / posix, pictures=True)
        return None

    def _by_absolute_path(self, plain: str) -> FoundVideo | None:
        path = Path(plain)
        if not path.is_absolute():
            return None
        folder = self._folder.path.absolute()
        if path.is_relative_to(folder) and (below := self._paths.get(path.relative_to(folder).as_posix())):
            return self.find(below)
        pictures = is_pictures(path)
        there = path.parent if pictures and "%" in path.name else path
        return FoundVideo(plain, path, pictures) if there.exists() else None
