"""What is told when a function has refused an event (molt.seal). Pure.

Somebody may be giving forged orders, or a key was changed too fast: both want to be seen, without the log. One Event
for each function and reason, as long as the API server keeps it (an hour, as it comes): a flood of forgeries adds none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from dead_letter import letter
from dead_letter.notice import Notice
from molt.seal import refused_for

if TYPE_CHECKING:
    from molt.events import Event

REFUSED: Final = "MoltEventRefused"
GATED: Final = ("cordon", "detect-router", "evidence", "quarantine", "release", "rotate", "tag", "terminate")
"""The functions that check signatures; nobody else's name comes into an Event, whatever is posted here."""


def notice(event: Event) -> Notice | None:
    """Return what is to be told of an event that a function has refused; None when none has."""
    if (found := refusal(event)) is None:
        return None
    function, reason = found
    what = f"{function} has refused event {event.id!r} from {event.source!r} about {event.subject!r}: {reason}"
    return Notice(function, REFUSED, "Refuse", what, (function, reason), f"{function} has refused an event")


def refusal(event: Event) -> tuple[str, str] | None:
    """Return which function has refused the event, and which of molt.seal.REASONS it gave; None when none has."""
    reason = refused_for(letter.reason(event))
    function = _function(event.extensions.get(letter.DEST, ""))
    return (function, reason) if reason and function else None


def _function(dest: str) -> str | None:
    """Return the function at an address: `http://NAME.molt.svc...` in a cluster, `.../NAME` in the local runtime."""
    try:
        address = urlsplit(dest)
        names = ((address.hostname or "").partition(".")[0], address.path.rstrip("/").rpartition("/")[2])
    except ValueError:
        return None
    return next((name for name in names if name in GATED), None)
