"""Segments as files that other programs open: CSV, ELAN (.eaf), subtitles (.srt), and a picture.

ELAN's format: https://www.mpi.nl/tools/elan/EAFv3.0.xsd
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from mimetypes import guess_type
from pathlib import Path, PurePosixPath
from urllib.parse import quote
from xml.etree import ElementTree as xml

from heatpool.pipelines.training.prediction.records import Segment
from heatpool.pool.disk.atomic import refuse_existing, write_text
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.locate import is_remote

__all__ = ["SegmentFiles", "elan_document", "segments_csv", "subtitles"]

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TIER, _CONFIDENCE = "action", "confidence"
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class SegmentFiles:
    """The files of one folder: segments.csv, timeline.png, and per video an .eaf and an .srt.

    Args:
        folder: of the files; it may exist.
        overwrite: replace such files that are there.
    """

    def __init__(self, folder: Path, *, overwrite: bool) -> None:
        self._folder, self._overwrite = folder, overwrite
        self.csv, self.timeline = folder / "segments.csv", folder / "timeline.png"

    def places(self, videos: Iterable[str], root: str = "") -> dict[str, Path]:
        """Return where each video's files go, without their suffix: by its path below `root`.

        Raises:
            HeatpoolError: if a file is in the way.
        """
        distinct = list(dict.fromkeys(videos))
        inside = [_inside(video, root) for video in distinct]
        stems = Counter(path.with_suffix("") for path in inside)
        places: dict[str, Path] = {}
        for video, path in zip(distinct, inside, strict=True):
            named = path.with_suffix("") if stems[path.with_suffix("")] == 1 else path
            if self._folder / named in places.values():
                raise HeatpoolError(f"expected videos of different names for --segments, two would be {named}")
            places[video] = self._folder / named
        for file in (self.csv, self.timeline, *(f for place in places.values() for f in _files(place))):
            refuse_existing(file, self._overwrite)
        return places

    def write(self, places: Mapping[str, Path], segments: Sequence[Segment]) -> None:
        """Write all files.

        Raises:
            HeatpoolError: if one cannot be written.
        """
        from heatpool.pipelines.training.prediction.timeline import write_timeline

        write_text(self.csv, segments_csv(segments), self._overwrite)
        for video, place in places.items():
            of_video = [each for each in segments if each.path == video]
            eaf, srt = _files(place)
            write_text(eaf, elan_document(of_video, video=video, place=eaf), self._overwrite)
            write_text(srt, subtitles(of_video), self._overwrite)
        write_timeline(self.timeline, segments, overwrite=self._overwrite)


def _inside(video: str, root: str) -> PurePosixPath:
    """Return a video's path below `root`, its name if it lies elsewhere: never one that leads out."""
    path = PurePosixPath(Path(video).as_posix())
    if root and not is_remote(video):
        below = PurePosixPath(os.path.relpath(video, root).replace(os.sep, "/"))
        if ".." not in below.parts:
            return below
    return PurePosixPath(path.name or "video")


def _files(place: Path) -> tuple[Path, Path]:
    return place.with_name(f"{place.name}.eaf"), place.with_name(f"{place.name}.srt")


