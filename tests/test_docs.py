"""The pages of docs/: the example of python.md runs; links, commands and files named there exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import heatpool
from heatpool.extract.demo.dataset import DemoSpec, render_demo
from heatpool.pipelines.cli import main, read_command
from heatpool.pipelines.command_table import COMMANDS
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.conftest import VideoMaker, gray_frames
from tests.fixtures.hub_server import TOKEN, serving_hub
from tests.fixtures.onnx_networks import heatmap_network
from tests.fixtures.s3_server import serving_bucket
from tests.paths import ROOT
from tests.pipelines.training.train_cases import make_store
from tests.pool.archive.archive_cases import serve
from tests.pool.store.store_cases import make_clip, make_index, make_spec

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

FORMAT_STORES = {"features.zarr": "f2", "small.zarr": "u1"}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_example_of_python_md_runs(tmp_path: Path) -> None:
    """As a script from top to bottom, without a `__main__` guard, in an empty folder."""
    text = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    script = tmp_path / "example.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "{'ok': 9}" in done.stdout
    assert "missing.hpz" in done.stdout.splitlines()[-1]
    assert (tmp_path / "features.hpz").is_file()


def run_commands(
    page: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *, server: str = ""
) -> list[dict[str, Any]]:
    """Do a page from top to bottom in a folder: write its CSV blocks, run its Python and the commands of sh.

    A file is called by the last name in code before its block; `server` stands for http://localhost:8000.
    Returns the names that each block of Python leaves.
    """
    monkeypatch.chdir(folder)
    left: list[dict[str, Any]] = []
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").replace("http://localhost:8000", server)
    for before, kind, block in re.findall(
        r"(.*?)^```(sh|csv|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
    ):
        if kind == "python":
            left.append({})
            exec(compile(block, page, "exec"), left[-1])
            continue
        if kind == "csv":
            (folder / re.findall(r"`([\w.]+)`", before)[-1]).write_text(block, encoding="utf-8")
            continue
        for command in block.replace("\\\n", "").splitlines():
            program, *words = shlex.split(command, comments=True)
            assert program == "heatpool"
            assert main(words) == 0, command
    return left


def test_the_commands_of_labels_md_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = render_demo(DemoSpec.small(), tmp_path / "demo")
    six = clips.read_text(encoding="utf-8").splitlines()[:7]
    (tmp_path / "demo" / "six.csv").write_text("\n".join(six) + "\n", encoding="utf-8")
    run_commands("labels.md", tmp_path / "demo", monkeypatch)
    table = heatpool.open("features.zarr").clips
    assert table.class_names == ("SHAKE HANDS", "WAVE")
    assert (len(table), int((table.label >= 0).sum()), table.protocols) == (9, 8, ("my_split",))
    folds = heatpool.load_run("folds")
    assert (folds.protocol, folds.figures["fused"].clips) == ("3 folds by subject", 8)
    assert heatpool.load_run("two_classes").class_names == ("shake hands", "wave")
    assert heatpool.open("with_folds.zarr").clips.protocols == ("fold_1", "fold_2", "fold_3")


def test_the_commands_of_boxes_md_run(
    make_video: VideoMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_video(gray_frames(4, width=128, height=112), "videos/walk.mp4")
    heatmap_network(tmp_path / "pose.onnx")
    run_commands("boxes.md", tmp_path, monkeypatch)
    boxes = heatpool.open("features.zarr")["boxes"][0]
    np.testing.assert_allclose(boxes[0, 0], [12.5 / 128, 30 / 112, 80 / 128, 110 / 112], atol=1e-3)


def test_the_commands_of_sharing_md_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    make_store(folder / "features.zarr")
    with (
        serving_hub(tmp_path) as hub,
        serving_bucket() as bucket,
        serve(folder, ranges=False) as (server, _),
    ):
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        run_commands("sharing.md", folder, monkeypatch, server=server)
    packed = (folder / "features.hpz").read_bytes()
    assert hub.repos["USER/REPO"][-1]["features.hpz"] == bucket.objects["features.hpz"] == packed
    assert heatpool.load_run("work_dirs/features-xsub").model == "linear"


def test_the_commands_of_training_md_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_store(tmp_path / "features.zarr")
    (tmp_path / "more_features.zarr").symlink_to("features.zarr")
    run_commands("training.md", tmp_path, monkeypatch)
    assert heatpool.load_run("mine").model == "mlp"
    assert Path("elsewhere/evaluation.json").is_file()
    assert "probe" in Path("compared.html").read_text(encoding="utf-8")


def make_noise(path: Path, precision: str) -> FeatureStore:
    """A store of 11 clips whose features go up and down, so that the levels of `u1` wrap."""
    spec, rng = make_spec(joints=17, skeleton="coco17", precision=precision), np.random.default_rng(0)
    with StoreWriter.create(path, spec=spec, index=make_index(11), shard_clips=4) as writer:
        for shard in writer.pending_shards():
            clips = []
            for features, result in (make_clip(spec, row) for row in writer.shard_rows(shard)):
                if features is not None:
                    noise = rng.normal(0, 9, features.pooled.shape).astype("f4") * (features.pooled > 0)
                    features = replace(features, pooled=noise)
                clips.append((features, result))
            writer.write_shard(shard, [clip[0] for clip in clips], [clip[1] for clip in clips])
        writer.finish()
    return FeatureStore.open(path)


def test_the_recipes_of_format_md_give_our_own_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xarray")
    full, small = (make_noise(tmp_path / name, each) for name, each in FORMAT_STORES.items())
    blocks = run_commands("format.md", tmp_path, monkeypatch)
    own, engine, dask, plain, zarr_alone, lazy, zarr_u1 = blocks
    want = {store: np.asarray(store["pooled"]).view("u2") for store in (full, small)}

    def same(found: Any, expected: np.ndarray) -> bool:
        return found.dtype == np.float16 and np.array_equal(np.asarray(found).view("u2"), expected)

    assert same(own["pooled"], want[full][:8, 0])
    assert own["batch"]["pooled"].shape == (2, 2, 4, 17, 5)
    assert (own["shard_rows"].tolist(), own["few"].tolist()) == ([8, 9, 10], [1, 5])
    np.testing.assert_array_equal(own["clip"].pooled, full["pooled"][0])
    assert own["table"]["subject"][1] == "s1"
    assert engine["train"].sizes["clip"] == plain["train"].sizes["clip"] == 3
    np.testing.assert_array_equal(engine["one"].values, full["keypoints"][1, ..., :2])
    seen, pooled = np.asarray(full["mask"]), np.asarray(full["pooled"], np.float32)
    np.testing.assert_array_equal(engine["nose"].values[seen], pooled[:, :, :, 0][seen])
    assert engine["nose"].isnull().all("channel").values.tolist() == (~seen).tolist()
    np.testing.assert_allclose(engine["waves"].values[:2], pooled[[1, 5]].mean(2), rtol=1e-5)
    assert engine["waves"][2].isnull().all()  # it failed
    assert dask["by_subject"].dims == ("subject", "person", "step", "joint", "channel")
    assert Path("train.nc").exists()
    assert Path("joints.nc").exists()
    assert same(plain["data"].pooled, want[full])
    assert plain["subjects"] == [name for name in full.clips.column("subject") if name]
    assert same(zarr_alone["first_shard"], want[full][:4])
    assert zarr_alone["names"] == ["wave", "sit down", "stand up"]
    assert lazy["pooled"].dims == ("clip", "person", "step", "joint", "channel")
    assert lazy["pooled"].chunks is not None
    assert same(lazy["pooled"], want[small])
    assert same(lazy["four"], want[small][:4])
    assert same(zarr_u1["pooled"], want[small][:4])


def test_the_recipes_of_archives_md_read_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xarray")
    store = make_noise(tmp_path / "features.zarr", "f2")
    for command in (["pack", "features.zarr", "features.hpz"], ["export", "features.zarr", "features.h5"]):
        monkeypatch.chdir(tmp_path)
        assert main(["archive", *command]) == 0
    zipped, hdf5, movement = run_commands("archives.md", tmp_path, monkeypatch)
    pooled = np.asarray(store["pooled"])
    np.testing.assert_array_equal(zipped["first"], pooled[:4])
    np.testing.assert_array_equal(zipped["data"].pooled.values, pooled)
    np.testing.assert_array_equal(hdf5["nose"].values, pooled[:, :, :, 0])
    np.testing.assert_array_equal(hdf5["first"], pooled[0])
    assert hdf5["axes"] == list(hdf5["data"].pooled.dims)
    assert hdf5["splits"].xsub.values.tolist() == store.clips.split("xsub").tolist()
    assert movement["speed_px_s"].dims == ("time", "space", "individuals")


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if ":" not in link and not (page.parent / link).exists()]
    assert not missing


def commands_of(page: Path) -> list[str]:
    """The lines `heatpool …` of fenced and indented blocks, without those with a gap (…) or <placeholder>."""
    text = page.read_text(encoding="utf-8").replace("\\\n", "")
    fenced = "\n".join(re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    lines = re.findall(r"^    (heatpool .*)$", text, re.MULTILINE)
    lines += re.findall(r"^(heatpool .*)$", fenced, re.MULTILINE)
    # What stands in a second column is said, not typed.
    return [re.split(r"\s{3,}(?!--)", line)[0] for line in lines if not re.search(r"…|<\w", line)]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_in_the_pages_are_understood(page: Path) -> None:
    """Each with its options, and the commands named as code in a line."""
    for command in commands_of(page):
        _, *words = shlex.split(command, comments=True)
        read_command(words)
    named = re.findall(r"`heatpool ([a-z][a-z-]*)", page.read_text(encoding="utf-8"))
    assert set(named) <= {word for name in COMMANDS for word in name.split()[:1]}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_source_files_named_in_the_pages_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(
        r"`(?!docs/adr/NNNN)((?:pool|extract|classify|pipelines|tests|benchmarks|docs)/[\w/.-]+)`", text
    )
    assert not [path for path in named if not (ROOT / path).exists()]


def test_every_page_is_in_the_site() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

    def paths(entry: object) -> list[str]:
        if isinstance(entry, dict):
            entry = list(entry.values())
        return [path for each in entry for path in paths(each)] if isinstance(entry, list) else [str(entry)]

    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(paths(settings["nav"])) == sorted(pages)


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert f"\nversion = {citation['version']}\n" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert citation["preferred-citation"]["url"] == "https://arxiv.org/abs/2512.03837"
