from __future__ import annotations

from typing import Literal

import pytest
import torch

from heatpool.extract.networks.heatmaps import decode_heatmaps, decode_simcc


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
        (one_peak(47, 0), [188.0, 0.0]),
    ],
)
def test_the_peak_moves_a_quarter_cell_to_its_higher_neighbour(
    maps: torch.Tensor, expected: list[float]
) -> None:
    joints, scores = decode_heatmaps(maps, width_px=192, height_px=256)
    assert joints[0, 0].tolist() == expected
    assert scores.item() == pytest.approx(0.8)


def test_a_row_end_does_not_look_at_the_next_row() -> None:
    maps = one_peak(47, 5, neighbours={(0, 6): 0.7, (46, 5): 0.1})
    assert decode_heatmaps(maps, width_px=192, height_px=256)[0][0, 0].tolist() == [188.0, 20.0]


@pytest.mark.parametrize(
    ("alignment", "expected"), [("corner", [40.0, 80.0]), ("centre", [41.5, 81.5]), ("udp", [40.64, 80.95])]
)
def test_a_symmetric_peak_lies_where_the_alignment_puts_its_cell(
    alignment: Literal["corner", "centre", "udp"], expected: list[float]
) -> None:
    joints, _ = decode_heatmaps(one_peak(10, 20), width_px=192, height_px=256, alignment=alignment)
    assert joints[0, 0].tolist() == pytest.approx(expected, abs=0.01)  # udp: 10 * 191 / 47, 20 * 255 / 63


def test_udp_never_leaves_the_neighbouring_cells_and_stays_finite() -> None:
    wild = torch.rand(4, 17, 64, 48, generator=torch.Generator().manual_seed(0))
    for maps in (wild, torch.zeros(1, 17, 64, 48), one_peak(0, 0), one_peak(47, 63)):
        joints, _ = decode_heatmaps(maps, width_px=192, height_px=256, alignment="udp")
        cells = joints / torch.tensor([191 / 47, 255 / 63])
        peak = maps.flatten(2).argmax(2)
        at_peak = torch.stack([peak % 48, peak // 48], -1)
        assert ((cells - at_peak).abs() <= 1 + 1e-4).all()


def test_scores_stay_in_range() -> None:
    maps = torch.stack([one_peak(1, 1)[0] * 5, -torch.ones(1, 64, 48)])
    assert decode_heatmaps(maps, width_px=192, height_px=256)[1].flatten().tolist() == [1.0, 0.0]


def test_simcc_bins_are_parts_of_a_pixel() -> None:
    x, y = torch.zeros(1, 1, 384), torch.zeros(1, 1, 512)
    x[0, 0, 101], y[0, 0, 300] = 0.9, 0.4
    joints, scores = decode_simcc(x, y, split_ratio=2)
    assert joints[0, 0].tolist() == [50.5, 150.0]
    assert scores.item() == pytest.approx(0.4)
