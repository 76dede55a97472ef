"""Imports flow one way: extract → pool ← classify, pipelines on top; tests of that, from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT

OURS = {"extract", "pool", "classify", "pipelines"}
MAY_IMPORT = {
    "pool": {"pool"},
    "extract": {"extract", "pool"},
    "classify": {"classify", "pool"},
    "pipelines": OURS,
}


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} line {node.lineno}: imports are written in full"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("package", sorted(OURS))
def test_imports_flow_one_way(package: str) -> None:
    seen = 0
    for path in (ROOT / package).rglob("*.py"):
        for line, name in imported_modules(path):
            top, _, rest = name.partition(".")
            assert top not in OURS, f"{path.relative_to(ROOT)} line {line}: {name} without heatpool"
            if top == "heatpool":
                folder = rest.partition(".")[0]
                seen += 1
                assert folder in MAY_IMPORT[package], f"{path.relative_to(ROOT)} line {line} imports {name}"
    assert seen, f"no import of ours seen in {package}: the test looks at the wrong place"


def test_core_never_imports_torchvision() -> None:
    for package in OURS:
        for path in (ROOT / package).rglob("*.py"):
            assert "import torchvision" not in path.read_text(encoding="utf-8"), path
