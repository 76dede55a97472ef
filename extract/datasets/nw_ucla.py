"""Northwestern-UCLA Multiview Action 3D (Wang et al., CVPR 2014)."""

from __future__ import annotations

from heatpool.extract.datasets.spec import DatasetSpec, PersonRule, SplitRule, lines_of, numbers

__all__ = ["nw_ucla"]


def nw_ucla() -> DatasetSpec:
    """NW-UCLA; the actions are numbered 1 to 12 without 7 and 10."""
    actions = ("1", "2", "3", "4", "5", "6", "8", "9", "11", "12")
    return DatasetSpec(
        name="nw-ucla",
        pattern=r"a(?P<action>\d{2})[/_]v(?P<camera>\d{2})_s(?P<subject>\d{2})_e(?P<repeat>\d{2})",
        video="a{action:0>2}/v{camera:0>2}_s{subject:0>2}_e{repeat:0>2}.avi",
        clip_id="a{action:0>2}_v{camera:0>2}_s{subject:0>2}_e{repeat:0>2}",
        classes=dict(zip(actions, lines_of("nw_ucla.txt"), strict=True)),
        splits={"cross_view": SplitRule("camera", train=numbers("1 2"), test=numbers("3"))},
        persons=PersonRule("action", {}, rest=1),
    )
