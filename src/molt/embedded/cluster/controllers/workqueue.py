"""What is to be looked at: each key once, now or at its time."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

K = TypeVar("K")

FIRST_RETRY = 0.005
LONGEST_RETRY = 1.0


class WorkQueue(Generic[K]):
    """Keys in the order in which they were added, and timers; not thread-safe. Times are of one monotonic clock."""

    def __init__(self) -> None:
        """Start empty."""
        self._ready: dict[K, None] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._count = 0

    def add(self, keys: Iterable[K]) -> None:
        """Put in `keys`; those that are in already keep their place."""
        for key in keys:
            self._ready.setdefault(key)

    def add_at(self, key: K, due: float) -> None:
        """Put `key` in when `due` comes; of several times for one key the earliest counts."""
        if due < self._due.get(key, due + 1):
            self._due[key] = due
            self._count += 1  # so that keys need no order
            heapq.heappush(self._timers, (due, self._count, key))

    def retry(self, key: K, now: float) -> None:
        """Put a key that failed in again, later with every failure in a row."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self.add_at(key, now + min(FIRST_RETRY * 2 ** min(failures - 1, 16), LONGEST_RETRY))

    def succeeded(self, key: K) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def take(self, now: float) -> K | None:
        """Return the next key whose time has come, None when there is none."""
        while self._timers and self._timers[0][0] <= now:
            due, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                del self._due[key]
                self._ready.setdefault(key)
        if not self._ready:
            return None
        first = next(iter(self._ready))
        del self._ready[first]
        return first

    def wait(self, now: float) -> float | None:
        """Return the seconds until something is to be looked at: 0.0 for now, None when nothing is noted."""
        if self._ready:
            return 0.0
        return max(self._timers[0][0] - now, 0.0) if self._timers else None
