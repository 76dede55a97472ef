"""Progress for people: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm

__all__ = ["Progress"]

_LINE_EVERY_S = 15.0


class Progress:
    """Counts units of work on stderr: rate, time left, and how many failed.

    Args:
        name: what is going on.
        total: units in all.
        unit: what is counted.
        initial: units done before.
        quiet: show nothing.
    """

    def __init__(self, name: str, total: int, unit: str, *, initial: int = 0, quiet: bool = False) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._done, self._initial, self._failed, self._note = initial, initial, 0, ""
        self._start = self._said = time.monotonic()
        self._lines = not quiet and not sys.stderr.isatty()
        self._bar = tqdm(
            desc=name,
            total=total,
            unit=unit,
            initial=initial,
            disable=quiet or self._lines,
            dynamic_ncols=True,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._lines:
            self._say()
        self._bar.close()

    def step(self, count: int = 1, *, failed: int = 0, note: str = "") -> None:
        """Count units as done, some of them as failed; `note` is shown beside the count."""
        self._done += count
        self._failed += failed
        self._note = note
        shown = {"failed": self._failed} if self._failed else {}
        self._bar.set_postfix_str(
            ", ".join([*(f"{k} {v}" for k, v in shown.items()), *([note] if note else [])])
        )
        self._bar.update(count)
        if self._lines and time.monotonic() - self._said > _LINE_EVERY_S:
            self._say()

    def _say(self) -> None:
        self._said = time.monotonic()
        seconds = self._said - self._start
        rate = (self._done - self._initial) / seconds if seconds else 0.0
        left = (
            f", {(self._total - self._done) / rate:.0f} s left" if rate and self._done < self._total else ""
        )
        failed = f", {self._failed} failed" if self._failed else ""
        note = f", {self._note}" if self._note else ""
        print(
            f"{self._name}: {self._done}/{self._total} {self._unit} in {seconds:.0f} s "
            f"({rate:.1f} {self._unit}/s{left}){failed}{note}",
            file=sys.stderr,
            flush=True,
        )
