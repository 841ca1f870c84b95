"""The handler on a tick, against a cluster in memory: who is due, calls, failures, death at any call."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import PODS, Conflict, Forbidden, Rejected, Unauthorized, Unavailable
from molt.events import Event
from molt.itinerary import Step
from molt.outcome import BadEvent, Done, MoltError, Skipped
from quarantine.handler import handler as isolator
from release import handler
from release.due import Due, End, due
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.quarantine.standing import fence_in
from tests.functions.slips import event_of, slip_for

TICK = Event(id="t", source="/clock", type=handler.TICK, data={}, extensions={"traceparent": "00-1"})
NOTHING = Skipped("nothing is due")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    cluster = FakeCluster(clock)
    fence_in(cluster)
    cluster.namespace()
    cluster.deployment(replicas=2)
    return cluster


def _isolated(cluster: FakeCluster, *, then: str | None = None, keep: str = "Released") -> dict[str, Any]:
    """Put the first pod in quarantine, for an hour if `then` says what comes after; return it as it was before."""
    retention = {"retention": {"after": "1h", "then": then}} if then else {}
    pod: dict[str, Any] = cluster.pods()[0]
    before = {**pod, "metadata": dict(pod["metadata"])}
    step = Step("quarantine", {"keepOnRelease": keep, **retention})
    assert isinstance(isolator()(event_of(slip_for(pod, step)), cluster, cluster.clock), Done)
    cluster.asked()
    return before


def _ask(cluster: FakeCluster, pod: dict[str, Any], value: str = "true") -> None:
    """Do what `kubectl annotate` does."""
    cluster.pod(pod["metadata"]["name"])["metadata"]["annotations"][marks.RELEASE] = value


def test_nothing_happens_before_its_time(cluster: FakeCluster, clock: FakeClock) -> None:
    """A tick costs one list when nothing is due: not after 59 minutes, and not on another value than "true"."""
    pod = _isolated(cluster, then="Release")
    _ask(cluster, pod, "yes")
    clock.time += timedelta(minutes=59)
    state = cluster.state()
    assert NOTHING == handler.handle(TICK, cluster, clock)
    assert (["list pods"], state) == (cluster.asked(), cluster.state())


@pytest.mark.parametrize("how", ["asked", "expired"])
def test_the_released_pod_stays_and_its_replacement_goes(cluster: FakeCluster, clock: FakeClock, how: str) -> None:
    """Whoever asks, by kubectl alone, or the clock: the same calls, the old labels, no mark, and a workload of two."""
    before = _isolated(cluster, then="Release")
    name = before["metadata"]["name"]
    replacement = max(pod["metadata"]["name"] for pod in cluster.pods())
    if how == "asked":
        _ask(cluster, before)
    else:
        clock.time += timedelta(hours=1)
    outcome = handler.handle(TICK, cluster, clock)
    checked = [] if how == "asked" else ["get namespaces"]
    calls = ["get pods", "get replicasets", "list pods", "patch pods", "patch pods", "patch ledgers", "patch fences"]
    assert ["list pods", *checked, *calls] == cluster.asked()
    after = cluster.pod(name)["metadata"]
    assert (before["metadata"]["labels"], {}) == (after["labels"], after["annotations"])
    names = {pod["metadata"]["name"] for pod in cluster.pods()}
    assert (2, True, False) == (len(names), name in names, replacement in names)
    assert isinstance(outcome, Done)
    assert outcome.event
    assert ("io.molt-project.pod.released.v1", {"traceparent": "00-1"}) == (
        outcome.event.type,
        outcome.event.extensions,
    )
    (entry,) = outcome.event.data["trail"]
    assert {"pod": name, "end": "Release", "alert": "alert-1", "outcome": "acted"}.items() <= entry.items()
    assert f"released: {'asked for' if how == 'asked' else 'its retention was over'}" in outcome.reason
    assert NOTHING == handler.handle(TICK, cluster, clock)


def test_the_replacement_stays_where_the_policy_says_so(cluster: FakeCluster, clock: FakeClock) -> None:
    """The mark comes in the very patch that gives the labels back."""
    before = _isolated(cluster, then="Release", keep="Replacement")
    replacement = max(pod["metadata"]["name"] for pod in cluster.pods())
    clock.time += timedelta(hours=1)
    assert isinstance(handler.handle(TICK, cluster, clock), Done)
    calls = ["get pods", "get replicasets", "list pods", "patch pods", "patch ledgers", "patch fences"]
    assert ["list pods", "get namespaces", *calls] == cluster.asked()
    names = {pod["metadata"]["name"] for pod in cluster.pods()}
    assert (2, False, True) == (len(names), before["metadata"]["name"] in names, replacement in names)


def test_a_pod_is_ended_when_its_time_is_over(cluster: FakeCluster, clock: FakeClock) -> None:
    """By eviction, and its budget, should one select it, holds it until a later tick."""
    name = _isolated(cluster, then="Terminate")["metadata"]["name"]
    clock.time += timedelta(hours=1)
    cluster.held = {name}
    waits = f"pod shop/{name} waits: Cannot evict pod as it would violate the pod's disruption budget."
    assert Skipped(waits) == handler.handle(TICK, cluster, clock)
    cluster.held.clear()
    cluster.asked()
    outcome = handler.handle(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert f"pod shop/{name} evicted: its retention was over at 2026-11-24T13:00:00.250000Z" == outcome.reason
    assert ["list pods", "get namespaces", "create pods/eviction"] == cluster.asked()
    assert name not in {pod["metadata"]["name"] for pod in cluster.pods()}


def test_a_pod_that_is_kept_says_so_once(cluster: FakeCluster, clock: FakeClock) -> None:
    """The annotation tells whoever looks at the pod; later ticks are silent, and a release still undoes everything."""
    name = _isolated(cluster, then="Keep")["metadata"]["name"]
    clock.time += timedelta(hours=1)
    assert isinstance(handler.handle(TICK, cluster, clock), Done)
    assert ["list pods", "get namespaces", "patch pods"] == cluster.asked()
    assert (
        "its retention was over at 2026-11-24T13:00:00.250000Z"
        == cluster.pod(name)["metadata"]["annotations"][marks.KEPT]
    )
    assert NOTHING == handler.handle(TICK, cluster, clock)


def test_a_pod_that_was_kept_is_released_when_somebody_asks(cluster: FakeCluster, clock: FakeClock) -> None:
    """The word of the runbook works at any time: before its retention is over, and long after."""
    before = _isolated(cluster, then="Keep")
    clock.time += timedelta(hours=1)
    assert isinstance(handler.handle(TICK, cluster, clock), Done)
    _ask(cluster, before)
    outcome = handler.handle(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert "released: asked for" in outcome.reason
    after = cluster.pod(before["metadata"]["name"])["metadata"]
    assert (before["metadata"]["labels"], {}) == (after["labels"], after["annotations"])


def test_a_release_that_cannot_be_is_told_on_the_pod(cluster: FakeCluster, clock: FakeClock) -> None:
    """No guess at labels: it stays in quarantine, and says why, once each time that somebody asks."""
    pod = _isolated(cluster)
    notes = cluster.pod(pod["metadata"]["name"])["metadata"]["annotations"]
    notes[marks.ORIGINAL_LABELS] = "{"
    for _ in range(2):
        _ask(cluster, pod)
        assert isinstance(handler.handle(TICK, cluster, clock), Done)
        notes = cluster.pod(pod["metadata"]["name"])["metadata"]["annotations"]
        assert "has no readable annotation" in notes[marks.KEPT]
        assert marks.RELEASE not in notes
        assert NOTHING == handler.handle(TICK, cluster, clock)


def test_no_pod_keeps_the_others_waiting(cluster: FakeCluster, clock: FakeClock) -> None:
    """One that changed waits for the next tick, one that fails is told, and the rest is done."""
    for name in ("a", "b", "c"):
        labels = {marks.COMPROMISED: "true"}
        cluster.bare_pod(name)["metadata"] |= {
            "labels": labels,
            "annotations": {marks.RELEASE: "true", marks.ORIGINAL_LABELS: "{}"},
        }
    merge = cluster.merge

    def flawed(resource: Any, name: str, *args: Any, **more: Any) -> Any:
        match name:
            case "a":
                raise Forbidden("no")
            case "b":
                raise Conflict("changed")
        return merge(resource, name, *args, **more)

    cluster.merge = flawed  # type: ignore[method-assign]
    outcome = handler.handle(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert outcome.reason.startswith("pod shop/c released")
    assert outcome.reason.endswith("not done: no; not done: pod shop/b changed under each of 4 attempts")


@pytest.mark.parametrize("then", ["Release", "Terminate"])
@pytest.mark.parametrize("error", [Rejected("no such label"), Forbidden('admission webhook "w" denied the request')])
def test_a_pod_that_is_refused_for_good_is_told_once(
    cluster: FakeCluster, clock: FakeClock, then: str, error: MoltError
) -> None:
    """Labels that the API does not take, a webhook that says no: no later tick can do it, and none fails for it."""
    name = _isolated(cluster, then=then)["metadata"]["name"]
    clock.time += timedelta(hours=1)
    _refuse(cluster, name, error)
    outcome = handler.handle(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert outcome.event
    assert ["Keep"] == [entry["end"] for entry in outcome.event.data["trail"]]
    assert error.reason == cluster.pod(name)["metadata"]["annotations"][marks.KEPT]
    assert NOTHING == handler.handle(TICK, cluster, clock)


@pytest.mark.parametrize("error", [Forbidden("not allowed"), Unauthorized("who?"), Unavailable("later")])
def test_a_missing_right_is_an_error_each_time(cluster: FakeCluster, clock: FakeClock, error: MoltError) -> None:
    """It is not the pod's: nothing is written on it, and it goes once the right is there."""
    name = _isolated(cluster, then="Terminate")["metadata"]["name"]
    clock.time += timedelta(hours=1)
    _refuse(cluster, name, error)
    for _ in range(2):
        with pytest.raises(type(error)):
            handler.handle(TICK, cluster, clock)
    assert marks.KEPT not in cluster.pod(name)["metadata"]["annotations"]


