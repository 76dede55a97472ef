"""Imports flow one way: extract → pool ← classify, pipelines on top; tests of that, from the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"extract", "pool", "classify", "pipelines"}
MAY_IMPORT = {
    "pool": {"pool"},
    "extract": {"extract", "pool"},
    "classify": {"classify", "pool"},
    "pipelines": OURS,
}


@pytest.mark.parametrize("package", sorted(OURS))
def test_imports_flow_one_way(package: str) -> None:
    seen = 0
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = {name.split(".")[0] for name in names} & OURS
            seen += len(ours)
            assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} line {node.lineno} imports {ours}"
    assert seen, f"no import of ours seen in {package}: the test looks at the wrong place"


def test_core_never_imports_torchvision() -> None:
    for package in OURS:
        for path in (ROOT / package).rglob("*.py"):
            assert "import torchvision" not in path.read_text(encoding="utf-8"), path
