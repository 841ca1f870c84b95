"""A step of scope Node or Namespace: many workloads at once, one pod of each, hop by hop, and what is told of the rest.

| finds                                            | does                                                              |
|--------------------------------------------------|-------------------------------------------------------------------|
| workloads that are whole                         | moves one pod of each, waits for all, goes round                  |
| one that is not                                  | moves the others; goes round for it, gives it up after a while    |
| one that it never moves, an exempt namespace     | says so                                                           |
| a policy's maxMoving or minReady                 | holds to it                                                       |
| more than a hop, a step or a broker's chain bear | goes round, or says how many are left                             |
| a death after any call                           | finishes at the redelivery                                        |
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import NAMESPACES, PODS, Forbidden, Unavailable
from molt.events import Event
from molt.itinerary import LONGEST_REASON, Entry, Slip, Step
from molt.lifetime import Keys
from molt.listener import BODY_LIMIT
from molt.outcome import Done, Outcome, Skipped
from rotate import wide
from rotate.handler import handler
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.slips import event_of, over_the_wire, slip_for

TAG = Step("tag", {})
NAMESPACE = Step("rotate", {"scope": "Namespace"})
NODE = Step("rotate", {"scope": "Node"})
EVICT = Step("rotate", {"scope": "Namespace", "strategy": "Evict"})
ESCAPE = Step("rotate", {"scope": "Node", "strategy": "Relocate"})
TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})

handle = handler(Keys(b"sixteen bytes or more"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster with two Deployments of two, ten minutes older than the alert, and no node to choose from."""
    return _shop(clock, "api", "web")


def _shop(clock: FakeClock, *names: str, nodes: int = 0, replicas: int = 2) -> FakeCluster:
    clock.time -= timedelta(minutes=10)
    cluster = FakeCluster(clock)
    for number in range(nodes):
        cluster.node(f"node-{number + 1}")
    cluster.namespace()
    for name in names:
        cluster.deployment(name, replicas=replicas)
    cluster._mature()
    clock.time += timedelta(minutes=10)
    return cluster


def _event(cluster: FakeCluster, *steps: Step, **more: Any) -> Event:
    return event_of(slip_for(cluster.pods()[0], *steps, **more))


def _uids(cluster: FakeCluster, namespace: str = "shop") -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.pods(namespace)}


def _fact(outcome: Outcome) -> Event:
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    return over_the_wire(outcome.event)


def _trail(outcome: Outcome) -> tuple[Entry, ...]:
    return Slip.parse(_fact(outcome).data).trail


def _go_round(event: Event, cluster: FakeCluster, clock: FakeClock) -> list[Done | Skipped]:
    """Deliver the event, and what it is answered with, until no rotation is left."""
    outcomes = []
    following: Event | None = event
    while following:
        outcome = handle(following, cluster, clock)
        assert isinstance(outcome, Done | Skipped)
        outcomes.append(outcome)
        answer = outcome.event and over_the_wire(outcome.event)
        following = answer if answer and answer.extensions.get("remedy") == "rotate" else None
    return outcomes


def test_one_pod_of_each_workload_moves_at_once(cluster: FakeCluster, clock: FakeClock) -> None:
    """Both replacements come up at the same time; the entry names who moved, and how many are left."""
    cluster.readiness = timedelta(seconds=3)
    before = _uids(cluster)
    event = _event(cluster, NAMESPACE)
    outcome = handle(event, cluster, clock)
    assert 3 <= sum(clock.slept) < 6
    assert 2 == len(before & _uids(cluster))
    assert 4 == len(cluster.pods())
    (entry,) = _trail(outcome)
    assert ("acted", "2 pods of namespace shop moved, 2 left") == (entry.outcome, entry.reason)
    moved = entry.details["moved"]
    assert before - _uids(cluster) == {one["uid"] for one in moved}
    assert [("shop/api", "replaced by a fresh pod"), ("shop/web", "replaced by a fresh pod")] == [
        (one["pod"].rpartition("-5d9c7b")[0], one["reason"]) for one in moved
    ]
    assert (2, True, 0) == tuple(entry.details[name] for name in ("left", "more", "moving"))
    assert {"remedy": "rotate"} == _fact(outcome).extensions


