"""Clips that end the process that decodes them: by their own doing, or killed from outside."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from heatpool.extract.engine.crash_isolation import ENDS_PROCESS, isolate_crashes
from heatpool.extract.engine.engine import EngineOptions
from heatpool.extract.video.clip_events import ClipJob
from heatpool.pool.records import TRANSIENT

JOBS = [ClipJob(row, Path(f"{row}.mp4")) for row in range(4)]


def children(monkeypatch: pytest.MonkeyPatch, ends: dict[int, list[int]]) -> None:
    """Let child processes be ended at clips, by the signals of `ends`, one after the other."""

    def run(words: Any, *, input: str, **more: Any) -> subprocess.CompletedProcess[str]:
        said = ""
        for clip, *_ in json.loads(input)["jobs"]:
            if ends.get(clip):
                return subprocess.CompletedProcess(words, -ends[clip].pop(0), said, "")
            said += f"{clip}\n"
        return subprocess.CompletedProcess(words, 0, said, "")

    monkeypatch.setattr(subprocess, "run", run)


def test_a_clip_that_was_killed_once_is_decoded_by_another_child(monkeypatch: pytest.MonkeyPatch) -> None:
    children(monkeypatch, {1: [signal.SIGKILL], 2: [signal.SIGSEGV]})
    assert isolate_crashes(JOBS, EngineOptions()) == {2: f"decoding 2.mp4 {ENDS_PROCESS} (SIGSEGV)"}


def test_a_clip_that_is_killed_twice_fails_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    children(monkeypatch, {0: [signal.SIGKILL] * 2, 3: [signal.SIGKILL] * 2})
    reasons = isolate_crashes(JOBS, EngineOptions())
    assert sorted(reasons) == [0, 3]
    assert reasons[0] == f"{TRANSIENT}decoding 0.mp4 {ENDS_PROCESS} (SIGKILL)"
