"""A step of cordon against a cluster: calls, redelivery, extension, conflicts, death at any call, guards, rehearsal.

| node as read                                              | outcome | itinerary      |
|-----------------------------------------------------------|---------|----------------|
| gone, replaced since the alert, being deleted             | skipped | carried on     |
| exempt, of the control plane, cordoned by somebody else   | skipped | carried on     |
| the last one that takes pods                              | skipped | carried on     |
| cordoned by molt for another alert, as long or longer     | skipped | carried on     |
| cordoned by molt for another alert, not as long           | done    | made longer    |
| cordoned by molt for this alert                           | done    | the same event |
| any other                                                 | done    | carried on     |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cordon.handler import handle
from molt import marks
from molt.events import Event
from molt.itinerary import Slip, Step
from molt.outcome import BadEvent, Done, Outcome, Skipped, TemporaryError
from molt.task import ATTEMPTS
from tests.functions.cordon.nodes import (
    AN_HOUR,
    CALLS,
    FOR_GOOD,
    TWO_HOURS,
    bump,
    cordon_by_hand,
    event,
    go,
    node,
    two_nodes,
)
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.slips import ROTATE, event_of, over_the_wire, slip_for

NOT_READY = [{"type": "Ready", "status": "Unknown"}]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    return two_nodes(clock)


def _fact(outcome: Outcome) -> Event:
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    return over_the_wire(outcome.event)


def test_a_node_is_cordoned_in_five_calls(cluster: FakeCluster, clock: FakeClock) -> None:
    """The namespace, the node, the others before and after, one patch; the node says by whom, when and until when."""
    outcome = handle(event(cluster, AN_HOUR, ROTATE), cluster, clock)
    assert CALLS == cluster.asked()
    assert {"unschedulable": True} == node(cluster)["spec"]
    assert {"pool": "a", "molt-project.io/cordoned": "true"} == marks.labels_of(node(cluster))
    assert {
        "molt-project.io/cordoned-by": "alert alert-1, policy shells",
        "molt-project.io/cordoned-at": "2026-11-24T12:00:00.250000Z",
        "molt-project.io/uncordon-at": "2026-11-24T13:00:00.250000Z",
        "molt-project.io/rule": "Terminal shell in container",
    } == marks.annotations_of(node(cluster))
    assert {} == node(cluster, "node-2")["spec"]
    fact = _fact(outcome)
    assert ("io.molt-project.node.cordoned.v1", "/molt/cordon", {"remedy": "rotate"}) == (
        fact.type,
        fact.source,
        fact.extensions,
    )
    until = "2026-11-24T13:00:00.250000Z"
    assert [("acted", f"node node-1 takes no new pods until {until}", {"node": "node-1", "until": until})] == [
        (entry.outcome, entry.reason, entry.details) for entry in Slip.parse(fact.data).trail
    ]


def test_without_an_end_somebody_else_undoes_it(cluster: FakeCluster, clock: FakeClock) -> None:
    """No `for`, no annotation that says until when."""
    outcome = handle(event(cluster, FOR_GOOD), cluster, clock)
    assert isinstance(outcome, Done)
    assert "node node-1 takes no new pods until somebody undoes it" == outcome.reason
    assert marks.UNCORDON_AT not in marks.annotations_of(node(cluster))


def _replaced(cluster: FakeCluster) -> None:
    node(cluster)["metadata"]["creationTimestamp"] = "2026-11-24T12:00:01Z"


def _being_deleted(cluster: FakeCluster) -> None:
    node(cluster)["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"


def _exempt(cluster: FakeCluster) -> None:
    cluster.node("node-1", **{marks.EXEMPT: "true"})


def _control_plane(cluster: FakeCluster) -> None:
    cluster.node("node-1", **{"node-role.kubernetes.io/control-plane": ""})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (go, "node node-1 is gone"),
        (_replaced, "node node-1 was replaced since the alert: it was created after it"),
        (_being_deleted, "node node-1 is being deleted"),
        (_exempt, "node node-1 is exempt by its label molt-project.io/exempt"),
        (_control_plane, "node node-1 is of the control plane"),
        (cordon_by_hand, "node node-1 is cordoned already, by somebody else"),
    ],
)
def test_a_node_that_is_not_to_be_cordoned_is_left_alone(
    cluster: FakeCluster, clock: FakeClock, change: Callable[[FakeCluster], None], reason: str
) -> None:
    """Two reads, no write; the next remedy is told why."""
    change(cluster)
    state = cluster.state()
    fact = _fact(outcome := handle(event(cluster, AN_HOUR, ROTATE), cluster, clock))
    assert (["get namespaces", "get nodes"], state) == (cluster.asked(), cluster.state())
    assert isinstance(outcome, Skipped)
    assert ("io.molt-project.remedy.skipped.v1", {"remedy": "rotate"}) == (fact.type, fact.extensions)
    assert [("skipped", reason)] == [(entry.outcome, entry.reason) for entry in Slip.parse(fact.data).trail]


def test_an_alert_without_a_time_is_taken_for_the_node_of_that_name(cluster: FakeCluster, clock: FakeClock) -> None:
    """Whether the node was replaced since cannot be told then."""
    assert isinstance(handle(event(cluster, AN_HOUR, alert={"time": None}), cluster, clock), Done)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"unschedulable": True}},
        {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}},
        {"spec": {"taints": [{"key": "a", "effect": "PreferNoSchedule"}, {"key": "b", "effect": "NoExecute"}]}},
        {"status": {"conditions": NOT_READY}},
        {"status": {}},
    ],
)
def test_the_last_node_that_takes_pods_stays(
    cluster: FakeCluster, clock: FakeClock, change: dict[str, dict[str, Any]]
) -> None:
    """A node that is cordoned, tainted or not Ready is no other node to go to."""
    node(cluster, "node-2").update(change)
    state = cluster.state()
    outcome = handle(event(cluster, AN_HOUR), cluster, clock)
    assert Skipped("node node-1 is the last one that takes pods") == outcome
    assert (CALLS[:3], state) == (cluster.asked(), cluster.state())


@pytest.mark.parametrize(
    "taint",
    [
        {"key": "a", "effect": "PreferNoSchedule"},
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
    ],
)
def test_not_every_taint_keeps_pods_away(cluster: FakeCluster, clock: FakeClock, taint: dict[str, str]) -> None:
    """PreferNoSchedule is a wish, and the taint of a cordon is left over for a moment when that is lifted."""
    node(cluster, "node-2")["spec"] = {"taints": [taint]}
    assert isinstance(handle(event(cluster, AN_HOUR), cluster, clock), Done)


def test_two_nodes_in_the_same_instant_do_not_both_go(cluster: FakeCluster, clock: FakeClock) -> None:
    """Each may have counted on the other: then this one is given back, and the event comes again."""
    state = cluster.state()
    cluster.meddle = [lambda cluster: cordon_by_hand(cluster, "node-2")]
    incoming = event(cluster, AN_HOUR)
    with pytest.raises(TemporaryError, match="was the last one that takes pods, and is not cordoned any more"):
        handle(incoming, cluster, clock)
    assert [*CALLS, "patch nodes"] == cluster.asked()
    assert Skipped("node node-1 is the last one that takes pods") == handle(incoming, cluster, clock)
    del node(cluster, "node-2")["spec"]["unschedulable"]
    assert _without_empty(state) == _without_empty(cluster.state())


def _without_empty(state: str) -> str:
    return state.replace('"annotations": {}, ', "")


def test_a_node_that_goes_before_it_is_given_back_is_gone(cluster: FakeCluster, clock: FakeClock) -> None:
    """There is nothing to give back."""
    cluster.meddle = [lambda cluster: cordon_by_hand(cluster, "node-2"), go]
    with pytest.raises(TemporaryError):
        handle(event(cluster, AN_HOUR), cluster, clock)


def _cordoned_for(cluster: FakeCluster, clock: FakeClock, step: Step, alert: str) -> Outcome:
    return handle(event(cluster, step, alert={"id": alert}), cluster, clock)


@pytest.mark.parametrize(("first", "second"), [(AN_HOUR, TWO_HOURS), (AN_HOUR, FOR_GOOD)])
def test_a_second_alert_makes_a_cordon_last_longer(
    cluster: FakeCluster, clock: FakeClock, first: Step, second: Step
) -> None:
    """The later end counts, and none is the latest; no other node is needed for it before."""
    _cordoned_for(cluster, clock, first, "alert-1")
    cluster.asked()
    outcome = _cordoned_for(cluster, clock, second, "alert-2")
    assert ["get namespaces", "get nodes", "patch nodes", "list nodes"] == cluster.asked()
    assert isinstance(outcome, Done)
    noted = marks.annotations_of(node(cluster))
    assert "alert alert-2, policy shells" == noted[marks.CORDONED_BY]
    assert (None if second == FOR_GOOD else "2026-11-24T14:00:00.250000Z") == noted.get(marks.UNCORDON_AT)


@pytest.mark.parametrize(
    ("first", "second", "until"),
    [
        (TWO_HOURS, AN_HOUR, "2026-11-24T14:00:00.250000Z"),
        (AN_HOUR, AN_HOUR, "2026-11-24T13:00:00.250000Z"),
        (FOR_GOOD, AN_HOUR, "somebody undoes it"),
        (FOR_GOOD, FOR_GOOD, "somebody undoes it"),
    ],
)
def test_a_second_alert_that_asks_for_no_more_changes_nothing(
    cluster: FakeCluster, clock: FakeClock, first: Step, second: Step, until: str
) -> None:
    """It hears by whom the node is cordoned, and until when."""
    _cordoned_for(cluster, clock, first, "alert-1")
    state = cluster.state()
    outcome = _cordoned_for(cluster, clock, second, "alert-2")
    said = f"node node-1 is cordoned already, by alert alert-1, policy shells, until {until}"
    assert (Skipped(said), state) == (outcome, cluster.state())


def test_a_cordon_that_was_lifted_by_hand_is_made_anew(cluster: FakeCluster, clock: FakeClock) -> None:
    """The marks that are left say nothing while the node takes pods."""
    _cordoned_for(cluster, clock, FOR_GOOD, "alert-1")
    node(cluster)["spec"] = {}
    assert isinstance(_cordoned_for(cluster, clock, AN_HOUR, "alert-2"), Done)
    assert {"unschedulable": True} == node(cluster)["spec"]
    assert "2026-11-24T13:00:00.250000Z" == marks.annotations_of(node(cluster))[marks.UNCORDON_AT]


@pytest.mark.parametrize("step", [AN_HOUR, FOR_GOOD])
def test_a_redelivery_gives_the_very_same_answer(cluster: FakeCluster, clock: FakeClock, step: Step) -> None:
    """Same id, time, data and end of the cordon; nothing is written."""
    incoming = event(cluster, step, ROTATE)
    first = handle(incoming, cluster, clock)
    cluster.asked()
    clock.sleep(60)
    state = cluster.state()
    assert first == handle(incoming, cluster, clock)
    assert (["get namespaces", "get nodes", "list nodes"], state) == (cluster.asked(), cluster.state())


@pytest.mark.parametrize("call", range(5))
def test_killed_after_any_call_the_redelivery_completes_it(clock: FakeClock, call: int) -> None:
    """The end state and the answer are those of an undisturbed run."""
    states, facts = [], []
    for kill in (None, call):
        cluster = two_nodes(clock)
        incoming = event(cluster, AN_HOUR, ROTATE)
        cluster.kill_after = kill
        if kill is not None:
            with pytest.raises(Killed):
                handle(incoming, cluster, clock)
        facts.append(_fact(handle(incoming, cluster, clock)))
        states.append(cluster.state())
    assert facts[0] == facts[1]
    assert states[0] == states[1]


def test_a_conflict_is_read_again(cluster: FakeCluster, clock: FakeClock) -> None:
    """A node that changed meanwhile is judged anew."""
    cluster.meddle = [bump]
    assert isinstance(handle(event(cluster, AN_HOUR), cluster, clock), Done)
    assert [*CALLS[:4], "get nodes", "list nodes", "patch nodes", "list nodes"] == cluster.asked()


def test_a_node_that_never_rests_is_tried_later(cluster: FakeCluster, clock: FakeClock) -> None:
    """After a few conflicts the broker waits and delivers again."""
    cluster.meddle = [bump] * ATTEMPTS
    with pytest.raises(TemporaryError, match=f"node node-1 changed under each of {ATTEMPTS} attempts"):
        handle(event(cluster, AN_HOUR), cluster, clock)
    assert {} == node(cluster)["spec"]


def test_a_rehearsal_changes_nothing(cluster: FakeCluster, clock: FakeClock) -> None:
    """DryRun sends the same write for the server to check, and says that nothing was done."""
    state = cluster.state()
    outcome = handle(event(cluster, AN_HOUR, ROTATE, mode="DryRun"), cluster, clock)
    assert (CALLS[:4], state) == (cluster.asked(), cluster.state())
    assert isinstance(outcome, Done)
    assert outcome.rehearsed
    assert ["rehearsed"] == [entry.outcome for entry in Slip.parse(_fact(outcome).data).trail]


def test_guards_end_the_itinerary(cluster: FakeCluster, clock: FakeClock) -> None:
    """An exempt namespace's pod is no ground to act on its node either."""
    cluster.namespace("shop", **{marks.EXEMPT: "true"})
    reason = "namespace shop is exempt by its label molt-project.io/exempt"
    assert Skipped(reason) == handle(event(cluster, AN_HOUR, ROTATE), cluster, clock)
    assert ["get namespaces"] == cluster.asked()


