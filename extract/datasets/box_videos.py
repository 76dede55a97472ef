"""Which video each name in a table of boxes means."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from heatpool.extract.datasets.clips import without_suffix
from heatpool.pool.errors import HeatpoolError

__all__ = ["VideoNames"]

_OTHER_PLACE = re.compile(r"/|[A-Za-z]:/|\.\./")  # how a path begins that another folder or computer has


class VideoNames:
    """Finds videos by what a table calls them.

    Args:
        videos: distinct; a folder of pictures, or a pattern, is called by its folder too.
        places: folders that names may be relative to.
        source: name of the table, for messages.
    """

    def __init__(self, videos: Sequence[Path], *, places: Sequence[Path], source: str) -> None:
        self._videos, self._places, self._source = videos, places, source
        self._exact = {video.resolve(): number for number, video in enumerate(videos)}
        self._like: dict[str, list[int]] = defaultdict(list)
        for number, video in enumerate(videos):
            self._like[_key(_parts(video.as_posix())[-1])].append(number)
            if "%" in video.name:
                self._like[_key(_parts(video.parent.absolute().as_posix())[-1])].append(number)

    def may_be(self, name: str) -> bool:
        """Whether `assign` could find a video of this name."""
        return bool(name.strip("/\\ ")) and _key(_parts(name)[-1]) in self._like

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

    def _find_like(self, name: str, taken: set[int]) -> int | None:
        *folders, last = _parts(name)
        alike = {}
        for number in self._like.get(_key(last), ()):
            if number not in taken:
                path = _parts(self._videos[number].absolute().as_posix())
                alike[number] = _common_end([_plain(each) for each in path[:-1]], map(_plain, folders))
        most = max(alike.values(), default=0)
        posix = name.replace("\\", "/").removeprefix("./")
        if folders and not most and not _OTHER_PLACE.match(posix):
            return None
        best = [number for number, count in alike.items() if count == most]
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


def _common_end(names: Sequence[str], others: Iterable[str]) -> int:
    """Return how many names at the end of both are equal."""
    pairs = zip(reversed(names), reversed(list(others)), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