def segments_csv(segments: Iterable[Segment]) -> str:
    """Return a row per segment: path, start_s, end_s, label, confidence."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow([field.name for field in fields(Segment)])
    for each in segments:
        path, start_s, end_s, label, confidence = astuple(each)
        writer.writerow([path, round(start_s, 3), round(end_s, 3), label, round(confidence, 4)])
    return table.getvalue()


def subtitles(segments: Iterable[Segment]) -> str:
    """Return the segments of one video as SubRip subtitles."""
    blocks = []
    for number, each in enumerate(segments, start=1):
        start_ms, end_ms = _span_ms(each)
        label = " ".join(each.label.split())  # an empty line would end the subtitle
        times = f"{_srt_time(start_ms)} --> {_srt_time(end_ms)}"
        blocks.append(f"{number}\n{times}\n{label} {100 * each.confidence:.0f} %\n")
    return "\n".join(blocks)


def _srt_time(time_ms: int) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d},{milliseconds:03d}"


def _span_ms(segment: Segment) -> tuple[int, int]:
    start_ms = round(1000 * segment.start_s)
    return start_ms, max(round(1000 * segment.end_s), start_ms + 1)


def elan_document(segments: Sequence[Segment], *, video: str, place: Path) -> str:
    """Return the segments of one video as an ELAN document (EAF 3.0).

    The tier `action` has the classes; its child tier `confidence` a number for each.

    Args:
        segments: of the video, in order of time.
        video: its path or address.
        place: where the document will be, which its link to the video starts from.
    """
    root = xml.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "heatpool", "DATE": datetime.now().astimezone().isoformat(timespec="seconds"),
            "FORMAT": "3.0", "VERSION": "3.0", "xmlns:xsi": _XSI,
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )  # fmt: skip
    header = xml.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    xml.SubElement(header, "MEDIA_DESCRIPTOR", _media(video, place))
    last = xml.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last.text = str(2 * len(segments))
    order = xml.SubElement(root, "TIME_ORDER")
    actions = xml.SubElement(root, "TIER", LINGUISTIC_TYPE_REF=_TIER, TIER_ID=_TIER)
    shares = xml.SubElement(
        root, "TIER", LINGUISTIC_TYPE_REF=_CONFIDENCE, PARENT_REF=_TIER, TIER_ID=_CONFIDENCE
    )
    for number, each in enumerate(segments, start=1):
        slots = [f"ts{2 * number - 1}", f"ts{2 * number}"]
        for slot, time_ms in zip(slots, _span_ms(each), strict=True):
            xml.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time_ms))
        name, ends = f"a{number}", {"TIME_SLOT_REF1": slots[0], "TIME_SLOT_REF2": slots[1]}
        _annotate(actions, "ALIGNABLE_ANNOTATION", name, ends, each.label)
        child = f"a{len(segments) + number}"
        _annotate(shares, "REF_ANNOTATION", child, {"ANNOTATION_REF": name}, f"{each.confidence:.4f}")
    _add_types(root)
    xml.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml.tostring(root, encoding="unicode")}\n'


def _annotate(tier: xml.Element, kind: str, name: str, refers: Mapping[str, str], value: str) -> None:
    annotation = xml.SubElement(tier, "ANNOTATION")
    inner = xml.SubElement(annotation, kind, ANNOTATION_ID=name, **refers)
    xml.SubElement(inner, "ANNOTATION_VALUE").text = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", value)


def _add_types(root: xml.Element) -> None:
    """Declare what kinds of tiers there are: times of its own, and one value per annotation of the parent."""
    plain = {"GRAPHIC_REFERENCES": "false"}
    xml.SubElement(root, "LINGUISTIC_TYPE", plain, LINGUISTIC_TYPE_ID=_TIER, TIME_ALIGNABLE="true")
    child = {"CONSTRAINTS": "Symbolic_Association", "LINGUISTIC_TYPE_ID": _CONFIDENCE}
    xml.SubElement(root, "LINGUISTIC_TYPE", plain, TIME_ALIGNABLE="false", **child)
    xml.SubElement(
        root,
        "CONSTRAINT",
        DESCRIPTION="1-1 association with a parent annotation",
        STEREOTYPE="Symbolic_Association",
    )


def _media(video: str, place: Path) -> dict[str, str]:
    """Return how ELAN finds the video: by its full address, else from where the document lies."""
    kind = guess_type(video)[0] or "unknown"
    if is_remote(video):
        return {"MEDIA_URL": video, "MIME_TYPE": kind}
    relative = quote(os.path.relpath(video, place.parent).replace(os.sep, "/"))
    link = relative if relative.startswith("../") else f"./{relative}"
    return {
        "MEDIA_URL": Path(video).resolve().as_uri(), "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": link
    }  # fmt: skip
