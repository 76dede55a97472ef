from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.datasets.check_videos import check_videos
from heatpool.extract.video.file_end import is_cut
from heatpool.extract.video.reader import probe
from tests.conftest import VideoMaker, gray_frames


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.avi", "mpeg4"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.wmv", "wmv2"),
        ("a.flv", "flv"),
    ],
)
def test_a_file_of_half_its_size_is_cut_for_extract_and_doctor(
    make_video: VideoMaker, name: str, codec: str
) -> None:
    rng = np.random.default_rng(0)
    path = make_video(list(rng.integers(0, 255, (60, 48, 64, 3), np.uint8)), name, codec=codec)
    assert is_cut(path) is False
    assert probe(path).damage == ""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert is_cut(path) is True
    damage = probe(path).damage
    assert damage
    report = check_videos({path: 0.0}, workers=1)[path]
    assert (report.problem, report.reason) == ("truncated", damage)


def test_whatever_says_nothing_of_its_size_is_not_judged(make_video: VideoMaker, tmp_path: Path) -> None:
    assert is_cut(make_video(gray_frames(5), "a.mp4")) is None
    properties = bytes.fromhex("3026b275 a1dcab8c47a9cf118ee400c00c205365")
    broadcast = properties + bytes(24) + b"\xff" * 48 + b"\1\0\0\0"
    for content in (properties, broadcast, b"FLV\1", b"FLV\0\x08filesize\0" + bytes(8)):
        path = tmp_path / "some"
        path.write_bytes(content)
        assert is_cut(path) is None, content
    for content in (b"", b"RIFF", b"RIFF\0\0\0\0AVI ", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x84four"):
        path = tmp_path / "some"
        path.write_bytes(content)
        assert is_cut(path) is None, content
    # A stream of unknown length: a live recording that nobody completed (RFC 8794, section 6.2).
    path.write_bytes(b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7)
    assert is_cut(path) is None


def test_an_avi_may_have_several_chunks(tmp_path: Path) -> None:
    """OpenDML: the next RIFF begins where the last one ended, at an even number."""
    chunks = b"RIFF\x05\0\0\0AVI x" + b"\0" + b"RIFF\x04\0\0\0AVIX"
    path = tmp_path / "a.avi"
    path.write_bytes(chunks)
    assert is_cut(path) is False
    path.write_bytes(chunks[:-1])
    assert is_cut(path) is True
