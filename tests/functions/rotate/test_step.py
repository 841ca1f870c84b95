"""The step against a cluster: one pod an event, calls, waiting, redelivery, death at any call, rehearsal."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import PODS, Blocked, Resource
from molt.events import Event
from molt.itinerary import Entry, Slip, Step
from molt.lifetime import Keys
from molt.outcome import Done, Outcome, Skipped, TemporaryError
from molt.policy.selector import Requirement
from molt.turns import Turns
from quarantine.handler import handler as quarantine
from rotate import step as steps
from rotate.handler import handler
from rotate.hop import Hop
from rotate.replace import ATTEMPTS
from rotate.siblings import SCOPES, Order
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.slips import ROTATE, event_of, over_the_wire, slip_for

KEY = Keys(b"sixteen bytes or more")
TAG = Step("tag", {})
EVICT = Step("rotate", {"scope": "Siblings", "strategy": "Evict"})
WORKLOAD = Step("rotate", {"scope": "Workload"})
POLICIES = "list rotationpolicies"
"""Of the first hop alone: whether any policy asks for an alarm."""
LOOK = ["list deployments", "list replicasets", "list pods"]
EVENT = "create events"

handle = handler(KEY)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    return _shop(clock)


def _shop(clock: FakeClock, replicas: int = 3) -> FakeCluster:
    """Return a cluster with a Deployment that was made ten minutes before the alert."""
    clock.time -= timedelta(minutes=10)
    cluster = FakeCluster(clock)
    cluster.namespace()
    cluster.deployment(replicas=replicas)
    clock.time += timedelta(minutes=10)
    return cluster


def _event(cluster: FakeCluster, *steps: Step, **more: Any) -> Event:
    return event_of(slip_for(cluster.pods()[0], *(steps or (ROTATE,)), **more))


def _names(cluster: FakeCluster) -> set[str]:
    return {pod["metadata"]["name"] for pod in cluster.pods()}


def _fact(outcome: Outcome) -> Event:
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    return over_the_wire(outcome.event)


def _go_round(event: Event, cluster: FakeCluster, clock: FakeClock) -> list[Done]:
    """Deliver the event, and what it is answered with, until no remedy is left."""
    outcomes = []
    while event.extensions.get("remedy", "rotate") == "rotate":
        outcome = handle(event, cluster, clock)
        assert isinstance(outcome, Done)
        outcomes.append(outcome)
        event = _fact(outcome)
        if "remedy" not in event.extensions:
            break
    return outcomes


def test_one_pod_moves_make_before_break(cluster: FakeCluster, clock: FakeClock) -> None:
    """Look, release one pod, see the fleet whole, evict it; then the event goes round for the next."""
    target, old, left = (pod["metadata"]["name"] for pod in cluster.pods())
    outcome = handle(_event(cluster), cluster, clock)
    looked = ["get namespaces", POLICIES, *LOOK]
    assert [*looked, "patch pods", "list pods", "create pods/eviction", EVENT] == cluster.asked()
    assert {target, left} < _names(cluster)
    assert old not in _names(cluster)
    assert 3 == len(cluster.pods())
    fact = _fact(outcome)
    assert ("io.molt-project.pods.rotated.v1", {"remedy": "rotate"}) == (fact.type, fact.extensions)
    slip = Slip.parse(fact.data)
    assert (ROTATE,) == slip.itinerary
    (entry,) = slip.trail
    assert ("rotate", "acted", f"{old} replaced by a fresh pod") == (entry.remedy, entry.outcome, entry.reason)
    before = "2026-11-24T11:59:58Z"
    details = {
        "pod": old,
        "uid": entry.details["uid"],
        "strategy": "Replace",
        "left": 1,
        "before": before,
        "more": True,
    }
    assert details == entry.details


@pytest.mark.parametrize("strategy", [ROTATE, EVICT])
def test_the_siblings_move_one_after_the_other(cluster: FakeCluster, clock: FakeClock, strategy: Step) -> None:
    """All old siblings are gone, the target stays, nobody moved twice, and the last fact has no remedy."""
    target, *siblings = (pod["metadata"]["name"] for pod in cluster.pods())
    outcomes = _go_round(_event(cluster, strategy), cluster, clock)
    assert siblings == [entry.details["pod"] for entry in Slip.parse(_fact(outcomes[-1]).data).trail]
    assert {} == _fact(outcomes[-1]).extensions
    assert target in _names(cluster)
    assert not set(siblings) & _names(cluster)
    assert 3 == len(cluster.pods())


def test_the_next_remedy_comes_after_the_last_pod(cluster: FakeCluster, clock: FakeClock) -> None:
    """The head stays as long as pods are left, then it is dropped."""
    first = handle(_event(cluster, ROTATE, TAG), cluster, clock)
    second = handle(_fact(first), cluster, clock)
    assert ["rotate", "tag"] == [_fact(outcome).extensions["remedy"] for outcome in (first, second)]


def test_evict_in_the_fewest_calls(cluster: FakeCluster, clock: FakeClock) -> None:
    """Look, evict, see the fleet whole again."""
    outcome = handle(_event(cluster, EVICT), cluster, clock)
    assert ["get namespaces", POLICIES, *LOOK, "create pods/eviction", "list pods", EVENT] == cluster.asked()
    assert isinstance(outcome, Done)
    assert outcome.reason.endswith(" evicted")


def test_it_waits_until_the_replacement_is_ready(cluster: FakeCluster, clock: FakeClock) -> None:
    """The old pod serves until then."""
    cluster.readiness = timedelta(seconds=3)
    handle(_event(cluster), cluster, clock)
    assert sum(clock.slept) >= 3
    assert cluster.asked()[-3:] == ["list pods", "create pods/eviction", EVENT]


def test_it_waits_for_a_workload_that_is_not_whole(cluster: FakeCluster, clock: FakeClock) -> None:
    """A replacement of the quarantined pod, say, must be Ready before a sibling goes."""
    cluster.readiness = timedelta(seconds=3)
    cluster.remove(cluster.pods()[2]["metadata"]["name"])
    assert isinstance(handle(_event(cluster), cluster, clock), Done)
    assert sum(clock.slept) >= 3


def test_who_is_not_ready_goes_first_and_holds_up_nobody(cluster: FakeCluster, clock: FakeClock) -> None:
    """An attacker in a sibling has its probe fail, so that the workload is not whole: the sibling goes all the same."""
    target, other, sick = (pod["metadata"]["name"] for pod in cluster.pods())
    event = _event(cluster)
    cluster._mature()
    cluster.pod(sick)["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Done)
    assert f"{sick} evicted, since it is not Ready, and nobody would miss it" == outcome.reason
    assert {target, other} < _names(cluster)
    assert f"{other} replaced by a fresh pod" == _go_round(_fact(outcome), cluster, clock)[-1].reason


def test_who_is_not_ready_holds_up_no_move_under_way(cluster: FakeCluster, clock: FakeClock) -> None:
    """Its probe fails once another one's move has begun: it goes, its replacement comes, and the move ends."""
    target, moving, sick = (pod["metadata"]["name"] for pod in cluster.pods())
    event = _event(cluster)
    cluster.kill_after = 5
    with pytest.raises(Killed):
        handle(event, cluster, clock)
    cluster.pod(sick)["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    reasons = [outcome.reason for outcome in _go_round(event, cluster, clock)]
    assert [
        f"{sick} evicted, since it is not Ready, and nobody would miss it",
        f"{moving} replaced by a fresh pod",
    ] == (reasons)
    assert target in _names(cluster)


def test_who_has_become_ready_is_missed(cluster: FakeCluster, clock: FakeClock) -> None:
    """At the last moment: what was read holds no more, and the next delivery looks again."""
    sick = cluster.pods()[2]["metadata"]["name"]
    cluster._mature()
    cluster.pod(sick)["status"]["conditions"] = [{"type": "Ready", "status": "False"}]

    def heal(cluster: FakeCluster, name: str) -> None:
        cluster.pod(name)["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
        _bump(cluster)

    cluster.interfere = heal
    with pytest.raises(TemporaryError, match=f"{sick} is not as it was read"):
        handle(_event(cluster), cluster, clock)
    assert sick in _names(cluster)


def test_nobody_goes_from_a_workload_in_a_rollout(cluster: FakeCluster, clock: FakeClock) -> None:
    """Whether Ready or not: the rollout replaces them."""
    cluster._mature()
    cluster.pods()[2]["status"]["conditions"] = []
    cluster.pods()[2]["ready-at"] = None
    cluster.objects["deployments", "shop", "web"]["spec"]["paused"] = True
    with pytest.raises(TemporaryError, match="no pod moves while Deployment/web is paused"):
        handle(_event(cluster), cluster, clock)


def test_it_gives_up_in_time_and_changes_nothing(cluster: FakeCluster, clock: FakeClock) -> None:
    """A workload that does not become whole is tried again by the broker."""
    cluster.readiness = None
    cluster.remove(cluster.pods()[2]["metadata"]["name"])
    state = cluster.state()
    with pytest.raises(TemporaryError, match="no pod moves while Deployment/web has 2 of 3 pods Ready"):
        handle(_event(cluster), cluster, clock)
    assert state == cluster.state()
    assert 25 == pytest.approx(sum(clock.slept))


def test_a_stuck_replacement_leaves_the_old_pod_serving(cluster: FakeCluster, clock: FakeClock) -> None:
    """The next delivery goes on where this one stopped, with the same pod."""
    old = cluster.pods()[1]["metadata"]["name"]
    cluster.readiness = None
    event = _event(cluster)
    with pytest.raises(TemporaryError, match=f"{old} waits for its replacement"):
        handle(event, cluster, clock)
    assert marks.is_retiring(cluster.pod(old))
    for pod in cluster.pods():
        pod["ready-at"] = clock.now().isoformat()
    cluster.asked()
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Done)
    assert f"{old} replaced by a fresh pod" == outcome.reason
    assert ["get namespaces", POLICIES, *LOOK, "create pods/eviction", EVENT] == cluster.asked()


def test_an_evicted_pod_is_told_of_though_its_replacement_is_late(cluster: FakeCluster, clock: FakeClock) -> None:
    """The pod is gone: a retry would not know who moved it. The next hop waits for the fleet."""
    event = _event(cluster, EVICT)
    cluster.readiness = None
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Done)
    assert "evicted; its replacement is not Ready yet: Deployment/web has 2 of 3 pods Ready" in outcome.reason
    with pytest.raises(TemporaryError):
        handle(_fact(outcome), cluster, clock)


