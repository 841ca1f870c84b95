"""One JSON line on stdout for every event: what came, what became of it, why, and what it cost.

    time, level, function                    always
    event, type, subject, alert, traceparent which event, and which alert it is about
    outcome, reason, status                  what the handler said, and the HTTP status that says so to the broker
    next, or fate                            the remedy that follows, or how the alert ended (molt.fate)
    letter                                   what came, whole, when that is its end: in the lines of dead-letter
    duration_ms, api_calls                   what it took
    message                                  instead of these, in the few lines that are about no event

Whatever an attacker writes into a command line ends here as escaped ASCII in one line, cut after 1,024 characters.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from molt import timestamps
from molt.alert import Alert
from molt.fate import fate
from molt.outcome import (
    BadEvent,
    DeadLettered,
    Done,
    Ignored,
    MoltError,
    PermanentError,
    RefusedEvent,
    Skipped,
    TemporaryError,
)

if TYPE_CHECKING:
    from molt.events import Event
    from molt.outcome import Outcome

_LONGEST = 1024  # characters of a text
_MOST = 64  # items of a list: of a traceback the last
_CUT = "[...]"
_LOCK = threading.Lock()

_WORDS: Mapping[type, tuple[str, str]] = {
    Done: ("info", "done"),
    Skipped: ("info", "skipped"),
    Ignored: ("info", "ignored"),
    DeadLettered: ("warning", "dead-lettered"),
    BadEvent: ("warning", "bad event"),
    RefusedEvent: ("warning", "refused"),
    PermanentError: ("warning", "permanent error"),
    TemporaryError: ("warning", "temporary error"),
}


def write(level: str, function: str, **members: object) -> None:
    """Write one line; members that are None are left out. A closed stdout is no reason to fail."""
    line = render({"time": timestamps.render(datetime.now(UTC)), "level": level, "function": function, **members})
    with _LOCK, contextlib.suppress(OSError, ValueError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def render(members: Mapping[str, object]) -> str:
    """Return one line of ASCII JSON, every text in it cut to a bearable length."""
    return json.dumps({name: _bounded(value) for name, value in members.items() if value is not None}, default=repr)


def of_event(event: Event) -> dict[str, object]:
    """Return the members that say which event it is."""
    return {
        "event": event.id,
        "type": event.type,
        "subject": event.subject,
        "alert": alert_id(event.data),
        "traceparent": event.extensions.get("traceparent"),
    }


def of_outcome(event: Event, outcome: Outcome) -> dict[str, object]:
    """Return the members that say what became of the event, `level` among them."""
    level, word = _WORDS[type(outcome)]
    following = outcome.event if isinstance(outcome, Done | Skipped) else None
    end = fate(event, outcome)
    return {
        "level": level,
        "outcome": "rehearsed" if isinstance(outcome, Done) and outcome.rehearsed else word,
        "reason": end[1] if end else outcome.reason,
        **({"subject": following.subject} if following and following.subject else {}),
        "next": following.extensions.get("remedy") if following else None,
        "fate": end[0] if end else None,
        "letter": outcome.letter if isinstance(outcome, DeadLettered) else None,
    }


def of_error(error: Exception) -> dict[str, object]:
    """Return the members that say what went wrong, `level` among them; of what nobody foresaw, the traceback."""
    if isinstance(error, MoltError):
        level, word = next(words for kind, words in _WORDS.items() if isinstance(error, kind))
        return {"level": level, "outcome": word, "reason": error.reason}
    lines = traceback.format_exception(error)
    return {"level": "error", "outcome": "error", "reason": f"{type(error).__name__}: {error}", "traceback": lines}


def alert_id(data: Mapping[str, Any]) -> str | None:
    """Return the identity of the alert that an event's data is about, a routing slip or an alert, or None."""
    alert = data.get("alert")
    if isinstance(alert, Mapping):
        return str(alert["id"]) if "id" in alert else None
    try:
        return Alert.parse(data).id
    except BadEvent:
        return None


def _bounded(value: object) -> object:
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[: _LONGEST - len(_CUT)] + _CUT
    if isinstance(value, list):
        return [_bounded(item) for item in value[-_MOST:]]
    return value
