"""Imports flow one way, between the packages and between the folders of each; read from the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.source_tree import PACKAGES, Arrow, Tree, circles
from tests.paths import ROOT

MAY_IMPORT = {
    "pool": {"pool"},
    "extract": {"extract", "pool"},
    "classify": {"classify", "pool"},
    "pipelines": set(PACKAGES),
}

MOST_ARROWS = {"pool": 26, "pipelines": 22, "extract": 11, "classify": 8}
"""Between the first-level folders and flat files of a package: what one drawing can show."""


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(ROOT)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_flow_one_way_between_packages(tree: Tree, package: str) -> None:
    seen = 0
    for module in tree.modules:
        if module.path.parts[0] != package:
            continue
        for line, name in module.imports:
            place = f"{module.path} line {line}: {name}"
            assert not name.startswith("."), f"{place}, imports are written in full"
            if name.startswith("heatpool."):
                seen += 1
                assert name.split(".")[1] in MAY_IMPORT[package], place
    assert seen, f"no import of ours seen in {package}: the test looks at the wrong place"


def test_our_packages_are_imported_below_heatpool() -> None:
    for module in Tree(ROOT).modules:
        for package in PACKAGES:
            for spelled in (f"\nfrom {package}", f"\nimport {package}"):
                after = [part[:1] for part in module.text.split(spelled)[1:]]
                assert not {" ", "."} & set(after), f"{module.path}:{spelled} without heatpool"


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_flow_one_way_between_the_folders_of_a_package(tree: Tree, package: str) -> None:
    arrows = tree.arrows(package)
    on_circles = {f"{a.start} → {a.end}": arrows[a] for a in circles(set(arrows))}
    assert not on_circles, "these imports close a circle"
    drawn = ", ".join(f"{a.start} → {a.end}" for a in arrows)
    assert 0 < len(arrows) <= MOST_ARROWS[package], drawn


def test_no_module_of_a_package_imports_through_its_face(tree: Tree) -> None:
    """What a package imports from its own `__init__` would hide its arrows."""
    through = [
        f"{module.path} line {line}"
        for module in tree.modules
        for line, name in module.imports
        if (target := tree.find(name)) is not None
        and target.path == Path(module.path.parts[0], "__init__.py") != module.path
    ]
    assert not through


def test_circles_are_found() -> None:
    line = {Arrow("a", "b"), Arrow("b", "c"), Arrow("a", "c")}
    assert circles(line) == []
    assert circles({*line, Arrow("c", "b")}) == [Arrow("b", "c"), Arrow("c", "b")]


def test_core_never_imports_torchvision(tree: Tree) -> None:
    for module in tree.modules:
        assert "import torchvision" not in module.text, module.path
