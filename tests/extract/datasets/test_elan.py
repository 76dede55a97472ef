"""Files of ELAN."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from heatpool.extract.datasets.elan import list_elan
from heatpool.extract.datasets.listing import IntervalRule, Listing, scan
from heatpool.pool.errors import HeatpoolError
from tests.extract.datasets.dataset_files import touch

SLOTS = {"ts1": 1000, "ts2": 2500, "ts3": 2000, "ts4": 4000, "ts5": None}


def annotation(ident: str, slots: tuple[str, str], value: str) -> str:
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{ident}" TIME_SLOT_REF1="{slots[0]}" '
        f'TIME_SLOT_REF2="{slots[1]}"><ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>'
    )


def reference(ident: str, above: str, value: str) -> str:
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{ident}" ANNOTATION_REF="{above}">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


def eaf(
    *tiers: str, media: str = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/d/a.mp4" MIME_TYPE="video/mp4"/>'
) -> str:
    slots = "\n".join(
        f'<TIME_SLOT TIME_SLOT_ID="{name}"' + (f' TIME_VALUE="{ms}"/>' if ms is not None else "/>")
        for name, ms in SLOTS.items()
    )
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<ANNOTATION_DOCUMENT AUTHOR="" FORMAT="3.0" VERSION="3.0">',
            f'<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">{media}</HEADER>',
            f"<TIME_ORDER>{slots}</TIME_ORDER>",
            *tiers,
            "</ANNOTATION_DOCUMENT>",
        ]
    )


def tier(name: str, *annotations: str, participant: str = "") -> str:
    who = f' PARTICIPANT="{participant}"' if participant else ""
    return (
        f'<TIER LINGUISTIC_TYPE_REF="default" TIER_ID="{name}"{who}>\n' + "\n".join(annotations) + "\n</TIER>"
    )


WALK = annotation("a1", ("ts1", "ts2"), "walk &amp; talk")
WAVE = annotation("a2", ("ts3", "ts4"), " wave ")


def list_files(tmp_path: Path, *texts: str, **rule: object) -> Listing:
    folder = touch(tmp_path / "v", "day/a.mp4", "b.mp4")
    for number, text in enumerate(texts):
        (folder / f"{number}.eaf").write_text(text, encoding="utf-8")
    return list_elan(replace(scan(folder), intervals=IntervalRule(**rule)))  # type: ignore[arg-type]


def spans(listing: Listing) -> list[tuple[str, float, float | None, str, str]]:
    return [
        (clip.path.name, clip.start_s, clip.end_s, clip.class_name, clip.columns["subject"])
        for clip in listing.manifest.clips
    ]


def test_annotations_become_clips(tmp_path: Path) -> None:
    lost = annotation("a3", ("ts4", "ts5"), "nod")
    listing = list_files(tmp_path, eaf(tier("action", WALK, WAVE, lost, participant="anna"), tier("empty")))
    assert spans(listing) == [
        ("a.mp4", 1.0, 2.5, "walk & talk", "anna"),
        ("a.mp4", 2.0, 4.0, "wave", "anna"),
    ]
    assert listing.manifest.clips[0].clip_id == "day/a@1.00-2.50"
    assert ("line 12 of 0.eaf", "an annotation whose start or end has no time") in {
        (each.path, each.reason) for each in listing.excluded
    }


def test_a_video_may_begin_before_its_annotations_do(tmp_path: Path) -> None:
    media = (
        '<MEDIA_DESCRIPTOR MEDIA_URL="file:///d/a.wav" MIME_TYPE="audio/x-wav" RELATIVE_MEDIA_URL="./a.wav"/>'
        '<MEDIA_DESCRIPTOR MEDIA_URL="file:///d/b.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="1500"/>'
        '<MEDIA_DESCRIPTOR MEDIA_URL="file:///d/a.mp4" MIME_TYPE="video/mp4"/>'
    )
    assert spans(list_files(tmp_path, eaf(tier("action", WALK), media=media))) == [
        ("b.mp4", 2.5, 4.0, "walk & talk", "")
    ]


def test_of_several_tiers_some_are_chosen(tmp_path: Path) -> None:
    text = eaf(
        tier("action", WALK, WAVE, participant="anna"),
        tier("speech", annotation("s1", ("ts1", "ts4"), "hello")),
        tier(
            "quality",
            reference("r1", "a2", "good"),
            reference("r2", "r1", "very"),
            reference("r3", "no", "x"),
        ),
    )
    with pytest.raises(
        HeatpoolError, match=r"expected --tiers, .* several: quality \(3\), action \(2\), speech \(1\)"
    ):
        list_files(tmp_path, text)
    with pytest.raises(HeatpoolError, match=r"expected --tiers of quality \(3\), .*, got 'actions'"):
        list_files(tmp_path, text, tiers=("actions",))
    both = list_files(tmp_path, text, tiers=("speech", "action"))
    assert [name for *_, name, _ in spans(both)] == ["walk & talk", "wave", "hello"]
    quality = list_files(tmp_path, text, tiers=("quality",))
    assert spans(quality) == [("a.mp4", 2.0, 4.0, "good", ""), ("a.mp4", 2.0, 4.0, "very", "")]


def test_several_files_are_one_data_set(tmp_path: Path) -> None:
    other = eaf(tier("action", WAVE), media='<MEDIA_DESCRIPTOR MEDIA_URL="b.mp4" MIME_TYPE="video/mp4"/>')
    listing = list_files(tmp_path, eaf(tier("action", WALK)), other)
    assert [(name, label) for name, *_, label, _ in spans(listing)] == [
        ("a.mp4", "walk & talk"),
        ("b.mp4", "wave"),
    ]


BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<ANNOTATION_DOCUMENT>&b;'
)
RING = tier("action", reference("r1", "r2", "x"), reference("r2", "r1", "y"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "line 2 of 0.eaf declares a document type, as ELAN never does"),
        ("<html></html>", "expected ANNOTATION_DOCUMENT as in files of ELAN, got html in line 1 of 0.eaf"),
        (eaf(tier("action", WALK))[:-30], "cannot read 0.eaf: .*line 1[0-9], column"),
        ("no xml", "cannot read 0.eaf: .*line 1, column"),
        (eaf(tier("action", WALK), media=""), "expected a video linked in 0.eaf, got none"),
        (
            eaf(tier("action", WALK)).replace("milliseconds", "frames"),
            "TIME_UNITS milliseconds, got frames in line 3",
        ),
        (
            eaf(tier("action", WALK)).replace('"2500"', '"2.5"'),
            "whole milliseconds of TIME_SLOT in line 5 of 0.eaf",
        ),
        (
            eaf(tier("action", WALK)).replace("TIME_SLOT_REF2", "REF"),
            "expected TIME_SLOT_REF2 of ALIGNABLE_ANNOTATION in line 10",
        ),
        (
            eaf(tier("action", annotation("a", ("ts4", "ts1"), "x"))),
            "end after the start, got 4 to 1 s in line 10 of 0.eaf",
        ),
        (eaf(RING), "expected intervals in 0.eaf, got none"),
    ],
)
def test_what_is_no_file_of_elan_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HeatpoolError, match=message) as caught:
        list_files(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_folder_without_files_of_elan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="expected a .eaf file, or a folder of them"):
        list_files(tmp_path)
