"""The handler against a cluster: calls, redelivery, conflicts, death at any call, rehearsal."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import Forbidden, NotFound, Unavailable
from molt.events import Event
from molt.itinerary import Slip, Step
from molt.outcome import BadEvent, Done, Outcome, Skipped, TemporaryError
from quarantine.handler import ATTEMPTS, handler
from quarantine.recent import Recent
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.quarantine.standing import REPORT, fence_in
from tests.functions.slips import QUARANTINE, ROTATE, event_of, over_the_wire, slip_for

LIMITS = {"perWorkload": 1, "perMinute": 20}

handle = handler(recent=Recent(timedelta()))  # each test has a cluster of its own


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    cluster = FakeCluster(clock)
    cluster.deployment(replicas=3)
    fence_in(cluster)
    return cluster


def _first(cluster: FakeCluster) -> dict[str, Any]:
    return cluster.pods()[0]


def _event(cluster: FakeCluster, *rest: Step, **more: Any) -> Event:
    return event_of(slip_for(_first(cluster), QUARANTINE, *rest, **more))


def _fact(outcome: Outcome) -> Event:
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    return over_the_wire(outcome.event)


def test_a_pod_is_isolated_in_three_calls(cluster: FakeCluster, clock: FakeClock) -> None:
    """Read the pod, make sure of the policy, patch the pod; Event, fence and what leaks come after."""
    pod = _first(cluster)
    before = dict(pod["metadata"]["labels"])
    outcome = handle(_event(cluster, ROTATE), cluster, clock)
    assert ["get pods", "patch networkpolicies", "patch pods", "create events", *REPORT] == cluster.asked()
    after = cluster.pod(pod["metadata"]["name"])
    assert {marks.COMPROMISED: "true"} == after["metadata"]["labels"]
    assert before == marks.original_labels(after)
    assert [] == after["metadata"]["ownerReferences"]
    assert 4 == len(cluster.pods()), "the ReplicaSet has made another"
    assert ("networkpolicies", "shop", "molt-quarantine") in cluster.objects
    assert isinstance(outcome, Done)
    assert ("isolated; Deployment/web replaces it", False) == (outcome.reason, outcome.rehearsed)


def test_the_fact_names_the_next_remedy(cluster: FakeCluster, clock: FakeClock) -> None:
    """pod.quarantined goes to whoever does the next step, with this one in its trail."""
    name = _first(cluster)["metadata"]["name"]
    incoming = _event(cluster, ROTATE)
    fact = _fact(handle(incoming, cluster, clock))
    slip = Slip.parse(fact.data)
    assert ("io.molt-project.pod.quarantined.v1", "/molt/quarantine") == (fact.type, fact.source)
    assert {"remedy": "rotate"} == fact.extensions
    assert f"shop/pod/{name}" == fact.subject
    assert [ROTATE] == list(slip.itinerary)
    assert [("quarantine", "acted", "2026-11-24T12:00:00.250000Z")] == [(e.remedy, e.outcome, e.at) for e in slip.trail]
    unknown = ["Unknown: whether the node's network plugin enforces NetworkPolicies"]
    assert {"pod": name, "workload": "Deployment/web", "leaks": unknown} == slip.trail[0].details


def test_the_last_step_still_tells(cluster: FakeCluster, clock: FakeClock) -> None:
    """Observers hear of every quarantine; without a next step the fact has no remedy."""
    assert {} == _fact(handle(_event(cluster), cluster, clock)).extensions


@pytest.mark.parametrize(
    ("limits", "calls"),
    [
        (LIMITS, ["get pods", "patch ledgers"]),
        ({"perWorkload": "50%"}, ["get pods", "get deployments", "patch ledgers"]),
    ],
)
def test_limits_cost_one_call_more(cluster: FakeCluster, clock: FakeClock, limits: Any, calls: list[str]) -> None:
    """The place, for both limits, once the process knows the ledger; a percentage needs the number of replicas too."""
    handle = handler(recent=Recent(timedelta()))
    cluster.bare_pod("before")
    handle(event_of(slip_for(cluster.pod("before"), QUARANTINE, limits=limits)), cluster, clock)
    cluster.asked()
    handle(event_of(slip_for(cluster.pods()[1], QUARANTINE, limits=limits)), cluster, clock)
    assert [*calls, "patch networkpolicies", "patch pods", "create events", *REPORT] == cluster.asked()


def test_a_second_pod_of_the_workload_exceeds_the_limit(cluster: FakeCluster, clock: FakeClock) -> None:
    """The second is skipped, with the reason, and nothing more happens on its alert's account."""
    first, second, _ = (pod["metadata"]["name"] for pod in cluster.pods())
    handle(event_of(slip_for(cluster.pod(first), QUARANTINE, limits=LIMITS)), cluster, clock)
    event = event_of(slip_for(cluster.pod(second), QUARANTINE, ROTATE, limits=LIMITS, alert={"id": "alert-2"}))
    state = cluster.state()
    reason = "limits.perWorkload is 1: 1 pod of Deployment/web in quarantine already"
    assert Skipped(reason) == handle(event, cluster, clock)
    assert state == cluster.state()


