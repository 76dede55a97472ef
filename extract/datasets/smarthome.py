"""Toyota-Smarthome, trimmed (Das et al., ICCV 2019)."""

from __future__ import annotations

from heatpool.extract.datasets.spec import DatasetSpec, SplitRule, lines_of, numbers

__all__ = ["smarthome"]


def smarthome() -> DatasetSpec:
    """Toyota-Smarthome; its headline figure is mean class accuracy (`acc/mean_class`).

    CS has 31 classes, CV1 and CV2 the 19 of them that enough cameras saw. Labels count the 31; clips of the
    other 12 are in no split of the CV protocols.
    """
    cv_classes = frozenset(lines_of("smarthome_cv.txt"))
    return DatasetSpec(
        name="smarthome",
        pattern=r"(?P<clip>(?P<action>[A-Za-z.]+)_p(?P<subject>\d+)_r(?P<repeat>\d+)_v\d+_c(?P<camera>\d+))",
        video="mp4/{clip}.mp4",
        clip_id="{clip}",
        classes={name: name for name in lines_of("smarthome.txt")},
        splits={
            "cs": SplitRule(
                "subject",
                train=numbers("3 4 6 7 9 12 13 15 17"),
                val=numbers("19 25"),
                test=numbers("2 10 11 14 16 18 20"),
            ),
            "cv1": SplitRule(
                "camera", train=numbers("1"), val=numbers("5"), test=numbers("2"), classes=cv_classes
            ),
            "cv2": SplitRule(
                "camera", train=numbers("1 3 4 6 7"), val=numbers("5"), test=numbers("2"), classes=cv_classes
            ),
        },
    )
