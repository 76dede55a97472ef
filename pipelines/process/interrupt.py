"""Ctrl-C once, or a SIGTERM, asks for an orderly stop; another Ctrl-C stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

__all__ = ["StopRequest", "stop_on_interrupt"]


@dataclass
class StopRequest:
    """Whether somebody asked for a stop after what is under way.

    Attributes:
        asked: Ctrl-C was pressed once, or SIGTERM came.
    """

    asked: bool = False


@contextmanager
def stop_on_interrupt(under_way: str, *, quiet: bool = False) -> Iterator[StopRequest]:
    """Answer Ctrl-C and SIGTERM within the block: the first one sets `asked`.

    A Ctrl-C after that raises KeyboardInterrupt. A SIGTERM, which SLURM and Kubernetes send some time before
    they kill, and more than once where it reaches a program in two ways, asks for nothing more; it stays
    ignored after the block, too, once a stop was asked for.

    A signal that Python does not answer (ignored, as Ctrl-C under nohup) or cannot (not the main thread) is
    left alone.

    Args:
        under_way: what will be finished first, for the line that says so.
        quiet: say nothing at the first one.
    """
    request = StopRequest()

    def answer(number: int, frame: Any) -> None:
        if request.asked:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        request.asked = True
        if not quiet:
            again = "Ctrl-C again stops at once" if number == signal.SIGINT else "SIGTERM asked for it"
            tqdm.write(f"finishing {under_way}; {again}", file=sys.stderr)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    answered = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    if threading.current_thread() is not threading.main_thread():
        answered = {}
    for number in answered:
        signal.signal(number, answer)
    try:
        yield request
    finally:
        for number, old in answered.items():
            # another SIGTERM may still be on its way: it must not end a program that is just saying goodbye
            late = number == signal.SIGTERM and request.asked
            signal.signal(number, signal.SIG_IGN if late else old)