def test_a_pod_without_a_node_has_none_to_cordon(cluster: FakeCluster, clock: FakeClock) -> None:
    """A pod that was never scheduled; nothing is asked."""
    data = event(cluster, AN_HOUR).data
    unscheduled = Event("1", "/molt/detect-router", "t", {**data, "target": {**data["target"], "node": None}})
    assert Skipped("the pod was on no node yet") == handle(unscheduled, cluster, clock)
    assert [] == cluster.requests


@pytest.mark.parametrize("value", ["1d", 3600, ""])
def test_a_time_that_is_none_is_a_bad_event(cluster: FakeCluster, clock: FakeClock, value: object) -> None:
    """No router writes it; nothing is asked."""
    with pytest.raises(BadEvent, match=r"parameters\.for: not a duration"):
        handle(event(cluster, Step("cordon", {"for": value})), cluster, clock)
    assert [] == cluster.requests


def test_an_event_without_a_time_counts_from_now(cluster: FakeCluster, clock: FakeClock) -> None:
    """Then a redelivery may come to a later end, no earlier one."""
    clock.sleep(60)
    handle(event_of(slip_for(cluster.pod("solo"), AN_HOUR)), cluster, clock)
    assert "2026-11-24T13:01:00.250000Z" == marks.annotations_of(node(cluster))[marks.UNCORDON_AT]
