"""How many requests may be under way to the API server at once: bounded, and fewer when it says that it has too many.

Additive increase, multiplicative decrease: as many answers as fit into the window make it one larger; a 429 (API
priority and fairness) halves what was under way. Requests that were sent before the last cut tell nothing new, so that
one burst of refusals cuts once. The refused request itself waits as its backoff says, no shorter than Retry-After.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Final

MOST: Final = 32
"""As many as there are connections to keep (access.POOL); a function has fewer threads."""


@dataclass(frozen=True, slots=True)
class Window:
    """The decision, pure. `cuts`: how often it was halved, which is what a request notes when it is sent."""

    size: float = float(MOST)
    cuts: int = 0

    @property
    def room(self) -> int:
        """How many may be under way, 1 at least."""
        return int(self.size)

    def answered(self) -> Window:
        """Return the window after an answer that is no 429."""
        return self if self.size >= MOST else replace(self, size=min(float(MOST), self.size + 1 / self.size))

    def refused(self, under_way: int, sent: int) -> Window:
        """Return the window after a 429 to a request that was sent when there had been `sent` cuts.

        `under_way`: the requests on their way then, this one among them.
        """
        if sent != self.cuts:
            return self
        return Window(max(1.0, min(self.size, under_way) / 2), self.cuts + 1)


class Flights:
    """The requests of one process on their way to one API server; safe to share between threads."""

    def __init__(self) -> None:
        """Begin with none, and all of the window."""
        self._changed = threading.Condition()
        self._window = Window()
        self._under_way = 0

    @property
    def window(self) -> Window:
        """The window as it is now."""
        return self._window

    def begin(self, patience: float) -> int | None:
        """Wait for room and take it; return what `end` needs to know, or None: there was none for `patience` seconds.

        All who are under way may hang, and who waits here has an event to answer in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._under_way < self._window.room, patience):
                return None
            self._under_way += 1
            return self._window.cuts

    def end(self, sent: int, *, refused: bool) -> None:
        """Give the room back; `refused`: the answer was 429."""
        with self._changed:
            window = self._window
            self._window = window.refused(self._under_way, sent) if refused else window.answered()
            self._under_way -= 1
            self._changed.notify(2)  # the room of this one, and what the window may have grown by
