"""Stage one as a batch engine: clips in, pooled features out, batches filled across clips.

Detection and pose run in batches that clips share. What is in a batch depends only on the list of clips,
never on how fast a thread was, so a list extracted again gives the same features bit for bit.

A frame's way: decoded and prepared, in a thread of `decode_ahead` → gathered to a batch, here → detection, in
the device's thread → persons cut out, in the threads of `_host`, after which only its `SeenFrame` is left.
The clip's way from there, in `_chooser`'s thread: slots chosen → persons gathered to batches → pose, in the
device's thread → resampled, in `_host`.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import torch

from heatpool.extract.engine.batch_size import Memory
from heatpool.extract.engine.clip_state import ClipState, FrameBatch, Outcome, SeenFrame
from heatpool.extract.engine.device import DeviceThread, Work
from heatpool.extract.engine.estimators import PoseEstimator
from heatpool.extract.engine.posing import Posing
from heatpool.extract.engine.slots import Selection, select_tracked
from heatpool.extract.records import Frame
from heatpool.extract.rgb.crops import RgbEncoder
from heatpool.extract.video.clip_events import ClipEnd, ClipJob, ClipStart
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.reader import VideoInfo
from heatpool.extract.video.sampling import Sampling
from heatpool.pool.resample import ResamplePlan

__all__ = ["ClipJob", "Engine", "EngineOptions", "Outcome", "extract_clips", "extract_each"]

_MOST_BATCHES = 2  # of frames, which wait for the device or to be cut out: bounds what is decoded
_KEPT_AT_ONCE = 8  # frames that a host thread treats at once: fewer would cost more in handing over
_WAITING_BATCHES = 4  # of frames, whose persons are cut out and wait for the choice of slots


@dataclass(frozen=True)
class EngineOptions:
    """How clips become features.

    Attributes:
        persons: M, person slots.
        steps: T, time steps.
        selection: which detections fill the slots.
        gaps: frames in which a slot is empty: skip = a step mixes the frames with the person only, zeros =
            such frames count as zero features, as in the published extractor.
        frame_batch: frames per call of the detector.
        person_batch: persons per call of the pose network.
        decode_threads: clips that are decoded at the same time, 0 = as many as torch has threads, at least 2.
        sampling: frames that count at all.
        clip_seconds: time that reading one clip may take, 0 = any.
    """

    persons: int = 2
    steps: int = 64
    selection: Selection = select_tracked
    gaps: Literal["skip", "zeros"] = "skip"
    frame_batch: int = 32
    person_batch: int = 64
    decode_threads: int = 0
    sampling: Sampling = field(default_factory=Sampling)
    clip_seconds: float = 0.0


def extract_clips(
    jobs: Sequence[ClipJob],
    options: EngineOptions,
    *,
    estimator: PoseEstimator,
    rgb: RgbEncoder | None = None,
    on_clip: Callable[[ClipJob, Outcome], None] = lambda job, outcome: None,
    memory: Memory | None = None,
) -> list[Outcome]:
    """Extract clips; a clip that cannot be read gives a failed outcome and the others go on.

    Clips of one video that follow each other in the list and overlap or touch in time, as the windows of a
    long video do, are read together: each of their frames is decoded, looked at and posed once.

    Args:
        jobs: clips, in order.
        options: see `EngineOptions`.
        estimator: detects persons and answers for the chosen ones.
        rgb: encodes the chosen persons' crops; None for features without RGB.
        on_clip: called once for each clip when it is finished.
        memory: keeps from one call to the next which batches were too large; by default it is forgotten.

    Returns:
        One outcome per job, in order.

    Raises:
        HeatpoolError: if the memory does not hold a single frame or person for the networks.
    """
    outcomes: dict[int, Outcome] = {}
    for at, outcome in extract_each(jobs, options, estimator=estimator, rgb=rgb, memory=memory):
        outcomes[at] = outcome
        on_clip(jobs[at], outcome)
    return [outcomes[at] for at in range(len(jobs))]


def extract_each(
    jobs: Sequence[ClipJob],
    options: EngineOptions,
    *,
    estimator: PoseEstimator,
    rgb: RgbEncoder | None = None,
    memory: Memory | None = None,
) -> Iterator[tuple[int, Outcome]]:
    """Do as `extract_clips`, but yield position and outcome of each clip once it is finished; keep none."""
    items = decode_ahead(
        jobs,
        steps=options.steps,
        threads=options.decode_threads or _host_threads(),
        sampling=options.sampling,
        clip_seconds=options.clip_seconds,
        prepare=estimator.prepare,
    )
    states: dict[int, ClipState] = {}  # clips whose frames are coming
    with closing(items), Engine(options, estimator, rgb, memory or Memory()) as engine:
        for item in items:
            if isinstance(item, ClipStart):
                # Comes again for a clip whose frame count was a lie. Frames of the first reading may still
                # wait in a batch: they go through the detection pass and nobody asks for them.
                states[item.at] = engine.begin(item.at, jobs[item.at], item.info, item.plan)
            elif isinstance(item, ClipEnd):
                state = states.pop(item.at, None)
                if state is None or item.failed:
                    yield item.at, Outcome.failed(item.reason)
                else:
                    state.reason = state.reason or item.reason
                    engine.end(state)
            else:
                engine.take(item.frame, item.prepared, [states[at] for at in item.clips])
            yield from engine.finished()
        # Only here are batches run that are not full: a batch's size depends on the list alone.
        yield from engine.flush()


class Engine:
    """The threads that clips pass through; its own methods are for one thread, which never waits for long.

    Args:
        options: see `EngineOptions`.
        estimator: detects persons and answers for the chosen ones.
        rgb: encodes the chosen persons' crops.
        memory: which batches were too large.
    """

    def __init__(
        self, options: EngineOptions, estimator: PoseEstimator, rgb: RgbEncoder | None, memory: Memory
    ) -> None:
        self._options, self._estimator, self._memory = options, estimator, memory
        self._rgb_frames = 0 if rgb is None else rgb.frames
        self._frames: list[tuple[SeenFrame, Frame, Any]] = []
        self._looking: deque[FrameBatch] = deque()
        self._decoded: deque[ClipState] = deque()  # clips with frames that are in no batch yet
        self._choosing: deque[tuple[Future[None], int]] = deque()  # and how many frames the clip has
        self._open = 0  # clips that ended and have no outcome yet
        self._finished: queue.SimpleQueue[tuple[int, Outcome] | BaseException] = queue.SimpleQueue()
        self._device = DeviceThread()
        self._chooser = ThreadPoolExecutor(1, "chooser")
        self._host = ThreadPoolExecutor(_host_threads(), "host")
        self._posing = Posing(
            persons=options.persons,
            person_batch=options.person_batch,
            selection=options.selection,
            estimator=estimator,
            rgb=rgb,
            memory=memory,
            submit=self._submit,
            finish=lambda state: self._later(self._host, self._finish, state),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        """Drop what is not begun and end the threads."""
        pools = self._chooser, self._host
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        self._device.close()
        for pool in pools:
            pool.shutdown()

    def begin(self, at: int, job: ClipJob, info: VideoInfo, plan: ResamplePlan) -> ClipState:
        """Return the state of a clip whose frames are about to come."""
        return ClipState(at, job, info, plan, rgb_frames=self._rgb_frames)

    def take(self, frame: Frame, prepared: Any, states: Sequence[ClipState]) -> SeenFrame:
        """Take the next frame, and what the estimator made of it, for all clips that read it."""
        seen = SeenFrame.of(frame)
        for state in states:
            state.take(seen, frame.rgb)
        self._frames.append((seen, frame, prepared))
        if len(self._frames) >= self._options.frame_batch:
            self._look()
        return seen

    def end(self, state: ClipState) -> None:
        """Note that all frames of a clip came."""
        self._open += 1
        self._decoded.append(state)
        self._choose()

    def finished(self) -> Iterator[tuple[int, Outcome]]:
        """Yield position and outcome of clips that are finished; raises what went wrong in any thread."""
        while not self._finished.empty():
            yield self._next()

    def flush(self) -> Iterator[tuple[int, Outcome]]:
        """Complete every clip that has ended, and yield those that were not yielded yet."""
        self._look()
        self._later(self._chooser, self._posing.flush)
        while self._open:
            yield self._next()

    def _next(self) -> tuple[int, Outcome]:
        found = self._finished.get()
        if isinstance(found, BaseException):
            raise found
        self._open -= 1
        return found

    def _look(self) -> None:
        """Hand the waiting frames to the device."""
        batch, self._frames = self._frames, []
        if batch:
            while len(self._looking) >= _MOST_BATCHES:
                self._looking.popleft().wait()
            kept: list[Future[None]] = []
            looked = FrameBatch(self._submit(self._detect(batch, kept)), kept)
            for seen, _, _ in batch:
                seen.looked = looked
            self._looking.append(looked)
        self._choose()

    def _detect(self, batch: Sequence[tuple[SeenFrame, Frame, Any]], kept: list[Future[None]]) -> Work:
        # Out of memory, a batch comes back in several parts; the order of the frames stays.
        for part, found in self._memory.frames.run(self._detect_persons, batch):
            pairs = list(zip(part, found, strict=True))
            for first in range(0, len(pairs), _KEPT_AT_ONCE):
                kept.append(self._later(self._host, self._keep, pairs[first : first + _KEPT_AT_ONCE]))
        yield from ()

    def _detect_persons(self, batch: Sequence[tuple[SeenFrame, Frame, Any]]) -> Sequence[Any]:
        return self._estimator.detect([prepared for _, _, prepared in batch])

    def _keep(self, pairs: Sequence[tuple[tuple[SeenFrame, Frame, Any], Any]]) -> None:
        for (seen, frame, _), found in pairs:
            seen.detected = self._estimator.keep(frame, found)

    def _choose(self) -> None:
        """Hand on the clips whose frames are all in batches."""
        while self._decoded and self._decoded[0].frames[-1].looked is not None:
            state = self._decoded.popleft()
            self._choosing.append((self._later(self._chooser, self._choose_slots, state), len(state.frames)))
        # What is cut out and not chosen from is bounded, but for a clip.
        most = _WAITING_BATCHES * self._options.frame_batch
        while len(self._choosing) > 1 and sum(count for _, count in self._choosing) > most:
            self._choosing.popleft()[0].result()

    def _choose_slots(self, state: ClipState) -> None:
        for looked in dict.fromkeys(seen.looked for seen in state.frames):
            assert looked is not None, "clips are handed on when their frames are in batches"
            looked.wait()
        self._posing.choose(state)

    def _finish(self, state: ClipState) -> None:
        self._finished.put((state.at, state.outcome(self._options.gaps)))

    def _submit(self, work: Work) -> Future[None]:
        done = self._device.submit(work)
        done.add_done_callback(self._report)
        return done

    def _later(self, pool: ThreadPoolExecutor, function: Callable[..., None], *given: Any) -> Future[None]:
        done = pool.submit(function, *given)
        done.add_done_callback(self._report)
        return done

    def _report(self, done: Future[None]) -> None:
        """Let the first error of any thread be raised where outcomes are asked for."""
        if not done.cancelled() and (error := done.exception()) is not None:
            self._finished.put(error)


def _host_threads() -> int:
    # What torch may use is this process's share of the cores, which workers share among each other.
    return max(torch.get_num_threads(), 2)
