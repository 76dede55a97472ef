"""The demo set whose classes differ by what is held or touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.demo.clip import stage_clip
from heatpool.extract.demo.dataset import KINDS, DemoSpec, render_demo
from heatpool.extract.demo.kinematics import INDEX
from heatpool.extract.demo.motion import perform
from heatpool.extract.demo.objects import OBJECT_ACTIONS
from heatpool.extract.demo.shot import ShotRenderer
from heatpool.extract.demo.subjects import demo_subjects

GROUPS = (
    ("drink_from_cup", "speak_into_phone", "take_pill"),
    ("read_book", "use_tablet"),
    ("push_button", "wave_at_sensor"),
)


def test_every_object_class_is_in_a_group() -> None:
    assert {name for group in GROUPS for name in group} == OBJECT_ACTIONS.keys()
    spec = DemoSpec.objects()
    assert OBJECT_ACTIONS.keys() < set(spec.classes)
    assert len(spec.classes) == 2 * len(OBJECT_ACTIONS)


@pytest.mark.parametrize("group", GROUPS)
def test_pose_does_not_tell_a_group_apart(group: tuple[str, ...]) -> None:
    performances = [
        perform(name, demo_subjects()[:1], frames=50, rng=np.random.default_rng(3)) for name in group
    ]
    for other in performances[1:]:
        np.testing.assert_array_equal(other.joints_xyz_m, performances[0].joints_xyz_m)
        assert [prop.radius_m for prop in other.props] != [prop.radius_m for prop in performances[0].props]


@pytest.mark.parametrize("action", OBJECT_ACTIONS)
def test_things_are_drawn_at_the_hands(action: str) -> None:
    plan = next(
        plan for plan in DemoSpec.objects(seed=1).clips() if plan.action == action and plan.camera == 2
    )
    with_things = stage_clip(replace(plan, frames=30))
    bare = replace(with_things.performance, props=())
    without = ShotRenderer(bare, with_things.subjects, with_things.shot, np.random.default_rng(0))
    step = 16  # in the middle the hand is where it acts
    changed = np.abs(with_things.frame(step).astype(int) - without.frame(step)).sum(-1) > 90
    rows, columns = np.nonzero(changed)
    if action == "take_pill":
        assert len(rows) < 30  # as good as nothing
        return
    assert len(rows) > 10
    camera, joints = with_things.shot.camera, bare.joints_xyz_m[step, 0]
    hands, _ = camera.project(joints[[INDEX["left_hand"], INDEX["right_hand"]]])
    hands = hands + with_things.shot.shake_px[step]
    distance = np.hypot(columns[:, None] - hands[:, 0], rows[:, None] - hands[:, 1]).min()
    assert distance < 8


def test_object_actions_are_performed_anew_for_each_camera() -> None:
    def joints(action: str, camera: int) -> np.ndarray:
        plans = DemoSpec.objects().clips()
        plan = next(plan for plan in plans if (plan.action, plan.camera, plan.subject) == (action, camera, 1))
        return stage_clip(plan).performance.joints_xyz_m

    assert not np.array_equal(joints("read_book", 1), joints("read_book", 2))
    np.testing.assert_array_equal(joints("clap", 1), joints("clap", 2))


def test_a_table_beside_the_manifest_says_which_classes_are_which(tmp_path: Path) -> None:
    spec = replace(DemoSpec.small(objects=True), subjects=(1,), max_frames=40)
    clips = render_demo(spec, tmp_path / "demo")
    assert clips.with_name(KINDS).read_text(encoding="utf-8").splitlines() == [
        "class_name,kind", "drink_from_cup,object", "take_pill,object", "clap,motion",
    ]  # fmt: skip
