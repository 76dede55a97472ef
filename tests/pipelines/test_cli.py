from __future__ import annotations

import errno
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import heatpool
from heatpool.pipelines import cli
from heatpool.pipelines.cli import main
from heatpool.pipelines.command_table import COMMANDS, GROUPS, SECTIONS
from heatpool.pool.errors import HeatpoolError
from tests.pipelines.program import PROGRAM, run_program, said


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"usage: heatpool {command} " in text
    assert f"examples:\n  heatpool {command}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_are_accepted(command: str) -> None:
    lines = COMMANDS[command].examples.replace("\\\n", " ").splitlines()
    for line in lines:
        words = line.split("      ")[0].split(">")[0].replace("'", "").replace(" … ", " ")
        if "drink water" in line or "config.yaml" in line:  # spaces in quotes; a file that must be there
            continue
        assert isinstance(cli.read_command(words.split()[1:]), COMMANDS[command].options)


def test_help_lists_the_commands_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)
    for name, command in COMMANDS.items():
        assert f"\n  {name:16}{command.summary.rstrip('.')}\n" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "COMMAND --help" in text


@pytest.mark.parametrize("group", GROUPS)
def test_help_of_a_group_lists_its_commands(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([group, "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS if name.startswith(f"{group} "))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"heatpool {heatpool.__version__}\n"


def test_printed_options_are_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "train",
        "my features.zarr",
        "--milestones",
        "3,5",
        "--layers",
        "[[1,1],[2,2]]",
        "--no-normalise",
    ]
    assert main([*words, "--out", "run", "--learning-rate", "1e-3", "--print-config"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "a.yaml").write_text(printed, encoding="utf-8")
    asked = cli.read_command([*words, "--out", "run", "--learning-rate", "1e-3"])
    assert asked.layers == ((1, 1), (2, 2))
    assert cli.read_command(["train", "--config", str(tmp_path / "a.yaml")]) == asked
    assert main(["train", "--config", str(tmp_path / "a.yaml"), "--print_config"]) == 0
    assert capsys.readouterr().out == printed


def test_a_manifest_is_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = tmp_path / "videos"
    for name in ("wave/a.mp4", "clap/b.mp4"):
        (videos / name).parent.mkdir(parents=True)
        (videos / name).touch()
    out = tmp_path / "clips.csv"
    assert main(["manifest", str(videos), str(out)]) == 0
    assert "2 clips, 2 classes" in said(capsys)
    assert out.read_text().splitlines()[1].startswith("clap/b,videos/clap/b.mp4,,,0,clap,")
    assert main(["manifest", str(videos), str(out)]) == 1
    assert "--overwrite" in said(capsys)


def test_the_program_runs_as_a_module_of_its_own() -> None:
    done = run_program("info", "--store", "nowhere")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["completion", "zsh"]])
def test_a_reader_that_leaves_is_no_error(words: list[str]) -> None:
    # The reading end is closed before the first word is written, as by `| true`.
    program = subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.close()
    assert program.stderr is not None
    assert program.stderr.read() == b""
    assert program.wait() == 141


def test_a_broken_pipe_to_a_worker_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(options: object) -> int:
        raise BrokenPipeError("of a worker")

    from heatpool.pipelines.commands import completion

    monkeypatch.setattr(completion, "run", work)
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    assert main(["completion", "bash"]) == 1
    assert said(capsys) == "heatpool completion: of a worker"


@pytest.mark.parametrize(("quiet", "shown"), [([], "one\ntwo\n"), (["--quiet"], "two\n")])
def test_logs_are_plain_lines_on_stderr(
    quiet: list[str], shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(options: object) -> int:
        logging.getLogger("heatpool.pipelines").info("one")
        logging.getLogger("heatpool.pool").warning("two")
        logging.getLogger("other").info("three")
        return 0

    from heatpool.pipelines.commands import verify

    monkeypatch.setattr(verify, "run", work)
    before = list(logging.getLogger("heatpool").handlers)
    assert main(["verify", "store", *quiet]) == 0
    assert capsys.readouterr() == ("", shown)
    assert logging.getLogger("heatpool").handlers == before


def test_what_an_extra_brings_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(options: object) -> int:
        raise ImportError("no", name="transformers.models")

    from heatpool.pipelines.commands import verify

    monkeypatch.setattr(verify, "run", work)
    assert main(["verify", "store"]) == 1
    assert said(capsys).endswith("is not installed: pip install 'heatpool[hf]'")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a"), "/a: No space left on device; make room"),
        (OSError(errno.EIO, "Input/output error", "/a"), "/a: Input/output error; look after the disk"),
        (OSError(errno.EXDEV, "Invalid link", "/a", None, "/b"), "/a to /b: Invalid cross-device link"),
        (OSError(errno.ELOOP, "Too many links", "x" * 9000), "x" * 500 + ": Too many"),
        (MemoryError(), "memory ran out; what was finished is kept"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 931 GB"), "memory ran out"),
        (RuntimeError("can't start new thread"), "the system gives no more threads"),
        (HeatpoolError("two\nlines \x1b[31mred"), r"two lines \x1b[31mred"),
    ],
)  # fmt: skip
def test_what_the_system_does_is_one_line(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(options: object) -> int:
        raise error

    from heatpool.pipelines.commands import verify

    monkeypatch.setattr(verify, "run", work)
    assert main(["verify", "store"]) == 1
    assert said(capsys).startswith(f"heatpool verify: {line}")


def test_faults_of_ours_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(options: object) -> int:
        raise ValueError("expected pooled to be finite")

    from heatpool.pipelines.commands import verify

    monkeypatch.setattr(verify, "run", work)
    with pytest.raises(ValueError, match="expected pooled"):
        main(["verify", "store"])


def test_texts_of_others_do_not_command_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(options: object) -> int:
        print("a\x1b[2J\tb\u202e\nc\rd \udcff 日本")
        logging.getLogger("heatpool").warning("\x07bell")
        return 0

    from heatpool.pipelines.commands import verify

    monkeypatch.setattr(verify, "run", work)
    assert main(["verify", "store"]) == 0
    assert capsys.readouterr() == ("a\\x1b[2J\tb\\u202e\nc\\rd \\udcff 日本\n", "\\x07bell\n")


def test_an_interrupt_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def work(options: object) -> int:
        raise KeyboardInterrupt

    from heatpool.pipelines.commands import verify

    monkeypatch.setattr(verify, "run", work)
    assert main(["verify", "store"]) == 130
    assert said(capsys) == "heatpool verify: interrupted; what was finished is kept"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["train", "--help"], ["extract", "--bogus"]])
def test_words_about_words_load_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys, json; from heatpool.pipelines.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "heatpool" in loaded
    assert not loaded & {"numpy", "torch", "zarr", "yaml", "tqdm", "av", "cv2", "shtab", "jsonargparse"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_options_and_choices(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("archive", "subset", "weight-decay", "ctrgcn", "hrnet-simcc"):
        assert word in script
    if shell == "bash":
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_yaml_and_flags_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("videos: from_yaml\npersons: 3\n", encoding="utf-8")
    words = ["extract", "--config", str(path), "--person-selection=first", "--persons=4", "--print-config"]
    assert main(words) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["videos"], shown["persons"], shown["person_selection"]) == ("from_yaml", 4, "first")
