"""The house in figures: files, arrows, lines, repetitions, options without help, what training loads.

Usage: python -m benchmarks.house [--old OLD_CLONE] [--details]

An old clone stands beside this one, for before and after; its programs are taken from its own `.venv`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.source_tree import PACKAGES, Tree, circles
from benchmarks.startup import unpack_fixture
from heatpool.pipelines.command_table import COMMANDS

ROOT = Path(__file__).parents[1]
STAGE_ONE = ("av", "cv2", "onnx", "onnxruntime", "ultralytics", "pandas")
"""What only videos and pictures need."""

_PROGRAM = "import sys; from heatpool.pipelines.cli import main; code = main(sys.argv[1:])"
_OLD_PROGRAM = "import sys; from pipelines.cli import main; code = main(sys.argv[1:])"
_TELL = "; import json; print(); print(json.dumps(sorted(sys.modules))); sys.exit(code)"


def options_without_help(text: str) -> tuple[list[str], int]:
    """Return the options of a help page that say nothing about themselves, and how many there are in all."""
    entries = re.findall(r"^  (?:-\w, )?--([\w-]+)(.*(?:\n {4,}.*)*)", text, re.MULTILINE)
    entries = [(name, rest) for name, rest in entries if name not in ("help", "config", "print-config")]
    return [name for name, rest in entries if not _help(rest)], len(entries)


def _help(rest: str) -> str:
    """Return the words about an option, without its values, its type and its default."""
    words = re.split(r" {2,}|\n *", rest, maxsplit=1)[1:]
    return re.split(r"\((?:type|default|required)\b", "".join(words))[0].strip()


def help_figures(root: Path) -> str:
    """Return how many options of all commands have a text in their help."""
    bare, known = 0, 0
    for name in COMMANDS:
        command: list[str | Path] = [root / ".venv/bin/heatpool", *name.split(), "--help"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=_environment())
        missing, count = options_without_help(done.stdout if not done.returncode else "")
        bare, known = bare + len(missing), known + count
    return f"{known - bare} of {known}"


def loaded_by_train(root: Path) -> list[str]:
    """Return the modules that a training loads, from the first option to the report."""
    program = _PROGRAM if (root / "heatpool").is_dir() else _OLD_PROGRAM
    with tempfile.TemporaryDirectory() as scratch:
        store = unpack_fixture(Path(scratch))
        options: list[str | Path] = [
            "train",
            "--model",
            "linear",
            "--features",
            store,
            "--out",
            Path(scratch, "out"),
            "--quiet",
        ]
        command = [root / ".venv/bin/python", "-c", program + _TELL, *options]
        done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=_environment())
    if done.returncode:
        raise RuntimeError(f"{root}: training ended with {done.returncode}: {done.stderr[-500:]}")
    return list(json.loads(done.stdout.splitlines()[-1]))


def _environment() -> dict[str, str]:
    """Return this environment without what would make another clone's Python find our folders."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def figures(root: Path) -> dict[str, str]:
    """Return the figures of a clone."""
    tree = Tree(root)
    arrows = {package: set(tree.arrows(package)) for package in PACKAGES}
    renames, refusals = tree.rename_sites(), tree.refusals()
    modules = loaded_by_train(root)
    ours = [name for name in modules if name.removeprefix("heatpool.").startswith("extract.")]
    heavy = [name for name in STAGE_ONE if name in modules]
    return {
        "files flat in the four packages": str(len(tree.flat_files())),
        f"arrows between first-level parts: {' / '.join(PACKAGES)}": " / ".join(
            str(len(arrows[package])) for package in PACKAGES
        ),
        "of them on a circle": " / ".join(str(len(circles(arrows[package]))) for package in PACKAGES),
        "lines in the tree / in the wheel": f"{tree.lines():,} / {tree.wheel_lines():,}",
        "runs of six or more equal lines": str(len(tree.duplicates())),
        "places that rename a file or folder": f"{len(renames)} in {len(_files(renames))} files",
        "places that refuse an existing output": f"{len(refusals)} in {len(_files(refusals))} files",
        "public names with two meanings": str(len(tree.names_with_two_meanings())),
        "file names that stand in several folders": str(len(tree.shared_file_names())),
        "options with a text in their help": help_figures(root),
        "modules of `extract` loaded by `train`": str(len(ours)),
        "packages for videos loaded by `train`": ", ".join(heavy) or "none",
    }


def _files(places: list[str]) -> set[str]:
    return {place.rpartition(":")[0] for place in places}


def details(tree: Tree) -> str:
    """Return where the figures come from, to mend them."""
    parts = {
        "circle": [
            f"{package}: {a.start} → {a.end}"
            for package in PACKAGES
            for a in circles(set(tree.arrows(package)))
        ],
        "equal lines": [f"{each.first} and {each.second}, {each.lines} lines" for each in tree.duplicates()],
        "rename": tree.rename_sites(),
        "refusal": tree.refusals(),
        "two meanings": [f"{n}: {', '.join(at)}" for n, at in tree.names_with_two_meanings().items()],
    }
    return "\n".join(f"{title}: {line}" for title, lines in parts.items() for line in lines)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--old", type=Path, help="another clone with its .venv, shown beside this one")
    parser.add_argument("--details", action="store_true", help="also list the places behind the figures")
    options = parser.parse_args()
    columns = ({"before": figures(options.old)} if options.old else {}) | {"this build": figures(ROOT)}
    print("| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for name in next(iter(columns.values())):
        print(f"| {name} | " + " | ".join(column[name] for column in columns.values()) + " |")
    if options.details:
        print("\n" + details(Tree(ROOT)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
