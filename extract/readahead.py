"""Decoding ahead of the network: several clips in threads, handed over in order, memory bounded."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from extract.records import Frame
from extract.sampling import Sampling
from extract.video import FrameCountError, VideoInfo, iter_frames, probe
from pool.errors import HeatpoolError
from pool.resample import ResamplePlan

__all__ = ["ClipEnd", "ClipStart", "decode_ahead"]

# Frames that one clip may lie ahead: bounds memory at threads x this x frame size (6 MB at 1080p).
_AHEAD = 16


class _Job(Protocol):
    @property
    def clip(self) -> int: ...
    @property
    def path(self) -> Path: ...
    @property
    def start_s(self) -> float: ...
    @property
    def end_s(self) -> float | None: ...


@dataclass(frozen=True, eq=False)
class ClipStart:
    """The frames of a clip follow, as `plan` asks for them.

    It comes a second time for a clip whose frame count turned out wrong; what came before is void.
    """

    at: int
    info: VideoInfo
    plan: ResamplePlan


@dataclass(frozen=True)
class ClipEnd:
    """All frames of a clip came, or `error` says why not; `damage` names what is wrong with them."""

    at: int
    error: str = ""
    damage: str = ""


Item = ClipStart | Frame | ClipEnd


def decode_ahead(
    jobs: Sequence[_Job], *, steps: int, threads: int, sampling: Sampling | None = None
) -> Iterator[Item]:
    """Decode clips in threads and yield their frames strictly in order.

    Args:
        jobs: clips.
        steps: T, which decides the frames that are read.
        threads: clips decoded at the same time.
        sampling: frames that count at all; by default every one.

    Yields:
        For each clip a `ClipStart`, its `Frame`s and a `ClipEnd`; for an unreadable one a `ClipEnd` with
        the reason.
    """
    stop = threading.Event()
    queues: list[queue.Queue[Item]] = [queue.Queue(_AHEAD) for _ in jobs]
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for at, (job, items) in enumerate(zip(jobs, queues, strict=True)):
                pool.submit(_decode_clip, at, job, (steps, sampling or Sampling()), items, stop)
            for items in queues:
                while True:
                    item = items.get()
                    yield item
                    if isinstance(item, ClipEnd):
                        break
        finally:
            stop.set()


def _decode_clip(
    at: int, job: _Job, rule: tuple[int, Sampling], items: queue.Queue[Item], stop: threading.Event
) -> None:
    """Put the items of one clip into its queue; whatever goes wrong ends this clip alone."""
    error, corrupt = "", 0
    try:
        info = probe(job.path, start_s=job.start_s, end_s=job.end_s)
        for attempt in range(3):  # after a seek, from the start, and with the frames that decode
            try:
                corrupt = _send_frames(at, job, info, rule, items, stop)
                break
            except FrameCountError as count:
                if attempt == 2:
                    raise
                info = info.corrected(count.decoded)
    except _Stopped:
        return
    except HeatpoolError as reason:
        error = str(reason)
    except Exception as reason:  # a decoder fault must not end the run; the failure list names it
        error = f"{type(reason).__name__}: {reason}"
    damage = f"{corrupt} of the frames that were read are damaged" if corrupt else ""
    _put(ClipEnd(at, error, damage), items, stop)


def _send_frames(
    at: int,
    job: _Job,
    info: VideoInfo,
    rule: tuple[int, Sampling],
    items: queue.Queue[Item],
    stop: threading.Event,
) -> int:
    """Send the frames that the plan reads; return how many of them are damaged."""
    steps, sampling = rule
    if info.frames < 2:
        raise HeatpoolError(f"expected at least 2 frames, {job.path.name} holds {info.frames}")
    counting = sampling.frames(info)
    plan = ResamplePlan.linear(len(counting), steps)
    _put(ClipStart(at, info, plan), items, stop)
    corrupt = 0
    for frame in iter_frames(job.path, counting[plan.frames], info=info):
        corrupt += frame.corrupt
        _put(Frame(job.clip, info.first_frame + frame.index, frame.time_s, frame.rgb), items, stop)
    return corrupt


class _Stopped(Exception):  # noqa: N818 - not an error: the consumer went away
    pass


def _put(item: Item, items: queue.Queue[Item], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            items.put(item, timeout=0.2)
        except queue.Full:
            continue
        return
    raise _Stopped
