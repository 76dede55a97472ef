"""Spawned children, and the script that spawned them."""

from __future__ import annotations

import subprocess
import sys
import threading
from multiprocessing import spawn
from pathlib import Path
from types import ModuleType

import pytest

from heatpool.pipelines.process.children import without_main

SCRIPT = """
print("script", flush=True)
from multiprocessing import get_context
import os, contextlib, sys
from heatpool.pipelines.process.children import without_main
with without_main() if sys.argv[1] == "without" else contextlib.nullcontext():
    child = get_context("spawn").Process(target=os.getpid)
    child.start()
child.join()
print("exit code", child.exitcode, flush=True)
"""


def test_children_do_not_run_the_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    outputs = {}
    for mode in ("without", "with"):
        done = subprocess.run(
            [sys.executable, tmp_path / "script.py", mode], capture_output=True, text=True, timeout=60
        )
        outputs[mode] = done.stdout.splitlines()
    assert outputs["without"] == ["script", "exit code 0"]
    assert outputs["with"] == ["script", "script", "exit code 1"]  # what Python does by itself


def test_blocks_of_two_threads_may_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    script = ModuleType("__main__")  # tests may have been started by something that is none
    script.__file__ = "script.py"
    monkeypatch.setitem(sys.modules, "__main__", script)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with without_main():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with without_main():
        thread.start()
        inside.wait()
    assert not any(key.startswith("init_main") for key in spawn.get_preparation_data("x"))
    leave.set()
    thread.join()
    assert any(key.startswith("init_main") for key in spawn.get_preparation_data("x"))
