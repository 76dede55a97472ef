"""Kinematics and actions of the demo people."""

from __future__ import annotations

import numpy as np
import pytest

from heatpool.extract.demo.kinematics import INDEX, curve, neutral, solve, two_bone
from heatpool.extract.demo.motion import ACTIONS, Performance, perform, persons_of, random_motion
from heatpool.extract.demo.solos import SEAT_HEIGHT_M
from heatpool.extract.demo.subjects import Subject, demo_subjects, lengths_of, random_subject
from heatpool.pool.skeleton import COCO17_SKELETON

PEOPLE = demo_subjects()


def joints_of(action: str, *, seed: int = 0, frames: int = 60, first: int = 0) -> np.ndarray:
    actors = [PEOPLE[first], PEOPLE[first + 1]][: persons_of(action)]
    return perform(action, actors, frames=frames, rng=np.random.default_rng(seed)).joints_xyz_m


def at(joints: np.ndarray, name: str, person: int = 0) -> np.ndarray:
    return joints[:, person, INDEX[name]]


def test_two_bone_makes_a_right_angle_of_three_four_five() -> None:
    middle, end = two_bone(
        np.zeros(3), np.array([5.0, 0.0, 0.0]), first=3.0, second=4.0, pole=np.array([0.0, 0.0, -1.0])
    )
    np.testing.assert_allclose(middle, [1.8, 0.0, -2.4], atol=1e-12)
    np.testing.assert_allclose(end, [5.0, 0.0, 0.0], atol=1e-12)


def test_two_bone_draws_a_far_target_in() -> None:
    _, end = two_bone(
        np.zeros(3), np.array([0.0, 9.0, 0.0]), first=1.0, second=1.0, pole=np.array([1.0, 0, 0])
    )
    np.testing.assert_allclose(end, [0.0, 1.997, 0.0], atol=1e-12)


def test_curve_hits_its_keys_and_stays_between() -> None:
    u = np.array([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0])
    values = curve(u, ((0, 0.0), (0.5, 2.0), (1, 1.0)))
    np.testing.assert_allclose(values, [0.0, 0.0, 1.0, 2.0, 1.0, 1.0])


def test_neutral_person_looks_at_the_middle_camera_with_the_left_at_positive_x() -> None:
    joints = solve(neutral(1, PEOPLE[0]), PEOPLE[0])[0]
    for name in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        left, right = joints[INDEX[f"left_{name}"]], joints[INDEX[f"right_{name}"]]
        assert left[0] > 0 > right[0]
        np.testing.assert_allclose(left * [-1, 1, 1], right, atol=1e-9)
    assert joints[INDEX["nose"], 1] < joints[INDEX["head"], 1] < joints[INDEX["left_heel"], 1] + 0.2


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_lengths_and_nobody_sinks_into_the_ground(action: str) -> None:
    joints = joints_of(action, seed=3)
    for person in range(joints.shape[1]):
        size = lengths_of(PEOPLE[person])
        for first, last, length in (
            ("left_shoulder", "left_elbow", size.upper_arm),
            ("right_elbow", "right_wrist", size.forearm),
            ("left_hip", "left_knee", size.thigh),
            ("right_knee", "right_ankle", size.shin),
            ("pelvis", "neck", size.torso),
        ):
            bone = np.linalg.norm(at(joints, first, person) - at(joints, last, person), axis=-1)
            np.testing.assert_allclose(bone, length, rtol=1e-9)
    assert joints[..., 2].min() > 0.0
    # Somebody's foot is near the ground most of the time (jumps leave it).
    ankle = np.minimum(at(joints, "left_ankle"), at(joints, "right_ankle"))[:, 2]
    assert np.median(ankle) < 0.11


@pytest.mark.parametrize("action", ACTIONS)
def test_same_seed_same_motion_and_other_seed_another(action: str) -> None:
    np.testing.assert_array_equal(joints_of(action, seed=1), joints_of(action, seed=1))
    assert np.abs(joints_of(action, seed=1) - joints_of(action, seed=2)).max() > 0.02


