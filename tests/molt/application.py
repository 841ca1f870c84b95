"""A function to test the server with: it does what the event's data says."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from molt.events import Event
from molt.itinerary import Slip
from molt.outcome import (
    BadEvent,
    DeadLettered,
    Done,
    Ignored,
    Outcome,
    PermanentError,
    Skipped,
    SystemClock,
    TemporaryError,
)
from molt.server import create_app, serve

if TYPE_CHECKING:
    from flask import Flask

    from molt.cluster import Cluster
    from molt.outcome import Clock

FUNCTION = "quarantine"
NEXT = Event(
    id="n-1",
    source="/molt/quarantine",
    type="io.molt-project.pod.quarantined.v1",
    data={"trail": [{"outcome": "acted", "reason": "isolated"}]},
    subject="shop/pod/web-1",
    time=datetime(2026, 1, 2, tzinfo=UTC),
    extensions={"remedy": "rotate"},
)


class FakeCluster:
    """A cluster that only counts."""

    def __init__(self) -> None:
        """Start with nothing asked."""
        self.requests: list[str] = []

    def session(self) -> FakeCluster:
        """Return a fresh one, as a real cluster does."""
        return FakeCluster()


def handle(event: Event, cluster: Cluster, _clock: Clock) -> Outcome:
    """Do what `data.do` says; without it, be quarantine as far as reading the slip goes."""
    asked = cast("Any", cluster).requests
    asked.extend(["get pods"] * event.data.get("calls", 0))
    time.sleep(event.data.get("seconds", 0))
    outcomes: dict[str, Outcome | Exception] = {
        "done": Done(reason="isolated"),
        "done with event": Done(NEXT, "isolated"),
        "rehearse": Done(reason="would isolate", rehearsed=True),
        "skip": Skipped("no such pod"),
        "skip with event": Skipped("no such pod", NEXT),
        "ignore": Ignored("no policy matches"),
        "dead-letter": DeadLettered("422: gone"),
        "grow": Done(Event("n-2", "/molt/x", "t", {"a": "ü" * 2**19})),
        "bad": BadEvent("alert.id: not a string"),
        "permanent": PermanentError("may not patch pods\nin shop"),
        "temporary": TemporaryError("no answer"),
        "temporary later": TemporaryError("too many requests", 1.2),
        "break": KeyError("x\ny"),
    }
    if "do" not in event.data:
        Slip.parse(event.data).current(FUNCTION)
        return Done()
    outcome = outcomes[event.data["do"]]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def application() -> Flask:
    """Return the function's application."""
    app = create_app(FUNCTION, handle, cast("Cluster", FakeCluster()), SystemClock())
    app.testing = False
    return app


if __name__ == "__main__":
    serve(application(), "127.0.0.1", 0)
