"""A signed event that comes again: in its hour it finds its work done, later it is refused (docs/threat-model.md)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cordon.handler import handle as cordon
from molt import marks
from molt.gate import gated
from molt.itinerary import Step
from molt.lifetime import Keys
from molt.outcome import Done, RefusedEvent, Skipped
from molt.release import release
from quarantine.handler import handler as quarantine
from rotate.handler import handler as rotate
from tag.handler import handle as tag
from terminate.handler import handle as terminate
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.processes import SEAL
from tests.functions.slips import QUARANTINE, ROTATE, event_of, slip_for

if TYPE_CHECKING:
    from molt.events import Event
    from molt.server import Handler

ORDERS: dict[str, tuple[Handler, Step]] = {
    "cordon": (cordon, Step("cordon", {"for": "2h"})),
    "quarantine": (quarantine(), QUARANTINE),
    "rotate": (rotate(Keys(b"sixteen bytes or more")), ROTATE),
    "tag": (tag, Step("tag")),
    "terminate": (terminate, Step("terminate", {"force": True})),
}


def _world() -> tuple[FakeCluster, FakeClock]:
    clock = FakeClock()
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    cluster.deployment()
    cluster.node("node-1")
    cluster.node("node-2")
    clock.time += timedelta(hours=2)
    return cluster, clock


def _order(cluster: FakeCluster, clock: FakeClock, step: Step) -> Event:
    order = event_of(slip_for(cluster.pods()[0], step), time=clock.now(), extensions={"remedy": step.remedy})
    return SEAL.sign(order, clock.now())


def _state(cluster: FakeCluster) -> dict[Any, Any]:
    """Return who is there, and what they are marked with."""
    return {
        obj["metadata"]["uid"]: (marks.labels_of(obj), marks.annotations_of(obj), obj.get("spec", {}).get("taints"))
        for (plural, _, _), obj in cluster.objects.items()
        if plural in {"pods", "nodes"}
    }


@pytest.mark.parametrize("remedy", ORDERS)
def test_within_its_hour_it_changes_nothing_more(remedy: str) -> None:
    """The work is done, and is looked at only."""
    cluster, clock = _world()
    handle, step = gated(ORDERS[remedy][0], SEAL), ORDERS[remedy][1]
    order, before = _order(cluster, clock, step), _state(cluster)
    _to_the_end(handle, order, cluster, clock)
    after = _state(cluster)
    assert before != after
    clock.time += timedelta(minutes=30)
    _to_the_end(handle, order, cluster, clock)
    assert after == _state(cluster)


def _to_the_end(handle: Handler, order: Event, cluster: FakeCluster, clock: FakeClock) -> None:
    """Hand the function its order, and its own answers as long as they are for it."""
    outcome = handle(order, cluster, clock)
    while isinstance(outcome, Done | Skipped) and outcome.event and outcome.event.extensions.get("remedy"):
        outcome = handle(outcome.event, cluster, clock)


@pytest.mark.parametrize("remedy", ORDERS)
def test_later_it_is_refused_unseen(remedy: str) -> None:
    """Without a call."""
    cluster, clock = _world()
    handle, step = gated(ORDERS[remedy][0], SEAL), ORDERS[remedy][1]
    order = _order(cluster, clock, step)
    clock.time += timedelta(hours=1)
    with pytest.raises(RefusedEvent, match="its signature has expired"):
        handle(order, cluster, clock)
    assert [] == cluster.requests


def test_what_was_undone_by_hand_a_replay_does_again_within_the_hour_and_not_later() -> None:
    """The one thing that it can do: the threat model says so."""
    cluster, clock = _world()
    handle = gated(quarantine(), SEAL)
    order = _order(cluster, clock, QUARANTINE)
    target = order.data["target"]["name"]

    def held() -> list[str]:
        return [pod["metadata"]["name"] for pod in cluster.pods() if marks.is_compromised(pod)]

    handle(order, cluster, clock)
    release(cluster, "shop", target)
    assert [] == held()
    handle(order, cluster, clock)
    assert [target] == held()
    release(cluster, "shop", target)
    clock.time += timedelta(hours=1)
    with pytest.raises(RefusedEvent):
        handle(order, cluster, clock)
    assert [] == held()
