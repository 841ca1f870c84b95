"""Waiting with an end: a broker that is not answered in time delivers the event again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from molt.outcome import Clock

WAIT = timedelta(seconds=25)
"""How long one event waits in all; well below the function's own time-out of 60 s and the Trigger's of 70 s."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 2.0
_GROWTH = 1.5


class Patience:
    """The time that one event may still spend on waiting."""

    def __init__(self, clock: Clock, wait: timedelta = WAIT) -> None:
        """Start now."""
        self._clock = clock
        self._end = clock.now() + wait
        self._pause = FIRST_PAUSE

    def pause(self) -> bool:
        """Sleep a little, longer each time, and return True; return False at once when the time is up."""
        left = (self._end - self._clock.now()).total_seconds()
        if left <= 0:
            return False
        self._clock.sleep(min(self._pause, left))
        self._pause = min(self._pause * _GROWTH, LONGEST_PAUSE)
        return True
