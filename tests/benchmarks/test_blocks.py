from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHES, Bench, main, measure
from benchmarks.blocks import block_names, describe_machine, replace_block, tables
from tests.paths import ROOT

PAGE = """# Speed

Before.

<!-- bench:one -->
old | table
<!-- /bench -->

Between \\1 and after.

<!-- bench:two_b -->
<!-- /bench -->
"""


def test_a_block_is_replaced_and_the_prose_kept() -> None:
    page = replace_block(PAGE, "one", "| a |\n|---|\n| \\1 |\n")
    assert page == PAGE.replace("old | table\n", "\n| a |\n|---|\n| \\1 |\n\n")
    assert replace_block(page, "one", "| a |\n|---|\n| \\1 |") == page  # again: nothing grows
    assert block_names(page) == ["one", "two_b"]


@pytest.mark.parametrize(("page", "count"), [("no block", 0), (PAGE + PAGE, 2)])
def test_a_block_must_be_there_once(page: str, count: int) -> None:
    with pytest.raises(ValueError, match=f"expected one block <!-- bench:one -->, got {count}"):
        replace_block(page, "one", "new")


def test_tables_are_taken_out_of_what_is_said() -> None:
    said = "2 clips\n\n| a | b |\n|---|---|\n| 1 | 2 |  \nwarning\n| head |\n|---|\n\n| c |\n|---|\n| 3 |"
    assert tables(said) == ["| a | b |\n|---|---|\n| 1 | 2 |", "| c |\n|---|\n| 3 |"]  # a head alone is none


def test_what_libraries_print_between_rows_ends_no_table() -> None:
    said = "| a |\n|---|\nloading …\n| 1 |\nloading …\n| 2 |\n| b |\n|---|\n| 3 |"
    assert tables(said) == ["| a |\n|---|\n| 1 |\n| 2 |", "| b |\n|---|\n| 3 |"]


def test_the_machine_is_a_table_with_versions() -> None:
    said = describe_machine()
    assert tables(said) == [said]
    assert re.search(r"torch \d+\.\d+", said)


def test_every_benchmark_has_its_block_on_the_page() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert sorted(block_names(page)) == sorted(["machine", *(bench.name for bench in BENCHES)])


def test_a_benchmark_whose_videos_are_missing_leaves_its_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["benchmarks", "--page", str(page), *options])
        return main()

    page = tmp_path / "page.md"
    old = "<!-- bench:machine -->\n<!-- /bench -->\n<!-- bench:decode -->\n| old |\n<!-- /bench -->\n"
    page.write_text(old, encoding="utf-8")
    assert run("--only", "decode", "--videos", str(tmp_path)) == 1
    assert "its block stays as it was" in capsys.readouterr().err
    new = page.read_text(encoding="utf-8")
    assert new.splitlines()[-3:] == old.splitlines()[2:]
    assert "| processor |" in new
    with pytest.raises(SystemExit):
        run("--only", "nonsense")


@pytest.mark.slow
def test_what_a_benchmark_prints_lands_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    bench = Bench("scale", "scale --clips 2000 --shards 2")
    head, table = measure(bench, tmp_path).split("\n\n")
    assert head == "    python -m benchmarks.scale --clips 2000 --shards 2"
    assert table.count("\n") == 13  # a head, a rule and twelve questions
    with pytest.raises(RuntimeError, match="no benchmarks/nonsense.py"):
        measure(Bench("scale", "nonsense"), tmp_path)
    with pytest.raises(RuntimeError, match="exit code 2 and 0 tables"):
        measure(Bench("scale", "scale --nonsense"), tmp_path)
