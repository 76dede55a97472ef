from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from heatpool.extract.networks.heatmaps import decode_heatmaps, decode_simcc
from heatpool.extract.records import Alignment, CropSpec, Refinement

CROP = CropSpec(height_px=256, width_px=192)
UDP = replace(CROP, alignment="udp", refinement="dark-hf")


def one_peak(x: int, y: int, *, neighbours: dict[tuple[int, int], float] | None = None) -> torch.Tensor:
    maps = torch.zeros(1, 1, 64, 48)
    maps[0, 0, y, x] = 0.8
    for (column, row), value in (neighbours or {}).items():
        maps[0, 0, row, column] = value
    return maps


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        (one_peak(10, 20), [40.0, 80.0]),  # cells are 4 px
        (one_peak(10, 20, neighbours={(11, 20): 0.1, (10, 19): 0.1}), [41.0, 79.0]),
        (one_peak(0, 63, neighbours={(1, 63): 0.5}), [0.0, 252.0]),  # no shift off the edge
        (one_peak(1, 20, neighbours={(2, 20): 0.1, (1, 19): 0.1}), [4.0, 80.0]),  # HRNet: none in column 1
        (one_peak(10, 63, neighbours={(11, 63): 0.1}), [40.0, 252.0]),  # nor along the last row
        (one_peak(47, 0), [188.0, 0.0]),
    ],
)
def test_the_peak_moves_a_quarter_cell_to_its_higher_neighbour(
    maps: torch.Tensor, expected: list[float]
) -> None:
    joints, scores = decode_heatmaps(maps, CROP)
    assert joints[0, 0].tolist() == expected
    assert scores.item() == pytest.approx(0.8)


def test_a_row_end_does_not_look_at_the_next_row() -> None:
    maps = one_peak(47, 5, neighbours={(0, 6): 0.7, (46, 5): 0.1})
    assert decode_heatmaps(maps, CROP)[0][0, 0].tolist() == [188.0, 20.0]


@pytest.mark.parametrize("refinement", ["none", "quarter", "dark", "dark-udp", "dark-hf"])
@pytest.mark.parametrize(
    ("alignment", "expected"), [("corner", [40.0, 80.0]), ("centre", [41.5, 81.5]), ("udp", [40.64, 80.95])]
)
def test_a_symmetric_peak_lies_where_the_alignment_puts_its_cell(
    alignment: Alignment, expected: list[float], refinement: Refinement
) -> None:
    crop = replace(CROP, alignment=alignment, refinement=refinement)
    joints, _ = decode_heatmaps(one_peak(10, 20), crop)
    assert joints[0, 0].tolist() == pytest.approx(expected, abs=0.01)  # udp: 10 * 191 / 47, 20 * 255 / 63


@pytest.mark.parametrize(
    ("refinement", "least", "most"),
    [
        ("none", 0.3, 0.5),
        ("quarter", 0.1, 0.25),
        *((name, 0, 0.01) for name in ("dark", "dark-udp", "dark-hf")),
    ],
)
def test_a_gaussian_between_cells_is_found_as_well_as_the_refinement_can(
    refinement: Refinement, least: float, most: float
) -> None:
    place = torch.rand(1, 60, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([30, 46]) + 8
    distance_x = torch.arange(48) - place[..., 0, None, None]
    distance_y = torch.arange(64)[:, None] - place[..., 1, None, None]
    maps = 0.7 * torch.exp(-(distance_x.square() + distance_y.square()) / 8)  # sigma 2, as taught
    joints, _ = decode_heatmaps(maps, replace(CROP, refinement=refinement))
    error = (joints / 4 - place).abs().max().item()
    assert least <= error <= most + 1e-3


def test_at_the_edge_only_unbiased_refinement_moves_a_joint() -> None:
    maps = one_peak(1, 20, neighbours={(2, 20): 0.6})
    cells = {
        refinement: decode_heatmaps(maps, replace(CROP, refinement=refinement))[0][0, 0, 0].item() / 4
        for refinement in ("quarter", "dark", "dark-udp", "dark-hf")
    }
    assert (cells["quarter"], cells["dark"]) == (1, 1)
    assert 1.1 < cells["dark-hf"] < 1.9
    assert 1.1 < cells["dark-udp"] < 1.9


@pytest.mark.parametrize("refinement", ["dark", "dark-udp", "dark-hf"])
def test_maps_without_a_peak_give_joints_in_or_beside_the_crop(refinement: Refinement) -> None:
    wild = torch.rand(4, 17, 64, 48, generator=torch.Generator().manual_seed(0))
    ridge = torch.zeros(1, 1, 64, 48)
    ridge[0, 0, :, 20] = 0.5  # along y the parabola is flat
    for maps in (wild, torch.zeros(1, 17, 64, 48), -wild, ridge, one_peak(0, 0), one_peak(47, 63)):
        joints, _ = decode_heatmaps(maps, replace(UDP, refinement=refinement))
        cells = joints / torch.tensor([191 / 47, 255 / 63])
        assert (cells >= -1.001).all()
        assert (cells <= torch.tensor([48.001, 64.001])).all()


def test_scores_stay_in_range() -> None:
    maps = torch.stack([one_peak(1, 1)[0] * 5, -torch.ones(1, 64, 48)])
    assert decode_heatmaps(maps, CROP)[1].flatten().tolist() == [1.0, 0.0]


def test_simcc_bins_are_parts_of_a_pixel() -> None:
    x, y = torch.zeros(1, 1, 384), torch.zeros(1, 1, 512)
    x[0, 0, 101], y[0, 0, 300] = 0.9, 0.4
    joints, scores = decode_simcc(x, y, split_ratio=2)
    assert joints[0, 0].tolist() == [50.5, 150.0]
    assert scores.item() == pytest.approx(0.4)
