"""Ctrl-C once asks for an orderly stop, a second time stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

__all__ = ["StopRequest", "stop_on_interrupt"]


@dataclass
class StopRequest:
    """Whether somebody asked for a stop after what is under way.

    Attributes:
        asked: Ctrl-C was pressed once.
    """

    asked: bool = False


@contextmanager
def stop_on_interrupt(under_way: str, *, quiet: bool = False) -> Iterator[StopRequest]:
    """Answer Ctrl-C within the block: the first one sets `asked`, the second raises KeyboardInterrupt.

    Where Python does not answer Ctrl-C (ignored, as under nohup) or cannot (not the main thread), nothing
    is changed.

    Args:
        under_way: what will be finished first, for the line that says so.
        quiet: say nothing at the first Ctrl-C.
    """
    request = StopRequest()

    def answer(number: int, frame: Any) -> None:
        if request.asked:
            raise KeyboardInterrupt
        request.asked = True
        if not quiet:
            tqdm.write(f"finishing {under_way}; Ctrl-C again stops at once", file=sys.stderr)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield request
        return
    signal.signal(signal.SIGINT, answer)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)