@pytest.mark.parametrize("order", [ROTATE, EVICT])
def test_a_disruption_budget_is_waited_for(cluster: FakeCluster, clock: FakeClock, order: Step) -> None:
    """429 is tried again as long as time is left, then by the broker."""
    old = cluster.pods()[1]["metadata"]["name"]
    event = _event(cluster, order)
    cluster.held = {old}
    with pytest.raises(Blocked):
        handle(event, cluster, clock)
    cluster.held = set()
    clock.slept.clear()
    assert isinstance(handle(event, cluster, clock), Done)
    assert old not in _names(cluster)


@pytest.mark.parametrize(
    ("order", "call"), [*((ROTATE, call) for call in range(16)), *((EVICT, call) for call in range(14))]
)
def test_killed_after_any_call_the_redelivery_completes_it(clock: FakeClock, order: Step, call: int) -> None:
    """Whatever call was the last, in the end the old siblings are gone, and no pod too many or too few is there."""
    cluster = _shop(clock)
    target, *siblings = (pod["metadata"]["name"] for pod in cluster.pods())
    cluster.kill_after = call
    following: Event | None = _event(cluster, order)
    killed = 0
    while following:
        try:
            outcome = handle(following, cluster, clock)
        except Killed:
            killed += 1
            continue
        assert isinstance(outcome, Done | Skipped)
        following = _fact(outcome) if outcome.event and "remedy" in outcome.event.extensions else None
    assert 1 == killed
    assert target in _names(cluster)
    assert not set(siblings) & _names(cluster)
    assert 3 == len(cluster.pods())
    assert not any(marks.is_retiring(pod) for pod in cluster.pods())


