from __future__ import annotations

import os
import tarfile
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from heatpool.pipelines.command_table import COMMANDS
from heatpool.pipelines.options import ExtractOptions, FuseOptions, PredictOptions, TrainOptions
from heatpool.pipelines.options.fields import OptionError, as_plain
from heatpool.pipelines.options.parser import CommandParser
from tests.paths import ROOT

BOMB = (
    "seed: [&a [1,1,1,1,1,1,1,1,1], "
    + ", ".join(
        f"&{name} [{','.join([f'*{before}'] * 9)}]"
        for before, name in zip("abcdefghijk", "bcdefghijkl", strict=True)
    )
    + "]"
)
"""Four hundred bytes of YAML that would be 30 billion numbers if they were written out."""


def read(command: str, *words: str) -> object:
    return COMMANDS[command].parser(command).read(words)


@pytest.mark.parametrize(
    ("command", "words", "expected"),
    [
        ("extract", (), ExtractOptions()),
        ("extract", ("a", "b", "--steps", "8"), ExtractOptions(Path("a"), Path("b"), steps=8)),
        ("extract", ("--person_selection", "first"), ExtractOptions(person_selection="first")),
        ("extract", ("--no-fetch", "--quiet", "a"), ExtractOptions(Path("a"), fetch=False, quiet=True)),
        ("extract", ("--fetch", "false"), ExtractOptions(fetch=False)),
        ("extract", ("--fetch=False", "--quiet=true"), ExtractOptions(fetch=False, quiet=True)),
        ("extract", ("--quiet", "--no-quiet"), ExtractOptions()),
        ("extract", ("--", "--odd"), ExtractOptions(Path("--odd"))),
        ("predict", ("r", "v"), PredictOptions(Path("r"), ("v",))),
        ("predict", ("--run", "r", "v"), PredictOptions(Path("r"), ("v",))),
        ("predict", ("v", "--run", "r"), PredictOptions(Path("r"), ("v",))),
        ("predict", ("r", "v,1", "w"), PredictOptions(Path("r"), ("v,1", "w"))),
        ("predict", ("--run", "r", "v", "w"), PredictOptions(Path("r"), ("v", "w"))),
        ("predict", ("r", "--features", "f"), PredictOptions(Path("r"), features="f")),
        ("fuse", ("a", "b,c"), FuseOptions(("a", "b,c"))),
        ("fuse", ("--scores", "a,b"), FuseOptions(("a", "b"))),
        ("fuse", ("--scores", '["a", "b"]'), FuseOptions(("a", "b"))),
        ("train", ("--streams", "joint, bone"), TrainOptions(streams=("joint", "bone"))),
        ("train", ("--milestones", "3,5"), TrainOptions(milestones=(3, 5))),
        ("train", ("--p-interval", "0.5,1"), TrainOptions(p_interval=(0.5, 1.0))),
        ("train", ("--learning-rate", "1e-3"), TrainOptions(learning_rate=1e-3)),
    ],
)
def test_words_become_options(command: str, words: tuple[str, ...], expected: object) -> None:
    assert read(command, *words) == expected


def test_later_files_and_then_flags_win(tmp_path: Path) -> None:
    for name, text in (("a", "seed: 1\nepochs: 2\nquiet: true"), ("b", "seed: 3\nbatch-size: 8")):
        (tmp_path / name).write_text(text)
    options = read("train", "--no-quiet", "--config", str(tmp_path / "a"), "--config", str(tmp_path / "b"))
    assert options == TrainOptions(seed=3, epochs=2, batch_size=8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed: 1", "unknown option sed in .*run.yaml; did you mean seed?"),
        ("split: xsub", "unknown option split in .*run.yaml; it is now protocol"),
        ("seed: one", "expected seed in .*run.yaml to be a whole number, got 'one'"),
        ("seed: null", "expected seed in .*run.yaml to be a whole number, got None"),
        ("seed: [1]", r"expected seed in .*run.yaml to be a whole number, got \[1\]"),
        ("quiet: 1", "expected quiet in .*run.yaml to be true or false, got 1"),
        ("model: 3", "expected model in .*run.yaml to be one of auto, ctrgcn, .*, got 3"),
        ("out: {}", "expected out in .*run.yaml to be a path"),
        ("seed", "expected options in .*run.yaml"),
        ("a: [", "expected YAML in .*run.yaml: "),
        ("[" * 3000, "expected YAML in .*run.yaml: "),
        ("seed: " + "9" * 5000, "expected "),
        ("__path__: x", "unknown option __path__"),
        (BOMB, "expected YAML in .*run.yaml: its aliases unfold to [0-9,]* values"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=message) as error:
        read("train", "--config", str(tmp_path / "run.yaml"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00", b"seed: \xff"])
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.yaml").write_bytes(content)
    with pytest.raises(OptionError, match=r"cannot read .*run\.yaml, save it as text in UTF-8"):
        read("train", "--config", str(tmp_path / "run.yaml"))


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(OptionError, match=f"expected a file, {path} is a pipe or a device"):
            read("train", "--config", path)


def test_a_file_as_editors_on_windows_write_it(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("seed: 3", encoding="utf-16")
    assert read("train", "--config", str(tmp_path / "run.yaml")).seed == 3


def test_config_files_of_old_runs_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with tarfile.open(ROOT / "tests/fixtures/old_build.tar.gz") as archive:
        members = [each for each in archive.getmembers() if each.name.endswith("config.yaml")]
        archive.extractall(tmp_path, members, filter="data")
    paths = sorted(tmp_path.rglob("config.yaml"))
    assert len(paths) >= 3
    for path in paths:
        with pytest.raises(
            OptionError, match="move the keys of recipe .* to the top, and write protocol for"
        ):
            read("train", "--config", str(path))


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_read_back_from_their_plain_form(tmp_path: Path, command: str, changed: bool) -> None:
    words = {
        "archive merge": ["a", "b", "--out", "c"],
        "archive import": ["a", "b"],
        "completion": ["zsh"],
        "compare": ["a", "b", "--seed", "3"],
        "convert": ["a", "b", "--precision", "u1"],
        "extract": ["my videos", "--no-fetch", "--boxes", "b.csv", "--sample-fps", "5"],
        "forecast": ["1e6", "--frames", "30", "--backend", "tiny"],
        "fuse": ["a=x,y", "b", "--out", "c"],
        "manifest": ["a", "b"],
        "predict": ["a", "b"],
        "train": ["a", "--model", "hpnet", "--betas", "0.9,0.99", "--layers", "[[1,1]]", "--normalise"],
        "visualize": ["a.mp4"],
        "weights list": [],
        "weights verify": [],
        "demo": [],
    }.get(command, ["a", "b"] if len(COMMANDS[command].bare.split()) > 1 else ["a"])
    options = read(command, *words)
    plain = as_plain(options, changed=changed)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(plain))
    assert read(command, "--config", str(tmp_path / "a.yaml")) == options
    assert changed or set(plain) == {field.name for field in fields(options)}  # type: ignore[arg-type]


def test_help_wraps_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = CommandParser("extract", ExtractOptions, bare="videos out").help()
    assert "usage: heatpool extract [VIDEOS] [OUT] [options]\n" in text
    assert max(map(len, text.splitlines())) <= 110  # the paragraphs above are kept as they are
    assert text.index("Options:") < text.index("Pose network:") < text.index("Speed:") < text.index("More:")
    assert "--quiet " in text
    assert "--no-quiet" not in text
    assert "--fetch, --no-fetch" in text
    assert text.count("(default: 64)") == 3  # steps, shard_clips, person_batch
    assert "--person_selection" not in text
