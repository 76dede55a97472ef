"""A dask cluster started by hand, as `dask scheduler` and `dask worker` do it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Self


class Cluster:
    """Processes as `dask scheduler` and `dask worker` start them."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "scheduler.json"
        words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self._file)]
        self.scheduler = self._start("scheduler", *words)
        end = time.monotonic() + 60
        while not self._file.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        self.address = str(json.loads(self._file.read_text())["address"])
        self.workers = [self.add_worker() for _ in range(2)]

    def _start(self, kind: str, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def add_worker(self) -> subprocess.Popen[bytes]:
        words = "--nthreads 1 --no-nanny --memory-limit 0 --no-dashboard --scheduler-file"
        return self._start("worker", *words.split(), str(self._file))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
