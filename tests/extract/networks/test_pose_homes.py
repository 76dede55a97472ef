"""Crops and joints against the packages that the networks come from.

What need not be installed has left its answers in tests/golden/pose_homes.json, by `python -m
benchmarks.pose_parity --golden tests/golden/pose_homes.json` with transformers 5.23, mmpose 1.3.2, rtmlib
0.0.16 and HRNet's own code at commit 2ad80f2. The transformers that is installed is asked in test_vitpose.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from benchmarks import pose_parity
from benchmarks.pose_homes import CASES, Case, Home, golden_persons, joints_of_heatpool
from heatpool.extract.networks.onnx_input import OnnxInput
from tests.fixtures.ideal_pose import IdealNetwork, Person, make_persons
from tests.paths import ROOT

FOLLOWED = [case for case in CASES if not case.differs]
LARGEST_PX = 0.1  # in the frame, where persons are up to 1,000 px high; seen on one machine: 0.004


@pytest.fixture(scope="module")
def persons() -> list[Person]:
    return golden_persons()


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "tests/golden/pose_homes.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("case", FOLLOWED, ids=lambda case: case.name)
def test_joints_lie_where_the_home_of_the_network_finds_them(
    case: Case, persons: list[Person], golden: dict[str, Any], tmp_path: Path
) -> None:
    """By peaks that are lopsided, so that each way to find them gives another place."""
    path = replace(case.network, lopsided=True).save(tmp_path / "pose.onnx")
    joints = joints_of_heatpool(path, case.given, persons)
    np.testing.assert_allclose(joints, golden[case.name]["joints_xy_px"], rtol=0, atol=LARGEST_PX)


@pytest.mark.parametrize(
    ("network", "given", "cells"),
    [
        (IdealNetwork(targets="udp", input_name="pixel_values"), OnnxInput(), 0.025),
        (IdealNetwork(targets="udp"), OnnxInput(alignment="udp"), 0.025),
        (IdealNetwork(), OnnxInput(refinement="dark"), 0.025),
        (IdealNetwork(), OnnxInput(), 0.25),  # a quarter cell at most, by what HRNet does between cells
        (IdealNetwork(targets="simcc"), OnnxInput(), 0.0625),  # half a bin of half a pixel
    ],
    ids=["transformers", "udp", "dark", "quarter", "simcc"],
)
def test_what_an_ideal_network_is_shown_is_found(
    network: IdealNetwork, given: OnnxInput, cells: float, persons: list[Person], tmp_path: Path
) -> None:
    """To a part of a heatmap cell, which is four pixels of the crop."""
    joints = joints_of_heatpool(network.save(tmp_path / "pose.onnx"), given, persons)
    for person, found in zip(persons, joints, strict=True):
        wide_px, high_px = person.box_xyxy_px[2:] - person.box_xyxy_px[:2]
        cell_px = max(wide_px / 0.75, high_px) * 1.25 / 64
        assert np.abs(found - person.dots_xy_px).max() < (cells + 0.01) * cell_px


def test_persons_are_of_every_size_and_cross_the_borders() -> None:
    boxes = np.array([person.box_xyxy_px for person in make_persons()])
    heights, widths = boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]
    assert heights.min() < 55
    assert heights.max() > 900
    assert (widths / heights).min() < 0.25
    assert (widths / heights).max() > 2.5
    assert (boxes[:, :2] < 0).any()
    assert (boxes % 1 != 0).all(1).mean() > 0.9


def test_the_table_has_a_row_a_home_and_names_what_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(network: IdealNetwork, path: Path) -> NoReturn:
        raise ImportError("No module named 'elsewhere'")

    def perfect(network: IdealNetwork, path: Path) -> Home:
        (person,) = make_persons(1)
        return lambda rgb, box: person.dots_xy_px

    network = IdealNetwork(targets="udp", input_name="pixel_values")
    cases = (Case("eyes", "torch", network, perfect), Case("nobody", "elsewhere", network, missing))
    monkeypatch.setattr(pose_parity, "CASES", cases)
    monkeypatch.setattr("sys.argv", ["pose_parity", "--persons", "1"])
    assert pose_parity.main() == 0
    *_, row, last = capsys.readouterr().out.splitlines()
    _, home, _, what, joints, largest_px, *_ = (cell.strip() for cell in row.split("|"))
    assert (home, what, joints) == ("torch", "eyes", "3")
    assert float(largest_px) < LARGEST_PX
    assert last == "elsewhere left out: No module named 'elsewhere'"
