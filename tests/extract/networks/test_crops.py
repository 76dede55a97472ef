from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from heatpool.extract.networks.crops import crop_affines, crop_boxes, joints_to_frame, normalise_crops
from heatpool.extract.records import CropSpec

PLAIN = CropSpec(height_px=256, width_px=192, padding=1.0)


def test_box_of_the_crops_own_shape_is_a_plain_shift() -> None:
    affine = crop_affines(np.array([[10, 20, 202, 276]]), PLAIN)[0]
    assert affine.tolist() == [[1, 0, -10], [0, 1, -20]]


@pytest.mark.parametrize(
    ("box", "scale"),
    [
        ([0, 0, 96, 96], 2.0),  # widened? no: 96 wide needs 128 high, so width decides: 192 / 96
        ([0, 0, 48, 256], 1.0),  # 256 high needs 192 wide
        ([0, 0, 384, 10], 0.5),
    ],
)
def test_the_shorter_side_grows_to_the_crops_aspect(box: list[float], scale: float) -> None:
    affine = crop_affines(np.array([box], float), PLAIN)[0]
    assert affine[0, 0] == affine[1, 1] == pytest.approx(scale)
    centre = affine[:, :2] @ [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2] + affine[:, 2]
    assert centre.tolist() == pytest.approx([96, 128])


def test_unbiased_crops_end_at_the_centres_of_their_outermost_pixels() -> None:
    """A box of 192 x 256 reaches from 0 to 191 and 255 of its crop, not to 192 and 256."""
    spec = CropSpec(height_px=256, width_px=192, padding=1.0, alignment="udp")
    affine = crop_affines(np.array([[10, 20, 202, 276]]), spec)
    wanted = [[191 / 192, 0, -10 * 191 / 192], [0, 255 / 256, -20 * 255 / 256]]
    np.testing.assert_allclose(affine[0], wanted, rtol=1e-12)
    corners = joints_to_frame(np.array([[[0, 0], [191, 255]]]), affine)
    np.testing.assert_allclose(corners, [[[10, 20], [202, 276]]], atol=1e-9)


def test_padding_enlarges_the_box() -> None:
    padded = CropSpec(height_px=256, width_px=192, padding=1.25)
    box = np.array([[0, 0, 192, 256]])
    assert crop_affines(box, padded)[0, 0, 0] == pytest.approx(1 / 1.25)


def test_crop_shows_the_box_and_black_outside_the_frame() -> None:
    rgb = np.full((40, 60, 3), 9, np.uint8)
    rgb[10:20, 30:40] = 200
    spec = CropSpec(height_px=20, width_px=20, padding=1.0)
    boxes = np.array([[30, 10, 40, 20], [-10, -10, 10, 10]], np.float32)
    inside, corner = crop_boxes(rgb, crop_affines(boxes, spec), spec)
    assert (inside[2:-2, 2:-2] == 200).all()
    assert (corner[:9, :9] == 0).all()
    assert (corner[12:, 12:] == 9).all()


@pytest.mark.parametrize("size_hw_px", [(48, 64), (1200, 900)], ids=["widened", "as-it-is"])
def test_crops_are_those_of_warp_affine(size_hw_px: tuple[int, int]) -> None:
    """To the byte: features of stores that were made before must come out again."""
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (*size_hw_px, 3), np.uint8)
    spec = CropSpec(height_px=64, width_px=48)
    corners = rng.uniform(-10, 40, (5, 2))
    affines = crop_affines(np.concatenate([corners, corners + rng.uniform(5, 60, (5, 2))], 1), spec)
    for crop, affine in zip(crop_boxes(rgb, affines, spec), affines, strict=True):
        np.testing.assert_array_equal(crop, cv2.warpAffine(rgb, affine, (48, 64), flags=cv2.INTER_LINEAR))


def test_normalising_by_a_table_is_the_arithmetic_to_the_bit() -> None:
    spec = CropSpec(height_px=16, width_px=16)
    crops = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    pixels = crops.permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (spec.mean, spec.std))
    out = normalise_crops(crops, spec)
    assert torch.equal(out, (pixels / 255 - mean) / std)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_joints_come_back_to_where_they_were() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 100, (5, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 80, (5, 2))], 1)
    affines = crop_affines(boxes, PLAIN)
    joints = rng.uniform(0, 200, (5, 17, 2))
    in_crop = np.einsum("dij,dvj->dvi", affines[:, :, :2], joints) + affines[:, None, :, 2]
    np.testing.assert_allclose(joints_to_frame(in_crop, affines), joints, atol=1e-9)


def test_normalisation_by_hand() -> None:
    spec = CropSpec(height_px=1, width_px=1, mean=(0.5, 0, 0), std=(0.5, 1, 2))
    pixel = torch.tensor([[[[255, 51, 102]]]], dtype=torch.uint8)
    out = normalise_crops(pixel, spec)
    assert out.shape == (1, 3, 1, 1)
    torch.testing.assert_close(out.flatten(), torch.tensor([1.0, 0.2, 0.2]))


def test_no_box_gives_no_crop() -> None:
    affines = crop_affines(np.zeros((0, 4)), PLAIN)
    assert crop_boxes(np.zeros((8, 8, 3), np.uint8), affines, PLAIN).shape == (0, 256, 192, 3)
