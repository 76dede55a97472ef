"""Small files that were taken wrongly once, each with its right answer: generated, and those kept beside us.

What each is and how it is judged stands in `benchmarks/input_cases.py`; `python -m benchmarks.inputs`
prints the answers of this build and of another one as a table.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.input_cases import CASES
from benchmarks.input_trials import Case, Done, Trial
from heatpool.pipelines.cli import main
from tests.conftest import VideoMaker
from tests.fixtures.inputs import make_input
from tests.paths import SHARED

KEPT = SHARED / "inputs"


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Trial:
    """A trial of this build, in this process; its file is still to be named."""

    def heatpool(folder: Path, words: list[str]) -> Done:
        monkeypatch.chdir(folder)
        capsys.readouterr()
        code = main(words)
        return Done(code, *capsys.readouterr())

    folder = tmp_path / "trial"
    folder.mkdir()
    return Trial(tmp_path, folder, heatpool)


# Checkpoints of other strides, joints and classes: `test_yolo_pose.py`, `test_person_classes.py`.
@pytest.mark.parametrize("case", [case for case in CASES if not case.slow], ids=lambda case: case.file)
def test_its_like_is_answered_rightly(
    case: Case, trial: Trial, tmp_path: Path, make_video: VideoMaker
) -> None:
    trial.file = make_input(case.file, tmp_path, make_video)
    assert case.wrong(trial) == ""


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.file, marks=[pytest.mark.slow] * case.slow) for case in CASES],
)
def test_it_is_answered_rightly(case: Case, trial: Trial) -> None:
    trial.file = KEPT / case.file
    if not trial.file.exists():
        pytest.skip(f"{KEPT} is not beside this clone")
    assert case.wrong(trial) == ""


@pytest.mark.skipif(not KEPT.exists(), reason=f"{KEPT} is not beside this clone")
def test_every_input_has_a_case() -> None:
    others = {"README.md", "ext.onnx.data"}
    assert set(os.listdir(KEPT)) == {case.file for case in CASES} | others
