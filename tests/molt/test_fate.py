"""How an alert ends: the table of incoming event, outcome and fate."""

from __future__ import annotations

from typing import Any

import pytest

from molt.events import Event
from molt.fate import fate
from molt.itinerary import fate as fate_of_the_contract
from molt.outcome import DeadLettered, Done, Ignored, Outcome, Skipped

ACTED = {"outcome": "acted", "reason": "isolated"}
SKIPPED = {"outcome": "skipped", "reason": "no controller"}


def slip(*trail: Any, remedy: str | None = None) -> Event:
    """Return one of molt's events with this trail."""
    extensions = {"remedy": remedy} if remedy else {}
    return Event("1", "/molt/x", "io.molt-project.pods.rotated.v1", {"trail": list(trail)}, extensions=extensions)


ALERT = Event("1", "https://falco.org", "falco.rule.output.v1", {"trail": [ACTED]})
TICK = Event("1", "/apis/v1/namespaces/molt/pingsources/rotation", "dev.knative.sources.ping", {})


@pytest.mark.parametrize(
    ("incoming", "outcome", "expected"),
    [
        (ALERT, Done(slip(remedy="quarantine"), "routed"), None),
        (slip(remedy="rotate"), Skipped("busy", slip(remedy="rotate")), None),
        (ALERT, Ignored("no policy matches"), ("ignored", "no policy matches")),
        (ALERT, Skipped("no such pod"), ("skipped", "no such pod")),
        (slip(ACTED), DeadLettered("422: gone"), ("dead-lettered", "422: gone")),
        (slip(), Done(slip(ACTED), "isolated"), ("acted", "isolated")),
        (slip(), Done(slip(ACTED)), ("acted", "isolated")),
        (TICK, Done(reason="moved"), ("acted", "moved")),
        (TICK, Done(), ("acted", "")),
        (slip(ACTED), Skipped("no siblings", slip(ACTED, SKIPPED)), ("acted", "isolated")),
        (slip(ACTED), Skipped("no siblings"), ("acted", "isolated")),
        (slip(), Skipped("budget", slip(SKIPPED)), ("skipped", "budget")),
        (slip(), Done(slip(), "would isolate", rehearsed=True), ("skipped", "rehearsed: would isolate")),
        (slip(ACTED), Done(reason="would move", rehearsed=True), ("acted", "isolated")),
        (slip({"outcome": "acted"}), Skipped("x"), ("acted", "")),
        (slip("acted", None), Skipped("x"), ("skipped", "x")),
        (Event("1", "/s", "io.molt-project.x.y.v1", {"trail": "acted"}), Skipped("x"), ("skipped", "x")),
    ],
)
def test_fate(incoming: Event, outcome: Outcome, expected: tuple[str, str] | None) -> None:
    """An alert must have ended only when nobody is next, and count as acted on if any step of its trail acted."""
    assert expected == fate(incoming, outcome)


def test_fate_is_told_by_the_itinerary_too() -> None:
    """The routing slip's module must offer it."""
    assert fate is fate_of_the_contract
