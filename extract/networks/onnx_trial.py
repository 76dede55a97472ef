"""ONNX graphs that may compute without end: tried in a child process with limits, and ended when they run.

A graph of plain layers ends. One that repeats a graph inside of it (Loop, Scan and their like) need not, may
take all memory while it does not, and may do so for some images only. So such a network is first loaded and
run once, on a blank image, by a process that may take so much processor time and memory; and each of its runs
is ended that takes far longer than that. Other networks cost nothing here.
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from heatpool.pool.disk.limits import read_limit
from heatpool.pool.errors import HeatpoolError

if TYPE_CHECKING:
    import onnx
    import onnxruntime

__all__ = ["ended_in_time", "may_not_end", "try_network"]

_SECONDS = ("HEATPOOL_MAX_NETWORK_S", 6.0)
_PATIENCE = 20  # seconds of the clock for each of those: machines are busy
_MEMORY_MB, _TIMES_FILE = 900, 8  # of data, as the system counts it: libraries take 200 MB
_TOO_MUCH = 3  # exit code


def may_not_end(model: onnx.ModelProto) -> bool:
    """Whether a graph repeats graphs inside of it, or holds functions, which might call themselves."""
    if model.functions:
        return True
    graphs = [model.graph]
    while graphs:
        for node in graphs.pop().node:
            inside = [part for each in node.attribute for part in (*each.graphs, each.g) if part.node]
            if inside and node.op_type != "If":
                return True
            graphs += inside
    return False


def try_network(content: bytes, name: str, shape: Sequence[int]) -> None:
    """Load a network and run it once on a blank image, in a child process with limits.

    Args:
        content: of the ONNX file.
        name: of the file.
        shape: of its only input.

    Raises:
        HeatpoolError: if it does not come to its end, takes too much memory, or ends the process.
    """
    seconds = read_limit(_SECONDS)
    memory = (_MEMORY_MB << 20) + _TIMES_FILE * len(content)
    limits = {"seconds": math.ceil(seconds), "memory": memory, "shape": list(shape)}
    too_long = HeatpoolError(
        f"{name} does not come to its end on a blank image in {seconds:g} s of processor time: it holds a "
        f"loop; {_SECONDS[0]} in the environment raises the limit"
    )
    try:
        child = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(limits).encode() + b"\n" + content,
            capture_output=True,
            timeout=_PATIENCE * seconds + 60,
            start_new_session=True,  # Ctrl-C in the terminal is for us
        )
    except subprocess.TimeoutExpired as error:
        raise too_long from error
    if -child.returncode in (signal.SIGXCPU, signal.SIGKILL):
        raise too_long
    if child.returncode == _TOO_MUCH:
        raise HeatpoolError(f"{name} takes more than {memory >> 20:,} MiB on a blank image: it holds a loop")
    if child.returncode:
        lines = child.stderr.decode(errors="replace").split("\n")
        said = next((line for line in reversed(lines) if line.strip()), f"exit code {child.returncode}")
        raise HeatpoolError(f"onnxruntime cannot run {name} on a blank image: {said[:300]}")


@contextmanager
def ended_in_time(images: int) -> Iterator[onnxruntime.RunOptions]:
    """Give options for a run that end it when it takes far longer than a trial may, times the images."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    seconds = _PATIENCE * read_limit(_SECONDS) * images
    clock = threading.Timer(seconds, setattr, (options, "terminate", True))
    clock.daemon = True
    clock.start()
    try:
        yield options
    finally:
        clock.cancel()


def _main() -> None:
    """Run the network on the standard input, below a line with the limits."""
    import resource

    asked = json.loads(sys.stdin.buffer.readline())
    for kind, most in ((resource.RLIMIT_CPU, asked["seconds"]), (resource.RLIMIT_DATA, asked["memory"])):
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        network = onnxruntime.InferenceSession(
            sys.stdin.buffer.read(), options, providers=["CPUExecutionProvider"]
        )
        (image,) = network.get_inputs()
        kinds = {"tensor(float16)": "float16", "tensor(double)": "float64"}
        network.run(None, {image.name: np.zeros(asked["shape"], kinds.get(image.type, "float32"))})
    except Exception as error:  # onnxruntime's own classes; what it says of memory has no class
        text = " ".join(str(error).split())
        if isinstance(error, MemoryError) or "alloc" in text.lower():
            sys.exit(_TOO_MUCH)
        sys.exit(text)


if __name__ == "__main__":
    _main()
