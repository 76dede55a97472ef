"""What the benchmark of precision keeps in its file, and its figures by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.precision import STREAMS, Lines, accuracy_table, bytes_table


def test_a_measurement_is_found_again_and_no_other(tmp_path: Path) -> None:
    key = {"store": "ab", "precision": "f2", "seed": 1}
    Lines(tmp_path / "new" / "a.jsonl").add(key | {"top1": 0.5})
    again = Lines(tmp_path / "new" / "a.jsonl")
    assert again.find(key) == key | {"top1": 0.5}
    assert again.find(key | {"seed": 2}) is None


def test_accuracy_is_compared_seed_by_seed() -> None:
    def line(precision: str, seed: int, joint: float) -> dict[str, Any]:
        top1 = dict.fromkeys(STREAMS, joint)
        return {"precision": precision, "model": "linear", "seed": seed, "top1": top1}

    lines = [line("f2", 0, 0.7), line("u1", 0, 0.6), line("f2", 1, 0.9), line("u1", 1, 0.8)]
    rows = accuracy_table(lines).splitlines()
    # Two values 0.2 apart: deviation 0.1414, over the root of 2 is 0.1, times t = 12.706.
    assert rows[2].startswith("| f2 | 80.0 ± 127.1 |")
    assert rows[3].startswith("| u1 | 70.0 ± 127.1 (-10.0 ± 0.0) |")


def test_bytes_are_summed_and_compared() -> None:
    lines = [
        {"precision": name, "error": 0.01, "kb": {"pooled": pooled, "boxes": 1.0}}
        for name, pooled in (("f2", 19.0), ("u1", 9.0), ("error:5%", 4.0))
    ]
    assert bytes_table(lines).splitlines()[-1] == "| error:5% | 1.00% | 4.00 | 1.00 | 5.0 | 25% | 50% |"
