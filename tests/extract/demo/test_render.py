"""Camera, drawing and ground truth of the demo."""

from __future__ import annotations

import numpy as np
import pytest

from heatpool.extract.demo.camera import Camera
from heatpool.extract.demo.effects import Mover, Occluder
from heatpool.extract.demo.kinematics import INDEX, neutral, solve
from heatpool.extract.demo.motion import Performance
from heatpool.extract.demo.render import Light
from heatpool.extract.demo.scene import Place
from heatpool.extract.demo.shot import Shot, ShotRenderer
from heatpool.extract.demo.stills import People, render_still
from heatpool.extract.demo.subjects import Subject, demo_subjects
from heatpool.pool.skeleton import COCO17_SKELETON

PEOPLE = demo_subjects()
CAMERA = Camera((0.0, -4.0, 1.0), (0.0, 0.0, 1.0), 260.0, 256, 192)
COCO = {name: index for index, name in enumerate(COCO17_SKELETON.joint_names)}


def stand(subject: Subject, place_m: tuple[float, float] = (0.0, 0.0), yaw_rad: float = 0.0) -> np.ndarray:
    curves = neutral(1, subject)
    curves.root_m += place_m
    curves.yaw_rad += yaw_rad
    return solve(curves, subject)


def renderer_of(
    joints: list[np.ndarray], subjects: list[Subject], occluder: Occluder | None = None
) -> ShotRenderer:
    shot = Shot(
        camera=CAMERA,
        light=Light((0.0, -0.8, 0.6), ambient=0.6, diffuse=0.4),
        place=Place(indoors=True, half_width_m=3.0, back_m=2.0, seed=1),
        mover=Mover("none", (0.0, 1.9, 1.0), (0.5, 0.5), 1.0, (0, 0, 0)),
        shake_px=np.zeros((1, 2), int),
        gain=np.ones(1),
        grain=0.0,
        occluder=occluder,
    )
    return ShotRenderer(Performance(np.stack(joints, axis=1)), subjects, shot, np.random.default_rng(0))


def test_projection_by_hand() -> None:
    px, depth = CAMERA.project(
        np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 2.0], [0.5, -2.0, 0.5]])
    )
    np.testing.assert_allclose(depth, [4.0, 4.0, 4.0, 2.0])
    np.testing.assert_allclose(px, [[127.5, 95.5], [192.5, 95.5], [127.5, 30.5], [192.5, 160.5]])


def test_camera_to_the_right_sees_what_is_near_it_larger() -> None:
    camera = Camera.around(
        angle_rad=np.pi / 2, distance_m=4.0, height_m=1.0, focal_px=100.0, width_px=101, height_px=101,
        aim_m=(0.0, 0.0, 1.0),
    )  # fmt: skip
    px, depth = camera.project(np.array([[1.0, 1.0, 1.0]]))
    np.testing.assert_allclose(depth, [3.0])
    np.testing.assert_allclose(px, [[50 + 100 / 3, 50.0]])


def test_own_left_is_on_the_image_right_from_the_front_and_left_from_behind() -> None:
    for yaw, sign in ((0.0, 1.0), (np.pi, -1.0)):
        renderer = renderer_of([stand(PEOPLE[0], yaw_rad=yaw)], [PEOPLE[0]])
        renderer.frame(0)
        joints = renderer.truth().joints_xy_px[0, 0]
        assert sign * (joints[COCO["left_shoulder"], 0] - joints[COCO["right_shoulder"], 0]) > 10


def test_face_is_seen_from_the_front_only() -> None:
    face = [COCO[name] for name in ("nose", "left_eye", "right_eye")]
    for yaw, seen in ((0.0, True), (np.pi, False)):
        renderer = renderer_of([stand(PEOPLE[1], yaw_rad=yaw)], [PEOPLE[1]])
        renderer.frame(0)
        assert (renderer.truth().visible[0, 0, face] == seen).all()