def test_the_calls_of_a_hop(cluster: FakeCluster, clock: FakeClock) -> None:
    """Six to look, one a pod to begin; one look for all, an eviction and an Event a pod. Later hops heed no alarm."""
    outcome = handle(_event(cluster, NAMESPACE), cluster, clock)
    look = ["get namespaces", *["list rotationpolicies"] * 2, "list pods", "list replicasets", "list deployments"]
    left = ["create pods/eviction", "create events"]
    assert [*look, *["patch pods"] * 2, "list pods", *left * 2] == cluster.asked()
    handle(_fact(outcome), cluster, clock)
    assert ["get namespaces", *look[2:]] == cluster.asked()[:5]


def test_the_calls_of_a_hop_for_a_node(cluster: FakeCluster, clock: FakeClock) -> None:
    """One more to find who is on the node, and five for each namespace that has any."""
    cluster.namespace("bank")
    clock.time -= timedelta(minutes=10)
    cluster.deployment("vault", replicas=1, namespace="bank")
    clock.time += timedelta(minutes=10)
    handle(_event(cluster, NODE), cluster, clock)
    bank = ["get namespaces", "list pods", "list replicasets", "list deployments", "patch pods"]
    shop = ["list pods", "list replicasets", "list deployments", "patch pods", "patch pods"]
    asked = cluster.asked()
    assert ["get namespaces", *["list rotationpolicies"] * 2, "list pods", *bank, *shop] == asked[:14]
    assert ["list pods"] * 2 + ["create pods/eviction", "create events"] * 3 == asked[14:]


@pytest.mark.parametrize("order", [NAMESPACE, EVICT])
def test_in_the_end_all_have_moved_and_the_next_remedy_comes(
    cluster: FakeCluster, clock: FakeClock, order: Step
) -> None:
    """The target too, if nobody has put it in quarantine; no fresh pod moves."""
    before = _uids(cluster)
    outcomes = _go_round(_event(cluster, order, TAG), cluster, clock)
    assert 2 == len(outcomes)
    assert {"remedy": "tag"} == _fact(outcomes[-1]).extensions
    assert not before & _uids(cluster)
    assert 4 == len(cluster.pods())


def test_who_is_in_quarantine_stays(cluster: FakeCluster, clock: FakeClock) -> None:
    """The examiner finds it."""
    event = _event(cluster, NAMESPACE)
    held = cluster.pods()[0]
    held["metadata"] |= {"labels": {marks.COMPROMISED: "true"}, "ownerReferences": []}
    cluster.reconcile()
    _go_round(event, cluster, clock)
    assert held["metadata"]["uid"] in _uids(cluster)


def test_scope_node_is_all_that_runs_there(clock: FakeClock) -> None:
    """In every namespace, and nowhere else; each gets another node."""
    cluster = _shop(clock, "api", "web", nodes=3, replicas=3)
    on = {pod["metadata"]["uid"]: pod["spec"]["nodeName"] for pod in cluster.pods()}
    outcomes = _go_round(_event(cluster, ESCAPE), cluster, clock)
    assert {uid for uid, node in on.items() if node != "node-1"} == on.keys() & _uids(cluster)
    assert not any(node["spec"].get("taints") for key, node in cluster.objects.items() if key[0] == "nodes")
    moved = [one for entry in _trail(outcomes[-1]) for one in entry.details["moved"]]
    assert 2 == len(moved)
    assert all(" instead of node-1" in one["reason"] for one in moved)


def test_pods_of_one_node_relocate_at_once(clock: FakeClock) -> None:
    """They share the bar, which stands until the last of them has another node."""
    cluster = _shop(clock, "a", "b", "c", nodes=2, replicas=2)
    cluster.readiness = timedelta(seconds=3)
    outcome = handle(_event(cluster, ESCAPE), cluster, clock)
    (entry,) = _trail(outcome)
    assert ("3 pods of node node-1 moved", 3) == (entry.reason, len(entry.details["moved"]))
    assert 3 <= sum(clock.slept) < 6
    assert all(" instead of node-1" in one["reason"] for one in entry.details["moved"])


def test_the_node_is_read_from_the_pod_if_the_slip_has_none(cluster: FakeCluster, clock: FakeClock) -> None:
    """An alert need not name it."""
    event = _event(cluster, NODE)
    event.data["target"]["node"] = None
    assert "2 pods of node node-1 moved, 2 left" == _trail(handle(event, cluster, clock))[0].reason


