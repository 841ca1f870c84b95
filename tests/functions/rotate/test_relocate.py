"""Relocate: the replacement gets another node, and whatever happens no node stays barred.

| the tick or step                                 | the pod                          | the node                      |
|--------------------------------------------------|----------------------------------|-------------------------------|
| has nodes to choose from                         | moves to another one             | barred until that is chosen   |
| has no other node                                | stays after two minutes          | barred until then             |
| finds the node barred for another pod            | moves to a third one             | barred until both need no bar |
| finds a pod that tolerates every taint           | is replaced, and it is said      | never barred                  |
| finds a kind that cannot be replaced             | is evicted, and it is said       | never barred                  |
| is killed after any call                         | moves by later ticks             | open in the end               |
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import NODES, Conflict, Unavailable
from molt.events import Event
from molt.itinerary import Step
from molt.lifetime import Keys
from molt.outcome import Done, Outcome, Skipped, TemporaryError
from rotate.handler import handler
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.slips import event_of, over_the_wire, slip_for

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
RESTARTS = ["list deployments", "list statefulsets", "list daemonsets"]
START = ["list rotationpolicies", "list pods", "list nodes", *RESTARTS, "list pods"]
FLEETS = ["list pods", "list replicasets", "list deployments", "list nodes", "get namespaces"]
MOVE = ["list nodes", "patch nodes", "patch pods", "list pods", "list nodes", "patch nodes"]
MOVE += ["create pods/eviction"]
RELOCATE = Step("rotate", {"scope": "Siblings", "strategy": "Relocate"})
OTHER = {"key": "dedicated", "value": "db", "effect": "PreferNoSchedule"}

handle = handler(Keys(b"sixteen bytes or more"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster of two nodes, with a Deployment of three that is two hours old."""
    return _cluster(clock, "node-1", "node-2")


def _cluster(clock: FakeClock, *nodes: str, replicas: int = 3) -> FakeCluster:
    cluster = FakeCluster(clock)
    for name in nodes:
        cluster.node(name)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    cluster.deployment(replicas=replicas)
    cluster._mature()
    clock.time += timedelta(hours=2)
    cluster.policy(strategy="Relocate")
    return cluster


def _where(cluster: FakeCluster) -> dict[str, str]:
    return {pod["metadata"]["uid"]: pod["spec"].get("nodeName") for pod in cluster.pods()}


def _barred(cluster: FakeCluster) -> list[str]:
    nodes = cluster.list(NODES)
    cluster.requests.pop()
    marked = [node for node in nodes if marks.labels_of(node) or marks.annotations_of(node)]
    assert [node for node in nodes if node["spec"].get("taints")] == marked
    return [node["metadata"]["name"] for node in marked]


def _trail(outcome: Outcome) -> list[tuple[str, str]]:
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    return [(entry["outcome"], entry["reason"]) for entry in outcome.event.data["trail"]]


def test_the_replacement_is_on_another_node(cluster: FakeCluster, clock: FakeClock) -> None:
    """Four calls more than Replace; in the end no node is barred."""
    before = _where(cluster)
    outcome = handle(TICK, cluster, clock)
    asked = cluster.asked()
    assert [*START, *FLEETS, *MOVE] == asked[:-2]
    after = _where(cluster)
    (left,) = before.keys() - after.keys()
    (come,) = after.keys() - before.keys()
    assert before[left] != after[come]
    reason = f"replaced by a fresh pod, on node {after[come]} instead of {before[left]}"
    assert [("acted", reason)] == _trail(outcome)
    assert [] == _barred(cluster)


def test_all_of_them_move_in_turn(cluster: FakeCluster, clock: FakeClock) -> None:
    """Tick by tick, each to another node than its own, for as long as you like."""
    for _ in range(12):
        ((outcome, reason),) = _trail(handle(TICK, cluster, clock))
        assert ("acted", True) == (outcome, " instead of " in reason), reason
        clock.time += timedelta(hours=1)


def test_the_other_taints_stay(cluster: FakeCluster, clock: FakeClock) -> None:
    """They come back as they were."""
    for node in ("node-1", "node-2"):
        cluster.objects["nodes", "", node]["spec"]["taints"] = [OTHER]
    cluster._placed = lambda: {"nodeName": "node-1"}  # type: ignore[method-assign] # a scheduler that knows no taints
    ((outcome, reason),) = _trail(handle(TICK, cluster, clock))
    assert outcome == "acted"
    assert [[OTHER], [OTHER]] == [node["spec"]["taints"] for node in cluster.list(NODES)]
    assert reason in {
        "replaced by a fresh pod, on node node-1 instead of node-2",
        "replaced by a fresh pod, which landed on the same node node-1",
    }


def test_a_scheduler_that_heeds_no_taint_is_told_of(clock: FakeClock) -> None:
    """What cannot be had is not claimed."""
    cluster = _cluster(clock, "node-1")
    cluster._placed = lambda: {"nodeName": "node-1"}  # type: ignore[method-assign]
    reason = "replaced by a fresh pod, which landed on the same node node-1"
    assert [("acted", reason)] == _trail(handle(TICK, cluster, clock))


