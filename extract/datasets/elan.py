"""Annotation files of ELAN (`.eaf`): XML with points of time, and tiers of annotations between them.

Source: EAF 3.0 of the Max Planck Institute for Psycholinguistics,
https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from heatpool.extract.datasets.clips import VIDEO_SUFFIXES
from heatpool.extract.datasets.intervals import interval_row, list_intervals
from heatpool.extract.datasets.listing import Excluded, Listing, VideoFolder, annotation_files
from heatpool.extract.datasets.table import ClipRow
from heatpool.pool.errors import HeatpoolError

__all__ = ["ElanFile", "list_elan", "read_elan"]

_NAMED = 3  # files that a message writes out
_NO_TIME = "an annotation whose start or end has no time"


@dataclass(frozen=True)
class Annotation:
    """An annotation of a tier; one that refers to another has its times.

    Attributes:
        line: in the file.
        tier: its name.
        participant: of the tier.
        slots: names of the points of time where it starts and ends, or of the annotation it refers to.
        value: its text.
    """

    line: int
    tier: str
    participant: str
    slots: tuple[str, ...]
    value: str


@dataclass
class ElanFile:
    """What a file of ELAN says.

    Attributes:
        media: address of each linked video or sound, and where in it the time of the annotations begins, ms.
        times_ms: name of a point of time to milliseconds; points without a time are left out.
        annotations: by their names.
    """

    media: dict[str, int] = field(default_factory=dict)
    times_ms: dict[str, int] = field(default_factory=dict)
    annotations: dict[str, Annotation] = field(default_factory=dict)

    def span_s(self, annotation: Annotation, offset_ms: int) -> tuple[float, float] | None:
        """Return where an annotation lies in a video, None when ELAN gives it no times."""
        seen: set[int] = set()
        while len(annotation.slots) == 1:  # it refers to another one
            seen.add(annotation.line)
            above = self.annotations.get(annotation.slots[0])
            if above is None or above.line in seen:
                return None
            annotation = above
        start_ms, end_ms = (self.times_ms.get(slot) for slot in annotation.slots)
        if start_ms is None or end_ms is None:
            return None
        return (start_ms + offset_ms) / 1000, (end_ms + offset_ms) / 1000


def list_elan(folder: VideoFolder) -> Listing:
    """List the annotations of one or more `.eaf` files as clips; their values are the classes.

    The files are `folder.annotations`, by default those in the folder of videos. Of several linked videos the
    first counts, which is the one that ELAN keeps its time by. The participant of a tier is the subject.

    Raises:
        HeatpoolError: if a file is not one of ELAN's, links no video, or several tiers have annotations and
            none was chosen.
    """
    files = {path: read_elan(path) for path in annotation_files(folder.annotations or folder.path, ".eaf")}
    tiers = _tiers(files, folder.intervals.tiers)
    rows: list[ClipRow] = []
    excluded: list[Excluded] = []
    for path, read in files.items():
        video, offset_ms = _video(read, path)
        for each in read.annotations.values():
            if each.tier not in tiers:
                continue
            span_s = read.span_s(each, offset_ms)
            where = f"line {each.line} of {path.name}"
            if span_s is None:
                excluded.append(Excluded(where, _NO_TIME))
            else:
                rows.append(interval_row(where, video, span_s, each.value, subject=each.participant))
    names = ", ".join(path.name for path in files) if len(files) <= _NAMED else f"{len(files)} files of ELAN"
    listing = list_intervals(folder, rows, names)
    return Listing(listing.manifest, (*listing.excluded, *excluded))


def _tiers(files: Mapping[Path, ElanFile], chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tiers that count: those that were chosen, or the only one."""
    counts = Counter(each.tier for read in files.values() for each in read.annotations.values())
    known = ", ".join(f"{tier} ({count})" for tier, count in counts.most_common())
    absent = [tier for tier in chosen if tier not in counts]
    if absent:
        raise HeatpoolError(f"expected --tiers of {known or 'files without annotations'}, got {absent[0]!r}")
    if not chosen and len(counts) > 1:
        raise HeatpoolError(f"expected --tiers, the files have annotations in several: {known}")
    return chosen or tuple(counts)