def _refuse(cluster: FakeCluster, name: str, error: MoltError) -> None:
    """Answer so to the pod's eviction, and to any patch of it but the one that says why it stays."""
    merge = cluster.merge

    def flawed(resource: Any, pod: str, patch: Any, *args: Any, **more: Any) -> Any:
        if pod == name and marks.KEPT not in {key for key, value in patch["metadata"]["annotations"].items() if value}:
            raise error
        return merge(resource, pod, patch, *args, **more)

    cluster.merge = flawed  # type: ignore[method-assign,assignment]
    cluster.failing["create", "pods/eviction"] = error


@pytest.mark.parametrize("then", ["Release", "Terminate", "Keep"])
def test_the_clock_leaves_an_exempt_namespace_alone(cluster: FakeCluster, clock: FakeClock, then: str) -> None:
    """Hands off means the clock's, too; the namespace is read once a tick, and a release that is asked for may go."""
    pod = _isolated(cluster, then=then)
    first, second = pod["metadata"]["name"], "second"
    other = copy.deepcopy(cluster.pod(first))
    other["metadata"] |= {"name": second, "uid": "u"}
    cluster.put(PODS, other)
    clock.time += timedelta(hours=1)
    cluster.namespace("shop", **{marks.EXEMPT: "true"})
    state = cluster.state()
    why = "left: namespace shop is exempt by its label molt-project.io/exempt"
    assert Skipped(f"pod shop/{second} {why}; pod shop/{first} {why}") == handler.handle(TICK, cluster, clock)
    assert (["list pods", "get namespaces"], state) == (cluster.asked(), cluster.state())
    _ask(cluster, pod)
    outcome = handler.handle(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert f"pod shop/{first} released: asked for" in outcome.reason
    assert outcome.reason.endswith(f"; pod shop/{second} {why}")


def test_a_namespace_that_is_gone_could_not_be_checked(cluster: FakeCluster, clock: FakeClock) -> None:
    """What cannot be checked is not allowed."""
    _isolated(cluster, then="Terminate")
    clock.time += timedelta(hours=1)
    del cluster.objects["namespaces", "", "shop"]
    outcome = handler.handle(TICK, cluster, clock)
    assert isinstance(outcome, Skipped)
    assert "namespace shop could not be checked" in outcome.reason


def test_a_forged_label_ends_nobody(cluster: FakeCluster, clock: FakeClock) -> None:
    """Whoever may label a pod cannot have it evicted: it was never in quarantine."""
    notes = {marks.THEN: "Terminate", marks.EXPIRES_AT: "2026-01-01T00:00:00Z"}
    cluster.bare_pod("p")["metadata"] |= {"labels": {marks.COMPROMISED: "true"}, "annotations": notes}
    outcome = handler.handle(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert "in no quarantine" in cluster.pod("p")["metadata"]["annotations"][marks.KEPT]
    assert NOTHING == handler.handle(TICK, cluster, clock)


def test_those_that_wait_starve_nobody(cluster: FakeCluster, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """More pods than one tick looks after are held by their budgets: those that could go get their turn, too."""
    monkeypatch.setattr(handler, "MOST", 2)
    notes = {marks.THEN: "Terminate", marks.EXPIRES_AT: "2026-01-01T00:00:00Z", marks.ORIGINAL_LABELS: "{}"}
    for name in ("a", "b", "c", "free"):
        cluster.bare_pod(name)["metadata"] |= {"labels": {marks.COMPROMISED: "true"}, "annotations": notes}
    cluster.held = {"a", "b", "c"}
    cluster.asked()
    for _ in range(20):
        handler.handle(TICK, cluster, clock)
        assert 2 >= cluster.asked().count("create pods/eviction")
        clock.time += timedelta(minutes=1)
    assert "free" not in {pod["metadata"]["name"] for pod in cluster.pods()}


def test_a_pod_that_goes_meanwhile_is_no_failure(cluster: FakeCluster, clock: FakeClock) -> None:
    """The next tick will not find it."""
    name = _isolated(cluster, then="Keep")["metadata"]["name"]
    clock.time += timedelta(hours=1)
    cluster.meddle = [lambda cluster: cluster.remove(name)]
    assert NOTHING == handler.handle(TICK, cluster, clock)


def test_one_tick_does_only_so_much(cluster: FakeCluster, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is the next one's."""
    monkeypatch.setattr(handler, "MOST", 1)
    for name in ("a", "b"):
        notes = {marks.RELEASE: "true", marks.ORIGINAL_LABELS: "{}"}
        cluster.bare_pod(name)["metadata"] |= {"labels": {marks.COMPROMISED: "true"}, "annotations": notes}
    for _ in range(2):
        outcome = handler.handle(TICK, cluster, clock)
        assert isinstance(outcome, Done)
        assert outcome.event
        assert 1 == len(outcome.event.data["trail"])
    assert NOTHING == handler.handle(TICK, cluster, clock)


def test_what_is_no_tick_is_refused(cluster: FakeCluster, clock: FakeClock) -> None:
    """Before any call."""
    with pytest.raises(BadEvent, match="x is no tick"):
        handler.handle(Event(id="1", source="x", type="x", data={}), cluster, clock)
    assert [] == cluster.requests


@pytest.mark.parametrize("end", ["Released", "Replacement", "Terminate", "Keep"])
@pytest.mark.parametrize("call", range(9))
def test_killed_after_any_call_the_next_ticks_complete_it(clock: FakeClock, end: str, call: int) -> None:
    """The end state is that of an undisturbed run; what the fence still holds, the tick of its own mends."""
    states = []
    for kill in (None, call):
        clock = FakeClock()
        cluster = FakeCluster(clock)
        fence_in(cluster)
        cluster.namespace()
        cluster.deployment(replicas=2)
        then, keep = ("Release", end) if end.startswith("Re") else (end, "Released")
        _isolated(cluster, then=then, keep=keep)
        clock.time += timedelta(hours=1)
        cluster.kill_after = kill
        try:
            handler.handle(TICK, cluster, clock)
        except Killed:
            handler.handle(TICK, cluster, clock)
        cluster.kill_after = None
        isolator()(TICK, cluster, clock)  # quarantine's tick
        cluster.objects = {key: obj for key, obj in cluster.objects.items() if key[0] != "events"}
        states.append(cluster.state())
    assert states[0] == states[1]


@pytest.mark.parametrize(
    "metadata",
    [
        {"deletionTimestamp": "2026-11-24T12:00:00Z"},
        {"namespace": "kube-system"},
        {"annotations": {marks.RELEASE: "true", "kubernetes.io/config.mirror": "0f"}},
    ],
)
def test_who_is_never_due(clock: FakeClock, metadata: dict[str, Any]) -> None:
    """Terminating, protected or static: a forged mark moves nothing there."""
    pod = {"metadata": {"name": "p", "namespace": "shop", "annotations": {marks.RELEASE: "true"}}}
    assert Due(End.RELEASE, f"asked for by its annotation {marks.RELEASE}", asked=True) == due(pod, clock.now())
    pod["metadata"] |= metadata
    assert due(pod, clock.now()) is None


def test_an_unknown_end_keeps_the_pod(clock: FakeClock) -> None:
    """Nothing is released or ended on a word that nobody knows."""
    pod = {
        "metadata": {
            "name": "p",
            "namespace": "shop",
            "annotations": {marks.THEN: "Drop", marks.EXPIRES_AT: "2026-01-01T00:00:00Z"},
        }
    }
    found = due(pod, clock.now())
    assert found
    assert End.KEEP is found.end


def test_two_pods_of_one_workload_in_one_tick(cluster: FakeCluster, clock: FakeClock) -> None:
    """Each has its own replacement marked, also when the controller has taken back neither yet: both stay."""
    firsts = [pod["metadata"]["name"] for pod in cluster.pods()]
    for name in firsts:
        step = Step("quarantine", {"retention": {"after": "1h", "then": "Release"}})
        assert isinstance(isolator()(event_of(slip_for(cluster.pod(name), step)), cluster, clock), Done)
    clock.time += timedelta(hours=1)
    cluster.paused = True
    assert isinstance(handler.handle(TICK, cluster, clock), Done)
    marked = {pod["metadata"]["name"] for pod in cluster.pods() if marks.SURPLUS_FOR in marks.annotations_of(pod)}
    assert (4, 2, set()) == (len(cluster.pods()), len(marked), marked & set(firsts))
    cluster.paused = False
    cluster.reconcile()
    assert firsts == [pod["metadata"]["name"] for pod in cluster.pods()]
