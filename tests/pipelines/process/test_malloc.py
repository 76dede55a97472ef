"""What keeping the heap is for: a second batch of the same size takes no fresh pages from the kernel."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping

import pytest

from heatpool.pipelines.process.malloc import HEAP_ENVIRONMENT

PROGRAM = """
import resource, sys
import numpy as np
from heatpool.pipelines.process.malloc import keep_heap

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(10_000_000)  # 80 MB, freed at once: 20,000 pages, or some hundred huge ones
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "keep":
    assert keep_heap()
faults()
print(faults())
"""


def faults(mode: str, environment: Mapping[str, str] | None = None) -> int:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode],
        env={**plain, **(environment or {})},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of glibc")
def test_a_second_batch_finds_the_memory_of_the_first() -> None:
    by_default, kept, from_the_start = faults("default"), faults("keep"), faults("default", HEAP_ENVIRONMENT)
    assert kept < 20 < by_default
    assert from_the_start < 20  # as workers have it