def test_where_the_clock_is_ahead_the_youngest_is_the_replacement(cluster: FakeCluster, clock: FakeClock) -> None:
    """No replica seems younger than the release."""

    class Ahead(FakeClock):
        def now(self) -> Any:
            return clock.now() + timedelta(minutes=5)

        def sleep(self, seconds: float) -> None:
            clock.sleep(seconds)

    ((outcome, reason),) = _trail(handle(TICK, cluster, Ahead()))
    assert ("acted", True) == (outcome, " instead of " in reason)


def test_without_another_node_it_stays(clock: FakeClock) -> None:
    """The old pod serves all the time, and after two minutes the node takes pods again."""
    cluster = _cluster(clock, "node-1")
    before = _where(cluster)
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    assert ["node-1"] == _barred(cluster)
    (fresh,) = (pod for pod in cluster.pods() if not pod["spec"].get("nodeName"))
    fresh["status"]["conditions"] = [
        {"type": "PodScheduled", "reason": "Unschedulable", "lastTransitionTime": marks.stamp(clock.now())}
    ]
    clock.time += timedelta(minutes=2)
    ((outcome, reason),) = _trail(handle(TICK, cluster, clock))
    assert ("skipped", True) == (outcome, reason.endswith("Unschedulable: no node will do"))
    assert ([], before) == (_barred(cluster), _where(cluster))


