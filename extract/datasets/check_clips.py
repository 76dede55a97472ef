"""What extraction will say of the clips of a data set, found out by its own reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from heatpool.extract.datasets.check_videos import VideoReport
from heatpool.extract.video.clip_events import ClipEnd, ClipJob, ClipStart
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.reader import VideoInfo, check_frames, probe
from heatpool.pool.errors import HeatpoolError

__all__ = ["ClipProblem", "check_clips"]

_STEPS = 64  # those of an extraction, by default


@dataclass(frozen=True)
class ClipProblem:
    """Why a clip will fail or count as truncated.

    Attributes:
        kind: "" where it is whole, else as in `VideoReport`, of its window; damaged = decoding says so.
        reason: one line.
    """

    kind: str = ""
    reason: str = ""


def check_clips(
    jobs: Sequence[ClipJob],
    reports: Mapping[Path, VideoReport],
    *,
    decode: bool,
    workers: int,
    on_clip: Callable[[ClipProblem], None] = lambda problem: None,
) -> list[ClipProblem]:
    """Say of each clip what extraction will.

    Args:
        jobs: clips.
        reports: on their videos, by `check_videos`.
        decode: read the frames as extraction does, which finds damage inside a stream.
        workers: videos that are read at the same time.
        on_clip: called for each clip, in order.
    """
    problems = [_before_reading(job, reports[job.path]) for job in jobs]
    readable = [at for at, problem in enumerate(problems) if problem.kind in ("", "truncated")]
    if decode:
        read = _read([jobs[at] for at in readable], workers, on_clip)
        for at, reason in zip(readable, read, strict=True):
            if reason and not problems[at].kind:
                problems[at] = ClipProblem("damaged", reason)
    return problems


def _before_reading(job: ClipJob, report: VideoReport) -> ClipProblem:
    """Say what packets alone tell of a clip."""
    if not report.frames or report.problem == "damaged":
        return ClipProblem(report.problem, report.reason)
    kind = "no_frames"
    try:
        info = probe(job.path, start_s=job.start_s, end_s=job.end_s, fps=job.fps)
        kind = "too_short"
        check_frames(info, job.path)
    except HeatpoolError as error:
        return ClipProblem(kind, str(error))
    return ClipProblem("truncated" if info.damage else "", info.damage)


def _read(jobs: Sequence[ClipJob], workers: int, on_clip: Callable[[ClipProblem], None]) -> list[str]:
    """Read clips as extraction does; return why each is damaged, "" where it is not."""
    infos: dict[int, VideoInfo] = {}
    reasons = [""] * len(jobs)
    for event in decode_ahead(jobs, steps=_STEPS, threads=workers):
        if isinstance(event, ClipStart):
            infos[event.at] = event.info
        elif isinstance(event, ClipEnd):
            damage = infos[event.at].damage if event.at in infos else ""
            reasons[event.at] = event.reason if event.failed else damage or event.reason
            on_clip(ClipProblem("damaged" if reasons[event.at] else ""))
    return reasons