def test_the_old_pod_of_a_move_counts_to_its_workload(cluster: FakeCluster, clock: FakeClock) -> None:
    """Released already, it is still one of the Deployment's: its siblings move, and a second one is over the limit."""
    old, other, _ = cluster.pods()
    fleet = {"kind": "ReplicaSet", "name": "web-5d9c7b", "uid": "rs", "apiVersion": "apps/v1"}
    notes = {marks.OWNER: json.dumps(fleet), marks.ORIGINAL_LABELS: marks.render_labels(old["metadata"]["labels"])}
    old["metadata"] |= {"labels": {"app": "web", marks.RETIRING: "true"}, "annotations": notes, "ownerReferences": []}
    outcome = handle(_event(cluster, ROTATE, limits=LIMITS), cluster, clock)
    assert isinstance(outcome, Done)
    assert "isolated; Deployment/web replaces it" == outcome.reason
    over = handle(event_of(slip_for(other, QUARANTINE, limits=LIMITS, alert={"id": "alert-2"})), cluster, clock)
    assert Skipped("limits.perWorkload is 1: 1 pod of Deployment/web in quarantine already") == over


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "ReplicaSet", "Gone", "Rollout"])
def test_percentages_of_every_kind(clock: FakeClock, kind: str) -> None:
    """Replicas are counted where the kind has them; one that is gone or unknown counts as one."""
    cluster = FakeCluster(clock)
    match kind:
        case "StatefulSet":
            cluster.stateful_set()
        case "DaemonSet":
            cluster.daemon_set()
        case "ReplicaSet":
            cluster.replica_set("lone", 2, "shop", {"app": "lone"})
        case _:
            cluster.deployment()
            del cluster.objects["deployments", "shop", "web"]
    if kind == "Rollout":
        for pod in cluster.pods():
            pod["metadata"]["ownerReferences"][0] |= {"kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1"}
    assert isinstance(handle(_event(cluster, limits={"perWorkload": "50%"}), cluster, clock), Done)


def test_a_bare_pod_stands_for_itself(clock: FakeClock) -> None:
    """Without a controller there is nothing to count, and nothing that replaces it."""
    cluster = FakeCluster(clock)
    cluster.bare_pod("solo")
    outcome = handle(_event(cluster, limits={"perWorkload": "50%"}), cluster, clock)
    assert isinstance(outcome, Done)
    assert "isolated; no controller owns it, so nothing replaces it" == outcome.reason
    assert "Pod/solo" == marks.annotations_of(cluster.pod("solo"))[marks.WORKLOAD]


