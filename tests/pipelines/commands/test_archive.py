"""Archives, other formats and far stores, as users handle them."""

from __future__ import annotations

import csv
import json
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from heatpool.pipelines.cli import main
from heatpool.pool.sources.locate import find_source
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore
from tests.pipelines.commands.test_train import make_store
from tests.pool.archive.archive_cases import serve
from tests.pool.store import store_cases

KEYPOINTS = ["--streams", '["keypoints_joint"]']


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`small.zarr`, and `big.zarr` that can be trained on with its archive; to be read only."""
    folder = tmp_path_factory.mktemp("commands")
    store_cases.make_store(folder / "small.zarr").close()
    make_store(folder / "big.zarr")
    assert main(["archive", "pack", str(folder / "big.zarr"), str(folder / "big.hpz")]) == 0
    return folder


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_pack_verify_card_unpack(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card, archive = tmp_path / "card.md", tmp_path / "a.hpz"
    assert run("archive", "card", folder / "small.zarr", "--out", card) == 0
    card.write_text(card.read_text(encoding="utf-8") + "\nMine.\n", encoding="utf-8")
    assert run("archive", "pack", folder / "small.zarr", archive, "--card", card) == 0
    assert run("archive", "verify", archive) == 0
    assert "intact: " in capsys.readouterr().out
    assert run("archive", "card", archive) == 0
    assert capsys.readouterr().out == card.read_text(encoding="utf-8")
    assert run("archive", "unpack", archive, tmp_path / "b.zarr") == 0
    assert store_digest(find_source(tmp_path / "b.zarr")) == store_digest(find_source(folder / "small.zarr"))
    capsys.readouterr()
    for again in (
        ["archive", "card", archive, "--out", card],
        ["archive", "pack", folder / "small.zarr", archive],
        ["archive", "unpack", archive, tmp_path / "b.zarr"],
    ):
        assert run(*again) == 1
        assert "already exists" in error_line(capsys)


def test_the_program_finds_a_flipped_bit(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "big.hpz").read_bytes())
    data[len(data) // 2] ^= 16
    (tmp_path / "bad.hpz").write_bytes(data)
    program = Path(sys.executable).with_name("heatpool")
    got = subprocess.run([program, "archive", "verify", tmp_path / "bad.hpz"], capture_output=True, text=True)
    assert got.returncode == 1
    assert got.stdout == ""
    assert len(got.stderr.splitlines()) == 1
    assert "damaged" in got.stderr


def test_subset_and_merge(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, parts = folder / "small.zarr", []
    for name, more in {
        "a": ["--where", "subject=s1"],
        "b": ["--where", "subject=s2;camera=c1"],
    }.items():
        parts.append(tmp_path / f"{name}.zarr")
        assert run("archive", "subset", store, "--out", parts[-1], "--quiet", *more) == 0
    assert run("archive", "merge", *parts, "--out", tmp_path / "c.zarr") == 0
    merged = FeatureStore.open(tmp_path / "c.zarr")
    assert merged.clips.column("subject") == ("s1",) * 3 + ("s2",) * 3
    assert run("archive", "subset", store, "--out", tmp_path / "d.zarr", "--protocol", "xsub",
               "--split", "val", "--classes", "sit down,2") == 0  # fmt: skip
    assert FeatureStore.open(tmp_path / "d.zarr").clips.clip_ids([0]) == ("clip_0002",)
    capsys.readouterr()
    assert run("archive", "merge", store, store, "--out", tmp_path / "e.zarr", "--quiet") == 1
    assert "11 clip ids are in several stores" in error_line(capsys)
    for wrong in (["--split", "val"], ["--where", "subject"], ["--where", "=s1"]):
        with pytest.raises(SystemExit) as stop:
            run("archive", "subset", store, "--out", tmp_path / "f.zarr", *wrong)
        assert stop.value.code == 2


@pytest.mark.parametrize("name", ["x.h5", "x.npz", "x.pkl", "folder"])
def test_export_and_import(folder: Path, tmp_path: Path, name: str) -> None:
    store, out = folder / "small.zarr", tmp_path / name
    assert run("archive", "export", store, out) == 0
    assert run("archive", "import", out, tmp_path / "y.zarr", "--steps", 4) == 0
    before, after = FeatureStore.open(store), FeatureStore.open(tmp_path / "y.zarr")
    rows = before.clips.rows()
    assert after.clips.clip_ids(after.clips.rows()) == before.clips.clip_ids(rows)
    assert after.clips.label[after.clips.rows()].tolist() == before.clips.label[rows].tolist()
    assert after.clips.split("xsub")[after.clips.rows()].tolist() == before.clips.split("xsub")[rows].tolist()
    array = "keypoints" if name == "x.pkl" else "pooled"
    np.testing.assert_allclose(
        after.read(after.clips.rows(), (array,))[array], before.read(rows, (array,))[array], atol=2e-6
    )


def test_import_takes_labels_from_a_manifest_and_names_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "npy").mkdir()
    np.save(tmp_path / "npy" / "b.npy", np.ones((2, 1, 3, 4), np.float32))
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["clip_id", "path", "class_name", "my"], ["b", "b.avi", "wave", "test"]])
    assert (
        run("archive", "import", tmp_path / "npy", tmp_path / "a.zarr", "--manifest", tmp_path / "clips.csv")
        == 0
    )
    store = FeatureStore.open(tmp_path / "a.zarr")
    assert (store.clips.class_names, store.clips.split("my").tolist()) == (("wave",), [3])
    clip = {
        "frame_dir": "c", "label": 1, "img_shape": (10, 20), "keypoint": np.ones((1, 2, 17, 2)),
        "keypoint_score": np.ones((1, 2, 17)),
    }  # fmt: skip
    (tmp_path / "k.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": [clip]}))
    (tmp_path / "names.txt").write_text("sit\nstand\n", encoding="utf-8-sig")  # with a byte order mark
    arguments = ["--class-names", tmp_path / "names.txt", "--persons", 1, "--licence", "CC0"]
    assert run("archive", "import", tmp_path / "k.pkl", tmp_path / "k.zarr", *arguments) == 0
    store = FeatureStore.open(tmp_path / "k.zarr")
    assert (store.clips.class_names, store.spec.licence) == (("sit", "stand"), "CC0")


def test_options_of_another_format_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "k.pkl").touch()
    np.savez(tmp_path / "k.npz", heatpool="{}")
    for name, option, message in (
        ("k.pkl", "--manifest", "other programs only, got pyskl; heatpool relabel STORE"),
        ("k.npz", "--class-names", "--class-names with pyskl or ctrgcn only, got npz"),
    ):
        assert run("archive", "import", tmp_path / name, tmp_path / "k.zarr", option, "x") == 1
        assert message in error_line(capsys)


def test_import_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return open, (str(tmp_path / "EVIL"), "w")

    (tmp_path / "k.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": Evil()}))
    assert run("archive", "import", tmp_path / "k.pkl", tmp_path / "k.zarr") == 1
    assert "io.open; only plain" in error_line(capsys)
    assert not (tmp_path / "EVIL").exists()
    for source, message in (("nowhere.pkl", "no such file"), ("k.pkl.txt", "not known by its suffix")):
        (tmp_path / "k.pkl.txt").write_text("")
        assert run("archive", "import", tmp_path / source, tmp_path / "k.zarr") == 1
        assert message in error_line(capsys)


def test_training_reads_a_folder_an_archive_and_an_address_alike(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    shared = ["--cache-dir", tmp_path / "cache", "--cache", "disk"]
    with serve(folder) as (address, requests):
        cases = {
            "home": [folder / "big.zarr"],
            "none": [folder / "big.zarr", "--cache", "none"],
            "packed": [folder / "big.hpz", *shared],
            "far": [f"{address}/big.hpz?key=secret", *shared],
        }
        for name, (features, *more) in cases.items():
            options = ["--out", tmp_path / name, "--epochs", 2, "--model", "linear", "--threads", 1, *more]
            assert run("train", "--features", features, *KEYPOINTS, "--device", "cpu", *options) == 0
        assert requests
        assert run("evaluate", "--run", tmp_path / "packed", *shared) == 0
        assert run("evaluate", "--run", tmp_path / "home", "--features", f"{address}/big.zarr") == 0
    said = capsys.readouterr()
    assert "GB in" in said.err
    summaries = {name: json.loads((tmp_path / name / "summary.json").read_text()) for name in cases}
    assert len({json.dumps(each["fused"]) for each in summaries.values()}) == 1
    assert summaries["packed"]["features"] == str(folder / "big.hpz")
    assert summaries["far"]["features"] == f"{address}/big.hpz"
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"secret" not in path.read_bytes(), path
    assert (tmp_path / "far" / "report.html").exists()


def test_a_store_without_the_stream_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("archive", "export", folder / "big.zarr", tmp_path / "k.pkl", "--quiet") == 0
    assert run("archive", "import", tmp_path / "k.pkl", tmp_path / "k.zarr", "--quiet", "--steps", 16) == 0
    capsys.readouterr()
    pooled = ["--streams", '["pooled_joint"]', "--threads", 1, "--quiet"]
    assert run("train", "--features", tmp_path / "k.zarr", "--out", tmp_path / "run", *pooled) == 1
    assert (
        "holds no pooled, only keypoints" in capsys.readouterr().err.splitlines()[-1]
    )  # a warning before it


def test_options_of_one_export_are_refused_by_the_others(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half, clip = ["--dtype", "float16"], ["--clip", "clip_0001", "--quiet"]
    small = folder / "small.zarr"
    assert run("archive", "export", small, tmp_path / "a.npz", *half) == 1
    assert error_line(capsys).endswith("expected --dtype float16 with --format hdf5 only, got npz")
    assert run("archive", "export", small, tmp_path / "a.npz", *clip) == 1
    assert error_line(capsys).endswith("expected --clip with --format movement only, got npz")
    assert run("archive", "export", small, tmp_path / "half.h5", *half) == 0
    assert run("archive", "export", small, tmp_path / "single.h5") == 0
    for name, dtype in (("half.h5", "float16"), ("single.h5", "float32")):
        with h5py.File(tmp_path / name) as file:
            assert file["pooled"].dtype == dtype
    capsys.readouterr()
    assert run("archive", "export", small, tmp_path / "a.nc", *clip[:2]) == 0
    assert capsys.readouterr().err.splitlines()[-1].endswith("a.nc: 1 of 11 clips")
    with h5py.File(tmp_path / "a.nc") as file:
        assert (file.attrs["ds_type"], file.attrs["clip_id"]) == ("poses", "clip_0001")
    assert run("archive", "export", small, tmp_path / "poses", "--format", "movement", "--quiet") == 0
    assert len(list((tmp_path / "poses").iterdir())) == 9
