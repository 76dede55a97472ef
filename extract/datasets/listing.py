"""What a data set is read from, and what came of it: the clips, and every file that is excluded and why."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from heatpool.extract.datasets.clips import VIDEO_SUFFIXES, Clip
from heatpool.extract.datasets.manifest import Manifest
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = [
    "NO_SUCH_VIDEO", "SPLIT_WORDS", "Excluded", "Listing", "VideoFolder", "annotation_files", "read_lines",
    "read_table", "scan", "unique_ids",
]  # fmt: skip

NO_SUCH_VIDEO = "listed, but there is no such video"
_NO_VIDEO = "no video, by its name"
_NO_UNICODE = "its name is not valid Unicode"

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
class VideoFolder:
    """A folder of videos and what its owner says about it.

    Attributes:
        path: the folder.
        videos: their paths below it, with /, sorted.
        excluded: files that are no videos.
        annotations: a list file, or a folder of them; None without.
        columns: manifest column to column of the annotations.
        keep_missing: list samples too that every paper leaves out.
    """

    path: Path
    videos: tuple[str, ...]
    excluded: tuple[Excluded, ...] = ()
    annotations: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    keep_missing: bool = False


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


def scan(folder: Path) -> VideoFolder:
    """Find every file below a folder, through links too, each folder once.

    Raises:
        HeatpoolError: if there is no video.
    """
    videos, excluded = [], []
    for path in sorted(_files(folder)):
        readable = path.encode("utf-8", "backslashreplace").decode()
        if readable != path:
            excluded.append(Excluded(readable, _NO_UNICODE))
        elif os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES and "/." not in f"/{path}":
            videos.append(path)
        else:
            excluded.append(Excluded(path, _NO_VIDEO))
    if not videos:
        suffixes = " ".join(sorted(VIDEO_SUFFIXES))
        raise HeatpoolError(f"expected videos ({suffixes}) below {folder}, got none")
    return VideoFolder(folder, tuple(videos), tuple(excluded))


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
    for other in ([os.path.splitext(path)[0] for path in paths], paths):
        times = Counter(ids)
        ids = [name if times[name] == 1 else instead for name, instead in zip(ids, other, strict=True)]
    return list(ids)


def annotation_files(path: Path, suffix: str) -> list[Path]:
    """Return the file itself, or the files of a folder that end so, sorted.

    Raises:
        HeatpoolError: if there is none.
    """
    files = [path] if path.is_file() else sorted(path.glob(f"*{suffix}"))
    if not files:
        raise HeatpoolError(f"expected a {suffix} file, or a folder of them, in --annotations, got {path}")
    return files


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty.

    Raises:
        HeatpoolError: if it cannot be read.
    """
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise HeatpoolError(f"cannot read {path}: {error}") from error


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a table with a header; the delimiter (comma, semicolon or tab) is the header's most frequent.

    Raises:
        HeatpoolError: if it cannot be read or a row has more values than the header.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=header.count)
            rows = list(csv.DictReader(file, delimiter=delimiter, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise HeatpoolError(f"cannot read {path}: {error}") from error
    for line, row in enumerate(rows, start=2):
        if None in row:
            raise HeatpoolError(f"expected as many values as columns in line {line} of {path.name}")
    return rows
