"""Stores that grow: by `extract --append` they become what one extraction of all clips gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction import append as appending
from heatpool.pipelines.extraction import run as extraction
from heatpool.pipelines.extraction.run import extract
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import verify_store
from tests.conftest import VideoMaker, gray_frames
from tests.fixtures.onnx_networks import heatmap_network
from tests.pipelines.extraction.test_run import OPTIONS
from tests.pool.store.store_cases import tree_bytes

ROWS = {"a": "sit,train", "b": "wave,test", "c": "sit,train", "d": "wave,train", "e": "sit,val"}

Extract = Callable[..., extraction.Extraction]


def write_manifest(path: Path, names: str, root: str = "videos") -> Path:
    rows = [f"{root}/{name}.mp4,{name},{ROWS[name]}" for name in names]
    path.write_text("\n".join(["path,clip_id,class_name,xsub", *rows]) + "\n")
    return path


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """In memory: these tests flush hundreds of files."""
    return memory_folder


@pytest.fixture
def run(make_video: VideoMaker, tmp_path: Path) -> Extract:
    """Extracts the clips of some letters, two a shard; the last video is none."""
    for number, name in enumerate("abcd"):
        make_video(gray_frames(6 + number), f"videos/{name}.mp4")
    (tmp_path / "videos" / "e.mp4").write_text("no video")
    weights = str(heatmap_network(tmp_path / "pose.onnx"))

    def run(names: str, out: str = "x.zarr", **more: object) -> extraction.Extraction:
        manifest = write_manifest(tmp_path / "clips.csv", names)
        options = OPTIONS | {"shard_clips": 2, "weights": weights, "quiet": True} | more
        return extract(manifest, tmp_path / out, **options)

    return run


def stored(path: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree_bytes(path).items() if name != "run.json"}


def test_an_appended_store_equals_one_extracted_at_once(run: Extract, tmp_path: Path) -> None:
    run("abcde", "whole.zarr")
    run("abc")
    done = run("abcde", append=True)
    assert (done.store, done.counts) == (tmp_path / "x.zarr", {"ok": 1, "failed": 1})
    assert list(done.failures) == ["e"]
    assert stored(tmp_path / "x.zarr") == stored(tmp_path / "whole.zarr")
    assert not verify_store(tmp_path / "x.zarr").problems
    again = run("cde", append=True)
    assert again.counts == {}
    assert stored(tmp_path / "x.zarr") == stored(tmp_path / "whole.zarr")
    assert not (tmp_path / "x.append.zarr").exists()


def test_what_was_interrupted_goes_on_and_the_store_is_whole_meanwhile(
    run: Extract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once among the new clips, and once when all of them are done; --resume finishes it too."""
    run("abcde", "whole.zarr")
    run("a")
    before = stored(tmp_path / "x.zarr")

    def stop(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    def one_shard(work: object, shards: list[int], *networks: object, **more: object) -> None:
        extraction_run(work, shards[:1], *networks, **more)
        stop()

    extraction_run = extraction.run_here
    for module, name, instead in ((extraction, "run_here", one_shard), (appending, "append_store", stop)):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, instead)
            with pytest.raises(KeyboardInterrupt):
                run("abcde", append=True)
        assert stored(tmp_path / "x.zarr") == before
        assert (tmp_path / "x.append.zarr").exists()
        with pytest.raises(HeatpoolError, match=r"x\.append\.zarr holds other clips of an --append"):
            run("ab", append=True)
    run("abcde", resume=True)
    assert stored(tmp_path / "x.zarr") == stored(tmp_path / "whole.zarr")


def test_classes_are_merged_by_name_and_paths_are_those_below_the_first_root(
    run: Extract, tmp_path: Path
) -> None:
    run("ac")
    more = tmp_path / "more"
    more.mkdir()
    manifest = write_manifest(more / "clips.csv", "bd", root="../videos")
    options = OPTIONS | {"weights": str(tmp_path / "pose.onnx"), "quiet": True}
    extract(manifest, tmp_path / "x.zarr", append=True, **options)
    clips = FeatureStore.open(tmp_path / "x.zarr").clips
    assert clips.class_names == ("sit", "wave")
    assert clips.label.tolist() == [0, 0, 1, 1]
    assert clips.index.path == tuple(f"videos/{name}.mp4" for name in "acbd")


