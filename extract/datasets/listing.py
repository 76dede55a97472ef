"""What a data set is read from, and what came of it: the clips, and every file that is excluded and why."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from heatpool.extract.datasets.clips import VIDEO_SUFFIXES, Clip, without_suffix
from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.video.pictures import check_series, is_picture, name_test, natural_key
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = [
    "NO_SUCH_VIDEO", "SPLIT_WORDS", "Excluded", "IntervalRule", "Listing", "VideoFolder", "annotation_files",
    "besides", "numbered_lines", "read_json", "read_lines", "scan", "unique_ids",
]  # fmt: skip

NO_SUCH_VIDEO = "listed, but there is no such video"
_NO_VIDEO = "no video, by its name"
_PICTURE = "a picture; --fps makes videos of folders that hold several"
_NO_UNICODE = "its name is not valid Unicode"
_KINDS = 6  # suffixes that a line names

SPLIT_WORDS: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training"), Split.TRAIN),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), Split.VAL),
    **dict.fromkeys(("test", "testing"), Split.TEST),
}
"""What data sets call their splits."""


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
        class_names: of class numbers in the annotations, in their order.
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
    class_names: tuple[str, ...] = ()
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


def scan(folder: Path, *, fps: float = 0.0, frames: str = "") -> VideoFolder:
    """Find every file below a folder, through links too, each folder once.

    Args:
        folder: where to look.
        fps: pictures per second; with it each folder of pictures counts as a video.
        frames: pattern of the names of the pictures that count.

    Raises:
        HeatpoolError: if there is no video.
    """
    videos, excluded = [], []
    pictures: dict[str, list[str]] = defaultdict(list)
    counts = name_test(frames) if frames else is_picture
    for path in sorted(_files(folder)):
        inside, _, name = path.rpartition("/")
        readable = path.encode("utf-8", "backslashreplace").decode()
        if readable != path:
            excluded.append(Excluded(readable, _NO_UNICODE))
        elif os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES and "/." not in f"/{path}":
            videos.append(path)
        elif inside and "/." not in f"/{path}" and counts(name):
            pictures[inside].append(path)
        else:
            excluded.append(Excluded(path, _NO_VIDEO))
    counted = {inside: len(found) for inside, found in pictures.items() if len(found) > 1}
    if fps:
        for inside in counted:
            check_series((os.path.basename(path) for path in pictures[inside]), folder / inside)
        videos = sorted([*videos, *counted], key=natural_key)
    left = [path for inside, found in pictures.items() if not fps or inside not in counted for path in found]
    excluded += [Excluded(path, _PICTURE) for path in left]
    if not videos:
        more = f"; {len(counted)} folders hold pictures, which --fps makes videos of" if counted else ""
        raise HeatpoolError(
            f"expected videos ({' '.join(sorted(VIDEO_SUFFIXES))}) below {folder}, got none{more}"
        )
    return VideoFolder(folder, tuple(videos), tuple(excluded), counted, fps, frames)


def besides(excluded: Iterable[Excluded]) -> str:
    """Say which files a folder holds that are no videos, by their suffixes; "" for none."""
    kinds = Counter(
        os.path.splitext(each.path)[1].lower() or "without a suffix"
        for each in excluded
        if each.reason in (_NO_VIDEO, _PICTURE)
    ).most_common()
    shown = [f"{count} {kind}" for kind, count in kinds[:_KINDS]]
    more = sum(count for _, count in kinds[_KINDS:])
    return ", ".join([*shown, *([f"{more} others"] if more else [])])


def _files(folder: Path) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()  # a link that leads back
            continue
        seen.add((status.st_dev, status.st_ino))
        inside = os.path.relpath(root, folder).replace(os.sep, "/")
        yield from (name if inside == "." else f"{inside}/{name}" for name in names)


def unique_ids(ids: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return the ids; where several clips share one, their paths without suffix, or with it if need be."""
    for other in ([without_suffix(path) for path in paths], paths):
        times = Counter(ids)
        ids = [name if times[name] == 1 else instead for name, instead in zip(ids, other, strict=True)]
    return list(ids)


def annotation_files(path: Path | None, suffix: str) -> list[Path]:
    """Return the file itself, or the files of a folder that end so, sorted.

    Raises:
        HeatpoolError: if there is none.
    """
    files = [path] if path and path.is_file() else sorted(path.glob(f"*{suffix}")) if path else []
    if not files:
        raise HeatpoolError(
            f"expected a {suffix} file, or a folder of them, in --annotations, got {path or 'none'}"
        )
    return files


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty.

    Raises:
        HeatpoolError: if it cannot be read.
    """
    return [text for _, text in numbered_lines(path)]


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Return number and text, without space around it, of the lines of a file that are not empty.

    Raises:
        HeatpoolError: if it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HeatpoolError(f"cannot read {path}: {error}") from error
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        HeatpoolError: if it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise HeatpoolError(f"expected JSON, cannot read {path}: {error}") from error
