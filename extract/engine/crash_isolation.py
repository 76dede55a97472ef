"""Crash isolation: finding the clips that end the process which decodes them.

A fault in a decoder's native code cannot be caught: it ends the process. So clips are decoded one after the
other in a child process, without any network; the one at which the child dies is named, and the next child
goes on behind it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from heatpool.extract.engine.engine import EngineOptions
from heatpool.extract.video.clip_events import ClipJob
from heatpool.extract.video.readahead import decode_ahead
from heatpool.extract.video.sampling import Sampling
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import TRANSIENT

__all__ = ["ENDS_PROCESS", "isolate_crashes"]

ENDS_PROCESS = "ends the process"
"""What the reasons of `isolate_crashes` hold."""

# What a process dies of by its own doing, and what the kernel sends when it takes too much memory.
_CRASHES = (
    signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP,
    signal.SIGKILL,
)  # fmt: skip


def isolate_crashes(jobs: Sequence[ClipJob], options: EngineOptions) -> dict[int, str]:
    """Decode clips in a child process; return which of them end it, by position, with the reason.

    Clips that merely cannot be read are not among them: the engine gives the reason of these.

    Raises:
        HeatpoolError: if the child fails by itself.
    """
    crashing: dict[int, str] = {}
    first, killed = 0, -1
    while first < len(jobs):
        child = subprocess.run(
            [sys.executable, "-m", __name__],
            input=_to_json(jobs[first:], options),
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # Ctrl-C in the terminal is for us
        )
        if child.returncode == 0:
            break
        if -child.returncode not in _CRASHES:
            last = (child.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise HeatpoolError(f"cannot decode clips in a child process ({child.returncode}): {last}")
        # The child prints a line after each clip, so that their number is the place of the one it died at.
        at = first + len(child.stdout.split())
        if at == len(jobs):
            break  # killed when all was done
        ended = signal.Signals(-child.returncode)
        reason = f"decoding {jobs[at].path.name} {ENDS_PROCESS} ({ended.name})"
        if ended == signal.SIGKILL:  # as where memory ran out, which need not be the clip's fault
            if killed != at:
                first = killed = at
                continue
            reason = f"{TRANSIENT}{reason}"
        crashing[at] = reason
        first = at + 1
    return crashing


def _to_json(jobs: Sequence[ClipJob], options: EngineOptions) -> str:
    sampling = options.sampling
    return json.dumps(
        {
            "jobs": [
                [job.clip, str(job.path), job.start_s, job.end_s, job.persons, job.fps, job.gpu]
                for job in jobs
            ],
            "steps": options.steps,
            "sampling": [sampling.frame_stride, sampling.sample_fps],
            "clip_seconds": options.clip_seconds,
        }
    )


def _main() -> None:
    """Decode the clips named on the standard input; print a line after each."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it comes to all of a job, and who waits for us answers
    asked = json.load(sys.stdin)
    stride, sample_fps = asked["sampling"]
    for clip, path, *rest in asked["jobs"]:
        items = decode_ahead(
            [ClipJob(clip, Path(path), *rest)],
            steps=asked["steps"],
            threads=1,
            sampling=Sampling(frame_stride=stride, sample_fps=sample_fps),
            clip_seconds=asked["clip_seconds"],
        )
        for _ in items:
            pass
        print(clip, flush=True)


if __name__ == "__main__":
    _main()
