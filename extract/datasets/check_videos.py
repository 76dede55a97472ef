"""The video files of a data set: every one opened and counted, duplicates by content."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from heatpool.extract.video.container import decode_stream, file_url, open_video
from heatpool.extract.video.display import Display, pixel_aspect, square_px
from heatpool.extract.video.hdr import hdr_kind
from heatpool.extract.video.picture_names import find_pictures, is_pictures
from heatpool.extract.video.reader import check_frames, probe
from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError

__all__ = ["VideoReport", "check_file", "check_videos"]


@dataclass(frozen=True)
class VideoReport:
    """What a video file turned out to be.

    Attributes:
        path: the file, folder of pictures, or pattern.
        problem: "" when intact, else missing, empty, unreadable, no_frames, too_short, truncated or damaged.
        reason: one line on the problem.
        size_bytes: of the file.
        frames: frames that are there, by demuxing.
        fps: mean frames per second.
        seconds: from the first to the end of the last frame.
        gap_s: longest time from one frame to the next.
        width_px: coded width, before the picture is scaled and turned for display.
        height_px: coded height, likewise.
        rotation_deg: turn that players (and extraction) apply, counter-clockwise: 0, 90, 180 or 270.
        mirrored: 1 where they mirror the picture left-right after that, else 0.
        pixel_aspect: width over height of a pixel, by which they scale the picture; 1 where it is square.
        hdr: pq or hlg where the pictures are of high dynamic range, which extraction converts, else "".
        codec: FFmpeg's name.
        sha256: of the content; "" where no other file has as many bytes, so that it cannot be a duplicate.
    """

    path: Path
    problem: str = ""
    reason: str = ""
    size_bytes: int = 0
    frames: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    gap_s: float = 0.0
    width_px: int = 0
    height_px: int = 0
    rotation_deg: int = 0
    mirrored: int = 0
    pixel_aspect: float = 1.0
    hdr: str = ""
    codec: str = ""
    sha256: str = ""

    @property
    def shown_px(self) -> tuple[int, int]:
        """Width and height of the picture as players, and extraction, show it."""
        width, height = square_px((self.width_px, self.height_px), self.pixel_aspect)
        return (height, width) if self.rotation_deg in (90, 270) else (width, height)


def check_file(path: Path) -> VideoReport:
    """Check that the file, or each picture, is there and not empty, without opening it."""
    try:
        size = sum(os.stat(each).st_size for each in _files(path))
    except OSError as error:
        return VideoReport(path, "missing", error.strerror or str(error))
    except HeatpoolError as error:
        return VideoReport(path, "missing" if not path.exists() else "no_frames", str(error))
    if not size:
        return VideoReport(path, "empty", "the file holds no byte")
    return VideoReport(path, size_bytes=size)


def _files(path: Path) -> Sequence[Path]:
    return find_pictures(path) if is_pictures(path) else (path,)


def check_videos(
    videos: Mapping[Path, float],
    *,
    workers: int,
    on_video: Callable[[VideoReport], None] = lambda report: None,
) -> dict[Path, VideoReport]:
    """Open and count every video in threads (FFmpeg works outside Python's lock).

    Args:
        videos: video files, folders of pictures or patterns, and the rate of the pictures (0 of files).
        workers: files at the same time.
        on_video: called for each video when its report is there, in order.

    Returns:
        A report for each path.
    """
    reports: dict[Path, VideoReport] = {}
    found = [check_file(path) for path in videos]
    with ThreadPoolExecutor(workers, thread_name_prefix="doctor") as pool:
        try:
            for report in pool.map(lambda each: _probe(each, videos[each.path]), found):
                reports[report.path] = report
                on_video(report)
            for path, digest in pool.map(_digest, _same_size(found)):
                reports[path] = replace(reports[path], sha256=digest)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # Ctrl-C must not wait for every video
            raise
    return reports


def _same_size(reports: Sequence[VideoReport]) -> list[Path]:
    """Return the files that another one has as many bytes as: only they can be duplicates."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for report in reports:
        if report.size_bytes:
            by_size[report.size_bytes].append(report.path)
    return [path for paths in by_size.values() if len(paths) > 1 for path in paths]


def _digest(path: Path) -> tuple[Path, str]:
    try:
        digests = [hash_file(each)[1] for each in _files(path)]
    except (OSError, HeatpoolError):
        return path, ""  # its report names the reason
    return path, digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _probe(found: VideoReport, fps: float) -> VideoReport:
    if found.problem:
        return found
    try:
        info = probe(found.path, fps=fps)
        report = replace(
            found,
            frames=info.frames,
            fps=round(info.fps, 3),
            seconds=round(info.end_s - float(info.times_s[0]), 3),
            gap_s=round(float(np.diff(info.times_s).max(initial=0)), 3),
            width_px=info.width_px,
            height_px=info.height_px,
        )
        if is_pictures(found.path):
            report = replace(report, codec=_files(found.path)[0].suffix.lower().lstrip("."))
        else:
            report = _inspect(report)
    except HeatpoolError as error:
        return _unreadable(found, str(error))
    except (FFmpegError, OSError, ValueError) as error:  # a decoder fault is this file's, not the run's
        return replace(found, problem="unreadable", reason=str(error))
    if info.damage:
        return replace(report, problem="truncated", reason=info.damage)
    try:
        check_frames(info, found.path)
    except HeatpoolError as error:
        return replace(report, problem="too_short", reason=str(error))
    return report


def _inspect(report: VideoReport) -> VideoReport:
    """Add codec and how it is shown, which the first frame tells."""
    with open_video(report.path) as (container, stream):
        stream.thread_type = "NONE"
        aspect = pixel_aspect(stream.sample_aspect_ratio)
        report = replace(report, codec=stream.codec_context.name, pixel_aspect=round(aspect, 4))
        frame = next(decode_stream(container, stream), None)
        if frame is None:
            return replace(report, problem="damaged", reason="no frame decodes")
        shown = Display.of(frame)
        turn_deg, mirrored = 90 * shown.quarter_turns, int(shown.mirrored)
        return replace(report, rotation_deg=turn_deg, mirrored=mirrored, hdr=hdr_kind(frame))


def _unreadable(report: VideoReport, reason: str) -> VideoReport:
    if is_pictures(report.path):
        return replace(report, problem="unreadable", reason=reason)
    if _lacks_mp4_index(report.path):
        return replace(report, problem="truncated", reason="an mp4 file that ends before its index (moov)")
    try:
        av.open(file_url(report.path), metadata_errors="replace").close()
    except (FFmpegError, OSError, ValueError):
        return replace(report, problem="unreadable", reason=reason)
    return replace(report, problem="no_frames", reason=reason)


def _lacks_mp4_index(path: Path) -> bool:
    """Return whether a file begins as mp4 and has no whole `moov` box (ISO/IEC 14496-12, section 4.2)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
            if at == 0 and kind != b"ftyp":
                return False
            if kind == b"moov":
                return at + length > size
            if length == 1:
                length = int.from_bytes(file.read(8), "big")
            if length < 8:  # 0: the last box reaches to the end of the file
                break
            at += length
    return size >= 8
