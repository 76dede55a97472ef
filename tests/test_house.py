"""The house stays in order: few flat files, the map of CONTRIBUTING, one of each, a light stage two."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.source_tree import PACKAGES, Tree
from tests.paths import ROOT

FLAT_FILES = 12
"""How many files may lie flat in the four packages together."""

LONGEST = 320
"""Lines of a file; 300 is the habit, a docstring may go past it."""


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(ROOT)


def test_few_files_lie_flat(tree: Tree) -> None:
    assert len(tree.flat_files()) <= FLAT_FILES, tree.flat_files()


def test_the_map_in_contributing_is_the_tree(tree: Tree) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- map -->\n```\n(.*?)\n```", text, re.DOTALL)
    assert block, "CONTRIBUTING.md has no map"
    lines = block[1].splitlines()
    assert [line.split()[0] for line in lines] == [f"{folder}/" for folder in tree.folders()]
    assert all(len(line.split()) > 2 and len(line) <= 110 for line in lines), "a folder without its job"


def test_no_module_is_called_utils(tree: Tree) -> None:
    assert not [module.path for module in tree.modules if "util" in module.path.stem]


def test_files_are_of_readable_length(tree: Tree) -> None:
    long = {str(m.path): lines for m in tree.modules if (lines := m.text.count("\n")) > LONGEST}
    assert not long


RENAMES = {
    "pool/disk/atomic.py",  # every output
    "pool/disk/files.py",  # a store's own files, from one scratch folder for many
    "pool/disk/locks.py",  # a dead writer's lock is replaced, never absent
    "pool/store/shard_writer.py",  # the files of a shard, which its journal record makes count
}


def test_there_is_one_way_to_write_and_one_refusal(tree: Tree) -> None:
    renames = {place.rpartition(":")[0] for place in tree.rename_sites()}
    assert "pool/disk/atomic.py" in renames <= RENAMES, "outputs appear whole by pool.disk.atomic alone"
    refusals = {place.rpartition(":")[0] for place in tree.refusals()}
    assert refusals == {"pool/disk/atomic.py"}, "existing outputs are refused by pool.disk.atomic alone"


def test_nothing_stands_twice(tree: Tree) -> None:
    assert not tree.duplicates(), "the same six lines stand in two places"


def test_a_public_name_means_one_thing(tree: Tree) -> None:
    assert not tree.names_with_two_meanings()


def test_the_listed_packages_are_the_folders(tree: Tree) -> None:
    """A folder that setup.cfg lacks is not in the wheel; the training of the tiny networks is to lack."""
    listed = re.findall(
        r"^    heatpool\.([\w.]+)$", (ROOT / "setup.cfg").read_text(encoding="utf-8"), re.MULTILINE
    )
    folders = {folder.replace("/", ".") for folder in tree.folders()}
    assert set(listed) == folders - {"extract.networks.tiny.training"}


STAGE_ONE = {"av", "cv2", "onnx", "onnxruntime", "ultralytics", "pandas", "transformers", "heatpool.extract"}


def test_stage_two_loads_nothing_of_stage_one(tmp_path: Path) -> None:
    """All its commands, one after the other in one process, on a store that another build wrote."""
    with tarfile.open(ROOT / "tests/fixtures/old_build.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    program = f"""
        import json, sys
        from heatpool.pipelines.cli import main
        loaded = {{}}
        for line in {COMMANDS!r}:
            code = main(line.split())
            loaded[line] = code, sorted(name for name in sys.modules if name in {sorted(STAGE_ONE)!r})
        print(json.dumps(loaded))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert loaded == {line: [0, []] for line in COMMANDS}, done.stderr


COMMANDS = (
    "info features.zarr",
    "train --model linear --features features.zarr --out new --epochs 1",
    "evaluate new",
    "predict new --features features.zarr --segments answers",
    "fuse new run --out fused",
    "compare new run",
    "ablate features.zarr --out ablation --epochs 1",
)


@pytest.mark.parametrize("name", ["heatpool", "heatpool.pipelines.cli", "heatpool.pipelines.options"])
def test_the_face_and_the_options_load_nothing_heavy(name: str) -> None:
    """Start-up is the standard library and the option parser; numpy comes with the first store."""
    program = f"import {name}, sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"numpy", "zarr", "torch", "scipy", "sklearn", "matplotlib", "tqdm", "pandas", "av", "dask"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_a_face(package: str) -> None:
    face = import_module(f"heatpool.{package}")
    assert face.__all__ == sorted(face.__all__)
    assert not [name for name in face.__all__ if not hasattr(face, name)]
