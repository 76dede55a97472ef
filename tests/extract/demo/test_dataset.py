"""The demo data set on disk."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from heatpool.extract.datasets.manifest import read_manifest
from heatpool.extract.demo.clip import stage_clip
from heatpool.extract.demo.dataset import DemoSpec, render_demo, xsub_split, xview_split
from heatpool.extract.demo.motion import persons_of
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

SPEC = DemoSpec.small()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "demo"
    ticks: list[int] = []
    assert render_demo(SPEC, folder, progress=ticks.append) == folder / "clips.csv"
    assert sum(ticks) == len(SPEC.clips()) == 9
    return folder


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_videos_hold_the_planned_frames_and_truth(demo: Path) -> None:
    for plan in SPEC.clips():
        with av.open(str(demo / "videos" / f"{plan.clip_id}.mp4")) as container:
            stream = container.streams.video[0]
            assert stream.frames == plan.frames
            assert (stream.width, stream.height, float(stream.average_rate)) == (256, 192, 30.0)
        with np.load(demo / "videos" / f"{plan.clip_id}.npz") as truth:
            persons = persons_of(plan.action)
            assert truth["joints_xy_px"].shape == (plan.frames, persons, 17, 2)
            assert truth["visible"].shape == (plan.frames, persons, 17)
            assert truth["visible"].dtype == bool
            assert truth["boxes_xyxy_px"].shape == (plan.frames, persons, 4)
            assert truth["visible"].mean() > 0.3


def test_decoded_frames_are_the_drawn_ones(demo: Path) -> None:
    plan = SPEC.clips()[0]
    frames = decode(demo / "videos" / f"{plan.clip_id}.mp4")
    film = stage_clip(plan)
    for step in range(3):
        assert np.abs(frames[step].astype(int) - film.frame(step)).mean() < 6


def test_same_seed_same_frames_and_workers_do_not_matter(demo: Path, tmp_path: Path) -> None:
    spec = SPEC
    render_demo(spec, tmp_path / "again", workers=2)
    for plan in spec.clips():
        name = f"videos/{plan.clip_id}.mp4"
        assert (demo / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert (demo / "clips.csv").read_bytes() == (tmp_path / "again" / "clips.csv").read_bytes()
    first, other = (stage_clip(replace(spec, seed=seed).clips()[0]).frame(0) for seed in (0, 1))
    assert np.abs(first.astype(int) - other).mean() > 5


def test_manifest_reads_back(demo: Path) -> None:
    manifest = read_manifest(demo / "clips.csv")
    assert manifest.class_names == SPEC.classes
    assert manifest.protocols == ("xsub", "xview")
    assert manifest.disjoint == {"xsub": "subject", "xview": "camera"}
    first = manifest.clips[0]
    assert first.clip_id == "S01C2A03"
    assert first.path.exists()
    assert (first.label, first.class_name, first.persons) == (0, "wave_left_hand", 1)
    assert (first.columns["subject"], first.columns["camera"]) == ("01-ada", "2")
    parts = {clip.columns["subject"][:2]: clip.splits["xsub"] for clip in manifest.clips}
    assert parts == {"01": Split.TRAIN, "07": Split.VAL, "09": Split.TEST}


def test_resume_renders_only_what_is_missing(demo: Path) -> None:
    victim, kept = (demo / "videos" / f"{plan.clip_id}.mp4" for plan in SPEC.clips()[:2])
    before, stamp = victim.read_bytes(), kept.stat().st_mtime_ns
    victim.unlink()
    # What a killed process leaves behind has another name and is never taken for a clip.
    dead = demo / "videos" / f".tmp-{victim.name}-{socket.gethostname()}-{2**22 + 1}"
    dead.mkdir()
    (dead / victim.name).write_bytes(before[:100])
    ticks: list[int] = []
    render_demo(SPEC, demo, progress=ticks.append)
    assert ticks == [8, 1]
    assert {path.suffix for path in victim.parent.iterdir()} == {".mp4", ".npz"}
    assert victim.read_bytes() == before
    assert kept.stat().st_mtime_ns == stamp


def test_unwritable_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HeatpoolError, match="cannot write to"):
        render_demo(SPEC, tmp_path / "file" / "demo")


def test_other_folders_are_refused(demo: Path, tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="another spec"):
        render_demo(replace(SPEC, seed=5), demo)
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(HeatpoolError, match="is not a demo data set"):
        render_demo(SPEC, tmp_path)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "demo.json").write_text("{", encoding="utf-8")
    with pytest.raises(HeatpoolError, match="unreadable"):
        render_demo(SPEC, broken)
    assert json.loads((demo / "demo.json").read_text())["spec"]["seed"] == 0


def test_full_set_has_the_promised_size_and_lengths() -> None:
    clips = DemoSpec().clips()
    frames = np.array([plan.frames for plan in clips])
    assert len(clips) == 12 * 10 * 3
    assert len({plan.clip_id for plan in clips}) == len(clips)
    assert 62 <= frames.mean() <= 72
    assert frames.min() >= 40
    assert 150 <= frames.max() <= 200
    assert len(set(frames.tolist())) > 25
    # All cameras see the same performance.
    assert {(p.subject, p.action): p.frames for p in clips if p.camera == 1} == {
        (p.subject, p.action): p.frames for p in clips if p.camera == 3
    }


def test_no_person_is_in_two_parts() -> None:
    seen: dict[Split, set[int]] = {Split.TRAIN: set(), Split.VAL: set(), Split.TEST: set()}
    for plan in DemoSpec().clips():
        assert (plan.partner > 0) == (persons_of(plan.action) == 2)
        assert plan.partner != plan.subject
        seen[xsub_split(plan.subject)] |= {plan.subject, plan.partner or plan.subject}
        assert (xview_split(plan.subject, plan.camera) == Split.TEST) == (plan.camera == 3)
    assert [len(seen[part]) for part in (Split.TRAIN, Split.VAL, Split.TEST)] == [6, 2, 2]
    assert not seen[Split.TRAIN] & seen[Split.VAL]
    assert not (seen[Split.TRAIN] | seen[Split.VAL]) & seen[Split.TEST]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("fly",)}, "expected different classes"),
        ({"subjects": (11,)}, "expected subjects"),
        ({"cameras": ()}, "expected cameras"),
        ({"width_px": 255}, "expected even sizes"),
        ({"min_frames": 300}, "min_frames"),
    ],
)
def test_spec_checks_itself(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SPEC, **change)
