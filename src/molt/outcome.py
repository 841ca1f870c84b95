"""What a handler may say, and nothing else: an outcome, or one of four errors.

    MoltError
    +-- BadEvent         the event itself is malformed             400, dead letter at once
    +-- RefusedEvent     whoever sent it may not                   403, dead letter at once
    +-- PermanentError   trying again cannot help                  422, dead letter at once
    +-- TemporaryError   trying again may help                     503, retried with backoff, then dead letter

The HTTP statuses are the retry policy: a Knative broker retries 404, 408, 409, 429 and every 5xx, follows 3xx,
and takes any other 4xx to the dead letter sink at once with the answer's text.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.events import Event


class MoltError(Exception):
    """An error with a reason fit to show: one line of text, whatever it was made from."""

    def __init__(self, reason: str) -> None:
        """Keep `reason` with runs of blanks and line breaks folded to one blank, and what cannot be printed escaped."""
        folded = " ".join(reason.split())
        self.reason = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in folded)
        super().__init__(self.reason)


class BadEvent(MoltError):
    """The event is not one that this function can read."""


class RefusedEvent(MoltError):
    """The event can be read, and is not from whom this function takes orders."""


class PermanentError(MoltError):
    """The event was read, and no later try can succeed."""


class TemporaryError(MoltError):
    """A later try may succeed; `retry_after` (seconds) is a hint for the sender."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        """Keep the reason and the hint."""
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Done:
    """The step is done; `event`, if any, is the fact that follows. `rehearsed`: mode DryRun, nothing was changed."""

    event: Event | None = None
    reason: str = ""
    rehearsed: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """The step did not act, for `reason`; `event`, if any, carries the rest of the itinerary on."""

    reason: str
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nobody is to act on this alert, for `reason`."""

    reason: str


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """The event is in the dead letter, for `reason`; only the function that keeps the dead letter says so.

    `letter` is all that is worth keeping of the event: it stands in the log line as it is.
    """

    reason: str
    letter: Mapping[str, Any] = field(default_factory=dict)


Outcome = Done | Skipped | Ignored | DeadLettered


class Clock(Protocol):
    """The time, as handlers get it."""

    def now(self) -> datetime:
        """Return the present, aware, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present, aware, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        time.sleep(seconds)