def test_a_redelivery_gives_the_very_same_answer(cluster: FakeCluster, clock: FakeClock) -> None:
    """Same id, same time, same data, with one read and no write, so that the chain goes on."""
    event = _event(cluster, ROTATE, limits=LIMITS)
    first = handle(event, cluster, clock)
    cluster.asked()
    clock.sleep(60)
    state = cluster.state()
    assert first == handle(event, cluster, clock)
    assert (["get pods"], state) == (cluster.asked(), cluster.state())


def test_a_lost_time_does_not_stop_a_redelivery(cluster: FakeCluster, clock: FakeClock) -> None:
    """Should somebody have taken the annotation off, the answer has the present time."""
    event = _event(cluster, ROTATE)
    first = _fact(handle(event, cluster, clock))
    pod = next(pod for pod in cluster.pods() if marks.is_compromised(pod))
    del pod["metadata"]["annotations"][marks.QUARANTINED_AT]
    clock.sleep(1)
    again = _fact(handle(event, cluster, clock))
    assert (first.id, clock.now()) == (again.id, again.time)


@pytest.mark.parametrize("call", range(7 + len(REPORT)))
def test_killed_after_any_call_the_redelivery_completes_it(clock: FakeClock, call: int) -> None:
    """The end state and the answer are those of an undisturbed run; the place, taken before, is found again."""
    states, facts = [], []
    for kill in (None, call):
        cluster = FakeCluster(clock)
        cluster.deployment()
        fence_in(cluster)
        event = _event(cluster, ROTATE, limits=LIMITS)
        cluster.kill_after = kill
        if kill is not None:
            with pytest.raises(Killed):
                handler()(event, cluster, clock)
        facts.append(_fact(handler()(event, cluster, clock)))
        assert 1 == len(cluster.objects["ledgers", "", "quarantine"]["spec"]["pods"])
        cluster.objects = {key: obj for key, obj in cluster.objects.items() if key[0] != "events"}  # best effort
        states.append(cluster.state())
    assert facts[0] == facts[1]
    assert states[0] == states[1]


def _bump(cluster: FakeCluster) -> None:
    """Do what a kubelet does all the time: write the pod's status."""
    cluster.pods()[0]["metadata"]["resourceVersion"] += "1"


def test_a_conflict_is_read_again(cluster: FakeCluster, clock: FakeClock) -> None:
    """A pod that changed meanwhile is patched as it is now; policy and limits are not done twice."""
    cluster.meddle = [_bump, _bump]
    assert isinstance(handle(_event(cluster), cluster, clock), Done)
    patches = ["patch pods", "get pods", "patch pods", "get pods", "patch pods"]
    assert ["get pods", "patch networkpolicies", *patches, "create events", *REPORT] == cluster.asked()


def test_a_pod_that_never_rests_is_tried_later(cluster: FakeCluster, clock: FakeClock) -> None:
    """After a few conflicts the broker waits and delivers again."""
    cluster.meddle = [_bump] * ATTEMPTS
    with pytest.raises(TemporaryError, match=f"changed under each of {ATTEMPTS} attempts"):
        handle(_event(cluster), cluster, clock)
    assert not any(marks.is_compromised(pod) for pod in cluster.pods())


def test_a_pod_that_goes_meanwhile_is_gone(cluster: FakeCluster, clock: FakeClock) -> None:
    """Deleted between read and patch, it needs no quarantine, and its siblings still move."""
    name = _first(cluster)["metadata"]["name"]
    cluster.meddle = [lambda cluster: cluster.remove(name)]
    fact = _fact(outcome := handle(_event(cluster, ROTATE), cluster, clock))
    assert isinstance(outcome, Skipped)
    assert "the pod is gone" == outcome.reason
    assert ("io.molt-project.remedy.skipped.v1", {"remedy": "rotate"}) == (fact.type, fact.extensions)
    assert [("quarantine", "skipped", "the pod is gone")] == [
        (e.remedy, e.outcome, e.reason) for e in Slip.parse(fact.data).trail
    ]


