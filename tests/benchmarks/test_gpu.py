"""The script for a borrowed GPU: a part that fails or hangs ends no other, and tiny sizes run on the CPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import gpu, gpu_engine, gpu_networks, gpu_train
from benchmarks.blocks import block_names, tables
from benchmarks.gpu import Part, results_of_tests
from tests.conftest import VideoMaker, gray_frames
from tests.paths import ROOT

TABLE = "print('| a |\\n|---|\\n| 1 |')"


def run_parts(
    parts: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    seconds: float = 20,
    budget: str = "60",
) -> tuple[int, str]:
    """Run programs as parts; return the exit code and the page."""
    scripts = {}
    for name, program in parts.items():
        scripts[name] = tmp_path / f"{name}.py"
        scripts[name].write_text(program, encoding="utf-8")
    monkeypatch.setattr(
        gpu, "PARTS", [Part(name, seconds, str(path), str(path)) for name, path in scripts.items()]
    )
    page = tmp_path / "gpu.md"
    code = gpu.main(["--out", str(page), "--budget", budget, "--dry-run"])
    return code, page.read_text(encoding="utf-8")


def test_a_part_that_fails_or_hangs_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    parts = {
        "gpu_fails": f"{TABLE}\nraise SystemExit('too old a driver')",
        "gpu_hangs": "import time\nprint('| b |\\n|---|\\n| 2 |', flush=True)\ntime.sleep(60)",
        "gpu_silent": "",
        "gpu_good": TABLE,
    }
    code, page = run_parts(parts, tmp_path, monkeypatch, seconds=1)
    assert code == 1
    assert block_names(page) == ["gpu_machine", *parts]
    notes = re.findall(r"^Not complete: (.*)\.$", page, re.MULTILINE)
    assert notes == ["exit code 1", "not ready after 1 s", "no table"]
    assert tables(page)[1:] == ["| a |\n|---|\n| 1 |", "| b |\n|---|\n| 2 |", "| a |\n|---|\n| 1 |"]
    said, errors = capfd.readouterr()
    assert said.endswith("gpu.md: 1 of 4 parts complete\n")
    assert "too old a driver" in errors


def test_the_time_for_all_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = "import time\ntime.sleep(60)"
    code, page = run_parts({"gpu_slow": slow, "gpu_late": TABLE}, tmp_path, monkeypatch, budget="0.5")
    assert code == 1
    assert re.findall(r"^Not complete: (.*)\.$", page, re.MULTILINE) == [
        "not ready after 0 s",
        "no time was left",
    ]


def test_all_parts_complete_is_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, page = run_parts({"gpu_good": TABLE}, tmp_path, monkeypatch)
    assert code == 0
    assert "Not complete" not in page


def test_parts_fit_into_ten_minutes() -> None:
    assert sum(part.seconds for part in gpu.PARTS) <= 600


def test_tests_that_failed_are_named() -> None:
    said = (
        "..F\n== short test summary info ==\nFAILED tests/a.py::b - assert\n== 1 failed, 2 passed in 3.00s =="
    )
    assert results_of_tests(said).splitlines()[2:] == ["| 1 failed, 2 passed in 3.00s |", "| tests/a.py::b |"]


def test_networks_are_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(gpu_networks, "NETWORKS", ("HRNet-W48",))  # the others take seconds to import
    monkeypatch.setattr(gpu_networks, "matrix_rate", lambda dtype, device: 1e9)
    gpu_networks.main(["--device", "cpu", "--batch", "2", "--seconds", "0", "--dry-run"])
    rows = [row.strip("| ").split(" | ") for row in tables(capsys.readouterr().out)[1].splitlines()[2:]]
    assert [row[:3] for row in rows] == [["HRNet-W48", dtype, "torch"] for dtype in ("float32", "bfloat16")]
    exact, other = (float(row[-1]) for row in rows[:2])
    assert exact == 0.0
    assert 1 < other < 1000


def test_decoding_and_the_engine_are_measured(
    make_video: VideoMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(gray_frames(4), "clip.mp4")
    gpu_engine.main([str(video), "--device", "cpu", "--clips", "2", "--threads", "1", "--dry-run"])
    decoding, engine = tables(capsys.readouterr().out)
    assert re.fullmatch(r"\| cpu \| 1 \| [\d,]+ \| [\d.]+ \| 0 \| 0 \|", decoding.splitlines()[-1])
    assert engine.splitlines()[-1].startswith("| tiny | float32 | torch | cpu | ")


def test_training_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(gpu_train, "matrix_rate", lambda dtype, device: 1e9)
    monkeypatch.delitem(gpu_train.NETWORKS, "CTR-GCN")  # HP-Net has three
    gpu_train.main(["--device", "cpu", "--batch", "2", "--seconds", "0", "--dry-run"])
    rows = [row.strip("| ").split(" | ") for row in tables(capsys.readouterr().out)[0].splitlines()[2:]]
    assert [row[:3] for row in rows] == [
        ["HP-Net", dtype, side] for dtype in ("float32", "bfloat16") for side in ("published", "heatpool")
    ]


@pytest.mark.slow
def test_the_script_runs_dry(tmp_path: Path, make_video: VideoMaker) -> None:
    videos = tmp_path / "videos"
    make_video(gray_frames(8), f"videos/{gpu.NTU}")
    done = subprocess.run(
        ["benchmarks/gpu.sh", "--dry-run", "--videos", str(videos), "--out", str(tmp_path / "gpu.md")],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"{len(gpu.PARTS)} of {len(gpu.PARTS)} parts complete\n")
