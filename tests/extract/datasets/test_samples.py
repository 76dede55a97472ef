"""Data sets whose annotations name each video: HMDB51, Diving48, FineGym, Something-Something v2."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from heatpool.extract.datasets import DATASETS
from heatpool.extract.datasets.listing import Listing, VideoFolder
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

FOLDER = Path("videos")
HOLDING = {"id": "7", "template": "Holding [something]"}


def write(folder: Path, files: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def read(dataset: str, annotations: Path | None, *videos: str) -> Listing:
    return DATASETS[dataset](VideoFolder(FOLDER, tuple(sorted(videos)), annotations=annotations))


def parts(listing: Listing, protocol: str = "split") -> Counter[Split]:
    return Counter(clip.splits[protocol] for clip in listing.manifest.clips)


def facts(listing: Listing) -> dict[str, tuple[int, str, Split]]:
    return {
        clip.clip_id: (clip.label, clip.class_name, clip.splits["split"]) for clip in listing.manifest.clips
    }


def test_hmdb51_has_three_splits_of_70_and_30(tmp_path: Path) -> None:
    """51 classes of 120 videos, of which each split leaves out 20; names hold all that file systems allow."""
    actions = [f"act_{at:02}" for at in range(50)] + ["swing_baseball"]
    names = {a: [f"#{at}_Show!_([{a};&]_f_cm_np1_fr_med_{at % 4}" for at in range(120)] for a in actions}
    files = {}
    for action in actions:
        for number in (1, 2, 3):
            ids = [1] * 70 + [2] * 30 + [0] * 20
            turned = ids[number * 40 :] + ids[: number * 40]
            lines = [f"{name}.avi {id_} " for name, id_ in zip(names[action], turned, strict=True)]
            files[f"{action}_test_split{number}.txt"] = "\n".join(lines) + "\n"
    videos = [f"{action}/{name}.avi" for action in actions for name in names[action]]
    listing = read("hmdb51", write(tmp_path / "s", {**files, "readme.txt": "1 = train\n"}), *videos)
    assert listing.manifest.protocols == ("split1", "split2", "split3")
    for protocol in listing.manifest.protocols:
        assert parts(listing, protocol) == {Split.TRAIN: 3570, Split.TEST: 1530, Split.NONE: 1020}
    assert listing.manifest.class_names == tuple(sorted(actions))
    assert {clip.class_name == clip.path.parent.name for clip in listing.manifest.clips} == {True}
    assert not listing.excluded


def test_hmdb51_takes_folders_of_pictures(tmp_path: Path) -> None:
    annotations = write(tmp_path / "s", {"run_test_split1.txt": "a.b_run_0.avi 1\nc_run_1.avi 2\n"})
    source = VideoFolder(
        FOLDER, ("run/a.b_run_0",), annotations=annotations, pictures={"run/a.b_run_0": 9}, fps=30
    )
    listing = DATASETS["hmdb51"](source)
    (clip,) = listing.manifest.clips
    assert (clip.clip_id, clip.path, clip.fps) == ("a.b_run_0", FOLDER / "run/a.b_run_0", 30)
    assert [(each.path, each.reason) for each in listing.excluded] == [
        ("c_run_1", "listed, but there is no such video")
    ]


VOCABULARY = [["Back", "15som", "05Twis", "FREE"], ["Reverse", "Dive", "NoTwis", "PIKE"]]


def diving(**changes: Any) -> dict[str, Any]:
    train = [
        {"vid_name": f"-mZb_0000{at}", "label": at % 2, "start_frame": 0, "end_frame": 99} for at in range(3)
    ]
    files = {"V2_train": train, "V2_test": [{"vid_name": "x_00001", "label": 1}], "vocab": VOCABULARY}
    return {f"Diving48_{name}.json": content for name, content in (files | changes).items()}


def test_diving48_names_classes_by_their_parts(tmp_path: Path) -> None:
    videos = [f"rgb/-mZb_0000{at}.mp4" for at in range(3)] + ["rgb/x_00001.mp4", "rgb/removed_in_v2.mp4"]
    listing = read("diving48", write(tmp_path / "s", diving()), *videos)
    assert facts(listing) == {
        "-mZb_00000": (0, "Back 15som 05Twis FREE", Split.TRAIN),
        "-mZb_00001": (1, "Reverse Dive NoTwis PIKE", Split.TRAIN),
        "-mZb_00002": (0, "Back 15som 05Twis FREE", Split.TRAIN),
        "x_00001": (1, "Reverse Dive NoTwis PIKE", Split.TEST),
    }
    assert listing.reasons() == [("the annotations do not name it", 1)]


GYM = {
    "gym99_categories.txt": (
        "Clabel: 0; set: 1; Glabel: 1; (VT) round-off, flic-flac\nClabel: 1; set: 11; Glabel: 19; (FX) turn\n"
    ),
    "gym99_train_element_v1.1.txt": "A0x_E_003405_003426_A_0003_0005 1\nB0x_E_1_2_A_3_4 0\n",
    "gym99_val_element.txt": "C0x_E_1_2_A_3_4 1\n",
    "gym99_train_frame.txt": "A0x_E_003405_003426_A_0003_0005 30 1\n",
    "gym288_train_element_v1.1.txt": "A0x_E_003405_003426_A_0003_0005 7\n",
}  # fmt: skip


def test_finegym_reports_on_its_val_part(tmp_path: Path) -> None:
    listing = read(
        "gym99", write(tmp_path / "s", GYM), "A0x_E_003405_003426_A_0003_0005.mp4", "C0x_E_1_2_A_3_4.mp4"
    )
    assert facts(listing) == {
        "A0x_E_003405_003426_A_0003_0005": (1, "(FX) turn", Split.TRAIN),
        "C0x_E_1_2_A_3_4": (1, "(FX) turn", Split.TEST),
    }
    assert listing.manifest.class_names == ("(VT) round-off, flic-flac", "(FX) turn")


def something(prefix: str = "", **changes: Any) -> dict[str, Any]:
    files = {
        "labels": {"Holding something next to something": "1", "Turning something upside down": "0"},
        "train": [
            {"id": "74225", "label": "holding a cup", "template": "Holding [something] next to [something]"}
        ],
        "validation": [{"id": "9", "template": "Turning [something] upside down"}],
        "test": [{"id": "1420"}],
    } | changes
    return {f"{prefix}{name}.json": content for name, content in files.items()}


@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_something_something_goes_by_templates(tmp_path: Path, prefix: str) -> None:
    videos = ("74225.webm", "9.webm", "1420.webm")
    listing = read("ssv2", write(tmp_path / "s", something(prefix)), *videos)
    assert facts(listing) == {
        "1420": (-1, "", Split.TEST),
        "74225": (1, "Holding something next to something", Split.TRAIN),
        "9": (0, "Turning something upside down", Split.VAL),
    }


def hmdb(line: str) -> dict[str, str]:
    return {"run_test_split1.txt": f"a.avi 1\n{line}\n"}


def gym(**changes: str) -> dict[str, str]:
    return GYM | {f"gym99_{name}.txt": text for name, text in changes.items()}


@pytest.mark.parametrize(
    ("dataset", "files", "message"),
    [
        ("hmdb51", hmdb("b.avi 3"), "a video and 0, 1 or 2, got 'b.avi 3' in line 2 of run_test_spl"),
        ("hmdb51", {"trainlist01.txt": "a 1\n"}, "expected brush_hair_test_split1.txt, … in"),
        ("hmdb51", hmdb("b.avi 1"), "videos below videos that .* names, such as a, got none of 2"),
        ("diving48", diving(vocab=5), "a list of lists of words in Diving48_voc"),
        ("diving48", diving(V2_test={}), "expected a list in Diving48_V2_test.json, got dict"),
        ("diving48", diving(V2_test=[{}]), "vid_name and label in entry 1 of Diving48_V2_test"),
        ("diving48", diving(V2_test=[{"vid_name": "x", "label": 2}]), "a label below 2, got 2 in"),
        ("diving48", {"Diving48_vocab.json": VOCABULARY}, "cannot read .*Diving48_V2_train.json"),
        ("gym99", gym(categories="Clabel: 1; set: 1; (VT) x\n"), "'Clabel: 0; .* in line 1 of gym99_cat"),
        ("gym99", gym(val_element="C 2\n"), "a label below 2, got 'C 2' in line 1 of gym99_val"),
        ("gym99", {"gym99_categories.txt": GYM["gym99_categories.txt"]}, "gym99_train_element_v1.1.txt and"),
        ("gym288", GYM, "expected gym288_categories.txt in --annotations"),
        ("ssv2", something(labels={"a": "0", "b": "2"}), "numbered from 0 in labels.json"),
        ("ssv2", something(labels=[]), "expected a dict in labels.json, got list"),
        ("ssv2", something(train=[{"id": 1, "template": "Eat"}]), "labels.json, got 'Eat' in entry 1 of"),
        ("ssv2", something(train=[3]), "expected an id in entry 1 of train.json"),
        ("ssv2", {"labels.json": {}}, "expected train.json in .*, got none"),
    ],
)  # fmt: skip
def test_what_is_not_as_published_is_refused(
    tmp_path: Path, dataset: str, files: dict[str, Any], message: str
) -> None:
    with pytest.raises(HeatpoolError, match=message) as caught:
        read(dataset, write(tmp_path / "s", files), "other.mp4")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dataset", ["hmdb51", "diving48", "gym99", "gym288", "ssv2", "list", "csv", "boris"])
def test_annotations_are_asked_for(dataset: str) -> None:
    with pytest.raises(HeatpoolError, match=r"expected .*--annotations.*, got [Nn]one"):
        read(dataset, None, "a.mp4")


@pytest.mark.parametrize(
    ("dataset", "files", "message"),
    [
        ("ucf101", {"trainlist01.txt": "a/v_Archery_g08_c01.avi 3\n",
                    "testlist01.txt": "a/v_Archery_g08_c01.avi\n"},
         "each video in one split, got a/v_Archery_g08_c01.avi 3 in line 1 of trainlist01.txt"),
        ("ssv2", {"labels.json": {"Holding something": 0}, "train.json": [HOLDING],
                  "validation.json": [HOLDING]},
         "one split of 7, got train in entry 1 of train.json and val in entry 1 of validation.json"),
        ("ssv2", {"labels.json": {"Holding something": 0, "B": 1}, "validation.json": [],
                  "train.json": [HOLDING, {"id": "7", "template": "B"}]},
         "one class of 7, got 0 in entry 1 of train.json and 1 in entry 2 of train.json"),
        ("diving48", {"Diving48_vocab.json": [["a"]],
                      "Diving48_V2_train.json": [{"vid_name": "v", "label": 0}],
                      "Diving48_V2_test.json": [{"vid_name": "v", "label": 0}]},
         "one split of v, got train in entry 1 of Diving48_V2_train.json and test in entry 1"),
        ("gym99", {"gym99_categories.txt": "Clabel: 0; set: 1; Glabel: 1; (VT) a\n",
                   "gym99_train_element_v1.1.txt": "v 0\n", "gym99_val_element.txt": "u 0\nv 0\n"},
         "one split of v, got train in line 1 of gym99_train_.* and test in line 2 of gym99_val_element.txt"),
    ],
)  # fmt: skip
def test_a_video_in_two_splits_or_classes_is_refused_with_both_places(
    tmp_path: Path, dataset: str, files: dict[str, Any], message: str
) -> None:
    videos = "a/v_Archery_g08_c01.avi", "7.webm", "v.mp4", "u.mp4"
    with pytest.raises(HeatpoolError, match=message):
        read(dataset, write(tmp_path / "a", files), *videos)
