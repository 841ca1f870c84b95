"""A tick of cordon: only what molt cordoned, only when its time is over, and once.

| node                                           | tick                        |
|------------------------------------------------|-----------------------------|
| cordoned by somebody else, not cordoned        | left                        |
| cordoned by molt, time not over, none, no time | left                        |
| cordoned by molt, time over                    | un-cordoned, marks off      |
| molt's marks, un-cordoned by somebody else     | marks off                   |
| changed or gone meanwhile                      | left to the next tick       |
| its patch is refused                           | told; the others are done   |
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cordon import tick, ward
from cordon.handler import handle
from molt import marks
from molt.cluster import NODES, Rejected
from molt.events import Event
from molt.outcome import Done, Skipped
from tests.functions.cordon.nodes import AN_HOUR, FOR_GOOD, TWO_HOURS, bump, cordon_by_hand, event, go, node, two_nodes
from tests.functions.fake_cluster import START, FakeClock, FakeCluster, Killed
from tests.functions.slips import over_the_wire, slip_for

TICK = Event(
    id="t1",
    source="/apis/v1/namespaces/molt/pingsources/rotation",
    type="dev.knative.sources.ping",
    data={},
    time=START,
    extensions={"traceparent": "00-1-2-01", "other": "x"},
)
NOTHING = Skipped("nothing is due")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    cluster = two_nodes(clock)
    cluster.node("node-3")
    assert isinstance(handle(event(cluster, AN_HOUR), cluster, clock), Done)
    cordon_by_hand(cluster, "node-3")
    cluster.asked()
    return cluster


def test_a_cordon_is_lifted_when_its_time_is_over(cluster: FakeCluster, clock: FakeClock) -> None:
    """Not a moment before; the node is as it was, and whom somebody else cordoned stays so."""
    clock.time += timedelta(hours=1) - timedelta(microseconds=1)
    state = cluster.state()
    assert NOTHING == handle(TICK, cluster, clock)
    assert (["list nodes"], state) == (cluster.asked(), cluster.state())
    clock.time += timedelta(microseconds=1)
    outcome = handle(TICK, cluster, clock)
    assert ["list nodes", "patch nodes"] == cluster.asked()
    assert {} == node(cluster)["spec"]
    assert ({"pool": "a"}, {}) == (marks.labels_of(node(cluster)), marks.annotations_of(node(cluster)))
    assert {"unschedulable": True} == node(cluster, "node-3")["spec"]
    assert isinstance(outcome, Done)
    assert "node node-1 un-cordoned: its time is over" == outcome.reason
    assert outcome.event is not None
    fact = over_the_wire(outcome.event)
    assert ("io.molt-project.node.uncordoned.v1", "/molt/cordon", {"traceparent": "00-1-2-01"}) == (
        fact.type,
        fact.source,
        fact.extensions,
    )
    assert {"id": "t1", "source": TICK.source, "time": "2026-11-24T12:00:00.250000Z"} == fact.data["tick"]
    assert [("node-1", "acted")] == [(entry["node"], entry["outcome"]) for entry in fact.data["trail"]]
    assert NOTHING == handle(TICK, cluster, clock), "a doubled tick finds the work done"


@pytest.mark.parametrize("until", [None, "soon"])
def test_a_cordon_without_a_readable_end_stays(cluster: FakeCluster, clock: FakeClock, until: str | None) -> None:
    """It is somebody else's to undo."""
    noted = node(cluster)["metadata"]["annotations"]
    del noted[marks.UNCORDON_AT]
    if until:
        noted[marks.UNCORDON_AT] = until
    clock.time += timedelta(days=365)
    assert NOTHING == handle(TICK, cluster, clock)


