"""Locks: one writer at a time, which counts as alive while its heart beats.

A lock is a file that names its owner (host, process, start, random token) and holds a counter that the
owner raises every few seconds. Who finds a lock decides by what it sees, never by the clock of the
wall: on the owner's own machine the process is there or gone; elsewhere the counter moves within
`stale_s` of the observer's monotonic time or it does not. A dead owner's lock is taken over with a
message. The owner writes through its open file, so after a takeover it beats into the void and
`check` tells it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import socket
import threading
import time
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from heatpool.pool.disk.limits import parse_json
from heatpool.pool.disk.processes import machine_name, process_start
from heatpool.pool.errors import HeatpoolError

__all__ = ["BEAT_S", "STALE_S", "Lock", "LockedError", "clear_dead_locks"]

BEAT_S = 5.0
"""Seconds between two beats."""
STALE_S = 60.0
"""A counter that stands still for so long belongs to a dead owner."""

_log = logging.getLogger(__name__)
_COUNTER_DIGITS = 12
_TYPES = (str, str, int, str, str, str)  # of the fields of an owner


class LockedError(HeatpoolError):
    """Somebody alive holds the lock, or took it over; the text says who."""


@dataclass(frozen=True)
class _Owner:
    token: str
    host: str
    pid: int
    machine: str
    process_start: str
    since: str

    @classmethod
    def this_process(cls) -> _Owner:
        since = time.strftime("%Y-%m-%d %H:%M:%S")  # for people; nothing is decided by it
        start = process_start(os.getpid()) or ""
        return cls(secrets.token_hex(8), socket.gethostname(), os.getpid(), machine_name(), start, since)

    @classmethod
    def parse(cls, data: bytes) -> _Owner | None:
        """The owner in a lock file, None while it is being written or if it was cut."""
        try:
            fields = parse_json(data)
            fields.pop("beats")
            owner = cls(**fields)
            return owner if all(map(isinstance, vars(owner).values(), _TYPES)) else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def to_bytes(self, beats: int) -> bytes:
        """Of the same length whatever the count, so that it can be written over in place."""
        return json.dumps(asdict(self) | {"beats": f"{beats:0{_COUNTER_DIGITS}}"}).encode() + b"\n"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    def seen_dead(self) -> bool | None:
        """Whether the process is gone; None when it runs on another machine and cannot be asked."""
        if self.machine != machine_name():
            return None
        return process_start(self.pid) != self.process_start


class Lock:
    """A held lock; give it back with `release` or a `with` block (forgotten ones go with the object).

    Attributes:
        path: the lock file.
    """

    def __init__(self, path: Path, handle: int, owner: _Owner, beat_s: float) -> None:
        self.path = path
        self._owner = owner
        self._place = [path]
        heart = _Heart(handle, owner)
        self._end = weakref.finalize(self, _let_go, self._place, heart)
        threading.Thread(target=heart.run, args=(beat_s,), name=f"beat {path.name}", daemon=True).start()

    @classmethod
    def acquire(
        cls, path: Path, *, what: str, wait: bool = False, beat_s: float = BEAT_S, stale_s: float = STALE_S
    ) -> Self:
        """Take the lock at `path`.

        Args:
            path: lock file, in a folder that exists.
            what: what it guards, for messages.
            wait: wait until a living owner gives it back, instead of refusing.
            beat_s: seconds between beats of the new lock.
            stale_s: seconds without a beat after which another machine's lock is taken over.

        Raises:
            LockedError: if somebody alive holds it.
            OSError: if the lock file cannot be written.
        """
        # Every look may be out of date by the next line: each branch that finds the file changed starts over.
        while True:
            held = _create(path)
            if held is not None:
                return cls(path, *held, beat_s)
            seen = _read(path)
            if seen is None:  # given back between the two lines
                continue
            if _is_stale(path, seen, what, stale_s):
                taken = _take_over(path, seen, what, stale_s)
                if taken is not None:
                    return cls(path, *taken, beat_s)
            elif _read(path) is None:
                continue
            elif not wait:
                owner = _Owner.parse(seen)
                who = f" by {owner}" if owner else ""
                raise LockedError(f"{what} is being written{who}; wait for it or stop it")
            else:
                time.sleep(min(0.2, beat_s))

    def moved(self, path: Path) -> None:
        """Learn that the folder with the lock file was renamed."""
        self.path = self._place[0] = path

    def check(self) -> None:
        """Raise LockedError unless the lock is still ours."""
        seen = _read(self.path)
        owner = _Owner.parse(seen) if seen is not None else None
        if owner is None or owner.token != self._owner.token:
            now = f"{owner} has it" if owner else "it is gone"
            raise LockedError(f"lost the lock {self.path} after standing still for too long: {now}")

    def release(self) -> None:
        """Give the lock back; more than once does nothing."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def clear_dead_locks(folder: Path, *, prefix: str, what: str) -> None:
    """Remove locks of this machine's dead processes; others' are left until somebody wants them.

    Raises:
        OSError: if the folder cannot be changed.
    """
    for path in sorted(folder.glob(f"{prefix}*")):
        seen = _read(path)
        owner = _Owner.parse(seen) if seen is not None else None
        if owner is not None and owner.seen_dead():
            Lock.acquire(path, what=what, wait=True).release()


