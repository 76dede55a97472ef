"""What a data set is read from, and what came of it: the clips, and every file that is excluded and why."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from heatpool.extract.datasets.clips import VIDEO_SUFFIXES, Clip
from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.video.picture_names import check_series, is_picture, name_test, natural_key
from heatpool.pool.disk.class_names import ClassNames
from heatpool.pool.disk.limits import parse_json
from heatpool.pool.disk.text_files import read_text
from heatpool.pool.errors import HeatpoolError

__all__ = [
    "NO_SUCH_VIDEO", "Excluded", "IntervalRule", "Listing", "VideoFolder", "annotation_files", "besides",
    "numbered_lines", "read_json", "scan",
]  # fmt: skip

_log = logging.getLogger(__name__)

NO_SUCH_VIDEO = "listed, but there is no such video"
_NO_VIDEO = "no video, by its name"
_PICTURES = "a folder of pictures; --fps makes a video of it"
_FOLDER = "picture folder"
_NO_UNICODE = "its name is not valid Unicode"
_KINDS = 6  # suffixes that a line names


@dataclass(frozen=True)
class Excluded:
    """A file (or a line of a list) that gave no clip."""

    path: str
    reason: str


@dataclass(frozen=True)
class IntervalRule:
    """How annotations of long videos become clips.

    Attributes:
        tiers: tiers that count; empty = the only one.
        point_s: length of the clip around an event without a length, seconds; 0 = no clip.
        background: class of what no interval covers; "" = no clips of it.
    """

    tiers: tuple[str, ...] = ()
    point_s: float = 0.0
    background: str = ""


@dataclass(frozen=True)
class VideoFolder:
    """A folder of videos and what its owner says about it.

    Attributes:
        path: the folder.
        videos: their paths below it, with /, sorted; folders of pictures too where their rate is known.
        excluded: files that are no videos.
        pictures: folders of pictures below it, and how many each holds.
        fps: pictures per second of these folders, 0 = unknown.
        frames: pattern of the pictures' names, such as img_%05d.jpg; "" = every picture of a folder.
        annotations: a list file, or a folder of them; None without.
        columns: manifest column to column of the annotations.
        classes: that the annotations name or number, in their order; None where they say it themselves.
        keep_missing: list samples too that every paper leaves out.
        intervals: how annotations of long videos become clips.
    """

    path: Path
    videos: tuple[str, ...]
    excluded: tuple[Excluded, ...] = ()
    pictures: Mapping[str, int] = field(default_factory=dict)
    fps: float = 0.0
    frames: str = ""
    annotations: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    classes: ClassNames | None = None
    keep_missing: bool = False
    intervals: IntervalRule = field(default_factory=IntervalRule)

    def clip(self, clip_id: str, path: str) -> Clip:
        """Return the clip of a whole video below the folder."""
        if path in self.pictures:
            return Clip(clip_id, self.path / path / self.frames, fps=self.fps)
        return Clip(clip_id, self.path / path)


@dataclass(frozen=True)
class Listing:
    """The clips of a data set and what was excluded from it."""

    manifest: Manifest
    excluded: tuple[Excluded, ...] = ()

    def with_clips(self, clips: Sequence[Clip]) -> Listing:
        """Return the listing with other clips."""
        return replace(self, manifest=replace(self.manifest, clips=tuple(clips)))

    def excluding(self, paths: Iterable[str], reason: str) -> Listing:
        """Return the listing with more excluded."""
        return replace(self, excluded=(*self.excluded, *(Excluded(path, reason) for path in paths)))

    def reasons(self) -> list[tuple[str, int]]:
        """Return each reason and how many files it excluded, most first."""
        return Counter(each.reason for each in self.excluded).most_common()


def scan(folder: Path, *, fps: float = 0.0, frames: str = "", may_be_empty: bool = False) -> VideoFolder:
    """Find every file below a folder, through links too, each folder once.

    Args:
        folder: where to look; pictures that lie in it itself are no video.
        fps: pictures per second; with it each folder of pictures counts as a video.
        frames: pattern of the names of the pictures that count.
        may_be_empty: of videos: a list may name those of other folders.

    Raises:
        HeatpoolError: if there is no video.
    """
    videos: list[str] = []
    excluded: list[Excluded] = []
    pictures: dict[str, int] = {}
    counts = name_test(frames) if frames else is_picture
    for inside, names in _walk(folder):
        usable = inside and "/." not in f"/{inside}" and _readable(inside) == inside
        shown = [name for name in names if counts(name)] if usable else []
        if len(shown) > 1:  # one entry for all: there may be millions
            pictures[inside] = len(shown)
            if fps:
                check_series(shown, folder / inside)
            else:
                excluded.append(Excluded(inside, _PICTURES))
            names = sorted({*names}.difference(shown))
        for path in (f"{inside}/{name}" if inside else name for name in names):
            if _readable(path) != path:
                excluded.append(Excluded(_readable(path), _NO_UNICODE))
            elif os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES and "/." not in f"/{path}":
                videos.append(path)
            else:
                excluded.append(Excluded(path, _NO_VIDEO))
    videos = sorted([*videos, *pictures], key=natural_key) if fps else sorted(videos)
    if not videos and not may_be_empty:
        kinds = f", but {others}" if (others := besides(excluded)) else ""
        hint = "" if fps or not _some_pictures(excluded) else "; --fps makes videos of folders of pictures"
        raise HeatpoolError(
            f"expected videos (.avi .mkv .mov .mp4 .mts …) below {folder}, got none{kinds}{hint}"
        )
    excluded.sort(key=lambda each: each.path)
    return VideoFolder(folder, tuple(videos), tuple(excluded), pictures, fps, frames)


def _some_pictures(excluded: Iterable[Excluded]) -> bool:
    return any(each.reason == _PICTURES or is_picture(each.path) for each in excluded)


def _readable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def besides(excluded: Iterable[Excluded]) -> str:
    """Say which files a folder holds that are no videos, by their suffixes; "" for none."""
    kinds = Counter(
        _FOLDER if each.reason == _PICTURES else os.path.splitext(each.path)[1].lower() or "without a suffix"
        for each in excluded
        if each.reason in (_NO_VIDEO, _PICTURES)
    ).most_common()
    shown = [f"{count} {kind}{'s' * (kind == _FOLDER and count > 1)}" for kind, count in kinds[:_KINDS]]
    more = sum(count for _, count in kinds[_KINDS:])
    return ", ".join([*shown, *([f"{more} more"] if more else [])])


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below one, "" for itself, with the names of its files, sorted.

    Raises:
        OSError: if the folder itself cannot be read.
    """

    def left_out(error: OSError) -> None:
        if error.filename == str(folder):
            raise error
        _log.warning("%s is left out: %s", error.filename, error.strerror)

    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, followlinks=True, onerror=left_out):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()  # a link that leads back
            continue
        seen.add((status.st_dev, status.st_ino))
        inside = os.path.relpath(root, folder).replace(os.sep, "/")
        yield "" if inside == "." else inside, sorted(names)


def annotation_files(path: Path | None, *suffixes: str) -> list[Path]:
    """Return the file itself, or the files of a folder that end in the first suffix of which there are some.

    Raises:
        HeatpoolError: if there is none.
    """
    if path and path.is_file():
        return [path]
    of_suffix = (sorted(path.glob(f"*{suffix}")) for suffix in suffixes if path)
    files = next(filter(None, of_suffix), [])
    if not files:
        kinds = " or ".join(suffixes)
        raise HeatpoolError(
            f"expected a {kinds} file, or a folder of them, in --annotations, got {path or 'none'}"
        )
    return files


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Return number and text, without space around it, of the lines of a file that are not empty.

    Raises:
        HeatpoolError: if it cannot be read.
    """
    lines = read_text(path).split("\n")
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        HeatpoolError: if it cannot be read.
    """
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise HeatpoolError(f"expected JSON, cannot read {path}: {error}") from error
