"""Decoding clips to events; clips of one video that overlap are decoded together, each frame once."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from heatpool.extract.records import Frame
from heatpool.extract.video.clip_events import (
    ClipEnd,
    ClipEvent,
    ClipFrame,
    ClipJob,
    ClipStart,
    EventSink,
    StoppedError,
)
from heatpool.extract.video.reader import (
    DecodedFrame,
    FrameCountError,
    VideoInfo,
    check_frames,
    iter_frames,
    probe,
)
from heatpool.extract.video.sampling import Sampling
from heatpool.extract.video.transient import is_transient
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import TRANSIENT
from heatpool.pool.resample import ResamplePlan

__all__ = ["group_clips", "send_clips"]

_log = logging.getLogger(__name__)


def group_clips(jobs: Sequence[ClipJob]) -> list[list[tuple[int, ClipJob]]]:
    """Put clips that follow each other, of one video and without a gap in time, into a group.

    Within a group neither starts nor ends fall, as in the windows of a video.

    Returns:
        Groups of (position in `jobs`, clip), in order.
    """
    groups: list[list[tuple[int, ClipJob]]] = []
    for at, job in enumerate(jobs):
        last = groups[-1][-1][1] if groups else None
        if last is not None and _continues(last, job):
            groups[-1].append((at, job))
        else:
            groups.append([(at, job)])
    return groups


def _continues(last: ClipJob, job: ClipJob) -> bool:
    last_end_s, end_s = (np.inf if each.end_s is None else each.end_s for each in (last, job))
    same = (last.path, last.fps) == (job.path, job.fps)
    return same and last.start_s <= job.start_s <= last_end_s <= end_s


def send_clips(
    clips: Sequence[tuple[int, ClipJob]], sink: EventSink, *, steps: int, sampling: Sampling
) -> None:
    """Decode a group of clips; whatever goes wrong with a clip ends this clip alone.

    Args:
        clips: a group of `group_clips`.
        sink: gets for each clip, in order, a start, its frames and an end; or a failed end.
        steps: T, which decides the frames that are read.
        sampling: frames that count at all.

    Raises:
        StoppedError: by the sink.
    """
    left = deque(clips)
    while left:
        if len(left) > 1:
            sink.begin()
            _send_together(left, sink, steps, sampling)
        if left:
            _send_alone(*left.popleft(), sink, steps, sampling)


class _Window:
    """A clip as frames of its video: which it reads, and what those were like.

    Args:
        at: position of the clip.
        job: the clip.
        info: of it.
        steps: T.
        sampling: frames that count at all.

    Attributes:
        end: number of the first frame of the video behind it.
        wanted: rising numbers, in the video, of the frames that it reads.

    Raises:
        HeatpoolError: if it holds fewer than two frames.
    """

    def __init__(self, at: int, job: ClipJob, info: VideoInfo, steps: int, sampling: Sampling) -> None:
        check_frames(info, job.path)
        # The plan counts sampled frames, the decoder all: `counting` translates.
        counting = sampling.frames(info)
        self.plan = ResamplePlan.linear(len(counting), steps)
        self.at, self.job, self.info = at, job, info
        self.end = info.first_frame + info.frames
        self.wanted = info.first_frame + counting[self.plan.frames]
        self._next = self._corrupt = self._scaled = 0

    def start(self) -> ClipStart:
        return ClipStart(self.at, self.info, self.plan)

    def reads(self, number: int, frame: DecodedFrame) -> bool:
        """Whether it reads this frame of the video; asked for each in order, it notes what they were like."""
        if self._next == len(self.wanted) or self.wanted[self._next] != number:
            return False
        self._next += 1
        self._corrupt += frame.corrupt
        self._scaled += frame.scaled
        return True

    def finish(self) -> ClipEnd:
        reason = f"{self._corrupt} of the frames that were read are damaged" if self._corrupt else ""
        if self._scaled:
            reason = f"{self._scaled} of the frames that were read are of another size than the first"
        return ClipEnd(self.at, reason=reason)


def _probe(job: ClipJob) -> VideoInfo:
    return probe(job.path, start_s=job.start_s, end_s=job.end_s, fps=job.fps)


def _send_together(left: deque[tuple[int, ClipJob]], sink: EventSink, steps: int, sampling: Sampling) -> None:
    """Send clips out of one reading; each is taken off `left` when it is complete.

    Any trouble ends it. The first clip that is left is then read alone, which repairs what can be repaired or
    says what is wrong with that clip, and the others try again without it.
    """
    windows: list[_Window] = []
    try:
        for at, job in left:
            windows.append(_Window(at, job, _probe(job), steps, sampling))
    except Exception as error:  # comes again when that clip is read alone, and is reported there
        _log.debug("%s: %s", job.path.name, error)
    if len(windows) < 2:
        return
    try:
        for event in _read_together(windows):
            sink.put(event)
            if isinstance(event, ClipEnd):
                left.popleft()
    except StoppedError:
        raise
    except Exception as error:  # as above
        _log.debug("%s: %s", windows[0].job.path.name, error)


def _read_together(windows: Sequence[_Window]) -> Iterator[ClipEvent]:
    """Decode the frames that some window reads, each once, and yield the windows' events.

    Raises:
        FrameCountError: if the frames are not as the packets said: every window that has ended is right.
    """
    job, last = windows[0].job, windows[-1].job
    whole = probe(job.path, start_s=job.start_s, end_s=last.end_s, fps=job.fps)
    numbers = np.unique(np.concatenate([window.wanted for window in windows]))
    started = ended = 0
    for frame in iter_frames(job.path, numbers - whole.first_frame, info=whole, gpu=job.gpu):
        number = whole.first_frame + frame.index
        if frame.scaled:  # the size that counts is that of a window's own first frame
            raise FrameCountError(whole.frames, frame.index)
        while started < len(windows) and windows[started].info.first_frame <= number:
            yield windows[started].start()
            started += 1
        while windows[ended].end <= number:
            yield windows[ended].finish()
            ended += 1
        readers = [window for window in windows[ended:started] if window.reads(number, frame)]
        clip = readers[0].job.clip
        yield ClipFrame(Frame(clip, number, frame.time_s, frame.rgb), tuple(window.at for window in readers))
    for window in windows[ended:]:
        yield window.finish()


def _send_alone(at: int, job: ClipJob, sink: EventSink, steps: int, sampling: Sampling) -> None:
    """Send the events of one clip; whatever goes wrong ends this clip alone."""
    sink.begin()
    end = ClipEnd(at, True)
    try:
        info = _probe(job)
        for attempt in range(3):  # after a seek, from the start, and with the frames that decode
            try:
                end = _send_frames(_Window(at, job, info, steps, sampling), sink)
                break
            except FrameCountError as count:
                if attempt == 2:
                    raise
                info = info.corrected(count.decoded)
    except StoppedError:
        raise
    except Exception as error:  # a decoder fault must not end the run; the failure list names it
        reason = str(error) if isinstance(error, HeatpoolError) else f"{type(error).__name__}: {error}"
        end = ClipEnd(at, True, f"{TRANSIENT * is_transient(error, job.path)}{reason}")
    sink.put(end)


def _send_frames(window: _Window, sink: EventSink) -> ClipEnd:
    """Send a clip's start and frames; return its end."""
    info, job = window.info, window.job
    sink.put(window.start())
    for frame in iter_frames(job.path, window.wanted - info.first_frame, info=info, gpu=job.gpu):
        number = info.first_frame + frame.index
        window.reads(number, frame)
        sink.put(ClipFrame(Frame(job.clip, number, frame.time_s, frame.rgb), (window.at,)))
    return window.finish()