def _create(path: Path) -> tuple[int, _Owner] | None:
    """Make the lock file, which one process alone can do; None when it exists."""
    try:
        # O_EXCL is the one act of creation that network file systems too promise to exactly one process.
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return None
    owner = _Owner.this_process()
    try:
        data = owner.to_bytes(0)
        while data:  # a disk that is nearly full takes a part
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    except BaseException as error:  # a full disk, Ctrl-C: a lock of nobody would keep others waiting
        os.close(handle)
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    return handle, owner


def _read(path: Path) -> bytes | None:
    # Opening anew makes network file systems ask the server instead of their cache.
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _is_stale(path: Path, seen: bytes, what: str, stale_s: float) -> bool:
    """Whether the owner of a lock file is dead; watches a lock of another machine for up to `stale_s`."""
    owner = _Owner.parse(seen)
    dead = owner.seen_dead() if owner else None
    if dead is not None:  # on this machine its process is asked, which takes no time
        return dead
    _log.warning(
        "%s has a lock (%s); watching for up to %.0f s whether it is alive",
        what,
        owner or "unreadable",
        stale_s,
    )
    start = time.monotonic()
    while True:
        time.sleep(min(1.0, stale_s / 10))
        # Taken before the look: an observer that is stopped in between must not count that time.
        waited_s = time.monotonic() - start
        if _read(path) != seen:
            return False
        if waited_s >= stale_s:
            return True


def _take_over(path: Path, seen: bytes, what: str, stale_s: float) -> tuple[int, _Owner] | None:
    """Replace a dead owner's lock file by ours; None when another process did so first.

    Of all who found it stale one alone may replace it: the one that holds a lock named after the dead
    owner's token. Whoever comes later finds another token in the file.
    """
    owner = _Owner.parse(seen)
    token = re.sub("[^0-9a-f]", "_", owner.token)[:16] if owner else "unreadable"
    with Lock.acquire(path.with_name(f"{path.name}.{token}"), what=what, wait=True, stale_s=stale_s):
        if _read(path) != seen:  # somebody was faster, or the owner lives after all
            return None
        # Renamed over the dead lock: at no moment is there no lock, so nobody creates a fresh one in between.
        aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
        taken = _create(aside)
        if taken is None:
            return None
        os.replace(aside, path)
    _log.warning("%s: took over the lock of a writer that no longer runs (%s)", what, owner or "unreadable")
    return taken


class _Heart:
    """Raises the counter in an open lock file until it is stopped."""

    def __init__(self, handle: int, owner: _Owner) -> None:
        self.owner = owner
        self._handle = handle
        self._stop = threading.Event()
        self._using_handle = threading.Lock()  # a closed number may soon be another file's

    def run(self, beat_s: float) -> None:
        beats = 0
        while not self._stop.wait(beat_s):
            beats += 1
            with self._using_handle:
                if not self._stop.is_set():
                    self._beat(beats)

    def stop(self) -> None:
        with self._using_handle:
            self._stop.set()
            os.close(self._handle)

    def _beat(self, beats: int) -> None:
        try:
            # Through the handle, not the path: after a takeover the path is another's lock, and a beat in it
            # would keep both writers going.
            os.pwrite(self._handle, self.owner.to_bytes(beats), 0)
            os.fsync(self._handle)
        except OSError as error:
            # The lock will look dead to others; `check` tells the writer before it changes anything.
            _log.warning("cannot beat for the lock of %s (%s)", self.owner, error.strerror)


def _let_go(place: list[Path], heart: _Heart) -> None:
    if os.getpid() != heart.owner.pid:
        return  # a forked child has the object, but not the lock
    seen = _read(place[0])
    ours = _Owner.parse(seen) if seen is not None else None
    if ours is not None and ours.token == heart.owner.token:
        place[0].unlink(missing_ok=True)
    heart.stop()