def _bump(cluster: FakeCluster) -> None:
    for pod in cluster.pods():
        pod["metadata"]["resourceVersion"] += "1"


def test_a_conflict_is_read_again(cluster: FakeCluster, clock: FakeClock) -> None:
    """A kubelet that writes the pod's status meanwhile costs one more read."""
    cluster.meddle = [_bump]
    assert isinstance(handle(_event(cluster), cluster, clock), Done)
    assert ["patch pods", "get pods", "patch pods"] == cluster.asked()[5:8]


def test_a_pod_that_never_rests_is_tried_later(cluster: FakeCluster, clock: FakeClock) -> None:
    """After a few conflicts the broker waits."""
    cluster.meddle = [_bump] * ATTEMPTS
    with pytest.raises(TemporaryError, match=f"changed under each of {ATTEMPTS} attempts"):
        handle(_event(cluster), cluster, clock)


def _isolate(cluster: FakeCluster, name: str) -> None:
    cluster.pod(name)["metadata"]["labels"] = {marks.COMPROMISED: "true"}
    _bump(cluster)


def _rename(cluster: FakeCluster, name: str) -> None:
    cluster.pod(name)["metadata"]["uid"] = "another"


@pytest.mark.parametrize(
    ("meddle", "reason"),
    [
        (FakeCluster.remove, "is gone before it could be replaced"),
        (_rename, "is gone before it could be replaced"),
        (_isolate, "is no longer one of Deployment/web that can be replaced"),
    ],
)
def test_a_pod_that_is_taken_meanwhile_is_left(
    cluster: FakeCluster, clock: FakeClock, meddle: Any, reason: str
) -> None:
    """Deleted, replaced or quarantined between look and patch: look again with the next delivery."""
    old = cluster.pods()[1]["metadata"]["name"]
    cluster.meddle = [lambda cluster: meddle(cluster, old)]
    with pytest.raises(TemporaryError, match=reason):
        handle(_event(cluster), cluster, clock)
    assert not any(marks.is_retiring(pod) for pod in cluster.pods())


