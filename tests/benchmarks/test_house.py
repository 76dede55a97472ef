"""The counters of `benchmarks.house` on sources whose figures are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.house import options_without_help
from benchmarks.source_tree import Arrow, Tree

SIX = "".join(f"value_{number} = {number}\n" for number in range(6))

FILES = {
    "pool/__init__.py": "",
    "pool/errors.py": "class Refused(Exception): ...\n",
    "pool/store/__init__.py": "",
    "pool/store/writer.py": (
        "import os\nfrom heatpool.pool.errors import Refused\n" + SIX + "def save(path, part):\n"
        "    if path.exists():\n        raise Refused(f'{path} already exists')\n    os.replace(part, path)\n"
        "    return 'a'.replace('a', 'b')\n"
    ),
    "extract/save.py": "import pool.store.writer\n" + SIX + "def save(path, part):\n    part.rename(path)\n",
    "extract/demo/save.py": "def run(): ...\ndef _save(): ...\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Tree(tmp_path)


def test_files_and_arrows_are_counted(tree: Tree) -> None:
    assert tree.flat_files() == ["extract/save.py", "pool/errors.py"]
    assert tree.folders() == ["extract", "extract/demo", "pool", "pool/store"]
    assert tree.arrows("pool") == {Arrow("store", "errors"): ["pool/store/writer.py:2"]}
    assert tree.arrows("extract") == {}  # of one package only; in the layout before, too
    assert tree.lines() == sum(text.count("\n") for text in FILES.values())


def test_repetitions_are_found(tree: Tree) -> None:
    (twice,) = tree.duplicates()
    assert (twice.first, twice.second, twice.lines) == ("extract/save.py:2", "pool/store/writer.py:3", 6)
    assert tree.rename_sites() == ["extract/save.py:9", "pool/store/writer.py:12"]
    assert tree.refusals() == ["pool/store/writer.py:11"]
    assert tree.names_with_two_meanings() == {"save": ["extract/save.py", "pool/store/writer.py"]}
    assert tree.shared_file_names() == {"save.py": 2}


def test_options_that_say_nothing_are_found_in_both_styles_of_help() -> None:
    before = (
        "options:\n  -h, --help            Show this help message and exit.\n"
        "  --split SPLIT         (type: str | null, default: null)\n"
        "  --model {ctrgcn,linear}\n                        (type: Literal['ctrgcn'], default: ctrgcn)\n"
        "  --seed SEED           fixes everything (type: int, default: 0)\n"
    )
    assert options_without_help(before) == (["split", "model"], 3)
    now = (
        "Options:\n  --store STORE   feature store\n  --backend {auto,tiny,onnx}\n"
        "                  pose network\n  --quiet         print results only\n  --bare X\n\nMore:\n"
    )
    assert options_without_help(now) == (["bare"], 4)
