"""What the forwarder says of alerts that it lost: told once in a while, whoever says it, and kept by nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dead_letter.handler import handler
from molt import events, forward
from molt.cluster import EVENTS
from molt.cluster.resources import DEAD_LETTERS
from molt.events import Event
from molt.forwarder import notice
from molt.forwarder.outbox import Drops
from molt.outcome import DeadLettered
from tests.functions.fake_cluster import FakeClock, FakeCluster


def lost(batch: int = 1, node: str = "node-1", **priorities: int) -> Event:
    """Return the event as it comes from the forwarder."""
    drops = Drops(batch, "spool", sum(priorities.values()), 0.0, 60.0, priorities)
    headers, body = notice.render(drops, node)
    return events.parse(headers.items(), body)


def test_lost_alerts_are_told_in_the_log_and_by_an_event() -> None:
    """How many, of which priorities, where and since when; there is no letter, for nothing can be tried again."""
    clock = FakeClock()
    cluster = FakeCluster(clock)
    outcome = handler()(lost(Notice=2, Debug=3), cluster, clock)
    said = "5 alerts were lost on node node-1 since 1970-01-01T00:00:00Z: 2 Notice, 3 Debug"
    assert isinstance(outcome, DeadLettered)
    assert said == outcome.reason
    assert "notKept" in outcome.letter
    assert [] == cluster.list(DEAD_LETTERS, "molt")
    (told,) = cluster.list(EVENTS, "molt")
    assert ("MoltAlertsDropped", said, "dead-letter") == (told["reason"], told["note"], told["regarding"]["name"])


def test_a_flood_of_it_is_one_event() -> None:
    """Whoever may post to the broker may make them up, of any number of nodes."""
    clock = FakeClock()
    cluster = FakeCluster(clock)
    handle = handler()
    for number in range(100):
        handle(lost(number, f"node-{number}", Notice=1), cluster, clock)
    clock.time += timedelta(minutes=10)
    handle(lost(200, Notice=1), cluster, clock)
    assert (1, 2) == (len(cluster.list(EVENTS, "molt")), sum(one.verb == "create" for one in cluster.requests))


@pytest.mark.parametrize("data", [{}, {"dropped": "\x1b[31m", "node": ["x" * 5000], "priorities": [1]}])
def test_whatever_it_says_is_told_printably(data: dict[str, Any]) -> None:
    """It need not be the forwarder who says it."""
    clock = FakeClock()
    cluster = FakeCluster(clock)
    outcome = handler()(Event("1", "/s", forward.DROPPED, data), cluster, clock)
    assert isinstance(outcome, DeadLettered)
    assert outcome.reason.isprintable()
    assert len(outcome.reason) <= 900