@pytest.mark.parametrize("gone", [True, False])
def test_a_node_that_nobody_knows_is_skipped(cluster: FakeCluster, clock: FakeClock, gone: bool) -> None:  # noqa: FBT001 - both
    """The pod is gone, or another has its name."""
    event = _event(cluster, NODE, TAG)
    event.data["target"]["node"] = None
    pod = cluster.pods()[0]
    if gone:
        cluster.remove(pod["metadata"]["name"])
    else:
        pod["metadata"]["uid"] = "another"
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Skipped)
    reason = f"the node of pod {pod['metadata']['name']} is not known: the pod is gone, or had none yet"
    assert (reason, {"remedy": "tag"}) == (outcome.reason, _fact(outcome).extensions)


def test_no_guard_is_lifted(cluster: FakeCluster, clock: FakeClock) -> None:
    """Protected namespaces are passed over, an exempt or deleted one is told of; pods of no workload stay."""
    clock.time -= timedelta(minutes=10)
    for name in ("kube-system", "bank", "gone"):
        cluster.namespace(name, **({marks.EXEMPT: "true"} if name == "bank" else {}))
        cluster.deployment("own", replicas=1, namespace=name)
    cluster.bare_pod("solo")
    cluster.job_pod()
    cluster.bare_pod("static", annotations={"kubernetes.io/config.mirror": "x"}, ownerReferences=[_owner("DaemonSet")])
    clock.time += timedelta(minutes=10)
    del cluster.objects[NAMESPACES.plural, "", "gone"]
    others = ("kube-system", "bank", "gone")
    before = [_uids(cluster, name) for name in others]
    outcomes = _go_round(event_of(slip_for(cluster.pods()[-1], NODE)), cluster, clock)
    assert before == [_uids(cluster, name) for name in others]
    assert {"solo", "batch-x", "static"} < {pod["metadata"]["name"] for pod in cluster.pods()}
    exempt = "namespace bank is exempt by its label molt-project.io/exempt"
    unchecked = "namespace gone could not be checked for molt-project.io/exempt"
    assert [exempt, unchecked] == sorted(_trail(outcomes[-1])[-1].details["stays"])


def _owner(kind: str, uid: str = "x") -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": kind, "name": "x", "uid": uid, "controller": True}


@pytest.mark.parametrize("namespace", ["kube-system", "bank"])
def test_an_alert_from_a_namespace_that_is_left_alone_moves_nobody(
    cluster: FakeCluster, clock: FakeClock, namespace: str
) -> None:
    """Storage drivers and agents do by trade what looks like an escape: their node's pods must not pay for it."""
    cluster.namespace(namespace, **{marks.EXEMPT: "true"})
    pod = cluster.bare_pod("agent", namespace)
    before = _uids(cluster)
    assert isinstance(handle(event_of(slip_for(pod, NODE)), cluster, clock), Skipped)
    assert before == _uids(cluster)


def test_a_workload_that_is_not_whole_holds_up_no_other(cluster: FakeCluster, clock: FakeClock) -> None:
    """The others move; it is waited for, hop by hop, and at last given up, so that later remedies are done."""
    cluster.objects["deployments", "shop", "api"]["spec"]["paused"] = True
    outcomes = _go_round(_event(cluster, NAMESPACE, TAG), cluster, clock)
    entries = _trail(outcomes[-1])
    paused = "in shop: Deployment/api is paused"
    assert ["acted", "acted", *["skipped"] * wide.IDLE] == [entry.outcome for entry in entries]
    assert f"no pod of namespace shop moves now; these wait: {paused}" == entries[2].reason
    last = f"0 pods of namespace shop moved, 2 left after {wide.IDLE} tries; these wait: {paused}"
    assert (last, {"remedy": "tag"}) == (entries[-1].reason, _fact(outcomes[-1]).extensions)
    assert 25 * wide.IDLE == pytest.approx(sum(clock.slept))


def test_once_it_is_whole_it_moves_too(cluster: FakeCluster, clock: FakeClock) -> None:
    """Within one hop's time, or in a later one."""
    top = cluster.objects["deployments", "shop", "api"]["spec"]
    top["paused"] = True
    event = _event(cluster, NAMESPACE)
    for _ in range(3):
        event = _fact(handle(event, cluster, clock))
    assert ["acted", "acted", "skipped"] == [entry.outcome for entry in Slip.parse(event.data).trail]
    top["paused"] = False
    entries = _trail(_go_round(event, cluster, clock)[-1])
    assert [1, 1, 0, 1, 1] == [len(entry.details["moved"]) for entry in entries]


