"""terminate against a cluster: calls, redelivery, budgets, death at any call, guards, rehearsal.

| pod as read                                | without force            | with force          |
|--------------------------------------------|--------------------------|---------------------|
| a controller's                             | evicted                  | deleted             |
| retiring, or in quarantine by this alert   | evicted                  | deleted             |
| in quarantine on another account           | skipped, ends            | deleted             |
| bare, in quarantine or not                 | skipped, carried on      | deleted             |
| held by its disruption budget              | 503, tried again         | deleted             |
| gone, another UID, terminating             | done                     | done                |
| protected or exempt namespace, static      | skipped, ends            | skipped, ends       |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from molt import marks
from molt.cluster import PODS, Blocked, Conflict, NotFound
from molt.events import Event
from molt.itinerary import Slip, Step
from molt.outcome import BadEvent, Done, Outcome, Skipped, TemporaryError
from terminate.handler import handle
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.slips import ROTATE, event_of, isolation_of, over_the_wire, slip_for

GENTLY, FORCED = (Step("terminate", {"force": force}) for force in (False, True))
STEPS = {False: GENTLY, True: FORCED}
CALLS = {False: "create pods/eviction", True: "delete pods"}
WORDS = {False: "evicted", True: "deleted"}

gently_and_forced = pytest.mark.parametrize("force", [False, True], ids=["gently", "forced"])


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    return _cluster(clock)


def _cluster(clock: FakeClock) -> FakeCluster:
    cluster = FakeCluster(clock)
    cluster.namespace()
    cluster.deployment(replicas=2)
    return cluster


def _first(cluster: FakeCluster) -> dict[str, Any]:
    return cluster.pods()[0]


def _event(cluster: FakeCluster, step: Step = GENTLY, *rest: Step, **more: Any) -> Event:
    return event_of(slip_for(_first(cluster), step, *rest, **more))


def _fact(outcome: Outcome) -> Event:
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    return over_the_wire(outcome.event)


@gently_and_forced
def test_a_pod_is_ended_in_three_calls(cluster: FakeCluster, clock: FakeClock, *, force: bool) -> None:
    """Read the pod, ask for its namespace, end it; its controller makes another."""
    pod = _first(cluster)["metadata"]
    outcome = handle(_event(cluster, STEPS[force], ROTATE), cluster, clock)
    assert ["get pods", "get namespaces", CALLS[force]] == cluster.asked()
    assert pod["uid"] not in {each["metadata"]["uid"] for each in cluster.pods()}
    assert 2 == len(cluster.pods())
    fact = _fact(outcome)
    assert ("io.molt-project.pod.terminated.v1", "/molt/terminate", {"remedy": "rotate"}) == (
        fact.type,
        fact.source,
        fact.extensions,
    )
    details = {"pod": pod["name"], "forced": force}
    assert [("acted", f"{WORDS[force]}; Deployment/web replaces it", details)] == [
        (entry.outcome, entry.reason, entry.details) for entry in Slip.parse(fact.data).trail
    ]


def _gone(cluster: FakeCluster) -> None:
    del cluster.objects["pods", "shop", _first(cluster)["metadata"]["name"]]


def _replaced(cluster: FakeCluster) -> None:
    _first(cluster)["metadata"]["uid"] = "another"


def _terminating(cluster: FakeCluster) -> None:
    _first(cluster)["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"


@gently_and_forced
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_gone, "the pod is gone"),
        (_replaced, "the pod is gone: another one has its name"),
        (_terminating, "the pod is terminating"),
    ],
)
def test_a_pod_that_is_gone_or_going_is_as_it_should_be(
    cluster: FakeCluster, clock: FakeClock, change: Callable[[FakeCluster], None], reason: str, *, force: bool
) -> None:
    """Done by one read; another pod of its name is never touched."""
    event = _event(cluster, STEPS[force])
    change(cluster)
    state = cluster.state()
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Done)
    assert (reason, "io.molt-project.pod.terminated.v1") == (outcome.reason, _fact(outcome).type)
    assert (["get pods"], state) == (cluster.asked(), cluster.state())


def test_a_redelivery_has_the_same_id(cluster: FakeCluster, clock: FakeClock) -> None:
    """The chain goes on as it would have: same type, same id, same next remedy."""
    event = _event(cluster, GENTLY, ROTATE)
    first, again = (_fact(handle(event, cluster, clock)) for _ in range(2))
    assert (first.id, first.type, first.extensions) == (again.id, again.type, again.extensions)


@gently_and_forced
@pytest.mark.parametrize("call", range(3))
def test_killed_after_any_call_the_redelivery_completes_it(clock: FakeClock, call: int, *, force: bool) -> None:
    """Exactly this pod is ended, and exactly once."""
    states, ids = [], []
    for kill in (None, call):
        cluster = _cluster(clock)
        event = _event(cluster, STEPS[force], ROTATE)
        cluster.kill_after = kill
        if kill is not None:
            with pytest.raises(Killed):
                handle(event, cluster, clock)
        ids.append(_fact(handle(event, cluster, clock)).id)
        states.append(cluster.state())
    assert ids[0] == ids[1]
    assert states[0] == states[1]


def test_a_disruption_budget_is_waited_for(cluster: FakeCluster, clock: FakeClock) -> None:
    """429 is a temporary error: nothing was done, and the broker delivers again until the budget lets the pod go."""
    event = _event(cluster)
    cluster.held = {_first(cluster)["metadata"]["name"]}
    state = cluster.state()
    with pytest.raises(Blocked):
        handle(event, cluster, clock)
    assert state == cluster.state()
    cluster.held = set()
    assert isinstance(handle(event, cluster, clock), Done)


def test_force_heeds_no_budget(cluster: FakeCluster, clock: FakeClock) -> None:
    """A deletion asks no disruption budget."""
    cluster.held = {_first(cluster)["metadata"]["name"]}
    assert isinstance(handle(_event(cluster, FORCED), cluster, clock), Done)


def _bare(cluster: FakeCluster) -> None:
    cluster.bare_pod("solo")


def _bare_in_quarantine(cluster: FakeCluster) -> None:
    cluster.merge(PODS, "solo", isolation_of(cluster.bare_pod("solo")), "shop")


def _marked_without_a_word(cluster: FakeCluster) -> None:
    cluster.bare_pod("solo")["metadata"] |= {
        "labels": {marks.COMPROMISED: "true"},
        "annotations": {marks.ALERT: "alert-1"},
    }


@pytest.mark.parametrize("make", [_bare, _bare_in_quarantine, _marked_without_a_word])
def test_what_nothing_replaces_needs_force(clock: FakeClock, make: Callable[[FakeCluster], None]) -> None:
    """A bare pod would be lost for good: only an explicit word ends it."""
    cluster = FakeCluster(clock)
    cluster.namespace()
    make(cluster)
    cluster.asked()
    fact = _fact(outcome := handle(_event(cluster, GENTLY, ROTATE), cluster, clock))
    assert isinstance(outcome, Skipped)
    assert ("no controller replaces it: only force ends it", {"remedy": "rotate"}) == (
        outcome.reason,
        fact.extensions,
    )
    assert ["get pods", "get namespaces"] == cluster.asked()
    forced = handle(_event(cluster, FORCED), cluster, clock)
    assert isinstance(forced, Done)
    assert ("deleted; nothing replaces it", []) == (forced.reason, cluster.pods())


def _isolated(cluster: FakeCluster) -> dict[str, Any]:
    """Put a pod in quarantine on the account of alert-1, and return it as it is then."""
    target = _first(cluster)
    cluster.merge(PODS, target["metadata"]["name"], isolation_of(target), "shop")
    return next(pod for pod in cluster.pods() if marks.is_compromised(pod))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("Deployment", "evicted; Deployment/web has replaced it"),
        ("StatefulSet", "evicted; StatefulSet/db can now replace it"),
    ],
)
def test_a_pod_in_quarantine_is_ended_by_its_own_itinerary(clock: FakeClock, kind: str, said: str) -> None:
    """Its controller has let go of it, and stands in for it all the same."""
    cluster = FakeCluster(clock)
    cluster.namespace()
    if kind == "StatefulSet":
        cluster.stateful_set()
    else:
        cluster.deployment()
    target = _isolated(cluster)
    outcome = handle(event_of(slip_for(target, GENTLY)), cluster, clock)
    assert isinstance(outcome, Done)
    assert said == outcome.reason
    assert target["metadata"]["uid"] not in {pod["metadata"]["uid"] for pod in cluster.pods()}


@pytest.mark.parametrize(("by", "said"), [("alert-1", "alert alert-1"), (None, "hand")])
def test_a_pod_that_is_kept_on_another_account_needs_force(
    cluster: FakeCluster, clock: FakeClock, by: str | None, said: str
) -> None:
    """What somebody isolated to examine it is not taken away by the next alert, nor is anything else done again."""
    pod = _isolated(cluster)
    if by is None:
        del pod["metadata"]["annotations"][marks.ALERT]
    state, later = cluster.state(), {"id": "alert-2"}
    outcome = handle(event_of(slip_for(pod, GENTLY, ROTATE, alert=later)), cluster, clock)
    assert (Skipped(f"kept in quarantine, by {said}: only force ends it"), state) == (outcome, cluster.state())
    forced = handle(event_of(slip_for(pod, FORCED, alert=later)), cluster, clock)
    assert isinstance(forced, Done)
    assert "deleted; Deployment/web has replaced it" == forced.reason


def test_the_label_alone_shields_nobody(cluster: FakeCluster, clock: FakeClock) -> None:
    """Whoever may label a pod cannot keep it from its end."""
    pod = _first(cluster)
    pod["metadata"]["labels"][marks.COMPROMISED] = "true"
    assert isinstance(handle(_event(cluster), cluster, clock), Done)


def test_a_retiring_pod_may_go(cluster: FakeCluster, clock: FakeClock) -> None:
    """The old pod of a move has no controller any more, and its replacement is there or coming."""
    pod = _first(cluster)
    pod["metadata"] |= {"labels": {marks.RETIRING: "true"}, "ownerReferences": []}
    outcome = handle(_event(cluster), cluster, clock)
    assert isinstance(outcome, Done)
    assert "evicted; its replacement is there" == outcome.reason


@gently_and_forced
def test_guards_end_the_itinerary(cluster: FakeCluster, clock: FakeClock, *, force: bool) -> None:
    """Force lifts no guard, and what must not be touched is not touched by the remedies after this one either."""
    event = _event(cluster, STEPS[force], ROTATE)
    cluster.namespace("shop", **{marks.EXEMPT: "true"})
    reason = "namespace shop is exempt by its label molt-project.io/exempt"
    assert Skipped(reason) == handle(event, cluster, clock)
    assert ["get pods", "get namespaces"] == cluster.asked()
    _first(cluster)["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    static = handle(event, cluster, clock)
    assert isinstance(static, Skipped)
    assert (True, None) == ("static" in static.reason, static.event)


@gently_and_forced
def test_a_rehearsal_changes_nothing(cluster: FakeCluster, clock: FakeClock, *, force: bool) -> None:
    """DryRun sends the same write for the server to check, and says that nothing was done."""
    state = cluster.state()
    outcome = handle(_event(cluster, STEPS[force], ROTATE, mode="DryRun"), cluster, clock)
    assert ["get pods", "get namespaces", CALLS[force]] == cluster.asked()
    assert state == cluster.state()
    assert isinstance(outcome, Done)
    assert (True, f"{WORDS[force]}; Deployment/web replaces it") == (outcome.rehearsed, outcome.reason)


def test_a_rehearsal_does_not_wait_for_a_budget(cluster: FakeCluster, clock: FakeClock) -> None:
    """That the budget would hold the pod is the finding, not an error."""
    cluster.held = {_first(cluster)["metadata"]["name"]}
    outcome = handle(_event(cluster, mode="DryRun"), cluster, clock)
    assert isinstance(outcome, Done)
    assert "a disruption budget would hold it now, and the eviction be tried again" == outcome.reason


@gently_and_forced
def test_a_pod_that_goes_meanwhile_is_gone(cluster: FakeCluster, clock: FakeClock, *, force: bool) -> None:
    """Gone between read and write is success; one that changes under each attempt is left to the redelivery."""
    verb, resource = CALLS[force].split()
    cluster.failing[verb, resource] = NotFound("gone")
    outcome = handle(_event(cluster, STEPS[force]), cluster, clock)
    assert isinstance(outcome, Done)
    assert "the pod is gone" == outcome.reason
    cluster.failing[verb, resource] = Conflict("uid is another")
    cluster.asked()
    with pytest.raises(TemporaryError, match="changed under each of 4 attempts"):
        handle(_event(cluster, STEPS[force]), cluster, clock)
    assert ["get pods", "get namespaces", CALLS[force]] * 4 == cluster.asked()


def test_a_pod_that_is_put_in_quarantine_meanwhile_is_kept(cluster: FakeCluster, clock: FakeClock) -> None:
    """Between read and eviction another alert isolated it: the eviction does not hold for that pod."""
    event = _event(cluster, alert={"id": "alert-2"})

    def isolate(cluster: FakeCluster, name: str) -> None:
        cluster.merge(PODS, name, isolation_of(cluster.pod(name)), "shop")
        cluster.asked()

    cluster.interfere = isolate
    outcome = handle(event, cluster, clock)
    assert Skipped("kept in quarantine, by alert alert-1: only force ends it") == outcome
    assert ["create pods/eviction", "get pods", "get namespaces"] == cluster.asked()
    assert 1 == sum(map(marks.is_quarantined, cluster.pods()))


def test_an_event_for_another_function_is_refused(cluster: FakeCluster, clock: FakeClock) -> None:
    """A slip whose head is another remedy is a bad event, before any call."""
    with pytest.raises(BadEvent, match="rotate, not terminate"):
        handle(event_of(slip_for(_first(cluster), ROTATE)), cluster, clock)
    assert [] == cluster.requests