def test_a_pod_that_is_gone_at_its_eviction_has_moved(cluster: FakeCluster, clock: FakeClock) -> None:
    """Somebody else was faster: that is no error."""
    old = cluster.pods()[1]["metadata"]["name"]
    slip = slip_for(cluster.pods()[0], EVICT)
    listed = cluster.list

    def stale(resource: Resource, *args: Any, **kwargs: Any) -> Any:
        found = listed(resource, *args, **kwargs)
        if resource == PODS and old in _names(cluster):
            cluster.remove(old)
        return found

    cluster.list = stale  # type: ignore[method-assign]
    assert isinstance(handle(event_of(slip), cluster, clock), Done)


def _quarantine(cluster: FakeCluster, clock: FakeClock, name: str) -> None:
    event = event_of(slip_for(cluster.pod(name), Step("quarantine", {}), alert={"id": "another"}))
    assert isinstance(quarantine()(event, cluster, clock), Done)


def test_a_pod_that_is_put_in_quarantine_while_it_moves_stays(cluster: FakeCluster, clock: FakeClock) -> None:
    """The old pod of a move is attacked while it waits for its replacement: the examiner must find it."""
    old = cluster.pods()[1]["metadata"]["name"]
    cluster.interfere = lambda cluster, name: _quarantine(cluster, clock, name)
    outcome = handle(_event(cluster), cluster, clock)
    assert isinstance(outcome, Done)
    assert f"{old} replaced by a fresh pod; it stays, since somebody else has taken it" == outcome.reason
    assert marks.is_compromised(cluster.pod(old))
    assert 1 == len(_go_round(_fact(outcome), cluster, clock))


