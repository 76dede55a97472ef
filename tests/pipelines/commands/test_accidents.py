"""Every command under every accident: one line, the right exit code, nothing left behind, inputs untouched.

The commands are those of the command table: one that is not named here fails the first test.
"""

from __future__ import annotations

import builtins
import errno
import hashlib
import io
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from heatpool.classify.networks.ctrgcn import CTRGCN
from heatpool.classify.networks.graph import HPNET_GRAPH
from heatpool.pipelines.cli import main
from heatpool.pipelines.command_table import COMMANDS
from tests.fixtures.forged_store import set_values

_NETWORK = "--backend onnx --weights {in}/pose.onnx --tap brightness --detector full-frame"
_TORCH = "--device cpu --threads 1 --quiet"

WRITERS = {
    "demo": "{out}/demo --small --no-fetch --quiet",
    "manifest": "{in}/videos {out}/clips.csv",
    "doctor": "{in}/clips.csv --out {out}/doctor.csv --workers 1 --quiet",
    "extract": f"{{in}}/clips.csv {{out}}/x.zarr {_NETWORK} --steps 8 --persons 1 --limit 2 {_TORCH}",
    "info": "{in}/features.zarr --csv {out}/clips.csv",
    "convert": "{in}/features.zarr {out}/x.zarr --precision u1 --quiet",
    "relabel": "{in}/features.zarr {in}/clips.csv --out {out}/x.zarr --quiet",
    "train": f"{{in}}/features.zarr {{out}}/run --model linear --streams joint --epochs 1 {_TORCH}",
    "evaluate": f"{{in}}/run --out {{out}}/scores {_TORCH}",
    "predict": f"{{in}}/run --features {{in}}/features.zarr --out {{out}}/answers.csv {_TORCH}",
    "fuse": "a={in}/run b={in}/run --out {out}/fused",
    "compare": "{in}/run {in}/run --n-bootstrap 100 --out {out}/compared.json",
    "ablate": f"{{in}}/features.zarr {{out}}/table --model linear --seeds 2 --epochs 1 {_TORCH}",
    "visualize": f"{{in}}/videos/0.mp4 {{out}}/drawn.mp4 --heatmaps none {_NETWORK} {_TORCH}",
    "weights import": "{in}/ctrgcn.pt {in}/features.zarr --out {out}/theirs",
    "archive pack": "{in}/features.zarr {out}/x.hpz",
    "archive unpack": "{in}/x.hpz {out}/x.zarr",
    "archive card": "{in}/features.zarr {out}/card.md",
    "archive merge": "{in}/rise.zarr {in}/fall.zarr --out {out}/x.zarr",
    "archive subset": "{in}/features.zarr {out}/x.zarr --classes rise",
    "archive export": "{in}/features.zarr {out}/x.npz",
    "archive import": "{in}/x.npz {out}/x.zarr",
}
"""Command lines; `{in}` is a folder with videos, stores and a run, `{out}` an empty one."""

READERS = {
    "forecast": "16 --like {in}/features.zarr",
    "verify": "{in}/features.zarr --quiet",
    "weights verify": "{in}/pose.onnx",
    "archive verify": "{in}/x.hpz",
    "archive push": "{in}/x.hpz hf://datasets/somebody/some --dry-run",
}
"""Those that write no file."""

OTHERS = {
    "completion": "prints only",
    "weights list": "looks what is there, and prints",
    "weights fetch": "needs a server: tests/pipelines/extraction/test_weights_fetch.py",
}
"""Those that no accident of files can happen to, with the reason."""

ALL = WRITERS | READERS


def test_every_command_is_here() -> None:
    assert {*WRITERS, *READERS, *OTHERS} == set(COMMANDS)


