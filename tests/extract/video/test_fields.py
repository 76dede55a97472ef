"""Two fields that are packets of their own are one frame."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from heatpool.extract.video.fields import Fields
from heatpool.extract.video.reader import iter_frames, probe
from tests.extract.video.test_packets import assert_good
from tests.fixtures.h264_fields import make_fields


@pytest.mark.parametrize("suffix", ["MTS", "mp4", "mkv"])
def test_two_fields_are_one_frame(tmp_path: Path, suffix: str) -> None:
    path = make_fields(tmp_path / f"a.{suffix}", frames=30, whole={4, 5, 17})
    with av.open(str(path)) as container:
        assert sum(packet.size > 0 for packet in container.demux(video=0)) == 57
    assert_good(path, list(range(30)))
    info = probe(path, start_s=20 / 25, end_s=24 / 25)
    assert info.seek is not None
    frames = list(iter_frames(path, np.arange(info.frames), info=info))
    assert [round((frame.rgb.mean() - 20) / 3) for frame in frames] == [20, 21, 22, 23]


@pytest.mark.parametrize("lost", [300, 4000])
def test_a_recording_that_begins_within_a_frame_is_good(tmp_path: Path, lost: int) -> None:
    path = make_fields(tmp_path / "a.MTS", frames=30)
    cut = path.with_name("cut.MTS")
    cut.write_bytes(path.read_bytes()[lost:])
    assert_good(cut, list(range(30 - probe(cut).frames, 30)))
    assert probe(cut).frames >= 27


def test_a_field_without_its_other_is_a_frame(tmp_path: Path) -> None:
    path = make_fields(tmp_path / "a.h264", frames=2)
    data = path.read_bytes()
    packets = [b"\0\0\0\1\x09" + part for part in data.split(b"\0\0\0\1\x09")[1:]]
    fields = Fields(b"")
    assert [fields.is_second(packets[at]) for at in (0, 1, 2, 0, 3)] == [False, True, *[False] * 3]
    assert not Fields(b"").is_second(packets[1])  # nothing is known of its headers


def test_whatever_cannot_be_read_is_a_frame() -> None:
    rng = np.random.default_rng(0)
    heads = (b"\0\0\1\x67", b"\0\0\1\x68", b"\0\0\1\x65", b"\0\0\1\x41", b"\1\x4d\0\x28\xff\xe1")
    fields = Fields(b"\1\x4d\0\x28\xff\xe1\0\4\x67")
    assert not fields.is_second(b"")
    assert not Fields(b"").is_second(b"\0\0\1\0\0\1\0\0\1")
    for number in range(500):
        head = heads[number % len(heads)]
        fields.is_second(head + rng.bytes(int(rng.integers(40))))
        Fields(head + rng.bytes(int(rng.integers(40))))
