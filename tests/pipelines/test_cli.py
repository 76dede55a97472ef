from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction.weights_path import Shelf

COMMANDS = ("demo", "manifest", "extract", "info", "train", "evaluate", "visualize")


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What a failing command said on stderr: exactly one line."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("command", [*COMMANDS, "weights list", "weights verify"])
def test_help_explains_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*command.split(), "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: heatpool {command}" in text
    assert f"examples:\n  heatpool {command}" in text
    if command == "extract":
        assert "--person-selection" in text
        assert "--person_selection" not in text


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "subcommand"),
        (["fly"], "invalid choice: 'fly'"),
        (["extract", "--bogus", "3"], "unrecognized arguments: --bogus 3"),
        (["extract", "--persons", "two"], "Expected a <class 'int'>. Got value: two"),
        (["extract", "--persons", "0"], "expected --persons of at least 1, got 0"),
        (["extract", "--backend", "magic"], "magic"),
        (["extract", "--resume", "--overwrite"], "expected --resume or --overwrite, got both"),
        (["extract", "--sample-fps", "5", "--frame-stride", "2"], "--frame-stride or --sample-fps, got both"),
        (["extract", "--stride-s", "1"], "expected --window-s with --stride-s"),
        (["train", "--streams", "[pooled_joint,pooled_joint]"], "each once"),
        (["info"], "store"),
        (["extract", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    line = said(capsys)
    assert message in line
    assert line.startswith("heatpool")
    assert line.endswith("see --help")


def test_an_unknown_option_in_a_config_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("videos: clips.csv\nperson: 2\n", encoding="utf-8")
    with pytest.raises(SystemExit) as exit_:
        main(["extract", "--config", str(path)])
    assert exit_.value.code == 2
    assert "'person'" in said(capsys)


def test_options_come_from_yaml_and_flags_win(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("videos: from_yaml\npersons: 3\n", encoding="utf-8")
    with pytest.raises(SystemExit) as exit_:
        main(["extract", "--config", str(path), "--person-selection=first", "--persons=4", "--print_config"])
    assert exit_.value.code == 0
    shown = capsys.readouterr().out
    assert "videos: from_yaml" in shown
    assert "persons: 4" in shown
    assert "person_selection: first" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extract", "--videos", "nowhere"], "nowhere does not exist"),
        (["extract", "--videos", "empty"], "expected videos"),
        (["extract", "--videos", "videos", "--fetch", "false"], "expected --backend"),
        (["extract", "--videos", "videos", "--backend", "onnx", "--fetch", "false"], "expected --detector"),
        (
            ["extract", "--videos", "videos", "--backend", "onnx", "--detector", "full-frame"],
            "expected --weights pose.onnx and --tap NAME with --backend onnx",
        ),
        (
            ["extract", "--videos", "videos", "--backend", "yolo-pose", "--detector", "full-frame"],
            "expected no --detector with --backend yolo-pose",
        ),
        (
            ["extract", "--videos", "videos", "--backend", "yolo-pose", "--fetch", "false"],
            "expected --weights with --backend yolo-pose, such as yolo11n-pose.pt",
        ),
        (
            ["extract", "--videos", "videos", "--backend", "yolo-pose", "--weights", "nowhere.pt"],
            "cannot load nowhere.pt",
        ),
        (["extract", "--videos", "videos", "--device", "tpu"], "expected --device auto, cpu, cuda or cuda:N"),
        (
            ["extract", "--videos", "videos", "--backend", "tiny", "--detector", "boxes-file"],
            "expected --boxes boxes.csv",
        ),
        (
            ["extract", "--videos", "videos", "--backend", "tiny", "--detector", "full-frame", "--tap", "x"],
            "expected --tap out of stages.0.branches.0,",
        ),
        (["info", "nowhere"], "nowhere"),
        (["info", "--store", "nowhere"], "nowhere"),
        (["train", "--features", "nowhere"], "nowhere"),
        (["evaluate", "--run", "nowhere"], "expected a finished run in nowhere"),
        (["manifest", "--videos", "nowhere", "--out", "x.csv"], "expected a folder of videos"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_exit_code_1(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Shelf, "of_machine", classmethod(lambda cls: Shelf((tmp_path,))))
    (tmp_path / "empty").mkdir()
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_text("not a video")
    if "tpu" in arguments:
        arguments = [*arguments, "--backend", "tiny", "--detector", "full-frame"]
    assert main(arguments) == 1
    assert message in said(capsys)


def test_a_manifest_is_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = tmp_path / "videos"
    for name in ("wave/a.mp4", "clap/b.mp4"):
        (videos / name).parent.mkdir(parents=True)
        (videos / name).touch()
    out = tmp_path / "clips.csv"
    assert main(["manifest", "--videos", str(videos), "--out", str(out)]) == 0
    assert "2 clips, 2 classes" in said(capsys)
    assert out.read_text().splitlines()[1].startswith("clap/b,videos/clap/b.mp4,,,0,clap,")
    assert main(["manifest", "--videos", str(videos), "--out", str(out)]) == 1
    assert "--overwrite" in said(capsys)


def test_the_program_runs_as_a_module_of_its_own() -> None:
    code = (
        "import sys; from heatpool.pipelines.cli import main; sys.exit(main(['info', '--store', 'nowhere']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