def test_who_is_not_ready_goes_though_its_workload_is_not_whole(cluster: FakeCluster, clock: FakeClock) -> None:
    """Nor does any policy hold it: an attacker could make it so."""
    cluster.policy(selector={}, minReady=4)
    cluster.pods()[1]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    sick = cluster.pods()[1]["metadata"]
    outcome = handle(_event(cluster, NAMESPACE), cluster, clock)
    (one,) = _trail(outcome)[0].details["moved"]
    assert (sick["uid"], "evicted, since it is not Ready, and nobody would miss it") == (one["uid"], one["reason"])


@pytest.mark.parametrize(
    ("spec", "mode", "moved"),
    [
        ({"selector": {}, "maxMoving": 1}, "Enforce", 1),
        ({"selector": {}, "maxMoving": 1}, "DryRun", 2),
        ({"selector": {}, "maxMoving": 2}, "Enforce", 2),
        ({"maxMoving": 1}, "Enforce", 2),
        ({"selector": {}, "lifetime": {}}, "Enforce", 2),
    ],
)
def test_budgets_hold(cluster: FakeCluster, clock: FakeClock, spec: dict[str, Any], mode: str, moved: int) -> None:
    """Those of policies in force that select the pods; an invalid policy holds nobody."""
    cluster.policy(mode=mode, **spec)
    (entry,) = _trail(handle(_event(cluster, NAMESPACE), cluster, clock))
    assert moved == len(entry.details["moved"])


def test_a_workload_that_restarts_counts_in_a_budget(cluster: FakeCluster, clock: FakeClock) -> None:
    """As one pod of the policy."""
    cluster.policy(selector={"matchLabels": {"tier": "front"}}, maxMoving=1)
    for pod in cluster.pods():
        pod["metadata"]["labels"]["tier"] = "front"
    top = cluster.objects["deployments", "shop", "api"]
    top["metadata"]["labels"] = {marks.RESTARTING: "true"}
    top["spec"] |= {"paused": True, "template": {"metadata": {"labels": {"tier": "front"}}}}
    outcome = handle(_event(cluster, NAMESPACE), cluster, clock)
    assert isinstance(outcome, Skipped)
    assert "in shop: policy web has its maxMoving on the move" in outcome.reason


def test_min_ready_holds(cluster: FakeCluster, clock: FakeClock) -> None:
    """An eviction would take one too many; make before break takes none."""
    cluster.policy(selector={}, minReady=4, maxMoving=9)
    outcome = handle(_event(cluster, EVICT), cluster, clock)
    assert "policy web wants 4 of its pods Ready" in getattr(outcome, "reason", "")
    assert 2 == len(_trail(handle(_event(cluster, NAMESPACE), cluster, clock))[0].details["moved"])


def test_disruption_budgets_hold(cluster: FakeCluster, clock: FakeClock) -> None:
    """Who is held back is waited for, and holds up nobody else."""
    held = cluster.pods()[0]["metadata"]["name"]
    cluster.held = {held}
    (entry,) = _trail(handle(_event(cluster, EVICT), cluster, clock))
    assert (1, 3) == (len(entry.details["moved"]), entry.details["left"])
    assert held in {pod["metadata"]["name"] for pod in cluster.pods()}


def test_what_the_server_refuses_is_told_and_not_waited_for(cluster: FakeCluster, clock: FakeClock) -> None:
    """An admission policy, say."""
    cluster.failing["patch", "pods"] = Forbidden("not allowed")
    outcome = handle(_event(cluster, NAMESPACE), cluster, clock)
    assert isinstance(outcome, Skipped)
    assert outcome.reason.count(": not allowed") == 2
    assert [] == clock.slept


def test_what_the_server_cannot_do_now_is_tried_again(cluster: FakeCluster, clock: FakeClock) -> None:
    """The event comes back."""
    cluster.failing["patch", "pods"] = Unavailable("not now")
    outcome = handle(_event(cluster, NAMESPACE), cluster, clock)
    assert isinstance(outcome, Skipped)
    assert outcome.reason.count(": not now") == 2
    cluster.failing.clear()
    assert 2 == len(_trail(handle(_fact(outcome), cluster, clock))[1].details["moved"])