@pytest.mark.parametrize("index", [0, 2, 3, 5, 7, 8])
def test_wrist_and_knee_pixels_show_skin_and_cloth(index: int) -> None:
    subject = PEOPLE[index]
    renderer = renderer_of([stand(subject)], [subject])
    rgb = renderer.frame(0).astype(float)
    truth = renderer.truth()
    knee = subject.bottom if subject.bottom_kind == "trousers" else subject.skin
    hands = renderer.performance.joints_xyz_m[0, 0, [INDEX["left_hand"], INDEX["right_hand"]]]
    hand_px = (
        CAMERA.project(hands)[0] + truth.joints_xy_px[0, 0, [COCO["left_wrist"], COCO["right_wrist"]]]
    ) / 2
    places = [*((px, subject.skin) for px in hand_px)]
    places += [(truth.joints_xy_px[0, 0, COCO[f"{side}_knee"]], knee) for side in ("left", "right")]
    for px, colour in places:
        seen = rgb[round(px[1]), round(px[0])]
        # Light scales a colour; its direction in RGB stays.
        cosine = seen @ np.array(colour) / np.linalg.norm(seen) / np.linalg.norm(colour)
        assert cosine > 0.985


def test_box_is_tight_around_the_body() -> None:
    subject = PEOPLE[4]
    with_person = renderer_of([stand(subject)], [subject])
    rgb = with_person.frame(0).astype(int)
    empty = renderer_of([stand(subject, (50.0, 0.0))], [subject]).frame(0).astype(int)
    x0, y0, x1, y1 = with_person.truth().boxes_xyxy_px[0, 0]
    changed = np.abs(rgb - empty).sum(-1) > 25
    columns = np.flatnonzero(changed[: round(y0 + 60)].any(0))  # above the shadow
    rows = np.flatnonzero(changed[:, int(x0) : int(x1) + 1].any(1))
    assert abs(rows[0] - y0) <= 3
    assert abs(columns[0] - x0) <= 3
    assert abs(columns[-1] - x1) <= 3
    assert 95 < y1 - y0 < 120
    joints = with_person.truth().joints_xy_px[0, 0]
    assert (joints >= [x0, y0]).all()
    assert (joints <= [x1, y1]).all()


def test_nearer_person_hides_the_farther_whatever_the_slot() -> None:
    near, far = stand(PEOPLE[1], (0.0, -0.8)), stand(PEOPLE[2], (0.0, 0.6))
    for order in ((near, far), (far, near)):
        renderer = renderer_of(
            list(order), [PEOPLE[1], PEOPLE[2]] if order[0] is near else [PEOPLE[2], PEOPLE[1]]
        )
        renderer.frame(0)
        visible = renderer.truth().visible[0]
        front = 0 if order[0] is near else 1
        shoulders_and_hips = [COCO[f"{s}_{j}"] for s in ("left", "right") for j in ("shoulder", "hip")]
        assert visible[front, shoulders_and_hips].all()
        assert not visible[1 - front, shoulders_and_hips].any()


def test_occluder_and_frame_edge_hide_joints() -> None:
    table = Occluder(np.full((60, 256, 3), 90, np.uint8), np.ones((60, 256), np.float32), (0, 132))
    renderer = renderer_of([stand(PEOPLE[0]), stand(PEOPLE[3], (9.0, 0.0))], [PEOPLE[0], PEOPLE[3]], table)
    rgb = renderer.frame(0)
    truth = renderer.truth()
    assert (rgb[140:] == 90).all()
    assert not truth.visible[0, 0, COCO["left_ankle"]]
    assert truth.visible[0, 0, COCO["left_shoulder"]]
    assert not truth.visible[0, 1].any()
    assert truth.boxes_xyxy_px[0, 1, 0] == truth.boxes_xyxy_px[0, 1, 2]


def test_stills_are_reproducible_and_consistent() -> None:
    counts = set()
    for seed in range(12):
        rgb, people = render_still(np.random.default_rng(seed), width_px=256, height_px=192)
        counts.add(len(people.visible))
        assert rgb.shape == (192, 256, 3)
        assert rgb.std() > 5
        low, high = people.boxes_xyxy_px[:, None, :2], people.boxes_xyxy_px[:, None, 2:]
        inside = ((people.joints_xy_px >= low - 1) & (people.joints_xy_px <= high + 1)).all(-1)
        assert inside[people.visible].all()
    assert len(counts) >= 2
    again = render_still(np.random.default_rng(11), width_px=256, height_px=192)
    np.testing.assert_array_equal(rgb, again.rgb)
    np.testing.assert_array_equal(people.joints_xy_px, again.people.joints_xy_px)


def test_people_check_their_shapes() -> None:
    with pytest.raises(ValueError, match="expected \\(P, 17, 2\\)"):
        People(np.zeros((1, 17, 2)), np.zeros((1, 17), bool), np.zeros((2, 4)))
