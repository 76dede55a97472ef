"""NTU RGB+D 60 and 120.

Rules and missing samples as published by the makers: Shahroudy et al., CVPR 2016 (60) and Liu et al.,
TPAMI 2019 (120); https://github.com/shahroudy/NTURGB-D.
"""

from __future__ import annotations

from collections.abc import Mapping

from heatpool.extract.datasets.spec import DatasetSpec, PersonRule, SplitRule, lines_of, numbers
from heatpool.pool.records import Split

__all__ = ["ntu60", "ntu120"]

_SUBJECTS_60 = "1 2 4 5 8 9 13-19 25 27 28 31 34 35 38"
_SUBJECTS_120 = f"{_SUBJECTS_60} 45-47 49 50 52-59 70 74 78 80-86 89 91-95 97 98 100 103"
_TWO_PERSON_ACTIONS = "50-60 106-120"


def ntu60() -> DatasetSpec:
    """NTU RGB+D 60; of a folder of NTU RGB+D 120 it takes the actions 1 to 60, which are setups 1 to 17."""
    splits = {
        "xsub": SplitRule("subject", train=numbers(_SUBJECTS_60), rest=Split.TEST),
        "xview": SplitRule("camera", train=numbers("2 3"), rest=Split.TEST),
    }
    return _ntu("ntu60", 60, splits)


def ntu120() -> DatasetSpec:
    """NTU RGB+D 120."""
    even = frozenset(map(str, range(2, 33, 2)))
    splits = {
        "xsub": SplitRule("subject", train=numbers(_SUBJECTS_120), rest=Split.TEST),
        "xset": SplitRule("setup", train=even, rest=Split.TEST),
    }
    return _ntu("ntu120", 120, splits)


def _ntu(name: str, classes: int, splits: Mapping[str, SplitRule]) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        pattern=(
            r"(?P<clip>S(?P<setup>\d{3})C(?P<camera>\d{3})P(?P<subject>\d{3})R(?P<repeat>\d{3})"
            r"A(?P<action>\d{3}))(?:_rgb)?"
        ),
        video="nturgb+d_rgb/{clip}_rgb.avi",
        clip_id="{clip}",
        classes={str(at): text for at, text in enumerate(lines_of("ntu120.txt")[:classes], start=1)},
        splits=splits,
        persons=PersonRule("action", dict.fromkeys(numbers(_TWO_PERSON_ACTIONS), 2), rest=1),
        missing=frozenset(lines_of("ntu_missing_skeletons.txt")),
        missing_reason="no skeleton was published, every paper leaves it out (--keep-missing keeps it)",
    )