@pytest.mark.parametrize("order", [ROTATE, EVICT])
def test_a_pod_that_is_put_in_quarantine_before_it_goes_stays(
    cluster: FakeCluster, clock: FakeClock, order: Step
) -> None:
    """Found retiring, or due to be evicted, and in quarantine at the last moment: look again with the next delivery."""
    event = _event(cluster, order)
    old = cluster.pods()[1]["metadata"]["name"]
    if order == ROTATE:
        cluster.kill_after = 5
        with pytest.raises(Killed):
            handle(event, cluster, clock)
    cluster.interfere = lambda cluster, name: _quarantine(cluster, clock, name)
    with pytest.raises(TemporaryError, match=f"{old} is not as it was read"):
        handle(event, cluster, clock)
    assert marks.is_compromised(cluster.pod(old))


@pytest.mark.parametrize("meddle", [lambda cluster, _: _bump(cluster), FakeCluster.remove])
def test_a_pod_that_changes_before_it_goes_is_read_again(cluster: FakeCluster, clock: FakeClock, meddle: Any) -> None:
    """A kubelet that writes the pod's status costs one more read; one that is gone has moved."""
    old = cluster.pods()[1]["metadata"]["name"]
    cluster.interfere = meddle
    outcome = handle(_event(cluster, EVICT), cluster, clock)
    assert isinstance(outcome, Done)
    assert f"{old} evicted" == outcome.reason
    assert old not in _names(cluster)


def test_a_successor_of_the_same_name_is_not_evicted(cluster: FakeCluster, clock: FakeClock) -> None:
    """As a StatefulSet makes it when somebody else was faster: the pod that was meant is gone."""
    old = cluster.pods()[1]["metadata"]["name"]
    cluster.interfere = _rename
    assert isinstance(handle(_event(cluster, EVICT), cluster, clock), Done)
    assert "another" == cluster.pod(old)["metadata"]["uid"]


def test_a_move_is_finished_while_the_deployment_is_paused(cluster: FakeCluster, clock: FakeClock) -> None:
    """None begins then; but the controller counts without the old pod, so that it may go."""
    event = _event(cluster)
    cluster.kill_after = 5
    with pytest.raises(Killed):
        handle(event, cluster, clock)
    cluster.objects["deployments", "shop", "web"]["spec"]["paused"] = True
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Done)
    with pytest.raises(TemporaryError, match="no pod moves while Deployment/web is paused"):
        handle(_fact(outcome), cluster, clock)


class _Ahead(FakeClock):
    """A clock that is ten minutes ahead of the API server's."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=10)


def test_a_clock_that_is_ahead_moves_no_more_pods_than_there_were(cluster: FakeCluster) -> None:
    """To such a function every replacement looks old: it moves as many as it found at first, the old ones first."""
    clock = _Ahead()
    cluster.clock = clock
    cluster.readiness = None
    target, *siblings = (pod["metadata"]["name"] for pod in cluster.pods())
    made = cluster._new_pod

    def on_time(*args: Any, **kwargs: Any) -> dict[str, Any]:
        pod = made(*args, **kwargs)
        pod["metadata"]["creationTimestamp"] = f"{clock.time:%Y-%m-%dT%H:%M:%SZ}"
        pod["ready-at"] = clock.time.isoformat()
        return pod

    cluster._new_pod = on_time  # type: ignore[method-assign]
    outcomes = _go_round(_event(cluster, alert={"time": None}), cluster, clock)
    assert 2 == len(outcomes)
    assert target in _names(cluster)
    assert not set(siblings) & _names(cluster)


def test_a_second_step_counts_for_itself(cluster: FakeCluster, clock: FakeClock) -> None:
    """What an earlier rotation of the same itinerary has left does not bind the next one."""
    done = Entry("rotate", "acted", "", marks.stamp(clock.now()), {"left": 1})
    outcome = handle(_event(cluster, WORKLOAD, trail=[done]), cluster, clock)
    assert 2 == Slip.parse(_fact(outcome).data).trail[1].details["left"]


def test_nothing_is_left_is_the_end(cluster: FakeCluster, clock: FakeClock) -> None:
    """A redelivery after the last pod, or a workload of one pod, has nothing to move, and does not wait for it."""
    event = _event(cluster)
    _go_round(event, cluster, clock)
    cluster.readiness = None
    cluster.remove(cluster.pods()[-1]["metadata"]["name"])
    outcome = handle(event, cluster, clock)
    reason = "no pod of Deployment/web in scope Siblings from before 2026-11-24T11:59:58Z is left to move"
    assert Skipped(reason) == outcome
    assert [] == clock.slept


def test_a_skipped_step_lets_the_next_one_be_done(cluster: FakeCluster, clock: FakeClock) -> None:
    """What rotate cannot do is no reason not to tag."""
    pod = cluster.bare_pod("a-solo")
    fact = _fact(handle(event_of(slip_for(pod, ROTATE, TAG)), cluster, clock))
    assert ("io.molt-project.remedy.skipped.v1", {"remedy": "tag"}) == (fact.type, fact.extensions)
    assert ["no controller would replace it"] == [entry.reason for entry in Slip.parse(fact.data).trail]
    assert ["get namespaces", POLICIES] == cluster.asked()


def test_an_exempt_namespace_is_left(cluster: FakeCluster, clock: FakeClock) -> None:
    """The namespace's label counts at every hop."""
    cluster.namespace("shop", **{marks.EXEMPT: "true"})
    outcome = handle(_event(cluster), cluster, clock)
    assert Skipped("namespace shop is exempt by its label molt-project.io/exempt") == outcome
    assert ["get namespaces"] == cluster.asked()


