"""Which of several videos of one name a path means that was written in another place."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from itertools import takewhile
from typing import TypeVar

__all__ = ["most_alike"]

Video = TypeVar("Video", bound=Hashable)

_OTHER_PLACE = re.compile(r"/|[A-Za-z]:/|\.\./")  # how a path begins that another folder or computer has


def most_alike(
    folders_of: Mapping[Video, Sequence[str]], *, path: str, folders: Sequence[str], any_folder: bool = False
) -> list[Video]:
    """Return the videos that have the most folders above them like those of a path.

    Of a path below a folder at least the last one must be: `wave/1.mp4` is not `clap/1.mp4`. A file name
    alone, and a path of another computer, may mean any video of that name.

    Args:
        folders_of: by video of the name in question the folders above it, from the top.
        path: as it is written, with slashes.
        folders: of the path, in the form that the videos' have.
        any_folder: any path may mean any video of its name.
    """
    alike = {video: _common_end(above, folders) for video, above in folders_of.items()}
    most = max(alike.values(), default=0)
    if folders and not (most or any_folder or _OTHER_PLACE.match(path)):
        return []
    return [video for video, count in alike.items() if count == most]


def _common_end(names: Sequence[str], others: Sequence[str]) -> int:
    """Return how many names at the end of both are equal."""
    pairs = zip(reversed(names), reversed(others), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
