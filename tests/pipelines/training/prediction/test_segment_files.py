"""Segments as ELAN, SubRip and CSV: read back by ElementTree, by heatpool's own reader, and by eye."""

from __future__ import annotations

from pathlib import Path
from urllib.request import url2pathname
from xml.etree import ElementTree

import pytest

from heatpool.extract.datasets.elan import read_elan
from heatpool.pipelines.training.prediction.records import Segment
from heatpool.pipelines.training.prediction.segment_files import (
    SegmentFiles,
    elan_document,
    segments_csv,
    subtitles,
)
from heatpool.pool.errors import HeatpoolError

SEGMENTS = [
    Segment("a b.mp4", 0, 1.25, "wave <&> both\x00 hands", 0.912345),
    Segment("a b.mp4", 1.25, 3661.5, "clap\n\nhands", 0.5),
    Segment("a b.mp4", 3661.5, 3661.5002, "ünïcode", 1.0),
]


def test_csv_and_subtitles_by_hand() -> None:
    assert segments_csv(SEGMENTS[1:]) == (
        "path,start_s,end_s,label,confidence\r\n"
        'a b.mp4,1.25,3661.5,"clap\n\nhands",0.5\r\n'
        "a b.mp4,3661.5,3661.5,ünïcode,1.0\r\n"
    )
    assert subtitles(SEGMENTS[1:]) == (
        "1\n00:00:01,250 --> 01:01:01,500\nclap hands 50 %\n\n"
        "2\n01:01:01,500 --> 01:01:01,501\nünïcode 100 %\n"
    )


def test_an_elan_document_is_what_its_schema_asks_for(tmp_path: Path) -> None:
    video, place = tmp_path / "videos" / "a b.mp4", tmp_path / "answers" / "a b.eaf"
    text = elan_document(SEGMENTS, video=str(video), place=place)
    root = ElementTree.fromstring(text.encode())
    assert (root.tag, root.attrib["FORMAT"], root.attrib["VERSION"]) == ("ANNOTATION_DOCUMENT", "3.0", "3.0")
    # The schema is a sequence: header, time order, tiers, linguistic types, constraints.
    assert [each.tag for each in root] == [
        "HEADER", "TIME_ORDER", "TIER", "TIER", "LINGUISTIC_TYPE", "LINGUISTIC_TYPE", "CONSTRAINT"
    ]  # fmt: skip
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.attrib["MIME_TYPE"] == "video/mp4"
    assert media.attrib["RELATIVE_MEDIA_URL"] == "../videos/a%20b.mp4"
    assert url2pathname(media.attrib["MEDIA_URL"].removeprefix("file://")) == str(video)
    ids = [each.attrib["ANNOTATION_ID"] for each in root.iter() if "ANNOTATION_ID" in each.attrib]
    assert len(ids) == len(set(ids)) == 6
    types = {each.attrib["LINGUISTIC_TYPE_ID"] for each in root.iter("LINGUISTIC_TYPE")}
    assert {each.attrib["LINGUISTIC_TYPE_REF"] for each in root.iter("TIER")} == types
    shares = root.find("TIER[@TIER_ID='confidence']")
    assert shares is not None
    assert shares.attrib["PARENT_REF"] == "action"
    assert [each.text for each in shares.iter("ANNOTATION_VALUE")] == ["0.9123", "0.5000", "1.0000"]
    assert [each.attrib["ANNOTATION_REF"] for each in shares.iter("REF_ANNOTATION")] == ["a1", "a2", "a3"]


def test_heatpool_reads_its_own_elan_files(tmp_path: Path) -> None:
    place = tmp_path / "a.eaf"
    place.write_text(elan_document(SEGMENTS, video="a b.mp4", place=place), encoding="utf-8")
    read = read_elan(place)
    actions = [each for each in read.annotations.values() if each.tier == "action"]
    assert [(each.value, read.span_s(each, 0)) for each in actions] == [
        ("wave <&> both\N{REPLACEMENT CHARACTER} hands", (0, 1.25)),
        ("clap\n\nhands", (1.25, 3661.5)),
        ("ünïcode", (3661.5, 3661.501)),
    ]


def test_files_lie_as_the_videos_do_and_never_elsewhere(tmp_path: Path) -> None:
    names = ["in/a.mp4", "in/a.avi", "in/more/b.mp4", "../c.mp4", "https://example.org/d/%D0%B6.mp4?f"]
    segments = [Segment(name, 0, 1, "wave", 0.9) for name in names]
    out = tmp_path / "out"
    SegmentFiles(out, names, root="in", overwrite=False).write(segments)
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*.srt"))
    assert found == ["a.avi.srt", "a.mp4.srt", "c.srt", "more/b.srt", "ж.srt"]
    assert sorted(path.name for path in out.iterdir() if path.suffix in (".csv", ".png")) == [
        "segments.csv", "timeline.png"
    ]  # fmt: skip
    assert (out / "segments.csv").read_text().count("\n") == 6
    assert 'MEDIA_URL="https://example.org/d/%D0%B6.mp4?f"' in (out / "ж.eaf").read_text()
    with pytest.raises(HeatpoolError, match="already exists"):
        SegmentFiles(out, ["new.mp4"], root=".", overwrite=False)
    with pytest.raises(HeatpoolError, match="different names"):
        SegmentFiles(tmp_path / "new", ["../x/a.mp4", "../y/a.mp4"], root=".", overwrite=False)
    SegmentFiles(None, names, root="in", overwrite=False).write(segments)  # nothing was asked for
