"""What the broker's answer means, and how long to wait: pure.

    2xx                                   sent
    400, 411, 413, 414, 415, 422, 431     refused: this request itself is wrong, and will be so the next time
    anything else, and no answer          again: the broker, the way to it or our credentials are not right now

A broker that is not there yet (404), an expired token (401, 403) or a redirect is no reason to give an alert up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal

Verdict = Literal["sent", "refused", "again"]

_WRONG = {400, 411, 413, 414, 415, 422, 431}
_LONGEST = 300.0  # seconds that a Retry-After counts for: a broker that says more is asked sooner
_DOUBLINGS = 16


def verdict(status: int) -> Verdict:
    """Return what an answer of this status means."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return "sent"
    return "refused" if status in _WRONG else "again"


def retry_after(value: str | None, now: float) -> float:
    """Return the seconds, at most 300, that a Retry-After header asks for at `now` (epoch); 0 if it is unreadable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST)
    try:
        then = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    aware = then if then.tzinfo else then.replace(tzinfo=UTC)
    return min(max(0.0, (aware - datetime.fromtimestamp(now, UTC)).total_seconds()), _LONGEST)


def backoff(tries: int, chance: float, *, base: float, cap: float) -> float:
    """Return the wait after `tries` failures in a row: full jitter, a `chance` (in [0, 1)) of the exponential bound."""
    bound: float = min(cap, base * 2 ** min(tries - 1, _DOUBLINGS))
    return chance * bound


@dataclass(slots=True)
class Gate:
    """Whether the broker may be tried now: after a failure one at a time, ever more rarely, until one succeeds.

    Times are monotonic seconds. Without it every alert that waits would knock at a dead broker.
    """

    base: float = 0.1
    cap: float = 5.0
    failures: int = 0
    until: float = 0.0
    _trying: int = field(default=0, init=False)

    def enter(self, now: float) -> bool:
        """Take a permit to try, which `succeeded`, `failed` or `leave` gives back."""
        if now < self.until or (self.failures and self._trying):
            return False
        self._trying += 1
        return True

    def leave(self) -> None:
        """Give the permit back without having tried."""
        self._trying -= 1

    def succeeded(self) -> None:
        """Open for all: the broker works."""
        self.leave()
        self.failures, self.until = 0, 0.0

    def failed(self, now: float, chance: float, asked: float = 0.0) -> None:
        """Close for a while, at least as long as the broker asked for."""
        self.leave()
        self.failures += 1
        self.until = now + asked + backoff(self.failures, chance, base=self.base, cap=self.cap)