def test_a_node_is_barred_for_several_pods(cluster: FakeCluster, clock: FakeClock) -> None:
    """Whoever comes second moves too, and lifts its own part alone; the last one, or the clock, opens the node."""
    for name in ("node-1", "node-2"):
        node = cluster.objects["nodes", "", name]
        node["metadata"] |= {
            "labels": {marks.RELOCATING: "true"},
            "annotations": {marks.RELOCATING_FOR: "another", marks.RELOCATING_SINCE: marks.stamp(clock.now())},
        }
        node["spec"]["taints"] = [{"key": marks.RELOCATING, "effect": "NoSchedule"}]
    cluster.node("node-3")
    ((outcome, reason),) = _trail(handle(TICK, cluster, clock))
    assert ("acted", True) == (outcome, "on node node-3 instead of " in reason)
    assert ["node-1", "node-2"] == _barred(cluster)
    notes = [marks.annotations_of(cluster.objects["nodes", "", name]) for name in ("node-1", "node-2")]
    assert ["another", "another"] == [note[marks.RELOCATING_FOR] for note in notes]
    clock.time += timedelta(minutes=2)
    assert ["acted"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    assert [] == _barred(cluster)


@pytest.mark.parametrize(
    "toleration",
    [{"operator": "Exists"}, {"key": marks.RELOCATING, "operator": "Exists", "effect": "NoSchedule"}],
)
def test_a_pod_that_tolerates_the_taint_is_replaced(
    cluster: FakeCluster, clock: FakeClock, toleration: dict[str, str]
) -> None:
    """No node is barred in vain, and the trail says why it is no relocation."""
    for pod in cluster.pods():
        pod["spec"]["tolerations"] = [{"key": "other", "operator": "Exists"}, toleration]
    handle(TICK, cluster, clock)
    assert "patch nodes" not in cluster.asked()


def test_what_cannot_be_replaced_is_evicted(clock: FakeClock) -> None:
    """As with Replace."""
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    cluster.stateful_set()
    clock.time += timedelta(hours=2)
    cluster.policy(strategy="Relocate", selector={})
    reason = "evicted, since StatefulSet/db does not tell its pods by pod-template-hash"
    assert [("acted", reason)] == _trail(handle(TICK, cluster, clock))


def test_a_rehearsal_bars_nothing(cluster: FakeCluster, clock: FakeClock) -> None:
    """The API server checks both patches."""
    cluster.policy(strategy="Relocate", mode="DryRun")
    assert [("rehearsed", "would be replaced, on another node")] == _trail(handle(TICK, cluster, clock))
    assert [*START, *FLEETS, "list nodes", "patch nodes", "patch pods"] == cluster.asked()[:-1]
    assert [] == _barred(cluster)
    cluster.failing["patch", "pods"] = Unavailable("not now")
    assert [("skipped", "not now")] == _trail(handle(TICK, cluster, clock))


def test_a_pod_that_cannot_be_released_opens_its_node_again(cluster: FakeCluster, clock: FakeClock) -> None:
    """Somebody has taken it meanwhile."""
    cluster.failing["patch", "pods"] = Conflict("it changed")
    assert ["skipped"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    assert [] == _barred(cluster)


def _gone(cluster: FakeCluster) -> None:
    for name in ("node-1", "node-2"):
        cluster.objects.pop(("nodes", "", name), None)


def _touched(cluster: FakeCluster) -> None:
    for name in ("node-1", "node-2"):
        cluster.put(NODES, cluster.objects["nodes", "", name])


@pytest.mark.parametrize(
    ("meddle", "expected"),
    [
        ([_touched], " instead of "),
        ([_touched] * 4, "changed under each of 4 attempts"),
        ([_gone], " is gone"),
        ([lambda _: None, lambda _: None, _touched], " instead of "),
        ([lambda _: None, lambda _: None, _gone], "replaced by a fresh pod"),
        ([lambda _: None, lambda _: None, *[_touched] * 4], " instead of "),
    ],
)
def test_a_node_that_changes_meanwhile(
    cluster: FakeCluster, clock: FakeClock, meddle: list[Callable[[FakeCluster], None]], expected: str
) -> None:
    """It is read again, four times at most; what is not lifted now is lifted at the next look."""
    cluster.meddle = list(meddle)
    ((_, reason),) = _trail(handle(TICK, cluster, clock))
    assert expected in reason
    assert [] == _barred(cluster)


def test_a_bar_that_cannot_be_lifted_is_logged(
    cluster: FakeCluster, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """It holds up nothing, and the next tick tries again."""
    node = cluster.objects["nodes", "", "node-2"]
    node["metadata"]["labels"] = {marks.RELOCATING: "true"}
    node["spec"]["taints"] = [{"key": marks.RELOCATING, "effect": "NoSchedule"}]
    cluster.objects["rotationpolicies", "shop", "web"]["spec"]["strategy"] = "Replace"
    cluster.failing["patch", "nodes"] = Unavailable("not now")
    assert ["acted"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    assert "node node-2: its bar is not lifted: not now" in capsys.readouterr().out
    cluster.failing.clear()
    handle(TICK, cluster, clock)
    assert [] == _barred(cluster)


@pytest.mark.parametrize("call", range(20))
def test_killed_after_any_call_the_next_ticks_complete_it(cluster: FakeCluster, clock: FakeClock, call: int) -> None:
    """Whatever call was the last one, all move in the end, and no node stays barred."""
    old = set(_where(cluster))
    cluster.kill_after = call
    with pytest.raises(Killed):
        handle(TICK, cluster, clock)
    for _ in range(6):
        clock.time += timedelta(minutes=1)
        handle(TICK, cluster, clock)
    assert ([], set()) == (_barred(cluster), old & set(_where(cluster)))


def _step(cluster: FakeCluster, clock: FakeClock) -> list[str]:
    """Deliver an alert's event to its end, again after each kill; return the reasons of its trail."""
    following: Event | None = event_of(slip_for(cluster.pods()[0], RELOCATE))
    reasons: list[str] = []
    for _ in range(20):
        if following is None:
            return reasons
        try:
            outcome = handle(following, cluster, clock)
        except (Killed, TemporaryError):
            clock.time += timedelta(seconds=5)
            continue
        assert isinstance(outcome, Done | Skipped)
        reasons.append(outcome.reason)
        following = over_the_wire(outcome.event) if outcome.event and "remedy" in outcome.event.extensions else None
    raise AssertionError("it goes round without end")


def test_a_step_relocates(cluster: FakeCluster, clock: FakeClock) -> None:
    """Both siblings, each told of with its new node; the slow ones too."""
    cluster.readiness = timedelta(seconds=3)
    reasons = _step(cluster, clock)
    assert [True, True] == [" instead of " in reason for reason in reasons]
    assert [] == _barred(cluster)


@pytest.mark.parametrize("call", range(14))
def test_a_step_that_was_killed_goes_on(cluster: FakeCluster, clock: FakeClock, call: int) -> None:
    """A redelivery finishes the move; what it finds done is not done twice, and the clock opens the node."""
    del cluster.objects["rotationpolicies", "shop", "web"]
    cluster.kill_after = call
    target, *siblings = (pod["metadata"]["uid"] for pod in cluster.pods())
    _step(cluster, clock)
    clock.time += timedelta(minutes=2)
    handle(TICK, cluster, clock)
    left = set(_where(cluster))
    assert (True, set(), []) == (target in left, left & set(siblings), _barred(cluster))


def test_a_step_of_a_pod_that_is_taken_meanwhile(cluster: FakeCluster, clock: FakeClock) -> None:
    """A redelivery whose eviction does not hold any more says so and looks again."""
    cluster.kill_after = 7  # after the patch that releases it
    event = event_of(slip_for(cluster.pods()[0], RELOCATE))
    with pytest.raises(Killed):
        handle(event, cluster, clock)

    def isolate(cluster: FakeCluster, name: str) -> None:
        labels = cluster.pod(name)["metadata"]["labels"]
        del labels[marks.RETIRING]
        labels[marks.COMPROMISED] = "true"
        cluster.put(NODES, cluster.objects["nodes", "", "node-1"])
        cluster.pod(name)["metadata"]["resourceVersion"] += "x"

    cluster.interfere = isolate
    with pytest.raises(TemporaryError, match="is not as it was read"):
        handle(event, cluster, clock)
