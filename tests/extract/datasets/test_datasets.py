"""Data sets whose names say what a clip is: published sizes, labels, columns, what is left out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from heatpool.extract.datasets import DATASETS, SPECS
from heatpool.extract.datasets.listing import Listing, VideoFolder, scan
from heatpool.extract.datasets.manifest import read_manifest
from heatpool.extract.datasets.names import list_named
from heatpool.extract.datasets.ntu import ntu60, ntu120
from heatpool.extract.datasets.nw_ucla import nw_ucla
from heatpool.extract.datasets.smarthome import smarthome
from heatpool.extract.datasets.spec import DatasetSpec, SplitRule, lines_of, numbers
from heatpool.extract.datasets.uav_human import uav_human
from heatpool.extract.datasets.ucf101 import list_ucf101, ucf101
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split
from tests.extract.datasets import dataset_names as names

FOLDER = Path("videos")


def list_names(spec: DatasetSpec, paths: Sequence[str], *, keep_missing: bool = False) -> Listing:
    return list_named(spec, VideoFolder(FOLDER, tuple(paths), keep_missing=keep_missing))


def sizes(listing: Listing, protocol: str) -> tuple[int, int, int]:
    counts = Counter(clip.splits[protocol] for clip in listing.manifest.clips)
    return counts[Split.TRAIN], counts[Split.VAL], counts[Split.TEST]


@pytest.fixture(scope="module")
def ntu_paths() -> list[str]:
    return [f"nturgb+d_rgb/{name}_rgb.avi" for name in names.ntu_names()]


def test_ntu_has_its_published_sizes(ntu_paths: list[str]) -> None:
    assert len(set(ntu_paths)) == 114_480
    listing = list_names(ntu120(), ntu_paths)
    assert len(listing.manifest.clips) == 113_945
    assert sizes(listing, "xsub") == (63_026, 0, 50_919)
    assert sizes(listing, "xset") == (54_468, 0, 59_477)
    assert [count for _, count in listing.reasons()] == [535]
    assert "no skeleton was published" in listing.reasons()[0][0]

    listing = list_names(ntu60(), ntu_paths)  # of the same folder
    assert sizes(listing, "xsub") == (40_091, 0, 16_487)
    assert sizes(listing, "xview") == (37_646, 0, 18_932)
    assert listing.reasons()[0] == ("its class is none of ntu60", 57_600)
    assert {clip.columns["setup"] for clip in listing.manifest.clips} == {str(s) for s in range(1, 18)}


def test_ntu_keeps_missing_samples_on_demand() -> None:
    paths = [f"{name}_rgb.avi" for name in lines_of("ntu_missing_skeletons.txt")]
    assert len(list_names(ntu120(), paths, keep_missing=True).manifest.clips) == 535
    with pytest.raises(HeatpoolError, match="no skeleton was published"):
        list_names(ntu120(), paths)


@pytest.mark.slow
def test_ntu_from_files_on_the_disk_in_under_20_cpu_seconds(tmp_path: Path, ntu_paths: list[str]) -> None:
    (tmp_path / "nturgb+d_rgb").mkdir()
    for path in ntu_paths:
        (tmp_path / path).touch()
    (tmp_path / "nturgb+d_rgb" / "holiday.mp4").touch()
    (tmp_path / "README.txt").touch()
    begun = time.process_time()  # not the clock: other work on the machine must not fail it
    found = {}
    for dataset, protocols in (("ntu60", ("xsub", "xview")), ("ntu120", ("xsub", "xset"))):
        listing = DATASETS[dataset](scan(tmp_path))
        listing.manifest.write(tmp_path / f"{dataset}.csv")
        found |= {(dataset, protocol): sizes(listing, protocol) for protocol in protocols}
        excluded = {each.path: each.reason for each in listing.excluded}
        assert excluded["nturgb+d_rgb/holiday.mp4"] == f"its name is none of {dataset}"
        assert excluded["README.txt"] == "no video, by its name"
    assert time.process_time() - begun < 20
    assert found == {
        ("ntu60", "xsub"): (40_091, 0, 16_487),
        ("ntu60", "xview"): (37_646, 0, 18_932),
        ("ntu120", "xsub"): (63_026, 0, 50_919),
        ("ntu120", "xset"): (54_468, 0, 59_477),
    }


def test_an_ntu_clip_is_read_from_its_name() -> None:
    (clip,) = list_names(ntu120(), ["deep/S018C002P045R001A106_rgb.avi"]).manifest.clips
    assert clip.clip_id == "S018C002P045R001A106"
    assert clip.path == FOLDER / "deep/S018C002P045R001A106_rgb.avi"
    assert (clip.label, clip.class_name, clip.persons) == (105, "hit with object", 2)
    assert clip.columns == {"subject": "45", "camera": "2", "setup": "18", "repeat": "1"}
    assert clip.splits == {"xsub": Split.TRAIN, "xset": Split.TRAIN}
    clips = list_names(ntu60(), [f"S001C001P003R001A{a:03}.avi" for a in (1, 49, 50, 60)]).manifest.clips
    assert [clip.persons for clip in clips] == [1, 1, 2, 2]


def test_smarthome_has_its_published_sizes() -> None:
    listing = list_names(smarthome(), [f"mp4/{name}.mp4" for name in names.smarthome_names()])
    assert len(listing.manifest.clips) == 16_115
    assert sizes(listing, "cs") == (8_829, 1_853, 5_433)
    assert sizes(listing, "cv1") == (1_877, 3_539, 1_901)
    assert sizes(listing, "cv2") == (7_806, 3_539, 1_901)
    assert len(listing.manifest.class_names) == 31
    assert len({clip.label for clip in listing.manifest.clips if clip.splits["cv2"]}) == 19


def test_a_smarthome_clip_is_read_from_its_name() -> None:
    (clip,) = list_names(smarthome(), ["mp4/Drink.Fromcup_p02_r00_v02_c03.mp4"]).manifest.clips
    assert (clip.clip_id, clip.class_name) == ("Drink.Fromcup_p02_r00_v02_c03", "Drink.Fromcup")
    assert (clip.columns["subject"], clip.columns["camera"], clip.persons) == ("2", "3", 0)
    assert clip.splits == {"cs": Split.TEST, "cv1": Split.NONE, "cv2": Split.TRAIN}


def test_uav_human_has_its_published_sizes() -> None:
    listing = list_names(uav_human(), [f"{name}.avi" for name in names.uav_human_names()])
    assert sizes(listing, "csv1") == (16_182, 0, 6_184)
    assert sizes(listing, "csv2") == (16_074, 0, 6_292)
    assert Counter(clip.persons for clip in listing.manifest.clips)[2] == 5_632
    assert len({clip.label for clip in listing.manifest.clips}) == 155


def test_uav_human_trains_on_the_subjects_that_its_makers_print() -> None:
    splits = uav_human().splits
    assert splits["csv1"].train == frozenset(map(str, names.spread(names.UAV_TRAIN_1)))
    assert splits["csv2"].train == frozenset(map(str, names.spread(names.UAV_TRAIN_2)))


def test_a_uav_human_clip_is_read_from_its_name() -> None:
    paths = ["P070S01G12B00H10UC102000LC092000A031R0_09131758.avi"]
    (clip,) = list_names(uav_human(), paths).manifest.clips
    assert (clip.label, clip.class_name, clip.persons) == (31, "A031", 2)
    assert clip.columns == {"subject": "70", "camera": "", "setup": "1", "repeat": "0"}


def test_ucf101_has_its_published_sizes() -> None:
    paths = [f"{name}.avi" for name in names.ucf101_names(list(ucf101().classes))]
    listing = list_names(ucf101(), paths)
    assert len(listing.manifest.clips) == 13_320
    assert sizes(listing, "split1") == (9_537, 0, 3_783)
    for protocol, first in (("split2", 8), ("split3", 15)):
        tests = {
            clip.columns["subject"] for clip in listing.manifest.clips if clip.splits[protocol] == Split.TEST
        }
        assert tests == {str(group) for group in range(first, first + 7)}
    odd = [clip for clip in listing.manifest.clips if clip.path.parent.name == "HandstandPushups"]
    assert {clip.class_name for clip in odd} == {"HandstandPushups"}  # its files are called HandStandPushups


def test_ucf101_splits_may_come_from_the_published_lists(tmp_path: Path) -> None:
    (tmp_path / "trainlist01.txt").write_text("HandstandPushups/v_HandStandPushups_g01_c01.avi 37\n")
    (tmp_path / "testlist01.txt").write_text("Archery/v_Archery_g09_c01.avi\nArchery/v_Archery_g09_c02.avi\n")
    paths = ("Archery/v_Archery_g09_c01.avi", "HandstandPushups/v_HandstandPushups_g01_c01.avi")
    listing = list_ucf101(VideoFolder(FOLDER, paths, annotations=tmp_path))
    assert [clip.splits for clip in listing.manifest.clips] == [
        {"split1": Split.TEST},  # by groups it would be the other way round
        {"split1": Split.TRAIN},
    ]
    assert listing.manifest.disjoint == {"split1": "subject"}
    assert [(each.path, each.reason) for each in listing.excluded] == [
        ("v_archery_g09_c02", "listed, but there is no such video")
    ]
    (tmp_path / "other.txt").touch()
    with pytest.raises(HeatpoolError, match="expected trainlist01.txt, testlist01.txt"):
        list_ucf101(VideoFolder(FOLDER, paths, annotations=tmp_path / "other.txt"))


def test_nw_ucla_splits_by_view() -> None:
    listing = list_names(nw_ucla(), [f"{name}.avi" for name in names.nw_ucla_names()])
    views = Counter(clip.columns["camera"] for clip in listing.manifest.clips)
    assert sum(views.values()) == 1_475
    assert sizes(listing, "cross_view") == (views["1"] + views["2"], 0, views["3"])
    assert listing.manifest.class_names[6] == "donning"
    clips = list_names(nw_ucla(), ["a12/v03_s10_e01.avi", "a01_v01_s01_e00.avi", "a07/v01_s01_e00.avi"])
    assert [(clip.clip_id, clip.label) for clip in clips.manifest.clips] == [
        ("a12_v03_s10_e01", 9),
        ("a01_v01_s01_e00", 0),
    ]
    assert clips.excluded[0].reason == "its class is none of nw-ucla"


def test_manifests_carry_the_rules_of_their_data_set_alone(tmp_path: Path) -> None:
    rules = {make().name: make().disjoint for make in SPECS}
    assert rules == {
        "ntu60": {"xsub": "subject", "xview": "camera"},
        "ntu120": {"xsub": "subject", "xset": "setup"},
        "smarthome": {"cs": "subject", "cv1": "camera", "cv2": "camera"},
        "uav-human": {"csv1": "subject", "csv2": "subject"},
        "nw-ucla": {"cross_view": "camera"},
        "ucf101": {"split1": "subject", "split2": "subject", "split3": "subject"},
    }
    listing = list_names(ntu60(), ["S001C002P003R001A001_rgb.avi"])
    listing.manifest.write(tmp_path / "ntu60.csv")
    index = read_manifest(tmp_path / "ntu60.csv").index()
    assert index.disjoint == listing.manifest.index().disjoint == rules["ntu60"]
    video = VideoFolder(FOLDER, ("wave/a.mp4",))
    assert DATASETS["folder"](video).manifest.disjoint == {}


@pytest.mark.parametrize("make", SPECS, ids=lambda make: make().name)
def test_every_record_is_whole(make: object) -> None:
    spec: DatasetSpec = make()  # type: ignore[operator]
    assert spec.name in DATASETS
    assert len(set(spec.classes.values())) == len(spec.classes) == len({*map(str.casefold, spec.classes)})
    assert spec.splits
    rules = [rule for rule in spec.splits.values() if rule.classes]
    assert all(rule.classes <= set(spec.classes.values()) for rule in rules)


def test_published_paths_fit_the_patterns() -> None:
    for make, name in (
        (ntu60, "S001C001P001R001A001"),
        (smarthome, "Walk_p02_r00_v02_c03"),
        (uav_human, "P000S00G10B10H10UC022000LC021000A000R0_08241716"),
        (ucf101, "v_Archery_g01_c01"),
        (nw_ucla, "a01_v01_s01_e00"),
    ):
        fields = make().fields(name)
        assert fields is not None
        again = make().fields(make().video.format_map(fields).rsplit(".", 1)[0])
        assert again == fields, "the path that a record names must be one that it reads"


def test_two_videos_of_one_name_stay_two_clips() -> None:
    paths = ["a/S001C001P001R001A001_rgb.avi", "b/S001C001P001R001A001_rgb.avi", "b/S001C001P001R001A002.avi"]
    clips = list_names(ntu60(), paths).manifest.clips
    assert [clip.clip_id for clip in clips] == [
        "a/S001C001P001R001A001_rgb",
        "b/S001C001P001R001A001_rgb",
        "S001C001P001R001A002",
    ]


def test_a_folder_of_something_else_is_refused() -> None:
    with pytest.raises(
        HeatpoolError, match=r"expected videos of ntu60 such as .*_rgb.avi below videos, got 1"
    ):
        list_names(ntu60(), ["holiday.mp4"])


def test_scan_lists_every_file_once(tmp_path: Path) -> None:
    for name in ("a/x.MP4", "a/.hidden.mp4", "notes.txt", "b/y.avi", ".cache/z.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path / "b")
    (tmp_path / "bad\udcff.mp4").touch()
    (tmp_path / "empty").mkdir()
    source = scan(tmp_path)
    assert [path.rpartition("/")[2] for path in source.videos] == ["x.MP4", "y.avi"]
    assert {each.path: each.reason for each in source.excluded} == {
        ".cache/z.mp4": "no video, by its name",
        "a/.hidden.mp4": "no video, by its name",
        "bad\\udcff.mp4": "its name is not valid Unicode",
        "notes.txt": "no video, by its name",
    }
    with pytest.raises(HeatpoolError, match="expected videos .* got none"):
        scan(tmp_path / "empty")


def test_records_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="expected each subject in one split"):
        SplitRule("subject", train=numbers("1-3"), test=numbers("3"))
    with pytest.raises(ValueError, match="expected a column of subject, camera"):
        SplitRule("person")
    with pytest.raises(ValueError, match="expected a group 'action'"):
        DatasetSpec("x", pattern="(?P<subject>.)", video="", clip_id="", classes={})
    assert numbers("1 3-5") == {"1", "3", "4", "5"}
    assert (
        len(lines_of("ntu_missing_skeletons.txt")) == len(set(lines_of("ntu_missing_skeletons.txt"))) == 535
    )
