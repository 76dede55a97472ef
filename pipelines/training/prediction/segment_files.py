"""Segments as files that other programs open: CSV, ELAN (.eaf), subtitles (.srt), and a picture.

ELAN's format: https://www.mpi.nl/tools/elan/EAFv3.0.xsd
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from mimetypes import guess_type
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit
from xml.etree.ElementTree import Element, SubElement, indent, tostring

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
        folder: of the files; it may exist. None: no files are wanted.
        videos: their paths or addresses.
        root: folder; what lies below it keeps its place, all other files go by their names.
        overwrite: replace such files that are there.

    Raises:
        HeatpoolError: if a file is in the way, or two videos would share one.
    """

    def __init__(self, folder: Path | None, videos: Iterable[str], *, root: str, overwrite: bool) -> None:
        self._folder, self._overwrite = folder, overwrite
        self._places: dict[str, Path] = {}
        if folder is None:
            return
        inside = {video: _inside(video, root) for video in videos}
        stems = Counter(path.with_suffix("") for path in inside.values())
        for video, path in inside.items():
            alone = stems[path.with_suffix("")] == 1  # of a.mp4 and a.avi, neither may be called a.srt
            place = folder / (path.with_suffix("") if alone else path)
            if place in self._places.values():
                raise HeatpoolError(
                    f"expected videos of different names for --segments, two are {place.name}"
                )
            self._places[video] = place
        for file in (*_common(folder), *(f for place in self._places.values() for f in _files(place))):
            refuse_existing(file, overwrite)

    def write(self, segments: Sequence[Segment]) -> None:
        """Write all files, if they are wanted.

        Raises:
            HeatpoolError: if one cannot be written.
        """
        if self._folder is None:
            return
        from heatpool.pipelines.training.prediction.timeline import write_timeline

        table, picture = _common(self._folder)
        write_text(table, segments_csv(segments), self._overwrite)
        for video, place in self._places.items():
            of_video = [each for each in segments if each.path == video]
            eaf, srt = _files(place)
            write_text(eaf, elan_document(of_video, video=video, place=eaf), self._overwrite)
            write_text(srt, subtitles(of_video), self._overwrite)
        write_timeline(picture, segments, overwrite=self._overwrite)


def _common(folder: Path) -> tuple[Path, Path]:
    return folder / "segments.csv", folder / "timeline.png"


def _inside(video: str, root: str) -> PurePosixPath:
    """Return a video's path below `root`, its name if it lies elsewhere: never one that leads out."""
    if is_remote(video):
        return PurePosixPath(PurePosixPath(unquote(urlsplit(video).path)).name or "video")
    below = PurePosixPath(os.path.relpath(video, root).replace(os.sep, "/"))
    return below if ".." not in below.parts else PurePosixPath(below.name or "video")


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
    root = Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "heatpool", "DATE": datetime.now().astimezone().isoformat(timespec="seconds"),
            "FORMAT": "3.0", "VERSION": "3.0", "xmlns:xsi": _XSI,
            "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
        },
    )  # fmt: skip
    header = SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    SubElement(header, "MEDIA_DESCRIPTOR", _media(video, place))
    last = SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last.text = str(2 * len(segments))
    order = SubElement(root, "TIME_ORDER")
    actions = SubElement(root, "TIER", LINGUISTIC_TYPE_REF=_TIER, TIER_ID=_TIER)
    shares = SubElement(root, "TIER", LINGUISTIC_TYPE_REF=_CONFIDENCE, PARENT_REF=_TIER, TIER_ID=_CONFIDENCE)
    for number, each in enumerate(segments, start=1):
        slots = [f"ts{2 * number - 1}", f"ts{2 * number}"]
        for slot, time_ms in zip(slots, _span_ms(each), strict=True):
            SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time_ms))
        name, ends = f"a{number}", {"TIME_SLOT_REF1": slots[0], "TIME_SLOT_REF2": slots[1]}
        _annotate(actions, "ALIGNABLE_ANNOTATION", name, ends, each.label)
        child = f"a{len(segments) + number}"
        _annotate(shares, "REF_ANNOTATION", child, {"ANNOTATION_REF": name}, f"{each.confidence:.4f}")
    _add_types(root)
    indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _annotate(tier: Element, kind: str, name: str, refers: dict[str, str], value: str) -> None:
    annotation = SubElement(tier, "ANNOTATION")
    inner = SubElement(annotation, kind, {"ANNOTATION_ID": name, **refers})
    SubElement(inner, "ANNOTATION_VALUE").text = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", value)


def _add_types(root: Element) -> None:
    """Declare what kinds of tiers there are: times of its own, and one value per annotation of the parent."""
    plain = {"GRAPHIC_REFERENCES": "false"}
    SubElement(root, "LINGUISTIC_TYPE", plain, LINGUISTIC_TYPE_ID=_TIER, TIME_ALIGNABLE="true")
    child = {"CONSTRAINTS": "Symbolic_Association", "LINGUISTIC_TYPE_ID": _CONFIDENCE}
    SubElement(root, "LINGUISTIC_TYPE", plain, TIME_ALIGNABLE="false", **child)
    SubElement(
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