def test_a_stuck_replacement_holds_up_no_other_workload(cluster: FakeCluster, clock: FakeClock) -> None:
    """After ten minutes its move is undone, and no other pod of it is tried."""
    made = cluster._new_pod

    def stuck(name: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        pod = made(name, *args, **kwargs)
        pod["ready-at"] = None if name.startswith("api") else pod["ready-at"]
        return pod

    cluster._new_pod = stuck  # type: ignore[method-assign]
    before = _uids(cluster)
    outcomes = _go_round(_event(cluster, NAMESPACE, TAG), cluster, clock)
    assert {"remedy": "tag"} == _fact(outcomes[-1]).extensions
    assert 2 == len(before & _uids(cluster)), "those of api stay"
    assert not any(map(marks.is_retiring, cluster.pods()))
    reasons = [entry.reason for entry in _trail(outcomes[-1])]
    assert "1 pod of namespace shop moved, 1 on the move, 2 left" == reasons[0]
    assert any("it stays, since its replacement does not become Ready" in reason for reason in reasons)


def test_a_stateful_set_whose_pod_is_in_quarantine_is_not_waited_for(cluster: FakeCluster, clock: FakeClock) -> None:
    """It cannot become whole; the others of the namespace move."""
    clock.time -= timedelta(minutes=10)
    cluster.stateful_set()
    clock.time += timedelta(minutes=10)
    isolated = Entry("quarantine", "acted", "", marks.stamp(clock.now()))
    event = event_of(slip_for(cluster.pod("db-0"), NAMESPACE, trail=[isolated]))
    outcomes = _go_round(event, cluster, clock)
    assert 2 == len(outcomes)
    expected = "StatefulSet/db in shop cannot become whole while the pod in quarantine has its replica's name"
    assert [expected] == _trail(outcomes[-1])[-1].details["stays"]


@pytest.mark.parametrize(
    ("scope", "strategy", "stays"),
    [("Node", "Relocate", True), ("Node", "Evict", False), ("Namespace", "Relocate", False)],
)
def test_agents_of_a_node_stay_when_all_leave_it(clock: FakeClock, scope: str, strategy: str, stays: bool) -> None:  # noqa: FBT001 - a column
    """A DaemonSet would make the next one on the same node: as with a drain. Asked for a fresh one, it gets that."""
    cluster = _shop(clock)
    clock.time -= timedelta(minutes=10)
    cluster.daemon_set(nodes=1)
    clock.time += timedelta(minutes=10)
    before = _uids(cluster)
    outcome = handle(_event(cluster, Step("rotate", {"scope": scope, "strategy": strategy})), cluster, clock)
    assert stays == (before == _uids(cluster))
    told = "; these stay: DaemonSet/agent in shop keeps a pod on every node: none can go to another"
    assert stays == getattr(outcome, "reason", "").endswith(told)


def test_kinds_that_molt_does_not_know(cluster: FakeCluster, clock: FakeClock) -> None:
    """Without a disruption budget they stay; a pod whose workload is gone stays, too."""
    cluster.bare_pod("clone", ownerReferences=[_owner("CloneSet")])
    cluster.bare_pod("orphan", ownerReferences=[_owner("StatefulSet", "gone")])
    for name in ("clone", "orphan"):
        cluster.pod(name)["metadata"]["creationTimestamp"] = "2026-11-24T11:00:00Z"
    event = event_of(slip_for(cluster.pod("clone"), NAMESPACE))
    assert [
        "pod orphan in shop: its workload is not there",
        "CloneSet/x in shop is of a kind that molt does not know, and no disruption budget is for its pods",
    ] == _trail(_go_round(event, cluster, clock)[-1])[-1].details["stays"]


def test_a_hop_moves_no_more_than_it_can_wait_for(
    cluster: FakeCluster, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others have their turn in the next one, in other namespaces too."""
    monkeypatch.setattr(wide, "BATCH", 1)
    cluster.namespace("bank")
    clock.time -= timedelta(minutes=10)
    cluster.deployment("vault", replicas=1, namespace="bank")
    clock.time += timedelta(minutes=10)
    outcomes = _go_round(_event(cluster, NODE), cluster, clock)
    entries = _trail(outcomes[-1])
    assert [1] * 5 == [len(entry.details["moved"]) for entry in entries]
    assert [4, 3, 2, 1, 0] == [entry.details["left"] for entry in entries]


def test_many_workloads_do_not_wait_for_each_other(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve that take three seconds each, four a hop: three waits and not twelve."""
    monkeypatch.setattr(wide, "BATCH", 4)
    cluster = _shop(clock, *(f"app-{number}" for number in range(12)), replicas=1)
    cluster.readiness = timedelta(seconds=3)
    before = _uids(cluster)
    outcomes = _go_round(_event(cluster, NAMESPACE), cluster, clock)
    assert 3 == len(outcomes)
    assert not before & _uids(cluster)
    assert sum(clock.slept) < len(outcomes) * 5


def test_a_hop_begins_nothing_late(cluster: FakeCluster, clock: FakeClock) -> None:
    """A slow API server: what could not be waited for is not begun, and not forgotten."""
    cluster.namespace("bank")
    clock.time -= timedelta(minutes=10)
    cluster.deployment("vault", replicas=1, namespace="bank")
    clock.time += timedelta(minutes=10)
    event = _event(cluster, NAMESPACE)
    listed = cluster.list

    def slow(*args: Any, **kwargs: Any) -> Any:
        clock.time += timedelta(seconds=11)
        return listed(*args, **kwargs)

    cluster.list = slow  # type: ignore[method-assign]
    (entry,) = _trail(handle(_event(cluster, NODE), cluster, clock))
    assert (1, 4) == (len(entry.details["moved"]) + entry.details["moving"], entry.details["left"])
    (entry,) = _trail(handle(event, cluster, clock))
    assert (2, 2) == (len(entry.details["moved"]) + entry.details["moving"], entry.details["left"])


@pytest.mark.parametrize(("limit", "value", "moved"), [("MOST", 3, 3), ("HOPS", 1, 4)])
def test_what_is_over_the_limit_is_told(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, moved: int
) -> None:
    """A trail has an end, as a broker's chain has."""
    cluster = _shop(clock, "api", "web", replicas=3)
    monkeypatch.setattr(wide, limit, value)
    entries = _trail(_go_round(_event(cluster, NAMESPACE), cluster, clock)[-1])
    assert moved == sum(len(entry.details["moved"]) for entry in entries)
    told = f"{6 - moved} left as they are: one alert moves {wide.MOST} in {wide.HOPS} events"
    assert told in entries[-1].reason


def test_a_clock_that_is_ahead_moves_no_more_pods_than_there_were(cluster: FakeCluster, clock: FakeClock) -> None:
    """To such a function every replacement looks old."""

    class Ahead(FakeClock):
        def now(self) -> Any:
            return clock.now() + timedelta(minutes=5)

        def sleep(self, seconds: float) -> None:
            clock.sleep(seconds)

    before = _uids(cluster)
    outcomes = _go_round(_event(cluster, NAMESPACE, alert={"time": None}), cluster, Ahead())
    assert (2, set()) == (len(outcomes), before & _uids(cluster))


def test_a_trail_of_the_longest_names_fits_into_an_event(cluster: FakeCluster, clock: FakeClock) -> None:
    """As many pods as one step moves, in as many hops as it takes, with reasons as long as may be."""
    entry = _trail(handle(_event(cluster, NAMESPACE), cluster, clock))[0]
    node, uid = "n" * 253, "0b9e7a52-5a5e-4f5e-9c1d-000000000000"
    reason = f"replaced by a fresh pod, on node {node} instead of {node}"
    pod = len(json.dumps({"pod": f"{'s' * 63}/{'p' * 253}", "uid": uid, "reason": reason}))
    frame = len(json.dumps({**entry.details, "moved": [], "reason": "", "outcome": "", "at": entry.at}))
    stays = wide.NAMED * marks.TEXT_LIMIT
    assert wide.MOST * pod + wide.HOPS * (frame + LONGEST_REASON) + stays < 0.9 * BODY_LIMIT


def test_nothing_to_move_is_said(clock: FakeClock) -> None:
    """And the step is over at once, rehearsed or not."""
    cluster = _shop(clock)
    pod = cluster.bare_pod("solo")
    outcomes = [handle(event_of(slip_for(pod, order, mode=mode)), cluster, clock) for order, mode in _QUIET]
    before = "from before 2026-11-24T11:59:58Z is left to move"
    assert [Skipped(f"no pod of {where} {before}") for where in ("namespace shop", "node node-1") * 2] == outcomes
    assert [] == clock.slept


_QUIET: list[tuple[Step, Any]] = [(NAMESPACE, "Enforce"), (NODE, "Enforce"), (NAMESPACE, "DryRun"), (NODE, "DryRun")]


@pytest.mark.parametrize(("order", "call"), [(NAMESPACE, "patch pods"), (EVICT, "create pods/eviction")])
def test_a_rehearsal_changes_nothing(cluster: FakeCluster, clock: FakeClock, order: Step, call: str) -> None:
    """The API server checks the first pod of each workload; the reason says how many would follow, and who waits."""
    cluster.stateful_set("young")
    cluster.objects["deployments", "shop", "web"]["spec"]["paused"] = True
    cluster.held = {cluster.pods()[0]["metadata"]["name"]} if order == EVICT else set()
    state = cluster.state()
    outcome = handle(_event(cluster, order, mode="DryRun"), cluster, clock)
    assert 1 == cluster.asked().count(call)
    assert (state, []) == (cluster.state(), clock.slept)
    assert isinstance(outcome, Done)
    blocked = "; a disruption budget would now hold 1 of them back" if order == EVICT else ""
    reason = "would move 4 pods of namespace shop, one of each workload at a time, 1 at first" + blocked
    assert (f"{reason}; these wait: in shop: Deployment/web is paused", True) == (outcome.reason, outcome.rehearsed)
    assert {} == _fact(outcome).extensions


@pytest.mark.parametrize("order", [NAMESPACE, EVICT, ESCAPE])
@pytest.mark.parametrize("call", range(0, 40, 1))
def test_killed_after_any_call_the_redelivery_completes_it(clock: FakeClock, order: Step, call: int) -> None:
    """Whatever call was the last, in the end all old pods have moved, and none is too many or too few."""
    cluster = _shop(clock, "api", "web", nodes=2)
    cluster.readiness = timedelta(seconds=1)
    old = {pod["metadata"]["uid"] for pod in cluster.pods() if order != ESCAPE or pod["spec"]["nodeName"] == "node-1"}
    following: Event | None = _event(cluster, order)
    cluster.kill_after = call
    while following:
        try:
            outcome = handle(following, cluster, clock)
        except Killed:
            continue
        assert isinstance(outcome, Done | Skipped)
        following = _fact(outcome) if outcome.event and "remedy" in outcome.event.extensions else None
    cluster.kill_after = None
    clock.sleep(120)
    handle(TICK, cluster, clock)
    assert not old & _uids(cluster)
    assert 4 == len(cluster.list(PODS, "shop"))
    assert not any(marks.is_retiring(pod) for pod in cluster.pods())
    assert not any(node["spec"].get("taints") for key, node in cluster.objects.items() if key[0] == "nodes")


def test_moves_that_are_under_way_are_finished_first(cluster: FakeCluster, clock: FakeClock) -> None:
    """A redelivery finds them by their label; one whose workload was deleted meanwhile is evicted."""
    event = _event(cluster, NAMESPACE)
    cluster.kill_after = 7
    with pytest.raises(Killed):
        handle(event, cluster, clock)
    assert 2 == sum(map(marks.is_retiring, cluster.pods()))
    for key in [key for key in cluster.objects if key[0] in ("deployments", "replicasets") and "api" in key[2]]:
        del cluster.objects[key]
    (entry,) = _trail(handle(event, cluster, clock))
    assert {"evicted: the workload that it left is gone", "replaced by a fresh pod"} == {
        one["reason"] for one in entry.details["moved"]
    }


def test_who_is_on_the_move_in_a_namespace_that_was_not_looked_at_is_not_forgotten(
    cluster: FakeCluster, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event comes back for it."""
    monkeypatch.setattr(wide, "BATCH", 1)
    cluster.namespace("tail")
    clock.time -= timedelta(minutes=10)
    cluster.deployment("last", replicas=1, namespace="tail")
    clock.time += timedelta(minutes=10)
    (pod,) = cluster.pods("tail")
    cluster.kill_after = 5
    with pytest.raises(Killed):
        handle(event_of(slip_for(pod, Step("rotate", {"scope": "Pod"}))), cluster, clock)
    assert marks.is_retiring(cluster.pod(pod["metadata"]["name"], "tail"))
    _go_round(_event(cluster, NODE), cluster, clock)
    assert not any(map(marks.is_retiring, cluster.pods("tail")))
