"""Which frame of a video a picture is, by its file's name."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["begin_of", "number_pictures", "split_picture"]

_MOST_NUMBER = 10_000_000  # what is larger is a time, not a frame

_NUMBERED = re.compile(r"[_\-. ]*(frame|image|img)?[_\-. ]*\d*$", re.IGNORECASE)


def begin_of(stem: str) -> str:
    """What stands before the number in a picture's name: `walk` of `walk_0012` and of `walk-frame-12`."""
    return _NUMBERED.sub("", stem)


def split_picture(path: str) -> tuple[str, str]:
    """Folder and stem of a picture's path, whatever its slashes; "" for no folder."""
    folder, _, name = path.replace("\\", "/").rpartition("/")
    return folder.removeprefix("./"), name.rpartition(".")[0] or name


def number_pictures(stems: Iterable[str], *, from_zero: bool = False) -> dict[str, int]:
    """Number the pictures of a video by the last number in their names, as far as each has its own.

    Pictures whose numbers begin with 1 are counted from there; those without numbers, or with times in
    nanoseconds, by their order.

    Args:
        stems: names without suffix, in any order.
        from_zero: the first number is 0 even where none is smaller than 1.

    Returns:
        Frame number, from 0, by stem.
    """
    stems = sorted(set(stems))
    digits = [re.findall(r"\d+", stem)[-1:] for stem in stems]
    numbers = [int(found[0][-15:]) for found in digits if found]
    if len(set(numbers)) < len(stems) or max(numbers, default=0) > _MOST_NUMBER:
        return {stem: place for place, stem in enumerate(stems)}
    first = 1 if not from_zero and min(numbers, default=0) == 1 else 0
    return {stem: number - first for stem, number in zip(stems, numbers, strict=True)}
