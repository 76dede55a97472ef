from __future__ import annotations

import math

import pytest
import torch

from heatpool.pool.pooling import box_mean, crop_to_norm, feedback_pool, gaussian_pool, heatmap_pool


def test_map_of_x_pools_to_x() -> None:
    x = torch.linspace(-1, 1, 24).expand(2, 1, 32, 24)
    y = torch.linspace(-1, 1, 32)[:, None].expand(2, 1, 32, 24)
    joints = torch.rand(2, 17, 2) * 2 - 1
    pooled = feedback_pool(torch.cat([x, y], 1), joints)
    torch.testing.assert_close(pooled, joints, atol=1e-6, rtol=0)


def test_corners_are_centres_of_the_outer_cells() -> None:
    features = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    joints = torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.5, -1.0]]])
    assert feedback_pool(features, joints)[0, :, 0].tolist() == [1.0, 3.0, 4.0, 6.0, 3.5, 2.5]


def test_outside_counts_as_zero() -> None:
    joints = torch.tensor([[[-1.5, 0.0], [3.0, 0.0]]])
    pooled = feedback_pool(torch.ones(1, 1, 5, 5), joints)
    assert pooled[0, :, 0].tolist() == pytest.approx([0.0, 0.0])


def test_each_map_is_sampled_at_its_own_joints() -> None:
    features = torch.stack([torch.full((3, 4, 4), float(value)) for value in (1, 2)])
    pooled = feedback_pool(features, torch.zeros(2, 5, 2))
    assert pooled.shape == (2, 5, 3)
    assert (pooled[0] == 1).all()
    assert (pooled[1] == 2).all()


def test_gradient_and_dtype_follow_the_features() -> None:
    features = torch.zeros(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    pooled = feedback_pool(features, torch.zeros(1, 3, 2))
    assert pooled.dtype == torch.float64
    pooled.sum().backward()
    assert features.grad is not None
    assert features.grad.sum().item() == pytest.approx(6)  # 2 channels, 3 joints, weights sum to 1


def test_norm_is_the_published_one() -> None:
    joints = torch.tensor([[0.0, 0.0], [96.0, 128.0], [192.0, 64.0]])
    expected = [[-1.0, -1.0], [0.0, 0.0], [1.0, -0.5]]
    assert crop_to_norm(joints, width_px=192, height_px=256).tolist() == expected


@pytest.mark.parametrize(
    ("features", "joints"), [((2, 3, 4), (2, 5, 2)), ((2, 3, 4, 4), (2, 5, 3)), ((2, 3, 4, 4), (3, 5, 2))]
)
def test_shapes_that_do_not_fit_are_named(features: tuple[int, ...], joints: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        feedback_pool(torch.zeros(features), torch.zeros(joints))


def test_gaussian_by_hand() -> None:
    features = torch.tensor([[[[0.0, 1.0, 2.0, 3.0, 4.0]]]])
    joints = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]])  # the middle cell and the last one
    middle, edge = gaussian_pool(features, joints, sigma_cells=0.5)[0, :, 0].tolist()
    assert middle == pytest.approx(2.0)  # symmetric about the middle
    near, far = math.exp(-2), math.exp(-8)
    rest = math.exp(-18) + math.exp(-32)
    want = (4 + 3 * near + 2 * far + math.exp(-18)) / (1 + near + far + rest)
    assert edge == pytest.approx(want, abs=1e-5)


def test_a_narrow_gaussian_is_the_nearest_cell() -> None:
    features = torch.randn(2, 3, 8, 6)
    joints = torch.tensor([[[-1.0, -1.0], [1.0, 1.0], [0.2, 3 / 7]]]).expand(
        2, 3, 2
    )  # cells (0, 0), (5, 7), (3, 5)
    pooled = gaussian_pool(features, joints, sigma_cells=0.05)
    for joint, (x, y) in enumerate([(0, 0), (5, 7), (3, 5)]):
        torch.testing.assert_close(pooled[:, joint], features[:, :, y, x])


def test_far_outside_pools_to_zero() -> None:
    pooled = gaussian_pool(torch.ones(1, 2, 8, 8), torch.full((1, 1, 2), 9.0))
    assert not pooled.any()


def test_heatmap_weights_by_hand() -> None:
    features = torch.arange(6.0).view(1, 1, 2, 3)
    heat = torch.zeros(1, 3, 2, 3)
    heat[0, 0, 1, 2] = 0.7  # all on the last cell
    heat[0, 1, 0, 0], heat[0, 1, 1, 0] = 1.0, 3.0  # a quarter on 0, three quarters on 3
    heat[0, 2] = -1.0  # no heat at all
    assert heatmap_pool(features, heat)[0, :, 0].tolist() == pytest.approx([5.0, 2.25, 0.0])


def test_heatmaps_are_resized_to_the_map() -> None:
    heat = torch.zeros(1, 1, 64, 48)
    heat[0, 0, :32] = 1.0  # the upper half
    features = torch.cat([torch.ones(1, 1, 16, 24), torch.zeros(1, 1, 16, 24)], 2)
    assert heatmap_pool(features, heat).item() == pytest.approx(1.0, abs=0.02)


def test_box_mean_by_hand() -> None:
    """A map of cells 1 2 3 / 4 5 6: a box counts each cell with the area that it covers."""
    features = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[7.0] * 3, [7.0] * 3]])
    boxes = torch.tensor(
        [
            [0.0, 0.0, 3.0, 2.0],  # everything
            [1.0, 0.0, 2.0, 1.0],  # one cell
            [0.5, 0.0, 2.0, 1.0],  # half of the 1, all of the 2
            [1.25, 0.5, 1.5, 1.5],  # less than a cell wide: the 2 and the 5, equally
            [-9.0, 1.0, 0.5, 9.0],  # what lies outside does not count
            [5.0, 5.0, 6.0, 6.0],  # nothing inside
        ]
    )
    means = box_mean(features, boxes)
    torch.testing.assert_close(means[:, 0], torch.tensor([3.5, 2.0, 2.5 / 1.5, 3.5, 4.0, 0.0]))
    torch.testing.assert_close(means[:, 1], torch.tensor([7.0] * 5 + [0.0]))
