"""Joint sets that programs number and files do not name: OpenPose's, and Halpe's as of AlphaPose.

OpenPose: https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md;
Halpe: https://github.com/Fang-Haoshu/Halpe-FullBody#keypoints-format.
"""

from __future__ import annotations

from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton

__all__ = ["BODY25_SKELETON", "BODY_SKELETONS", "HALPE26_SKELETON", "MPI15_SKELETON", "OPENPOSE18_SKELETON"]

_TRUNK = (
    "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip
_LEGS = ("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle")
_FACE = ("right_eye", "left_eye", "right_ear", "left_ear")
_ARM_EDGES = ((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7))
_FACE_EDGES = ((1, 0), (0, 14), (14, 16), (0, 15), (15, 17))

BODY25_SKELETON = Skeleton(
    "body25",
    (
        "nose", *_TRUNK, "middle_hip", *_LEGS, *_FACE,
        "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
    ),
    (
        (1, 8), *_ARM_EDGES, (8, 9), (9, 10), (10, 11), (8, 12), (12, 13), (13, 14), (1, 0),
        (0, 15), (15, 17), (0, 16), (16, 18), (14, 19), (19, 20), (14, 21), (11, 22), (22, 23), (11, 24),
    ),
)  # fmt: skip

OPENPOSE18_SKELETON = Skeleton(
    "openpose18",
    ("nose", *_TRUNK, *_LEGS, *_FACE),
    (*_ARM_EDGES, (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), *_FACE_EDGES),
)

MPI15_SKELETON = Skeleton(
    "mpi15",
    ("head", *_TRUNK, *_LEGS, "chest"),
    ((0, 1), *_ARM_EDGES, (1, 14), (14, 8), (8, 9), (9, 10), (14, 11), (11, 12), (12, 13)),
)

HALPE26_SKELETON = Skeleton(
    "halpe26",
    (
        *COCO17_SKELETON.joint_names, "head", "neck", "hip",
        "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel", "right_heel",
    ),
    (
        (0, 1), (0, 2), (1, 3), (2, 4), (5, 18), (6, 18), (5, 7), (7, 9), (6, 8), (8, 10), (17, 18), (18, 19),
        (19, 11), (19, 12), (11, 13), (12, 14), (13, 15), (14, 16), (20, 24), (21, 25), (23, 25), (22, 24),
        (15, 24), (16, 25),
    ),
)  # fmt: skip

BODY_SKELETONS = {each.joints: each for each in (COCO17_SKELETON, HALPE26_SKELETON)}
"""What AlphaPose's joints are by their number."""