def test_a_namespace_that_goes_meanwhile_takes_the_pod_along(cluster: FakeCluster, clock: FakeClock) -> None:
    """404 for the policy is no dead letter: there is nothing left to isolate."""
    event = _event(cluster)
    applied = cluster.apply

    def gone(*args: Any, **kwargs: Any) -> Any:
        for pod in cluster.pods():
            del cluster.objects["pods", "shop", pod["metadata"]["name"]]
        applied(*args, **kwargs)
        raise NotFound("namespace shop not found")

    cluster.apply = gone  # type: ignore[method-assign]
    assert Skipped("the pod is gone") == handle(event, cluster, clock)


def test_a_pod_that_is_gone_with_nothing_left_to_do_is_the_end(cluster: FakeCluster, clock: FakeClock) -> None:
    """No event follows when the itinerary ends here."""
    event = _event(cluster)
    del cluster.objects["pods", "shop", _first(cluster)["metadata"]["name"]]
    assert Skipped("the pod is gone") == handle(event, cluster, clock)


def test_another_alert_about_the_same_pod_stops(cluster: FakeCluster, clock: FakeClock) -> None:
    """Of the hundred alerts that an attack raises the first moves the siblings, and no other does."""
    pod = _first(cluster)
    handle(_event(cluster, ROTATE), cluster, clock)
    second = event_of(slip_for(pod, QUARANTINE, ROTATE, alert={"id": "alert-2"}))
    assert Skipped("already in quarantine, by alert alert-1") == handle(second, cluster, clock)


def test_a_rehearsal_changes_nothing(cluster: FakeCluster, clock: FakeClock) -> None:
    """DryRun sends the same writes for the server to check, and says that nothing was done."""
    state = cluster.state()
    outcome = handle(_event(cluster, ROTATE, mode="DryRun", limits=LIMITS), cluster, clock)
    ledger = ["get ledgers", "list pods", "create ledgers"]
    assert ["get pods", *ledger, "patch networkpolicies", "patch pods", *REPORT] == cluster.asked()
    assert state == cluster.state()
    assert isinstance(outcome, Done)
    assert outcome.rehearsed
    assert ["rehearsed"] == [entry.outcome for entry in Slip.parse(_fact(outcome).data).trail]


@pytest.mark.parametrize("error", [Forbidden("no"), Unavailable("no")])
def test_an_event_that_cannot_be_written_does_not_undo_the_step(
    cluster: FakeCluster, clock: FakeClock, error: Exception
) -> None:
    """The pod is isolated; that `kubectl describe` does not show it is no reason to say otherwise."""
    cluster.failing["create", "events"] = error
    assert isinstance(handle(_event(cluster), cluster, clock), Done)


def test_nothing_is_marked_without_the_policy(cluster: FakeCluster, clock: FakeClock) -> None:
    """When the policy cannot be ensured the pod is not touched: a label without it would isolate nothing."""
    cluster.failing["patch", "networkpolicies"] = Forbidden("not allowed")
    with pytest.raises(Forbidden):
        handle(_event(cluster), cluster, clock)
    assert "patch pods" not in cluster.asked()


def test_an_event_for_another_function_is_refused(cluster: FakeCluster, clock: FakeClock) -> None:
    """A slip whose head is another remedy is a bad event, before any call."""
    with pytest.raises(BadEvent, match="rotate, not quarantine"):
        handle(event_of(slip_for(_first(cluster), ROTATE)), cluster, clock)
    assert [] == cluster.requests


def test_a_new_minute_lets_the_breaker_close(cluster: FakeCluster, clock: FakeClock) -> None:
    """The limit perMinute forgets after a minute."""
    limits = {"perMinute": 1}
    one, two, *_ = cluster.pods()
    handle(event_of(slip_for(one, QUARANTINE, limits=limits)), cluster, clock)
    second = event_of(slip_for(two, QUARANTINE, limits=limits, alert={"id": "alert-2"}))
    assert isinstance(handle(second, cluster, clock), Skipped)
    clock.time += timedelta(seconds=61)
    assert isinstance(handle(second, cluster, clock), Done)
