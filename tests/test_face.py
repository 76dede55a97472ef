"""`import heatpool`: what a script or a notebook finds there."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import heatpool
from heatpool.pipelines.training.trained_run import Run
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from tests.pipelines.training.train_cases import make_store

PUBLIC = {"ClipDataset", "FeatureStore", "HeatpoolError", "extract", "load_run", "open", "pack", "train"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "features.zarr")


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return heatpool.train(store, out, model="linear", streams=["joint"], threads=1, quiet=True)


def python(program: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, timeout=200
    )


def test_every_public_name_is_there() -> None:
    assert set(dir(heatpool)) == set(heatpool.__all__) >= PUBLIC
    for name in heatpool.__all__:
        assert getattr(heatpool, name) is getattr(heatpool, name), name
    assert heatpool.FeatureStore is FeatureStore
    assert heatpool.HeatpoolError is HeatpoolError
    assert heatpool.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="has no attribute 'tran'"):
        heatpool.tran  # noqa: B018


def test_the_import_costs_nothing() -> None:
    done = python("import sys, heatpool; print(*{n.partition('.')[0] for n in sys.modules})")
    assert not {"numpy", "torch", "zarr", "jsonargparse", "tqdm"} & set(done.stdout.split())


def test_help_tells_a_stranger_what_there_is() -> None:
    text = pydoc.plain(pydoc.render_doc(heatpool))
    for line in ("open(location)", "extract(videos, out)", "train(features, out)", "load_run(path)"):
        assert line in text
    assert ">>> import heatpool" in text
    for function, option in ((heatpool.train, "seeds"), (heatpool.extract, "backend")):
        assert option in inspect.signature(function).parameters


@pytest.mark.parametrize("first", ["heatpool.extract.records", "heatpool.extract", "heatpool"])
def test_extract_is_the_function_and_the_package(first: str, tmp_path: Path) -> None:
    program = (
        f"import {first}, heatpool, inspect\n"
        "import heatpool.extract.video.sampling\n"
        "from heatpool.extract.records import PoseBackbone\n"
        "assert heatpool.extract.records.PoseBackbone is PoseBackbone\n"
        "print(*inspect.signature(heatpool.extract).parameters)\n"
        "try:\n"
        "    heatpool.extract('nowhere', 'x.zarr')\n"
        "except heatpool.HeatpoolError as error:\n"
        "    print(error)\n"
    )
    done = python(program)
    assert done.returncode == 0, done.stderr
    options, problem = done.stdout.splitlines()
    assert options.startswith("videos out ")
    assert "nowhere does not exist" in problem


def test_a_run_is_a_record_of_figures(run: Run, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (run.protocol, run.model, run.class_names, run.seeds) == ("xsub", "linear", ("rise", "fall"), (0,))
    assert set(run.figures) == {"pooled_joint", "fused"}
    assert run.figures["fused"].top1 == run.figures["fused"].mean_class == 1.0  # the classes are far apart
    assert run.figures["fused"].clips == 8
    assert run.report is not None
    assert run.report.is_file()
    assert "test, 8 clips" in str(run)
    assert heatpool.load_run(run.path) == run
    with pytest.raises(FrozenInstanceError):
        run.model = "mlp"  # type: ignore[misc]
    evaluation = run.evaluate(split="val", threads=1)
    assert (evaluation.split, evaluation.path) == ("val", run.path / "evaluate-val")
    assert evaluation.figures["fused"].clips == 8
    assert capsys.readouterr() == ("", "")


def test_what_is_wrong_is_one_line(run: Run, store: Path, tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="unknown option epoch; did you mean epochs"):
        heatpool.train(store, tmp_path / "x", epoch=3)
    with pytest.raises(HeatpoolError, match="expected model to be one of"):
        heatpool.train(store, tmp_path / "x", model="svm")
    with pytest.raises(HeatpoolError, match="already exists; choose another"):
        heatpool.train(store, run.path)
    with pytest.raises(HeatpoolError, match="no such feature store"):
        heatpool.train(tmp_path / "no.zarr")
    with pytest.raises(HeatpoolError, match="expected a finished run"):
        heatpool.load_run(tmp_path)
    with pytest.raises(HeatpoolError, match="does not exist"):
        run.predict(tmp_path / "no.mp4")
    assert not (tmp_path / "x").exists()


SCRIPT = """
import sys
print("the script runs", flush=True)
import heatpool

store, out = sys.argv[1:]
run = heatpool.train(store, out, epochs=1, batch_size=4, streams=["joint", "bone"], threads=2, device="cpu")
print(run.figures["fused"].clips, "clips", flush=True)
"""


def test_a_script_without_a_guard_trains_side_by_side(store: Path, tmp_path: Path) -> None:
    """Spawned children would run it once more, were they not kept from it."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, store, tmp_path / "run"], capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the script runs\n8 clips\n"
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "pooled_joint epoch 0" in log
    assert "pooled_bone epoch 0" in log


def test_python_m_heatpool_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "heatpool", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.split()[-1]) == (0, heatpool.__version__)