@pytest.fixture(scope="session")
def inputs(brightness_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the command lines read."""
    folder = tmp_path_factory.mktemp("accidents") / "in"
    shutil.copytree(brightness_run.parent, folder)
    weights = CTRGCN(4, 2, adjacency=torch.from_numpy(HPNET_GRAPH.adjacency()), persons=1).state_dict()
    torch.save(weights, folder / "ctrgcn.pt")
    store = str(folder / "features.zarr")
    for name in ("rise", "fall"):
        subset = ["archive", "subset", store, str(folder / f"{name}.zarr"), "--classes", name, "--quiet"]
        assert main(subset) == 0
    for command in ("archive pack", "archive export"):
        assert main([*command.split(), store, str(folder / ("x.hpz" if "pack" in command else "x.npz"))]) == 0
    return folder


@pytest.fixture(scope="session", params=["another form of Zarr", "a codec that nobody has"])
def strange_inputs(
    request: pytest.FixtureRequest, inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The same folder, but zarr can take none of the stores' metadata."""
    folder = tmp_path_factory.mktemp("strange") / "in"
    shutil.copytree(inputs, folder)
    old, new = ('"zarr_format": 3', '"zarr_format": 9') if "form" in request.param else ('"zstd"', '"nope"')
    for path in folder.rglob("zarr.json"):
        path.write_text(path.read_text().replace(old, new))
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def happens(inputs: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that lets a command end by an accident; it gives the line that the command says."""

    def run(command: str, *, ends: int = 1, read: Path | None = None) -> str:
        words = ALL[command].format(**{"in": read or inputs, "out": out}).split()
        before = digests(inputs)
        capsys.readouterr()
        with accident():
            code = main([*command.split(), *words])
        lines = capsys.readouterr().err.splitlines()
        assert code == ends, lines
        assert not any("Traceback" in line for line in lines), lines
        assert [line for line in lines if line.startswith("heatpool ")] == lines[-1:], lines
        assert lines[-1].startswith(f"heatpool {command}: ")
        left = [str(path) for path in out.rglob("*") if path.name.startswith((".tmp-", ".lock-"))]
        assert not left
        assert digests(inputs) == before
        return lines[-1]

    accident: Callable[[], Any] = no_accident

    def set_accident(manager: Callable[[], Any]) -> Callable[..., str]:
        nonlocal accident
        accident = manager
        return run

    return set_accident


@contextmanager
def no_accident() -> Iterator[None]:
    yield


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow beyond 16 bytes: what a full disk does, to whatever library writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def refused(below: Path, number: int, *, writing: bool = False) -> Iterator[None]:
    """The system refuses to open what lies below a folder; root, whom permissions do not stop, too."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (io, "open"), (builtins, "open"), (os, "open"), (os, "mkdir"), (os, "scandir"), (os, "listdir"),
        ):  # fmt: skip
            if writing or name != "mkdir":
                patch.setattr(module, name, _refusing(getattr(module, name), below, number))
        yield


def _refusing(function: Any, below: Path, number: int) -> Any:
    def call(path: Any = ".", *rest: Any, **more: Any) -> Any:
        if isinstance(path, str | os.PathLike) and Path(os.path.abspath(path)).is_relative_to(below):
            raise OSError(number, os.strerror(number), os.fspath(path))
        return function(path, *rest, **more)

    return call


@contextmanager
def ctrl_c(name: str) -> Iterator[None]:
    """Ctrl-C is pressed when the program calls a function of `os` or `io` for the first time."""

    def press(*rest: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, press)
        yield


@pytest.mark.parametrize("command", WRITERS)
def test_a_full_disk(command: str, happens: Any, inputs: Path, out: Path) -> None:
    line = happens(no_room)(command)
    assert str(inputs if command == "relabel" else out) in line  # it locks the store that it reads
    assert os.strerror(errno.EFBIG) in line


@pytest.mark.parametrize("command", WRITERS)
def test_a_read_only_output(command: str, happens: Any, out: Path) -> None:
    line = happens(lambda: refused(out, errno.EROFS, writing=True))(command)
    assert str(out) in line
    assert os.strerror(errno.EROFS) in line


@pytest.mark.parametrize("command", [name for name, words in ALL.items() if "{in}" in words])
def test_an_input_that_vanished(command: str, happens: Any, inputs: Path, out: Path) -> None:
    gone = out.parent / "gone"
    assert str(gone) in happens(no_accident)(command, read=gone)


@pytest.mark.parametrize("command", [name for name, words in ALL.items() if "{in}" in words])
def test_an_input_that_may_not_be_read(command: str, happens: Any, inputs: Path) -> None:
    line = happens(lambda: refused(inputs, errno.EACCES))(command)
    assert str(inputs) in line
    assert os.strerror(errno.EACCES) in line


@pytest.mark.parametrize("command", WRITERS)
def test_ctrl_c_just_before_an_output_is_in_place(command: str, happens: Any, out: Path) -> None:
    assert happens(lambda: ctrl_c("fsync"))(command, ends=130) == (
        f"heatpool {command}: interrupted; what was finished is kept"
    )


STORE_READERS = [
    name
    for name, words in ALL.items()
    if any(word.startswith("{in}") and word.endswith(".zarr") for word in words.split())
]


@pytest.mark.parametrize(
    "command", [name for name in STORE_READERS if name != "verify"]
)  # it lists all damage
def test_a_store_that_zarr_cannot_take(command: str, happens: Any, strange_inputs: Path) -> None:
    assert "damaged, " in happens(no_accident)(command, read=strange_inputs)


FORGED: dict[str, tuple[str, float | str]] = {
    "a label without a class": ("label", 7),
    "codes of a column without their texts": ("subject", 9),
    "one id for all clips": ("clip_id", "same"),
    "an outcome that there is not": ("status", 9),
    "features that are no numbers": ("pooled", float("nan")),
    "times of 10^31 years": ("time_s", 3e38),
}
"""What is wrong with all stores: every value of an array; the digests are right."""


@pytest.fixture(scope="session", params=FORGED)
def forged_inputs(
    request: pytest.FixtureRequest, inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("forged") / "in"
    shutil.copytree(inputs, folder)
    for store in folder.glob("*.zarr"):
        set_values(store, *FORGED[request.param])
    return folder


@pytest.mark.parametrize("command", STORE_READERS)
def test_a_store_whose_values_cannot_be(
    command: str, forged_inputs: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands that do not read that array go on."""
    words = ALL[command].format(**{"in": forged_inputs, "out": out}).split()
    capsys.readouterr()
    code = main([*command.split(), *words])
    lines = capsys.readouterr().err.splitlines()
    if code:
        assert code == 1
        assert command == "verify" or "damaged, " in lines[-1], lines
        assert [line for line in lines if line.startswith("heatpool ")] == lines[-1:] or command == "verify"
