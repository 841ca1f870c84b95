"""How long to wait before asking again: exponential, with full jitter, bounded in tries and in time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Limits of the tries of one request; all times in seconds.

    Full jitter (a uniform draw from 0 to the exponential bound) spreads the callers of a burst, who all failed at the
    same moment, better than a fixed bound with a small random part.
    """

    tries: int = 5
    base: float = 0.1
    cap: float = 2.0
    total: float = 15.0

    def pause(self, tries: int, chance: float, retry_after: float | None = None) -> float:
        """Return the wait after `tries` tries, never shorter than the server asked for; `chance`: uniform in [0, 1)."""
        bound: float = min(self.cap, self.base * 2 ** (tries - 1))
        return (retry_after or 0.0) + chance * bound