def test_other_labels_of_clips_that_are_there_are_said(
    run: Extract, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run("ac")
    manifest = tmp_path / "more.csv"
    rows = "videos/a.mp4,a,wave,train\nvideos/c.mp4,c,sit,\nvideos/b.mp4,b,wave,test\n"
    manifest.write_text(f"path,clip_id,class_name,xsub\n{rows}")
    extract(
        manifest, tmp_path / "x.zarr", append=True, **OPTIONS, weights=str(tmp_path / "pose.onnx"), quiet=True
    )
    clips = FeatureStore.open(tmp_path / "x.zarr").clips
    assert [clips.class_names[label] for label in clips.label] == ["sit", "sit", "wave"]
    assert [line for line in caplog.messages if "another class or split" in line] == [
        f"1 clips that {tmp_path / 'x.zarr'} has already are of another class or split in the manifest, "
        "such as a: they stay as they are; heatpool relabel changes them"
    ]


def test_what_cannot_be_appended_is_refused_in_one_line(
    run: Extract, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("ab")
    before = stored(tmp_path / "x.zarr")
    with pytest.raises(HeatpoolError, match=r"merged into .*x\.zarr: steps: 4 in the store, 5 given"):
        run("abc", append=True, steps=5)
    with pytest.raises(HeatpoolError, match=r"no new clip gave features, .* the first: .*cannot open e\.mp4"):
        run("abe", append=True)
    shutil.move(tmp_path / "videos", tmp_path / "other")
    manifest = write_manifest(tmp_path / "clips.csv", "ab", root="other")
    arguments = ["extract", str(manifest), str(tmp_path / "x.zarr"), "--append"]
    assert main(arguments) == 1
    assert "2 clip ids are in" in (line := capsys.readouterr().err)
    assert "such as 'a': videos/a.mp4 there, other/a.mp4 here" in line
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--resume"])
    assert main([*arguments[:2], str(tmp_path / "none.zarr"), "--append"]) == 1
    assert "none.zarr: no such feature store" in capsys.readouterr().err
    assert stored(tmp_path / "x.zarr") == before
    assert not (tmp_path / "x.append.zarr").exists()


def test_networks_and_options_are_those_of_the_store(
    run: Extract, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `run.json`; of a store that came without, by what it says of itself, with weights to be given."""
    run("abcd", "whole.zarr", frame_stride=2)
    run("ab", frame_stride=2)
    shutil.copytree(tmp_path / "x.zarr", tmp_path / "bare.zarr")
    (tmp_path / "bare.zarr" / "run.json").unlink()
    manifest = write_manifest(tmp_path / "clips.csv", "abcd")
    for name, more in (("x", ()), ("bare", ("--weights", str(tmp_path / "pose.onnx")))):
        store = tmp_path / f"{name}.zarr"
        assert main(["extract", str(manifest), str(store), "--append", "--threads", "1", *more]) == 0
        said = capsys.readouterr().err.splitlines()[0]
        assert said.startswith(
            f"as {store}, where nothing else is given: --backend onnx --detector full-frame"
        )
        runtime = " --runtime onnxruntime" if name == "x" else ""  # a store itself records others only
        assert f"--frame-stride 2{runtime} --steps 4 --tap brightness" in said
        assert stored(store) == stored(tmp_path / "whole.zarr")
    text = (tmp_path / "x.zarr" / "run.json").read_text().replace('"steps": 4', '"steps": "four"')
    (tmp_path / "x.zarr" / "run.json").write_text(text)
    assert main(["extract", str(manifest), str(tmp_path / "x.zarr"), "--append"]) == 1
    line = capsys.readouterr().err
    assert "x.zarr records what cannot be: expected steps to be a whole number, got 'four'" in line
