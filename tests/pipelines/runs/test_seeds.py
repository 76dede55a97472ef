from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heatpool.pipelines.runs.run_dir import read_seed_folders, read_seeds
from heatpool.pipelines.runs.seeds import over_seeds, seeds_table, write_seeds
from heatpool.pool.errors import HeatpoolError


def test_spread_by_hand() -> None:
    found = over_seeds([0.4, 0.5, 0.6])
    assert (found.mean, found.std) == (pytest.approx(0.5), pytest.approx(0.1))
    half = 4.302653 * 0.1 / 3**0.5  # Student's t, two degrees of freedom
    assert found.interval == pytest.approx((0.5 - half, 0.5 + half))
    assert over_seeds([0.8, 1.0]).interval == (0.0, 1.0)  # never beyond what a share can be
    with pytest.raises(ValueError, match="two or more"):
        over_seeds([0.5])


FIGURES = {
    name: {"acc/top1": top1, "acc/top5": 1.0, "acc/mean_class": top1, "calibration/ece": 0.1, "clips": 8}
    for name, top1 in (("low", 0.5), ("high", 0.75))
}


def seeds_of(folder: Path) -> dict[str, Any]:
    """`seeds.json` of two seeds, as it is written."""
    summaries = [
        {
            "seed": seed,
            "streams": {"pooled_joint": {"val": FIGURES[name], "test": FIGURES[name]}},
            "fused": {"val": FIGURES[name], "test": FIGURES[name]},
        }
        for seed, name in enumerate(FIGURES)
    ]
    return write_seeds(folder, summaries)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    content = seeds_of(tmp_path)
    assert read_seeds(tmp_path) == json.loads(json.dumps(content))
    assert [path.name for path in read_seed_folders(tmp_path)] == ["seed_0", "seed_1"]
    assert "pooled_joint" in seeds_table(read_seeds(tmp_path))
    assert read_seeds(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("seeds",), [], "expected seeds, got none"),
        (("seeds", 0), "../0", r"expected a whole number in seeds\[0\]"),
        (("figures", "fused"), {}, "expected test in figures.fused, got none"),
        (("figures", "fused", "test", "acc/top1", "interval"), [0], "expected a list of 2 in figures.fused"),
        (("figures", "fused", "val", "acc/top5", "mean"), "1", "expected a number in figures.fused.val"),
    ],
)  # fmt: skip
def test_seeds_of_other_content_are_one_line(
    tmp_path: Path, place: tuple[Any, ...], value: Any, says: str
) -> None:
    content = seeds_of(tmp_path)
    at: Any = content
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    (tmp_path / "seeds.json").write_text(json.dumps(content))
    with pytest.raises(HeatpoolError, match=rf"expected the seeds of a run in .*seeds\.json: {says}"):
        read_seed_folders(tmp_path)
