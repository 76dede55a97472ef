"""Decoding ahead of the network: several clips in threads, handed over in order, memory bounded."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from heatpool.extract.records import Frame
from heatpool.extract.video.clip_events import ClipEnd, ClipEvent, ClipFrame, ClipJob, StoppedError
from heatpool.extract.video.decode import group_clips, send_clips
from heatpool.extract.video.sampling import Sampling
from heatpool.pool.errors import HeatpoolError

__all__ = ["decode_ahead"]

# How far one reading may lie ahead, which bounds memory at threads x this: a whole clip of small frames, as
# clips are handed over one after the other, and other threads would wait for the first.
_AHEAD_BYTES = 64 << 20
_LEAST_AHEAD = 16  # events, however large their frames are
_POLL_S = 0.5  # how often a clip that gives nothing is asked for how long it has been at it
_ROOM_POLL_S = 0.2  # how often a full queue is tried again: a thread notices so late that nobody waits


def decode_ahead(
    jobs: Sequence[ClipJob],
    *,
    steps: int,
    threads: int,
    sampling: Sampling | None = None,
    clip_seconds: float = 0.0,
    prepare: Callable[[Frame], Any] | None = None,
) -> Generator[ClipEvent, None, None]:
    """Decode clips in threads and yield their frames strictly in order.

    Args:
        jobs: clips; those of one video that overlap or touch, one after the other, are decoded together.
        steps: T, which decides the frames that are read.
        threads: videos decoded at the same time.
        sampling: frames that count at all; by default every one.
        clip_seconds: time that reading one clip may take, 0 = any. A clip that takes longer fails; its
            thread is left to itself where it hangs in native code, and another takes its place.
        prepare: called with each frame in the thread that decodes; `ClipFrame.prepared` is its answer.

    Yields:
        For each clip a `ClipStart`, its `ClipFrame`s and a `ClipEnd`; for an unreadable one a failed
        `ClipEnd`. Starts come in the order of the clips, and so do ends; clips that overlap are under way at
        the same time.

    Raises:
        Exception: what `prepare` raises.
    """
    # A queue per reading, not one for all: frames of later clips, decoded early, must wait for their turn.
    readings = [_Reading(clips, clip_seconds, prepare) for clips in group_clips(jobs)]
    todo: queue.SimpleQueue[_Reading | None] = queue.SimpleQueue()
    # No more are begun than there are threads, whole as they may lie in their queues.
    waiting = deque(readings)

    def begin_one() -> None:
        if waiting:
            todo.put(waiting.popleft())

    workers: list[threading.Thread] = []

    def start_thread(first: _Reading | None = None) -> None:
        # A daemon: Python would wait at its end for a thread that hangs in a decoder.
        args = (first, todo, steps, sampling or Sampling())
        worker = threading.Thread(target=_decode_clips, args=args, name="decode", daemon=True)
        workers.append(worker)
        worker.start()

    try:
        for _ in range(min(threads, len(readings))):
            start_thread()
        for _ in range(max(threads, 2)):
            begin_one()
        for reading in readings.copy():
            while True:
                yield from reading.follow()
                if not reading.hangs:
                    break
                # Its thread may never return, and nothing can end it: the rest would wait for ever.
                rest = _Reading(reading.left, clip_seconds, prepare) if reading.left else None
                start_thread(rest)
                if rest is None:
                    break
                readings.append(rest)
                reading = rest
            begin_one()
    finally:
        # Also when the consumer stops early or fails: threads must not go on decoding for nobody.
        for reading in readings:
            reading.over.set()
        for _ in workers:
            todo.put(None)
        for worker in workers:
            worker.join(_POLL_S)


@dataclass(frozen=True, eq=False)
class _Crash:
    """What ended a thread."""

    error: Exception


class _Reading:
    """A group of clips that are read: their events on their way, and how long a clip has been worked on.

    The decoding thread calls `begin` and `put`, the consumer `follow`. Each field has one writer, so that no
    lock is needed.

    Args:
        clips: the group: positions and clips.
        limit_s: time that a clip may take, 0 = any.
        prepare: called with each frame.

    Attributes:
        clips: the group.
        left: clips whose end the consumer has not seen yet.
        over: nobody wants more of it.
        hangs: a clip took too long and the thread did not come back.
    """

    def __init__(
        self,
        clips: Sequence[tuple[int, ClipJob]],
        limit_s: float,
        prepare: Callable[[Frame], Any] | None,
    ) -> None:
        self.clips, self.left = tuple(clips), deque(clips)
        self.over = threading.Event()
        self.hangs = False
        self._events: queue.Queue[ClipEvent | _Crash] = queue.Queue(_LEAST_AHEAD)
        self._limit_s, self._prepare = limit_s, prepare
        self._worked_s = 0.0
        self._since: float | None = None  # monotonic; None while it waits for the consumer

    def begin(self) -> None:
        """Start the clock anew."""
        self._since = None
        self._worked_s = 0.0
        self._since = time.monotonic()

    def put(self, event: ClipEvent) -> None:
        """Hand an event over; waiting for room does not count as work.

        Raises:
            StoppedError: if nobody wants it.
            HeatpoolError: if the clip has taken too long.
        """
        # A slow clip ends here, in its own thread; only one that hangs is given up by the consumer.
        if self._too_long() and not isinstance(event, ClipEnd):
            raise HeatpoolError(self._too_long_reason())
        if isinstance(event, ClipFrame):
            self._events.maxsize = max(_AHEAD_BYTES // event.frame.rgb.nbytes, _LEAST_AHEAD)
        if self._prepare is not None and isinstance(event, ClipFrame):
            try:
                event = replace(event, prepared=self._prepare(event.frame))
            except Exception as error:
                # No fault of the clip, which would hide it: the consumer raises it.
                self._hand_over(_Crash(error))
                raise StoppedError from error
        self._hand_over(event)

    def _hand_over(self, event: ClipEvent | _Crash) -> None:
        worked_s = self._spent_s()
        self._since = None  # before the sum changes: the consumer must not count the time twice
        # Of clips that are read together each has its own time, from the end of the one before.
        self._worked_s = 0.0 if isinstance(event, ClipEnd) else worked_s
        while not self.over.is_set():
            try:
                self._events.put(event, timeout=_ROOM_POLL_S)
            except queue.Full:
                continue
            self._since = time.monotonic()
            return
        raise StoppedError

    def follow(self) -> Iterator[ClipEvent]:
        """Yield the events up to the last clip's `ClipEnd`, or that of a clip that hangs."""
        while self.left and not self.hangs:
            try:
                event = self._events.get(timeout=_POLL_S if self._limit_s else None)
            except queue.Empty:
                if not self._too_long():
                    continue
                self.hangs = True
                self.over.set()
                event = ClipEnd(self.left[0][0], True, self._too_long_reason())
            if isinstance(event, _Crash):
                raise event.error
            if isinstance(event, ClipEnd):
                self.left.popleft()
            yield event

    def _spent_s(self) -> float:
        since = self._since
        return self._worked_s + (time.monotonic() - since if since is not None else 0.0)

    def _too_long(self) -> bool:
        return 0 < self._limit_s < self._spent_s()

    def _too_long_reason(self) -> str:
        name = self.clips[0][1].path.name
        return f"reading {name} took more than {self._limit_s:g} s (--clip-seconds)"


def _decode_clips(
    first: _Reading | None, todo: queue.SimpleQueue[_Reading | None], steps: int, sampling: Sampling
) -> None:
    """Decode clips until None comes, or this thread's clip was given up."""
    reading = first or todo.get()
    while reading is not None:
        try:
            send_clips(reading.clips, reading, steps=steps, sampling=sampling)
        except StoppedError:
            return
        reading = todo.get()
