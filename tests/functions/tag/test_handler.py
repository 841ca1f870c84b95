"""tag against a cluster: calls, redelivery, conflicts, death at any call, guards, rehearsal.

| pod as read                                   | outcome | itinerary      |
|-----------------------------------------------|---------|----------------|
| gone, another UID, terminating, in quarantine | skipped | carried on     |
| marked by another alert, by hand              | skipped | carried on     |
| marked by this alert, whatever came after     | done    | the same event |
| protected or exempt namespace, static         | skipped | ends           |
| any other                                     | done    | carried on     |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from molt import marks
from molt.cluster import PODS
from molt.events import Event
from molt.itinerary import Slip, Step
from molt.outcome import BadEvent, Done, Outcome, Skipped, TemporaryError
from molt.task import ATTEMPTS
from tag.handler import handle
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.slips import QUARANTINE, ROTATE, event_of, isolation_of, over_the_wire, slip_for

TAG = Step("tag", {})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    return _cluster(clock)


def _cluster(clock: FakeClock) -> FakeCluster:
    cluster = FakeCluster(clock)
    cluster.namespace()
    cluster.deployment(replicas=1)
    return cluster


def _first(cluster: FakeCluster) -> dict[str, Any]:
    return cluster.pods()[0]


def _event(cluster: FakeCluster, *rest: Step, **more: Any) -> Event:
    return event_of(slip_for(_first(cluster), TAG, *rest, **more))


def _fact(outcome: Outcome) -> Event:
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    return over_the_wire(outcome.event)


def test_a_pod_is_marked_in_three_calls_and_otherwise_left_alone(cluster: FakeCluster, clock: FakeClock) -> None:
    """One label and four annotations more; what it had it has."""
    before = _first(cluster)
    outcome = handle(_event(cluster, ROTATE), cluster, clock)
    assert ["get pods", "get namespaces", "patch pods"] == cluster.asked()
    (after,) = cluster.pods()
    assert {**before["metadata"]["labels"], "molt-project.io/suspect": "true"} == after["metadata"]["labels"]
    assert {
        "molt-project.io/suspect-rule": "Terminal shell in container",
        "molt-project.io/suspect-alert": "alert-1",
        "molt-project.io/suspect-policy": "shells",
        "molt-project.io/suspect-since": "2026-11-24T12:00:00.250000Z",
    } == after["metadata"]["annotations"]
    unmarked = {**after["metadata"], "labels": before["metadata"]["labels"]}
    del unmarked["annotations"]
    unmarked["resourceVersion"] = before["metadata"]["resourceVersion"]
    assert before == {**after, "metadata": unmarked}
    fact, slip = _fact(outcome), Slip.parse(_fact(outcome).data)
    assert ("io.molt-project.pod.tagged.v1", "/molt/tag", {"remedy": "rotate"}) == (
        fact.type,
        fact.source,
        fact.extensions,
    )
    assert [("tag", "acted", "marked as suspect", {"pod": before["metadata"]["name"]})] == [
        (entry.remedy, entry.outcome, entry.reason, entry.details) for entry in slip.trail
    ]


def _gone(cluster: FakeCluster) -> None:
    del cluster.objects["pods", "shop", _first(cluster)["metadata"]["name"]]


def _replaced(cluster: FakeCluster) -> None:
    _first(cluster)["metadata"]["uid"] = "another"


def _terminating(cluster: FakeCluster) -> None:
    _first(cluster)["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"


def _isolated(cluster: FakeCluster) -> None:
    labels, notes = {marks.COMPROMISED: "true"}, {marks.ORIGINAL_LABELS: "{}"}
    _first(cluster)["metadata"] |= {"labels": labels, "annotations": notes}


def _marked_by_hand(cluster: FakeCluster) -> None:
    _first(cluster)["metadata"]["labels"][marks.SUSPECT] = "true"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_gone, "the pod is gone"),
        (_replaced, "the pod is gone: another one has its name"),
        (_terminating, "the pod is terminating"),
        (_isolated, "in quarantine, which says more"),
        (_marked_by_hand, "suspect already, by hand"),
    ],
)
def test_what_needs_no_mark_is_left_and_the_rest_goes_on(
    cluster: FakeCluster, clock: FakeClock, change: Callable[[FakeCluster], None], reason: str
) -> None:
    """One read, no write; the next remedy is told why."""
    event, last = _event(cluster, ROTATE), _event(cluster)
    change(cluster)
    state = cluster.state()
    fact = _fact(outcome := handle(event, cluster, clock))
    assert ["get pods"] == cluster.asked()
    assert state == cluster.state()
    assert isinstance(outcome, Skipped)
    assert ("io.molt-project.remedy.skipped.v1", {"remedy": "rotate"}) == (fact.type, fact.extensions)
    assert [("skipped", reason)] == [(entry.outcome, entry.reason) for entry in Slip.parse(fact.data).trail]
    assert Skipped(reason) == handle(last, cluster, clock), "with nothing left to do no event follows"


def test_the_first_alert_keeps_its_mark(cluster: FakeCluster, clock: FakeClock) -> None:
    """A second alert about the pod changes nothing, and names the first."""
    handle(_event(cluster), cluster, clock)
    state = cluster.state()
    second = _event(cluster, alert={"id": "alert-2"})
    assert Skipped("suspect already, by alert alert-1") == handle(second, cluster, clock)
    assert state == cluster.state()


def test_an_alert_after_the_mark_was_taken_off_marks_anew(cluster: FakeCluster, clock: FakeClock) -> None:
    """Whoever takes the label off has looked; what comes later is news."""
    handle(_event(cluster), cluster, clock)
    del _first(cluster)["metadata"]["labels"][marks.SUSPECT]
    assert isinstance(handle(_event(cluster, alert={"id": "alert-2"}), cluster, clock), Done)
    assert "alert-2" == marks.annotations_of(_first(cluster))[marks.SUSPECT_ALERT]


@pytest.mark.parametrize("then", ["nothing", "quarantine"])
def test_a_redelivery_gives_the_very_same_answer(cluster: FakeCluster, clock: FakeClock, then: str) -> None:
    """Same id, time and data, by one read, even when the next remedy has taken the label off meanwhile."""
    event = _event(cluster, QUARANTINE)
    first = handle(event, cluster, clock)
    if then == "quarantine":
        pod = _first(cluster)
        cluster.merge(PODS, pod["metadata"]["name"], isolation_of(pod), "shop")
    cluster.asked()
    clock.sleep(60)
    state = cluster.state()
    assert first == handle(event, cluster, clock)
    assert (["get pods"], state) == (cluster.asked(), cluster.state())


@pytest.mark.parametrize("call", range(3))
def test_killed_after_any_call_the_redelivery_completes_it(clock: FakeClock, call: int) -> None:
    """The end state and the answer are those of an undisturbed run."""
    states, facts = [], []
    for kill in (None, call):
        cluster = _cluster(clock)
        event = _event(cluster, ROTATE)
        cluster.kill_after = kill
        if kill is not None:
            with pytest.raises(Killed):
                handle(event, cluster, clock)
        facts.append(_fact(handle(event, cluster, clock)))
        states.append(cluster.state())
    assert facts[0] == facts[1]
    assert states[0] == states[1]


def _bump(cluster: FakeCluster) -> None:
    _first(cluster)["metadata"]["resourceVersion"] += "1"


def test_a_conflict_is_read_again(cluster: FakeCluster, clock: FakeClock) -> None:
    """A pod that changed meanwhile is judged anew, guards included."""
    cluster.meddle = [_bump]
    assert isinstance(handle(_event(cluster), cluster, clock), Done)
    assert ["get pods", "get namespaces", "patch pods"] * 2 == cluster.asked()


def test_a_pod_that_is_isolated_meanwhile_gets_no_label(cluster: FakeCluster, clock: FakeClock) -> None:
    """The label of a quarantined pod stays its only one."""

    def isolate(cluster: FakeCluster) -> None:
        _isolated(cluster)
        _bump(cluster)

    cluster.meddle = [isolate]
    assert Skipped("in quarantine, which says more") == handle(_event(cluster), cluster, clock)
    assert {marks.COMPROMISED: "true"} == _first(cluster)["metadata"]["labels"]


def test_the_label_of_a_quarantine_alone_hides_no_suspect(cluster: FakeCluster, clock: FakeClock) -> None:
    """Anybody may have put it there."""
    _first(cluster)["metadata"]["labels"][marks.COMPROMISED] = "true"
    assert isinstance(handle(_event(cluster), cluster, clock), Done)
    assert "true" == _first(cluster)["metadata"]["labels"][marks.SUSPECT]


def test_a_pod_that_goes_meanwhile_is_gone(cluster: FakeCluster, clock: FakeClock) -> None:
    """Deleted between read and patch, it needs no mark."""
    cluster.meddle = [_gone]
    assert Skipped("the pod is gone") == handle(_event(cluster), cluster, clock)


def test_a_pod_that_never_rests_is_tried_later(cluster: FakeCluster, clock: FakeClock) -> None:
    """After a few conflicts the broker waits and delivers again."""
    cluster.meddle = [_bump] * ATTEMPTS
    with pytest.raises(TemporaryError, match=f"changed under each of {ATTEMPTS} attempts"):
        handle(_event(cluster), cluster, clock)


def test_guards_end_the_itinerary(cluster: FakeCluster, clock: FakeClock) -> None:
    """What must not be touched is not touched by the remedies after this one either."""
    event = _event(cluster, ROTATE)
    cluster.namespace("shop", **{marks.EXEMPT: "true"})
    reason = "namespace shop is exempt by its label molt-project.io/exempt"
    assert Skipped(reason) == handle(event, cluster, clock)
    assert ["get pods", "get namespaces"] == cluster.asked()


def test_a_rehearsal_changes_nothing(cluster: FakeCluster, clock: FakeClock) -> None:
    """DryRun sends the same write for the server to check, and says that nothing was done."""
    state = cluster.state()
    outcome = handle(_event(cluster, ROTATE, mode="DryRun"), cluster, clock)
    assert ["get pods", "get namespaces", "patch pods"] == cluster.asked()
    assert state == cluster.state()
    assert isinstance(outcome, Done)
    assert outcome.rehearsed
    assert ["rehearsed"] == [entry.outcome for entry in Slip.parse(_fact(outcome).data).trail]


def test_hostile_text_is_tamed(cluster: FakeCluster, clock: FakeClock) -> None:
    """What an attacker can write into an alert is one printable line in an annotation, and in no label."""
    handle(_event(cluster, alert={"rule": "a\nb\x1b[31m" + "x" * 1000}), cluster, clock)
    rule = marks.annotations_of(_first(cluster))[marks.SUSPECT_RULE]
    assert (marks.TEXT_LIMIT, True) == (len(rule), rule.isprintable())


def test_an_event_for_another_function_is_refused(cluster: FakeCluster, clock: FakeClock) -> None:
    """A slip whose head is another remedy is a bad event, before any call."""
    with pytest.raises(BadEvent, match="rotate, not tag"):
        handle(event_of(slip_for(_first(cluster), ROTATE)), cluster, clock)
    assert [] == cluster.requests