@pytest.mark.parametrize("seed", range(5))
def test_waving_lifts_the_named_hand_only(seed: int) -> None:
    for side, other in (("left", "right"), ("right", "left")):
        joints = joints_of(f"wave_{side}_hand", seed=seed)
        assert (at(joints, f"{side}_wrist") - at(joints, f"{side}_shoulder"))[:, 2].max() > 0.05
        assert (at(joints, f"{other}_wrist") - at(joints, f"{other}_shoulder"))[:, 2].max() < -0.3


@pytest.mark.parametrize("seed", range(5))
def test_standing_up_and_sitting_down_are_each_others_reverse(seed: int) -> None:
    up, down = (at(joints_of(action, seed=seed), "pelvis")[:, 2] for action in ("stand_up", "sit_down"))
    assert up[-1] - up[0] > 0.25
    assert down[0] - down[-1] > 0.25
    # The poses overlap: the lowest and the highest pelvis are the same in both.
    np.testing.assert_allclose([up.min(), up.max()], [down.min(), down.max()], atol=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_drinking_hand_returns_and_phoning_hand_stays(seed: int) -> None:
    for action, stays in (("drink", False), ("phone_call", True)):
        joints = joints_of(action, seed=seed)
        reach = np.minimum(
            *(
                np.linalg.norm(at(joints, f"{s}_hand") - at(joints, "head"), axis=-1)
                for s in ("left", "right")
            )
        )
        assert reach.min() < 0.28
        assert (reach[-1] < 0.28) == stays


@pytest.mark.parametrize("seed", range(5))
def test_hands_meet_in_a_handshake(seed: int) -> None:
    joints = joints_of("shake_hands", seed=seed)
    gap = np.linalg.norm(at(joints, "right_hand", 0) - at(joints, "right_hand", 1), axis=-1)
    assert gap.min() < 0.15
    assert gap[0] > 0.4


def test_walking_changes_the_distance() -> None:
    for action, sign in (("walk_towards", -1), ("walk_apart", 1)):
        joints = joints_of(action, seed=1)
        gap = np.linalg.norm(at(joints, "pelvis", 0) - at(joints, "pelvis", 1), axis=-1)
        assert sign * (gap[-1] - gap[0]) > 0.9


def test_seated_performance_has_its_chair_under_the_pelvis() -> None:
    performance = perform("sit_down", PEOPLE[:1], frames=50, rng=np.random.default_rng(0))
    assert performance.chair is not None
    pelvis = performance.joints_xyz_m[-1, 0, INDEX["pelvis"]]
    np.testing.assert_allclose(pelvis[:2], performance.chair.place_m, atol=0.12)
    assert 0 < pelvis[2] - SEAT_HEIGHT_M < 0.2


def test_wrong_actors_and_actions_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 subjects"):
        perform("punch", PEOPLE[:1], frames=40, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="expected one of"):
        persons_of("fly")
    with pytest.raises(ValueError, match="finite"):
        Performance(np.full((1, 1, len(INDEX), 3), np.nan))


def test_training_people_are_never_the_demo_people() -> None:
    rng = np.random.default_rng(0)
    looks = {(person.stature_m, person.skin, person.top, person.bottom) for person in PEOPLE}
    for _ in range(300):
        person = random_subject(rng)
        assert (person.stature_m, person.skin, person.top, person.bottom) not in looks
        assert person.stature_m not in {subject.stature_m for subject in PEOPLE}


def test_random_motion_covers_many_poses() -> None:
    rng = np.random.default_rng(0)
    wrists = [
        random_motion(random_subject(rng), steps=1, rng=rng).joints_xyz_m[0, 0, INDEX["left_wrist"]]
        for _ in range(80)
    ]
    assert (np.std(wrists, axis=0) > 0.15).all()


def test_subject_record_checks_itself() -> None:
    assert len({person.name for person in PEOPLE}) == 10
    assert COCO17_SKELETON.joint_names[9] == "left_wrist"
    fields = {**PEOPLE[0].__dict__, "stature_m": 3.0}
    with pytest.raises(ValueError, match="stature_m"):
        Subject(**fields)
