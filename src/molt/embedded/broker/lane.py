"""A queue with its own few threads: what waits in one lane never holds up another, nor one flow another within it."""

from __future__ import annotations

import contextlib
import heapq
import threading
import time
from typing import TYPE_CHECKING

from molt.embedded.broker.fair import FairQueue

if TYPE_CHECKING:
    from collections.abc import Callable


# Seconds between two of a storm: those who bring it want the processor, and what waits for the end is no more for it.
_PAUSE = 0.02
_REST = -1  # in place of a number: a storm has rested


class Lane:
    """Calls `work(number)` for every number put in, when its time has come, at most `width` at once.

    Threads are started when they are needed. Waiting for a later time takes none.
    """

    def __init__(self, name: str, work: Callable[[int], None], width: int) -> None:
        """Make an empty lane."""
        self._name = name
        self._work = work
        self._width = width
        self._ready = FairQueue()
        self._later: list[tuple[float, int, str]] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._open = True

    def put(self, number: int, delay: float = 0.0, flow: str = "") -> None:
        """Have `number` worked on, `delay` seconds from now or later; after `close` it is left alone.

        Flows take turns: what waits in one of them holds up no other.
        """
        with self._changed:
            if not self._open:
                return
            if delay > 0:
                heapq.heappush(self._later, (time.monotonic() + delay, number, flow))
            else:
                self._ready.put(flow, number)
            # What comes later needs one thread that waits for it.
            self._summon(1 if delay > 0 else len(self._ready))

    def close(self) -> None:
        """Start nothing more."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def join(self, deadline: float) -> bool:
        """Wait until monotonic time `deadline` for what was started; tell whether all of it ended."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _summon(self, wanted: int) -> None:
        """Wake up to `wanted` threads; start one more if fewer are idle. Those that were woken still count as idle."""
        self._changed.notify(wanted)
        if wanted > self._idle and len(self._threads) < self._width:
            name = f"{self._name}-{len(self._threads)}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            with contextlib.suppress(RuntimeError):  # the system has no more: those there are go on, the next put tries
                thread.start()
                self._threads.append(thread)

    def _run(self) -> None:
        done: str | None = None
        while (taken := self._take(done)) is not None:
            done, number = taken
            self._work(number)

    def _take(self, done: str | None) -> tuple[str, int] | None:
        """Wait for the next number, and return it with its flow; `done`: the flow of the one before."""
        with self._changed:
            if done is not None:
                self._end(done)
            while self._open:
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    _, number, flow = heapq.heappop(self._later)
                    if number == _REST:
                        self._ready.done(flow)
                    else:
                        self._ready.put(flow, number)
                if self._ready:
                    taken = self._ready.pop()
                    if self._ready:
                        self._summon(len(self._ready))
                    elif self._later and not self._idle:
                        self._summon(1)  # nobody else waits for what comes later
                    return taken
                self._idle += 1
                self._changed.wait(self._later[0][0] - now if self._later else None)
                self._idle -= 1
        return None

    def _end(self, flow: str) -> None:
        """Let the next one of a flow begin, in a storm after a rest."""
        if self._ready.is_storm(flow):
            heapq.heappush(self._later, (time.monotonic() + _PAUSE, _REST, flow))
        else:
            self._ready.done(flow)
