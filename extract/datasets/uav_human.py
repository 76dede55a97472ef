"""UAV-Human, RGB videos (Li et al., CVPR 2021; https://github.com/sutdcv/UAV-Human)."""

from __future__ import annotations

from heatpool.extract.datasets.spec import DatasetSpec, PersonRule, SplitRule, numbers

__all__ = ["uav_human"]

_TEST_1 = "1 3 4 9 22-24 31 41 54 58 60 66 72 74 75 91-97 99 101 104 107-109 113"
_TEST_2 = "1 2 7 9 13 15 17 23 25 27 28 33 34 41 42 48 50 51 53 55 58 65 68 76 82 85 90 98 105 116"


def uav_human() -> DatasetSpec:
    """UAV-Human. Its annotations publish no class names, so classes are called by their codes.

    The second digit after G is the gender of a second person, 0 where there is none.
    """
    test_1, test_2, subjects = numbers(_TEST_1), numbers(_TEST_2), numbers("0-118")
    return DatasetSpec(
        name="uav-human",
        pattern=(
            r"(?P<clip>P(?P<subject>\d{3})S(?P<setup>\d{2})G\d(?P<second>\d)B\d{2}H\d{2}UC\d{6}LC\d{6}"
            r"A(?P<action>\d{3})R(?P<repeat>\d)_\d{8})"
        ),
        video="{clip}.avi",
        clip_id="{clip}",
        classes={str(label): f"A{label:03}" for label in range(155)},
        splits={
            "csv1": SplitRule("subject", train=subjects - test_1, test=test_1),
            "csv2": SplitRule("subject", train=subjects - test_2, test=test_2),
        },
        persons=PersonRule("second", {"0": 1}, rest=2),
    )
