"""The one thread in which the networks run."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future

__all__ = ["DeviceThread", "Work"]

Work = Iterator[None]
"""Work for the device, as a generator. It yields once, when a device that works by itself has been given all
it needs, and goes on when the results are wanted; on a CPU, which is done then, it does not yield at all."""

_MOST_LATE = 1  # pieces of work whose results are not fetched while the next one is started


class DeviceThread:
    """Does work in the order in which it is handed out, in one thread of its own.

    One thread, because OpenMP keeps a pool of threads for each thread that calls it. Results of a device that
    works by itself are fetched when the next work has been started, or when there is none: it never waits for
    us as long as there is something to do.
    """

    def __init__(self) -> None:
        self._works: queue.SimpleQueue[tuple[Future[None], Work] | None] = queue.SimpleQueue()
        self._over = False
        self._lock = threading.Lock()  # nothing is handed out behind the end
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> Future[None]:
        """Hand out work; the future tells that it is done, or what it raised."""
        done: Future[None] = Future()
        with self._lock:
            if self._over:
                done.cancel()
            else:
                self._works.put((done, work))
        return done

    def close(self) -> None:
        """Finish what has been started, drop the rest (its futures are cancelled) and end the thread."""
        with self._lock:
            self._over = True
            self._works.put(None)
        self._thread.join()

    def _run(self) -> None:
        late: deque[tuple[Future[None], Work]] = deque()
        while True:
            while late and (len(late) > _MOST_LATE or self._works.empty()):
                _advance(*late.popleft())
            started = self._works.get()
            if started is None:
                break
            if self._over:
                started[0].cancel()
            elif _advance(*started):
                late.append(started)
        for each in late:
            _advance(*each)


def _advance(done: Future[None], work: Work) -> bool:
    """Do work up to where it yields; return whether there is more to do."""
    try:
        next(work)
    except StopIteration:
        done.set_result(None)
    except BaseException as error:  # whoever waits for it raises it
        done.set_exception(error)
    else:
        return True
    return False
