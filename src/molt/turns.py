"""Taking turns: what an event reads before it writes must still hold when it writes.

A process handles several events at once. Two that read the same state would each do what only one of them may. So they
take turns, one at a time for each subject, from reading to writing; waiting for anything else is done out of turn.
Other processes take no part in it: between them the API's preconditions hold.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from molt.outcome import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 10.0
"""Seconds that one waits for its turn: well below every delivery timeout, and a turn is a few calls."""


class Turns:
    """The turns of one process; made where the handlers are, and handed to them."""

    def __init__(self, longest: float = LONGEST) -> None:
        """Begin with nobody in turn."""
        self._longest = longest
        self._locks: dict[str, threading.Lock] = {}  # a few bytes a subject, and there are as many as namespaces

    @contextmanager
    def of(self, subject: str) -> Iterator[None]:
        """Wait until nobody else is at `subject`, and be at it. Raises TemporaryError when that takes too long."""
        lock = self._locks.setdefault(subject, threading.Lock())
        if not lock.acquire(timeout=self._longest):
            raise TemporaryError(f"{subject}: other events are still at it after {self._longest:g} s", self._longest)
        try:
            yield
        finally:
            lock.release()