def test_two_alerts_extend(cluster: FakeCluster, clock: FakeClock) -> None:
    """The cordon ends when the later of both has it."""
    assert isinstance(handle(event(cluster, TWO_HOURS, alert={"id": "alert-2"}), cluster, clock), Done)
    clock.time += timedelta(hours=1, minutes=59)
    assert NOTHING == handle(TICK, cluster, clock)
    clock.time += timedelta(minutes=1)
    assert isinstance(handle(TICK, cluster, clock), Done)


def test_a_cordon_that_is_extended_meanwhile_is_not_lifted(cluster: FakeCluster, clock: FakeClock) -> None:
    """Between the tick's read and its patch another alert came: the patch does not hold for that node."""
    clock.time += timedelta(hours=1)

    def extend(cluster: FakeCluster) -> None:
        cluster.meddle = []
        assert isinstance(handle(event(cluster, FOR_GOOD, alert={"id": "alert-2"}), cluster, clock), Done)

    cluster.meddle = [extend]
    assert NOTHING == handle(TICK, cluster, clock)
    assert {"unschedulable": True} == node(cluster)["spec"]


def test_a_node_that_changed_meanwhile_waits_for_the_next_tick(cluster: FakeCluster, clock: FakeClock) -> None:
    """It is no error, and holds up no other node."""
    clock.time += timedelta(hours=1)
    cluster.meddle = [bump]
    assert NOTHING == handle(TICK, cluster, clock)
    assert isinstance(handle(TICK, cluster, clock), Done)


def test_a_node_that_went_meanwhile_is_gone(cluster: FakeCluster, clock: FakeClock) -> None:
    """There is nothing to undo."""
    clock.time += timedelta(hours=1)
    cluster.meddle = [go]
    assert NOTHING == handle(TICK, cluster, clock)


def test_no_node_keeps_the_others_waiting(cluster: FakeCluster, clock: FakeClock) -> None:
    """One whose patch is refused is told, and the rest is lifted; it alone is an error."""
    cluster.node("node-4")
    lasting = ward.patch(node(cluster, "node-4"), slip_for(cluster.pod("solo"), AN_HOUR), clock.now(), clock.now())
    cluster.merge(NODES, "node-4", lasting)
    clock.time += timedelta(hours=1)
    merge = cluster.merge

    def flawed(resource: Any, name: str, *args: Any, **more: Any) -> Any:
        if name == "node-1":
            raise Rejected("a webhook says no")
        return merge(resource, name, *args, **more)

    cluster.merge = flawed  # type: ignore[method-assign]
    outcome = handle(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert "node node-4 un-cordoned: its time is over, not done: a webhook says no" == outcome.reason
    with pytest.raises(Rejected):
        handle(TICK, cluster, clock)


def test_whoever_uncordons_by_hand_leaves_no_marks_behind(cluster: FakeCluster, clock: FakeClock) -> None:
    """Else the next cordon by hand would be taken for molt's, and lifted."""
    node(cluster)["spec"] = {}
    outcome = handle(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert "node node-1 un-cordoned by somebody else, and its marks are off" == outcome.reason
    cordon_by_hand(cluster)
    clock.time += timedelta(days=1)
    assert NOTHING == handle(TICK, cluster, clock)
    assert {"unschedulable": True} == node(cluster)["spec"]


@pytest.mark.parametrize("call", range(2))
def test_killed_after_any_call_the_next_tick_completes_it(cluster: FakeCluster, clock: FakeClock, call: int) -> None:
    """Whatever tick comes next finds what is left to do, if anything is."""
    clock.time += timedelta(hours=1)
    cluster.kill_after = call
    with pytest.raises(Killed):
        handle(TICK, cluster, clock)
    handle(TICK, cluster, clock)
    assert ({}, {"pool": "a"}) == (node(cluster)["spec"], marks.labels_of(node(cluster)))


def test_a_tick_is_bounded(cluster: FakeCluster, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one tick leaves, the next one does."""
    monkeypatch.setattr(tick, "MOST", 0)
    clock.time += timedelta(hours=1)
    assert NOTHING == handle(TICK, cluster, clock)