def _video(read: ElanFile, path: Path) -> tuple[str, int]:
    """Return the first linked video and its offset."""
    for address, offset_ms in read.media.items():
        if Path(address).suffix.lower() in VIDEO_SUFFIXES:
            return address, offset_ms
    raise HeatpoolError(f"expected a video linked in {path.name}, got {', '.join(read.media) or 'none'}")


def read_elan(path: Path) -> ElanFile:
    """Read a file of ELAN. Entities are refused: ELAN writes none, and a few lines of them fill any memory.

    Raises:
        HeatpoolError: if it is no XML of ELAN's; naming the line.
    """
    parser = expat.ParserCreate()
    handler = _Handler(parser, path)
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except (expat.ExpatError, OSError) as error:
        raise HeatpoolError(f"expected a file of ELAN, cannot read {path.name}: {error}") from error
    return handler.read


class _Handler:
    """Collects what the parser meets; element names as in the specification."""

    def __init__(self, parser: expat.XMLParserType, path: Path) -> None:
        self.read = ElanFile()
        self._parser, self._path = parser, path
        self._depth = 0
        self._tier: tuple[str, str] = "", ""
        self._open: tuple[str, int, tuple[str, ...]] | None = None  # name, line, slots of an annotation
        self._value: list[str] | None = None  # its text as it comes, None outside of it
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse

    def _refuse(self, *declared: object) -> None:
        raise HeatpoolError(
            f"expected a file of ELAN, {self._where()} declares a document type, as ELAN never does"
        )

    def _where(self) -> str:
        return f"line {self._parser.CurrentLineNumber} of {self._path.name}"

    def _start(self, name: str, given: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and name != "ANNOTATION_DOCUMENT":
            raise HeatpoolError(
                f"expected ANNOTATION_DOCUMENT as in files of ELAN, got {name} in {self._where()}"
            )
        try:
            self._take(name, given)
        except KeyError as error:
            raise HeatpoolError(f"expected {error.args[0]} of {name} in {self._where()}") from error
        except ValueError as error:
            raise HeatpoolError(
                f"expected whole milliseconds of {name} in {self._where()}: {error}"
            ) from error

    def _take(self, name: str, given: dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        if name == "HEADER" and given.get("TIME_UNITS", "milliseconds") != "milliseconds":
            raise HeatpoolError(
                f"expected TIME_UNITS milliseconds, got {given['TIME_UNITS']} in {self._where()}"
            )
        if name == "MEDIA_DESCRIPTOR":
            self.read.media[given["MEDIA_URL"]] = int(given.get("TIME_ORIGIN", 0))
        elif name == "TIME_SLOT" and "TIME_VALUE" in given:
            self.read.times_ms[given["TIME_SLOT_ID"]] = int(given["TIME_VALUE"])
        elif name == "TIER":
            self._tier = given["TIER_ID"], given.get("PARTICIPANT", "")
        elif name == "ALIGNABLE_ANNOTATION":
            slots = given["TIME_SLOT_REF1"], given["TIME_SLOT_REF2"]
            self._open = given["ANNOTATION_ID"], line, slots
        elif name == "REF_ANNOTATION":
            self._open = given["ANNOTATION_ID"], line, (given["ANNOTATION_REF"],)
        elif name == "ANNOTATION_VALUE":
            self._value = []

    def _text(self, text: str) -> None:
        if self._value is not None:
            self._value.append(text)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "ANNOTATION_VALUE" and self._open is not None:
            (ident, line, slots), value = self._open, "".join(self._value or ()).strip()
            self.read.annotations[ident] = Annotation(line, *self._tier, slots, value)
            self._open = self._value = None