@pytest.mark.parametrize("scope", SCOPES)
def test_a_protected_namespace_is_left(cluster: FakeCluster, clock: FakeClock, scope: str) -> None:
    """No slip gets a pod of it moved, and nothing is read."""
    pod = cluster.bare_pod("proxy", "kube-system")
    outcome = handle(event_of(slip_for(pod, Step("rotate", {"scope": scope}))), cluster, clock)
    assert (Skipped("namespace kube-system is protected"), []) == (outcome, cluster.asked())


def test_a_namespace_that_is_gone_is_left(cluster: FakeCluster, clock: FakeClock) -> None:
    """What cannot be checked is not touched."""
    del cluster.objects["namespaces", "", "shop"]
    outcome = handle(_event(cluster), cluster, clock)
    assert Skipped("namespace shop could not be checked for molt-project.io/exempt") == outcome


@pytest.mark.parametrize("mode", ["Enforce", "DryRun"])
def test_a_workload_that_is_gone_is_left(cluster: FakeCluster, clock: FakeClock, mode: Any) -> None:
    """Deleted, or deleted and made anew: its pods are not these."""
    event = _event(cluster, mode=mode)
    for key in [key for key in cluster.objects if key[0] == "replicasets"]:
        del cluster.objects[key]
    assert Skipped("Deployment/web is gone") == handle(event, cluster, clock)


def test_the_whole_workload(cluster: FakeCluster, clock: FakeClock) -> None:
    """Scope Workload takes the target too."""
    before = _names(cluster)
    assert 3 == len(_go_round(_event(cluster, WORKLOAD), cluster, clock))
    assert not before & _names(cluster)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_who_cannot_be_replaced_first_is_evicted(clock: FakeClock, kind: str) -> None:
    """A StatefulSet's or DaemonSet's pod goes before its successor comes, and the reason says so."""
    clock.time -= timedelta(minutes=10)
    cluster = FakeCluster(clock)
    cluster.namespace()
    cluster.stateful_set("db") if kind == "StatefulSet" else cluster.daemon_set("db")
    clock.time += timedelta(minutes=10)
    outcome = handle(_event(cluster), cluster, clock)
    assert isinstance(outcome, Done)
    assert outcome.reason.endswith(f"evicted, since {kind}/db does not tell its pods by pod-template-hash")
    assert 2 == len(cluster.pods())


@pytest.mark.parametrize(("order", "call"), [(ROTATE, "patch pods"), (EVICT, "create pods/eviction")])
def test_a_rehearsal_changes_nothing(cluster: FakeCluster, clock: FakeClock, order: Step, call: str) -> None:
    """One event rehearses all siblings, without waiting, and no second one follows."""
    state = cluster.state()
    names = sorted(_names(cluster))[1:]
    outcome = handle(_event(cluster, order, mode="DryRun"), cluster, clock)
    assert ["get namespaces", POLICIES, *LOOK, call, call] == cluster.asked()
    assert (state, []) == (cluster.state(), clock.slept)
    assert isinstance(outcome, Done)
    assert ("would move 2 pods of Deployment/web, one after the other", True) == (outcome.reason, outcome.rehearsed)
    (entry,) = Slip.parse(_fact(outcome).data).trail
    assert ("rehearsed", names) == (entry.outcome, entry.details["pods"])
    assert {} == _fact(outcome).extensions


