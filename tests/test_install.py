"""heatpool as it is installed: what a wheel holds, and that nothing beside it can get in its way."""

from __future__ import annotations

import configparser
import re
import shutil
import site
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.version import Version

from benchmarks.source_tree import PACKAGES, Tree
from tests.paths import ROOT


def pip(*arguments: str | Path, python: Path | None = None) -> None:
    """Run pip without an index, for the environment of `python` or this one."""
    where = ["--python", python] if python else []
    command = [
        sys.executable,
        "-m",
        "pip",
        *where,
        *arguments,
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def fresh_python(folder: Path) -> Path:
    """Make an environment where our dependencies are and we are not; return its Python."""
    venv.EnvBuilder(symlinks=True).create(folder)
    (purelib,) = folder.glob("lib/python*/site-packages")
    (purelib / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder / "bin/python"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an install reads of a clone, without the links that `make` lays."""
    folder = tmp_path_factory.mktemp("clone")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "heatpool").mkdir()
    files = [path for path in (ROOT / "heatpool").iterdir() if path.is_file()]
    for path in (*files, *(ROOT / name for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"))):
        shutil.copy(path, folder / path.relative_to(ROOT))
    return folder


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "-w", folder, clone)
    (path,) = folder.iterdir()
    return path


def test_a_wheel_holds_the_packages_and_their_data_once(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {name.partition("/")[0] for name in names} == {"heatpool", "heatpool-0.1.0.dist-info"}
        held = {name.removeprefix("heatpool/") for name in names if "dist-info" not in name}
        metadata = archive.read("heatpool-0.1.0.dist-info/METADATA").decode()
    assert "Requires-Python: >=3.11" in metadata
    sources = {module.path.as_posix() for module in Tree(ROOT).modules}
    training = {path for path in sources if "tiny/training/" in path}
    assert training, "the folder that stays out has moved"
    face = {path.name for path in (ROOT / "heatpool").glob("*.py")}
    assert {name for name in held if name.endswith(".py")} == sources - training | face
    data = {name for name in held if not name.endswith(".py")}
    beside = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.*")
        if path.suffix in {".txt", ".yaml", ".safetensors", ".json", ".html", ".css"}
    }
    assert data == beside | {"py.typed"}


@pytest.mark.slow
def test_a_wheel_works_outside_the_clone_whatever_lies_beside_it(wheel: Path, tmp_path: Path) -> None:
    """Its program and its face, with other packages of our folders' names installed and in the way."""
    python = fresh_python(tmp_path / "env")
    (purelib,) = (tmp_path / "env").glob("lib/python*/site-packages")
    work = tmp_path / "work"
    work.mkdir()
    for name in PACKAGES:
        (purelib / name).mkdir()
        (purelib / name / "__init__.py").write_text("raise RuntimeError('the public package of this name')\n")
        (work / f"{name}.py").write_text("raise RuntimeError('a file of the user')\n")
    pip("install", wheel, python=python)
    with tarfile.open(ROOT / "tests/fixtures/old_build.tar.gz") as archive:
        archive.extractall(work, filter="data")

    def run(*words: str | Path, expect: str) -> None:
        done = subprocess.run(words, cwd=work, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        assert expect in done.stdout + done.stderr, words

    heatpool = python.with_name("heatpool")
    script = work / "script.py"  # its folder is the first place where Python looks for modules
    script.write_text(
        "import heatpool\n"
        "from heatpool.extract.demo.dataset import DemoSpec, render_demo\n"
        "print(heatpool.__file__, len(heatpool.open('features.zarr')))\n"
        "render_demo(DemoSpec.small(), 'drawn')\n"
    )
    run(python, script, expect=str(purelib / "heatpool"))
    run(heatpool, "--help", expect="extract")
    run(heatpool, "--version", expect="0.1.0")
    run(heatpool, "info", "features.zarr", expect="clips")
    run(heatpool, "extract", "--videos", "drawn/clips.csv", "--out", "drawn.zarr", "--steps", "8", expect="9")
    probe = ("--protocol", "xsub", "--model", "linear", "--epochs", "1")
    run(heatpool, "train", "--features", "drawn.zarr", *probe, "--out", "probe", expect="top")
    for name in PACKAGES:  # as their removal would
        shutil.rmtree(purelib / name)
    run(heatpool, "info", "features.zarr", expect="clips")


def test_an_editable_install_needs_no_links(clone: Path, tmp_path: Path) -> None:
    python = fresh_python(tmp_path / "env")
    pip("install", "-e", clone, python=python)
    program = "import heatpool.pool.records, heatpool.pipelines.cli as cli; print(cli.__file__)"
    done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(clone / "pipelines/cli.py")
    assert not (clone / "heatpool/pool").exists()


def _requirements() -> dict[str, str]:
    """Return what setup.cfg asks for: distribution to least version, core and the extras that ours import."""
    settings = configparser.ConfigParser(inline_comment_prefixes=("#",))
    settings.read(ROOT / "setup.cfg")
    texts = [settings["options"]["install_requires"]]
    texts += [
        settings["options.extras_require"][extra] for extra in ("hf", "onnx", "openvino", "sleap", "xarray")
    ]
    lines = [line for line in "\n".join(texts).splitlines() if line]
    found = {}
    for line in lines:
        name, version = re.fullmatch(r"([\w-]+)(?:\[\w+\])? *>= *([\d.]+)", line.strip()).groups()  # type: ignore[union-attr]
        found[name.lower()] = version
    return found


def test_what_is_imported_is_asked_for() -> None:
    """Every third-party import has its line in setup.cfg, and every line is imported or gives its reason."""
    distributions = packages_distributions()
    imported = {
        name.partition(".")[0]
        for module in Tree(ROOT).modules
        for _, name in module.imports
        if name.partition(".")[0] not in sys.stdlib_module_names | {"heatpool", "_typeshed"}
    }
    homes = {name: {each.lower() for each in distributions[name]} for name in imported}
    asked = set(_requirements())
    within = {"markupsafe", "urllib3"}  # jinja2's and requests' own
    assert {name for name, home in homes.items() if not home & asked} <= within
    unused = asked - {home for all_homes in homes.values() for home in all_homes}
    # ultralytics' tracker needs lap, xarray h5netcdf for its files; the others are imported by their names.
    assert unused == {"h5netcdf", "lap", "onnxscript", "openvino", "transformers"}


def _pinned(name: str) -> dict[str, str]:
    found = re.findall(r"^([\w-]+)==(\S+)$", (ROOT / name).read_text(), re.MULTILINE)
    return {name.lower(): version for name, version in found}


def test_the_tested_versions_are_allowed() -> None:
    tested = _pinned("constraints.txt")
    for name, least in _requirements().items():
        assert Version(tested[name]) >= Version(least), f"{name} >= {least}"


def test_the_least_versions_are_the_tested_ones() -> None:
    tested = _pinned("constraints-min.txt")
    for name, least in _requirements().items():
        if name != "torch":  # tested with the newest only
            assert (tested[name] + ".").startswith(least + "."), f"{name} >= {least}"
