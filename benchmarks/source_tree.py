"""What a tree of heatpool's source looks like in figures: files, arrows, repetitions; read, never imported.

A tree may be of today's layout (`heatpool.pool.store` in `pool/store/`) or of the one before (`pool.store`).
"""

from __future__ import annotations

import ast
import configparser
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeGuard

__all__ = ["PACKAGES", "Arrow", "Duplicate", "Module", "Tree", "circles"]

PACKAGES = ("pool", "extract", "classify", "pipelines")
"""The four folders, each of which is a package."""

_REFUSES = re.compile(r"\bexists(;| already|$)|already exists")
_ENTRIES = {"run", "main"}
"""What a command's module and the program call their one function; the command line counts on it."""


@dataclass(frozen=True)
class Module:
    """A Python file: its path below the tree, its text, and what it means."""

    path: Path
    text: str
    syntax: ast.Module

    @property
    def name(self) -> str:
        """The name as it is written today, `heatpool.pool.store`; a package has its folder's name."""
        parts = ("heatpool", *self.path.with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def entry(self) -> str:
        """The first-level folder of its package that it lies in, or its own name if it lies flat."""
        return self.path.parts[1].removesuffix(".py")

    @property
    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full name of everything that it imports, for types or in functions too."""
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, _today(alias.name)) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = f"{'.' * node.level}{node.module or ''}"
                yield from ((node.lineno, _today(f"{start}.{alias.name}")) for alias in node.names)


@dataclass(frozen=True, order=True)
class Arrow:
    """One part of a package imports another: `start` → `end`, first-level folders or flat files."""

    start: str
    end: str


@dataclass(frozen=True)
class Duplicate:
    """A run of lines that stands in two places, literally."""

    first: str
    second: str
    lines: int


@dataclass(frozen=True)
class Tree:
    """The four packages of a clone.

    Attributes:
        root: the clone.
    """

    root: Path

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """All Python files of the four packages, by path."""
        paths = sorted(path for package in PACKAGES for path in (self.root / package).rglob("*.py"))
        texts = ((path.relative_to(self.root), path.read_text(encoding="utf-8")) for path in paths)
        return tuple(Module(path, text, ast.parse(text)) for path, text in texts)

    @cached_property
    def _names(self) -> dict[str, Module]:
        return {module.name: module for module in self.modules}

    def find(self, name: str) -> Module | None:
        """Return the module that a full name stands for or is defined in; None if it is not ours."""
        while name and name not in self._names:
            name = name.rpartition(".")[0]
        return self._names.get(name)

    def flat_files(self) -> list[str]:
        """Return the files that lie flat in a package, without `__init__`."""
        flat = (module.path for module in self.modules if len(module.path.parts) == 2)
        return [str(path) for path in flat if path.name != "__init__.py"]

    def folders(self) -> list[str]:
        """Return every folder that holds Python files, with slashes."""
        return sorted({str(module.path.parent) for module in self.modules})

    def arrows(self, package: str) -> dict[Arrow, list[str]]:
        """Return the arrows of a package's first-level drawing, each with the files that draw it."""
        drawn: dict[Arrow, list[str]] = defaultdict(list)
        for module in self._of(package):
            for line, name in module.imports:
                target = self.find(name)
                if target is None or target.path.parts[0] != package:
                    continue
                if module.entry != target.entry:
                    drawn[Arrow(module.entry, target.entry)].append(f"{module.path}:{line}")
        return dict(sorted(drawn.items()))

    def _of(self, package: str) -> Iterator[Module]:
        """Give the modules of a package but its face, whose imports are for its users."""
        for module in self.modules:
            if module.path.parts[0] == package and module.entry != "__init__":
                yield module

    def lines(self) -> int:
        """Return how many lines the packages and the face have."""
        return sum(path.read_text(encoding="utf-8").count("\n") for path in self._files(*PACKAGES, deep=True))

    def wheel_lines(self) -> int:
        """Return how many of the lines a wheel holds: those of the packages that setup.cfg lists."""
        settings = configparser.ConfigParser()
        settings.read(self.root / "setup.cfg")
        names = settings["options"]["packages"].split()
        folders = [name.removeprefix("heatpool.").replace(".", "/") for name in names if name != "heatpool"]
        return sum(path.read_text(encoding="utf-8").count("\n") for path in self._files(*folders, deep=False))

    def _files(self, *folders: str, deep: bool) -> Iterator[Path]:
        yield from (self.root / "heatpool").glob("*.py")
        for folder in folders:
            yield from (self.root / folder).glob("**/*.py" if deep else "*.py")

    def duplicates(self, lines: int = 6) -> list[Duplicate]:
        """Return the runs of at least `lines` equal lines; blank lines and imports are passed over."""
        places: dict[tuple[str, ...], tuple[str, int]] = {}
        found: list[Duplicate] = []
        ends: dict[tuple[str, str], tuple[int, int]] = {}
        for module in self.modules:
            rows = _telling_rows(module)
            for at in range(len(rows) - lines + 1):
                window = tuple(text for _, text in rows[at : at + lines])
                here = str(module.path), rows[at][0]
                there = places.setdefault(window, here)
                if there == here:
                    continue
                run = ends.get((there[0], here[0]))
                ends[there[0], here[0]] = (there[1], here[1])
                if run is None or not (0 <= here[1] - run[1] <= 3 and 0 <= there[1] - run[0] <= 3):
                    found.append(Duplicate(f"{there[0]}:{there[1]}", f"{here[0]}:{here[1]}", lines))
                else:
                    last = found[-1]
                    found[-1] = Duplicate(last.first, last.second, last.lines + 1)
        return found

    def rename_sites(self) -> list[str]:
        """Return where a file or folder is renamed: `os.replace`, `os.rename` and the methods of paths."""
        calls = ((module, node) for module in self.modules for node in ast.walk(module.syntax))
        return [f"{module.path}:{node.lineno}" for module, node in calls if _renames(node)]

    def refusals(self) -> list[str]:
        """Return where an existing output is refused: a `raise` whose message says that it exists."""
        raised = (
            (m, node) for m in self.modules for node in ast.walk(m.syntax) if isinstance(node, ast.Raise)
        )
        return [f"{module.path}:{node.lineno}" for module, node in raised if _refuses(node)]

    def names_with_two_meanings(self) -> dict[str, list[str]]:
        """Return the public classes and functions of one name that are defined in several modules."""
        places: dict[str, list[str]] = defaultdict(list)
        for module in self.modules:
            for node in module.syntax.body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name not in _ENTRIES:
                    places[node.name].append(str(module.path))
        return {n: at for n, at in sorted(places.items()) if len(at) > 1 and not n.startswith("_")}

    def shared_file_names(self) -> dict[str, int]:
        """Return the file names that stand in several folders, and in how many."""
        names = Counter(m.path.name for m in self.modules if m.path.name != "__init__.py")
        return {name: count for name, count in sorted(names.items()) if count > 1}


def circles(arrows: set[Arrow]) -> list[Arrow]:
    """Return the arrows that lie on a circle."""
    onward: dict[str, set[str]] = defaultdict(set)
    for arrow in arrows:
        onward[arrow.start].add(arrow.end)

    def reached(start: str) -> set[str]:
        seen, todo = set[str](), [start]
        while todo:
            for end in onward[todo.pop()] - seen:
                seen.add(end)
                todo.append(end)
        return seen

    return sorted(arrow for arrow in arrows if arrow.start in reached(arrow.end))


def _today(name: str) -> str:
    """Return an import's name in today's spelling: `pool.store` was a top-level package once."""
    return f"heatpool.{name}" if name.partition(".")[0] in PACKAGES else name


def _telling_rows(module: Module) -> list[tuple[int, str]]:
    """Return number and text of the lines that are neither blank nor part of an import or a signature.

    Functions that can stand in for each other have the same parameters; that is no code written twice.
    """
    passed: set[int] = set()
    for node in ast.walk(module.syntax):
        if isinstance(node, ast.Import | ast.ImportFrom):
            passed.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.FunctionDef):
            passed.update(range(node.lineno, node.body[0].lineno))
    rows = enumerate(module.text.splitlines(), 1)
    return [(number, row.rstrip()) for number, row in rows if row.strip() and number not in passed]


def _renames(node: ast.AST) -> TypeGuard[ast.Call]:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    of_os = isinstance(node.func.value, ast.Name) and node.func.value.id == "os"
    if of_os:
        return node.func.attr in ("replace", "rename")
    # str.replace takes two arguments, a path's takes one; a data frame's rename takes keywords.
    return node.func.attr in ("replace", "rename") and len(node.args) == 1 and not node.keywords


def _refuses(node: ast.Raise) -> bool:
    texts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return any(isinstance(text, str) and _REFUSES.search(text) for text in texts)
