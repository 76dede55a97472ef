"""Progress for people: a bar in a notebook or on a terminal, a plain line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm.auto import tqdm

__all__ = ["Progress"]

_LINE_EVERY_S = 60.0
_IN_NOTEBOOK = any(base.__name__ == "tqdm_notebook" for base in tqdm.__mro__)


class Progress:
    """Counts units of work on stderr: rates, time left, and how many failed.

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
        self._frames = 0
        self._start = self._last_line = time.monotonic()
        self._lines = not quiet and not _IN_NOTEBOOK and not sys.stderr.isatty()
        self._bar = tqdm(
            desc=name,
            total=total,
            unit=unit,
            initial=initial,
            disable=quiet or self._lines,
            dynamic_ncols=True,
        )
        # tqdm's own clock is the wall clock, which jumps.
        self._bar._time = time.monotonic  # type: ignore[attr-defined]
        self._bar.start_t = self._bar.last_print_t = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._lines:
            self._print_line()
        self._bar.close()

    def step(self, count: int = 1, *, failed: int = 0, note: str = "", frames: int = 0) -> None:
        """Count units as done, some of them as failed; `note` is shown beside the count.

        `frames` are what the units held, where their rate tells more of the speed.
        """
        self._done += count
        self._failed += failed
        self._note = note
        self._frames += frames
        notes = [f"failed {self._failed}"] if self._failed else []
        notes += [self._frame_rate()] if self._frames else []
        self._bar.set_postfix_str(", ".join([*notes, *([note] if note else [])]))
        self._bar.update(count)
        self.tick()

    def tick(self) -> None:
        """Print the line of the minute if it is due: for those who wait long for the next unit."""
        if self._lines and time.monotonic() - self._last_line > _LINE_EVERY_S:
            self._print_line()

    def _frame_rate(self) -> str:
        seconds = time.monotonic() - self._start
        return f"{self._frames / seconds if seconds else 0.0:.1f} frames/s"

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        seconds = self._last_line - self._start
        rate = (self._done - self._initial) / seconds if seconds else 0.0
        left = (
            f", {(self._total - self._done) / rate:.0f} s left" if rate and self._done < self._total else ""
        )
        frames = f", {self._frame_rate()}" if self._frames else ""
        failed = f", {self._failed} failed" if self._failed else ""
        note = f", {self._note}" if self._note else ""
        print(
            f"{self._name}: {self._done}/{self._total} {self._unit} in {seconds:.0f} s "
            f"({rate:.1f} {self._unit}/s{frames}{left}){failed}{note}",
            file=sys.stderr,
            flush=True,
        )
