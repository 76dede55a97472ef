"""Which video each name in a table of boxes means."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path

from heatpool.extract.datasets.alike_paths import most_alike
from heatpool.extract.datasets.clips import without_suffix
from heatpool.pool.errors import HeatpoolError

__all__ = ["VideoNames"]


class VideoNames:
    """Finds videos by what a table calls them.

    Args:
        videos: distinct; a folder of pictures, or a pattern, is called by its folder too.
        places: folders that names may be relative to.
        source: name of the table, for messages.
    """

    def __init__(self, videos: Sequence[Path], *, places: Sequence[Path], source: str) -> None:
        self._videos, self._places, self._source = videos, places, source
        self._exact: dict[Path, int] = {}
        self._like: dict[str, list[tuple[int, Path]]] = defaultdict(list)
        for number, video in enumerate(videos):
            for called in (video, video.parent.absolute()) if "%" in video.name else (video,):
                self._exact.setdefault(called.resolve(), number)
                self._like[_key(_parts(called.as_posix())[-1])].append((number, called))

    def may_be(self, name: str) -> bool:
        """Whether `assign` could find a video of this name."""
        return bool(name.strip("/\\ ")) and _key(_parts(name)[-1]) in self._like

    def may_mean(self, name: str) -> bool:
        """Whether a video is of this name and in these folders."""
        if not self.may_be(name):
            return False
        return self._find_exact(name) is not None or bool(self._alike(name, frozenset()))

    def assign(self, names: Iterable[str]) -> tuple[dict[str, int], Mapping[str, int]]:
        """Say which video each name means.

        A path that is that of a video is meant so. Else the last part counts, whatever its suffix, capitals
        and way to write accents, with as many equal folders above it as there are; of a path below a folder
        the last folder must be equal: `wave/1.mp4` is not `clap/1.mp4`.

        Returns:
            Number of the video by name; and those of these that are called otherwise.

        Raises:
            HeatpoolError: if a name may mean several videos, or two names one.
        """
        found, other = {}, {}
        left = []
        for name in names:
            number = self._find_exact(name)
            if number is None:
                left.append(name)
            else:
                found[name] = number
        taken = set(found.values())
        name_of: dict[int, str] = {}
        for name in left:
            number = self._find_like(name, taken)
            if number is None:
                continue
            if number in name_of:
                raise HeatpoolError(
                    f"expected one name for {self._videos[number]} in {self._source}, got "
                    f"{name_of[number]} and {name}"
                )
            name_of[number] = name
            other[name] = number
        return found | other, other

    def _find_exact(self, name: str) -> int | None:
        for place in self._places:
            try:
                number = self._exact.get((place / name).resolve())
            except (OSError, ValueError, RuntimeError):  # a NUL, a loop of links: no path of ours
                continue
            if number is not None:
                return number
        return None

    def _alike(self, name: str, taken: Set[int]) -> list[int]:
        *folders, last = map(_plain, _parts(name))
        folders_of = {
            number: [_plain(each) for each in _parts(called.absolute().as_posix())[:-1]]
            for number, called in self._like.get(without_suffix(last), ())
            if number not in taken
        }
        path = name.replace("\\", "/").removeprefix("./")
        return most_alike(folders_of, path=path, folders=folders)

    def _find_like(self, name: str, taken: Set[int]) -> int | None:
        best = self._alike(name, taken)
        if len(best) > 1:
            raise HeatpoolError(
                f"expected names of single videos in {self._source}, {name} may be {self._videos[best[0]]} "
                f"or {self._videos[best[1]]}"
            )
        return best[0] if best else None


def _parts(name: str) -> list[str]:
    return [part for part in name.strip().replace("\\", "/").split("/") if part not in ("", ".")] or [""]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _key(name: str) -> str:
    return _plain(without_suffix(name))
