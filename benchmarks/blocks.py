"""Blocks of a Markdown page that a program writes, and what stands in them."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from heatpool.pipelines.process.machine import machine

__all__ = ["block_names", "describe_machine", "replace_block", "tables", "write_measured"]

_BLOCK = re.compile(r"<!-- bench:(?P<name>[a-z_]+) -->\n(?P<body>.*?)<!-- /bench -->", re.DOTALL)
_RULE = re.compile(r"\|(:?-+:?\|)+")
_PACKAGES = ("torch", "numpy", "av", "opencv-python", "zarr", "numcodecs", "distributed", "ultralytics")


def block_names(page: str) -> list[str]:
    """Return the names of the blocks in order."""
    return [found["name"] for found in _BLOCK.finditer(page)]


def replace_block(page: str, name: str, body: str) -> str:
    """Return the page with another body in the block of this name.

    Raises:
        ValueError: unless the page has exactly one such block.
    """
    count = block_names(page).count(name)
    if count != 1:
        raise ValueError(f"expected one block <!-- bench:{name} -->, got {count}")

    def put(found: re.Match[str]) -> str:
        if found["name"] != name:
            return found[0]
        return f"<!-- bench:{name} -->\n\n{body.strip(chr(10))}\n\n<!-- /bench -->"

    return _BLOCK.sub(put, page)


def write_measured(path: Path, name: str, body: str) -> None:
    """Replace a block of a page, and the one that tells of the machine."""
    page = replace_block(path.read_text(encoding="utf-8"), "machine", describe_machine())
    path.write_text(replace_block(page, name, body), encoding="utf-8")


def tables(said: str) -> list[str]:
    """Return the Markdown tables in what a benchmark printed.

    Other lines are left out. They do not end a table, for libraries print while its rows are measured; the
    next head does.
    """
    found: list[list[str]] = []
    for line in (each.rstrip() for each in said.splitlines() if each.startswith("|")):
        if _RULE.fullmatch(line) and found:
            found.append([found[-1].pop()])  # what looked like a row was its head
        elif not found:
            found.append([])
        found[-1].append(line)
    return ["\n".join(lines) for lines in found if len(lines) > 2]


def describe_machine() -> str:
    """Return a table of the machine and the versions of what it runs."""
    about = machine()
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    packages = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    rows = [
        ("processor", f"{about['processor']}, {about['cores']} hardware threads for us"),
        ("memory", memory),
        ("GPU", ", ".join(about["gpus"]) or "none"),
        ("system", f"{about['system']}, Python {about['python']}"),
        ("packages", packages),
    ]
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | {text} |" for name, text in rows)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
