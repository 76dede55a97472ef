from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from heatpool.extract.datasets.carve import carve_split, group_by
from heatpool.extract.datasets.manifest import Clip
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split


def clips(subjects: int, each: int, *, classes: int = 2) -> list[Clip]:
    """Each subject has `each` clips; odd subjects are test."""
    return [
        Clip(
            f"{subject}-{at}",
            Path(f"{subject}-{at}.mp4"),
            label=at % classes,
            columns={"subject": str(subject)},
            splits={"xsub": Split.TEST if subject % 2 else Split.TRAIN},
        )
        for subject in range(subjects)
        for at in range(each)
    ]


def parts(found: list[Clip]) -> dict[str, set[Split]]:
    by_subject: dict[str, set[Split]] = {}
    for clip in found:
        by_subject.setdefault(clip.columns["subject"], set()).add(clip.splits["xsub"])
    return by_subject


def test_whole_subjects_move_and_test_stays() -> None:
    given = clips(40, 6)
    found, moved = carve_split(given, "xsub", into=Split.VAL, by="subject", fraction=0.2, seed=3)
    counts = Counter(clip.splits["xsub"] for clip in found)
    assert counts == {Split.TRAIN: 96, Split.VAL: 24, Split.TEST: 120}
    assert len(moved) == 4
    assert all(len(each) == 1 for each in parts(found).values())
    assert [clip for clip in found if clip.splits["xsub"] == Split.TEST] == [
        clip for clip in given if clip.splits["xsub"] == Split.TEST
    ]


def test_the_draw_depends_on_the_seed_alone() -> None:
    def draw(seed: int) -> tuple[str, ...]:
        return carve_split(clips(40, 2), "xsub", into=Split.VAL, by="subject", fraction=0.3, seed=seed)[1]

    assert draw(0) == draw(0)
    assert len({draw(seed) for seed in range(5)}) > 1


def test_a_small_fraction_takes_one_group_and_a_large_one_leaves_one() -> None:
    assert len(carve_split(clips(8, 5), "xsub", into=Split.VAL, by="subject", fraction=0.01)[1]) == 1
    assert len(carve_split(clips(8, 5), "xsub", into=Split.VAL, by="subject", fraction=0.99)[1]) == 3


def test_named_subjects_move() -> None:
    found, moved = carve_split(clips(8, 2), "xsub", into=Split.VAL, by="subject", values=("4", "6", "1"))
    assert moved == ("4", "6")  # 1 is a subject of test and stays there
    assert parts(found)["4"] == {Split.VAL}
    assert parts(found)["1"] == {Split.TEST}


def test_single_videos_move_within_their_class() -> None:
    given = [
        Clip(f"{at}", Path(f"{at // 2}.mp4"), label=at // 40, splits={"split": Split.TRAIN})
        for at in range(80)
    ]  # two clips a video, 20 videos a class
    assert group_by(given) == "clip"
    found, moved = carve_split(given, "split", into=Split.TEST, by="clip", fraction=0.25)
    assert len(moved) == 10
    assert Counter((clip.label, clip.splits["split"]) for clip in found) == {
        (0, Split.TRAIN): 30, (0, Split.TEST): 10, (1, Split.TRAIN): 30, (1, Split.TEST): 10,
    }  # fmt: skip
    of_video: dict[Path, set[Split]] = {}
    for clip in found:
        of_video.setdefault(clip.path, set()).add(clip.splits["split"])
    assert all(len(each) == 1 for each in of_video.values())


@pytest.mark.parametrize("seed", range(4))
def test_videos_of_several_classes_are_drawn_together(seed: int) -> None:
    """Drawn for each class anew, one of two videos for each of two classes may be both."""
    given = [
        Clip(f"{at}", Path(f"{at // 2}.mp4"), label=at % 2, splits={"split": Split.TRAIN}) for at in range(4)
    ]
    assert len(carve_split(given, "split", into=Split.TEST, by="clip", fraction=0.5, seed=seed)[1]) == 1


@pytest.mark.parametrize(
    ("subjects", "arguments", "message"),
    [
        (8, {"by": "subject", "values": ("99",)}, "expected a subject of the train split of xsub, got 99"),
        (8, {"by": "subject", "values": ("1",)}, "expected a subject of the train split of xsub, got 1"),
        (
            8,
            {"by": "camera", "fraction": 0.1},
            "expected a camera for every train clip of xsub, got none for '0-0'",
        ),
        (2, {"by": "subject", "values": ("0",)}, "expected train clips of xsub to remain"),
    ],
)
def test_what_cannot_be_is_refused(subjects: int, arguments: dict, message: str) -> None:
    with pytest.raises(HeatpoolError, match=message):
        carve_split(clips(subjects, 2), "xsub", into=Split.VAL, **arguments)
