"""Decoding ahead of the network: several clips in threads, handed over in order, memory bounded."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from heatpool.extract.records import Frame
from heatpool.extract.video.reader import FrameCountError, VideoInfo, iter_frames, probe
from heatpool.extract.video.sampling import Sampling
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.resample import ResamplePlan

__all__ = ["ClipEnd", "ClipStart", "decode_ahead"]

# Frames that one clip may lie ahead: bounds memory at threads x this x frame size (6 MB at 1080p).
_AHEAD = 16
_POLL_S = 0.5  # how often a clip that gives nothing is asked for how long it has been at it
_ROOM_POLL_S = 0.2  # how often a full queue is tried again: a thread notices so late that nobody waits


class _Job(Protocol):
    # What decoding needs of a clip; the engine's `ClipJob` lies above this module.
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
    """All frames of a clip came, or `failed`; `reason` says why, or what is wrong with the frames."""

    at: int
    failed: bool = False
    reason: str = ""


ClipEvent = ClipStart | Frame | ClipEnd


def decode_ahead(
    jobs: Sequence[_Job],
    *,
    steps: int,
    threads: int,
    sampling: Sampling | None = None,
    clip_seconds: float = 0.0,
) -> Iterator[ClipEvent]:
    """Decode clips in threads and yield their frames strictly in order.

    Args:
        jobs: clips.
        steps: T, which decides the frames that are read.
        threads: clips decoded at the same time.
        sampling: frames that count at all; by default every one.
        clip_seconds: time that reading one clip may take, 0 = any. A clip that takes longer fails; its
            thread is left to itself where it hangs in native code, and another takes its place.

    Yields:
        For each clip a `ClipStart`, its `Frame`s and a `ClipEnd`; for an unreadable one a failed `ClipEnd`.
    """
    # A queue per clip, not one for all: frames of later clips, decoded early, must wait for their turn.
    readings = [_Reading(at, job, clip_seconds) for at, job in enumerate(jobs)]
    todo: queue.SimpleQueue[_Reading] = queue.SimpleQueue()
    for reading in readings:
        todo.put(reading)
    workers: list[threading.Thread] = []

    def start_thread() -> None:
        # A daemon: Python would wait at its end for a thread that hangs in a decoder.
        worker = threading.Thread(
            target=_decode_clips, args=(todo, steps, sampling or Sampling()), name="decode", daemon=True
        )
        workers.append(worker)
        worker.start()

    try:
        for _ in range(min(threads, len(jobs))):
            start_thread()
        for reading in readings:
            yield from reading.follow()
            # Its thread may never return, and nothing can end it: without another one the rest would wait.
            if reading.hangs:
                start_thread()
    finally:
        # Also when the consumer stops early or fails: threads must not go on decoding for nobody.
        for reading in readings:
            reading.over.set()
        for worker in workers:
            worker.join(_POLL_S)


class _Reading:
    """A clip that is read: its events on their way, and how long it has been worked on.

    The decoding thread calls `begin` and `put`, the consumer `follow`. Each field has one writer, so that no
    lock is needed.

    Attributes:
        at: position of the clip.
        job: the clip.
        over: nobody wants more of it.
        hangs: it took too long and its thread did not come back.
    """

    def __init__(self, at: int, job: _Job, limit_s: float) -> None:
        self.at, self.job = at, job
        self.over = threading.Event()
        self.hangs = False
        self._events: queue.Queue[ClipEvent] = queue.Queue(_AHEAD)
        self._limit_s = limit_s
        self._worked_s = 0.0
        self._since: float | None = None  # monotonic; None while it waits for the consumer

    def begin(self) -> None:
        """Start the clock."""
        self._since = time.monotonic()

    def put(self, event: ClipEvent) -> None:
        """Hand an event over; waiting for room does not count as work.

        Raises:
            _Stopped: if nobody wants it.
            HeatpoolError: if the clip has taken too long.
        """
        # A slow clip ends here, in its own thread; only one that hangs is given up by the consumer.
        if self._too_long() and not isinstance(event, ClipEnd):
            raise HeatpoolError(self._too_long_reason())
        worked_s = self._spent_s()
        self._since = None  # before the sum changes: the consumer must not count the time twice
        self._worked_s = worked_s
        while not self.over.is_set():
            try:
                self._events.put(event, timeout=_ROOM_POLL_S)
            except queue.Full:
                continue
            self.begin()
            return
        raise _Stopped

    def follow(self) -> Iterator[ClipEvent]:
        """Yield the events up to the `ClipEnd`."""
        while True:
            try:
                event = self._events.get(timeout=_POLL_S if self._limit_s else None)
            except queue.Empty:
                if not self._too_long():
                    continue
                self.hangs = True
                self.over.set()
                event = ClipEnd(self.at, True, self._too_long_reason())
            yield event
            if isinstance(event, ClipEnd):
                return

    def _spent_s(self) -> float:
        since = self._since
        return self._worked_s + (time.monotonic() - since if since is not None else 0.0)

    def _too_long(self) -> bool:
        return 0 < self._limit_s < self._spent_s()

    def _too_long_reason(self) -> str:
        return f"reading {self.job.path.name} took more than {self._limit_s:g} s (--clip-seconds)"


def _decode_clips(todo: queue.SimpleQueue[_Reading], steps: int, sampling: Sampling) -> None:
    """Decode clips until none is left, or this thread's clip was given up."""
    while True:
        try:
            reading = todo.get_nowait()
        except queue.Empty:
            return
        try:
            _decode_clip(reading, steps, sampling)
        except _Stopped:
            return


def _decode_clip(reading: _Reading, steps: int, sampling: Sampling) -> None:
    """Send the events of one clip; whatever goes wrong ends this clip alone."""
    failed, reason, job = False, "", reading.job
    reading.begin()
    try:
        info = probe(job.path, start_s=job.start_s, end_s=job.end_s)
        for attempt in range(3):  # after a seek, from the start, and with the frames that decode
            try:
                reason = _send_frames(reading, info, steps, sampling)
                break
            except FrameCountError as count:
                if attempt == 2:
                    raise
                info = info.corrected(count.decoded)
    except _Stopped:
        raise
    except HeatpoolError as error:
        failed, reason = True, str(error)
    except Exception as error:  # a decoder fault must not end the run; the failure list names it
        failed, reason = True, f"{type(error).__name__}: {error}"
    reading.put(ClipEnd(reading.at, failed, reason))


def _send_frames(reading: _Reading, info: VideoInfo, steps: int, sampling: Sampling) -> str:
    """Send the frames that the plan reads; return what is wrong with them, empty for nothing."""
    job = reading.job
    if info.frames < 2:
        why = f" ({info.damage})" if info.damage else ""
        raise HeatpoolError(f"expected at least 2 frames, {job.path.name} holds {info.frames}{why}")
    # The plan counts sampled frames, the decoder all: `counting` translates.
    counting = sampling.frames(info)
    plan = ResamplePlan.linear(len(counting), steps)
    reading.put(ClipStart(reading.at, info, plan))
    corrupt = scaled = 0
    for frame in iter_frames(job.path, counting[plan.frames], info=info):
        corrupt += frame.corrupt
        scaled += frame.scaled
        reading.put(Frame(job.clip, info.first_frame + frame.index, frame.time_s, frame.rgb))
    if scaled:
        return f"{scaled} of the frames that were read are of another size than the first"
    return f"{corrupt} of the frames that were read are damaged" if corrupt else ""


class _Stopped(Exception):  # noqa: N818 - not an error: the consumer went away
    pass