def test_a_rehearsal_tells_of_budgets(cluster: FakeCluster, clock: FakeClock) -> None:
    """Whoever reads it learns that a disruption budget would have held a pod back."""
    cluster.held = {cluster.pods()[1]["metadata"]["name"]}
    outcome = handle(_event(cluster, EVICT, mode="DryRun"), cluster, clock)
    assert isinstance(outcome, Done)
    assert outcome.reason.endswith("a disruption budget would now hold 1 of them back")


def test_a_rehearsal_of_nothing(clock: FakeClock) -> None:
    """One replica has no siblings."""
    cluster = _shop(clock, replicas=1)
    outcome = handle(_event(cluster, mode="DryRun"), cluster, clock)
    assert isinstance(outcome, Skipped)
    assert outcome.reason.startswith("no pod of Deployment/web in scope Siblings")


def test_a_chain_ends_before_the_broker_ends_it(cluster: FakeCluster, clock: FakeClock) -> None:
    """A broker dead-letters an event that went round 254 times: the step ends well before, and says what is left."""
    entry = Entry("rotate", "acted", "", marks.stamp(clock.now()), {"left": 9})
    outcome = handle(_event(cluster, trail=[entry] * steps.HOPS), cluster, clock)
    assert isinstance(outcome, Done)
    assert outcome.reason.endswith("; 1 pod left as they are: one alert moves 200")
    assert {} == _fact(outcome).extensions


def test_of_a_namespace_only_the_workload_is_read(cluster: FakeCluster, clock: FakeClock) -> None:
    """Old ReplicaSets of other Deployments may be thousands, with a whole pod template in each."""
    cluster.deployment("other")
    answers = {}
    listed = cluster.list

    def spy(resource: Resource, *args: Any, **kwargs: Any) -> Any:
        answers[resource.plural] = found = listed(resource, *args, **kwargs)
        return found

    cluster.list = spy  # type: ignore[method-assign]
    handle(_event(cluster), cluster, clock)
    assert {"deployments": 1, "replicasets": 1} == {kind: len(answers[kind]) for kind in ("deployments", "replicasets")}


def test_replica_sets_whose_deployment_was_deleted_are_workloads_themselves(
    cluster: FakeCluster, clock: FakeClock
) -> None:
    """`kubectl delete --cascade=orphan` leaves them, and they go on replacing their pods."""
    event = _event(cluster)
    del cluster.objects["deployments", "shop", "web"]
    for owned in (obj for key, obj in cluster.objects.items() if key[0] == "replicasets"):
        owned["metadata"]["ownerReferences"] = []
    assert isinstance(handle(event, cluster, clock), Done)


def test_a_retiring_pod_is_found_by_the_fleets_selector(cluster: FakeCluster, clock: FakeClock) -> None:
    """The list is by the Deployment's own labels, which a retiring pod keeps."""
    asked = []
    listed = cluster.list

    def spy(resource: Any, *args: Any, labels: str = "", **kwargs: Any) -> Any:
        asked.append(labels)
        return listed(resource, *args, labels=labels, **kwargs)

    cluster.list = spy  # type: ignore[method-assign]
    handle(_event(cluster), cluster, clock)
    assert str(Requirement("app", "In", ("web",))) in asked


def test_a_hop_without_a_workload_has_no_fleet(cluster: FakeCluster, clock: FakeClock) -> None:
    """Asked all the same, it says so, and makes no call."""
    slip = slip_for(cluster.bare_pod("a-solo"), ROTATE)
    hop = Hop(event_of(slip), slip, Order(), clock.now(), cluster, clock, Turns())
    assert hop.fleet() is None
    assert [] == cluster.requests
