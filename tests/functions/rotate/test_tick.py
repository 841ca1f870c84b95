"""The tick against a cluster: what is due moves, what was begun is finished, and nothing else happens.

Pods are made at START - age; the default policy of the tests lets each live an hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import DEPLOYMENTS, PODS, ROTATION_POLICIES, Conflict, Forbidden, Unavailable
from molt.events import Event
from molt.lifetime import Keys
from molt.outcome import Done, Outcome, PermanentError, Skipped
from quarantine.handler import handler as quarantine
from rotate.diary import MOST, Diary
from rotate.handler import FUNCTION, handler
from rotate.hop import SKIPPED
from tests.functions.fake_cluster import HASH, FakeClock, FakeCluster, Killed
from tests.functions.slips import QUARANTINE, ROTATE, event_of, over_the_wire, slip_for

KEY = Keys(b"sixteen bytes or more")
TICK = Event(
    id="tick-1",
    source="/apis/v1/namespaces/molt/pingsources/rotation",
    type="dev.knative.sources.ping",
    data={"anything": ["at", "all"]},
    extensions={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
)
RESTARTS = ["list deployments", "list statefulsets", "list daemonsets"]
START = ["list rotationpolicies", "list pods", "list nodes", *RESTARTS]
LISTS = [*START, "list pods"]
FLEETS = ["list pods", "list replicasets", "list deployments", "list nodes", "get namespaces"]
MOVE = ["patch pods", "list pods", "create pods/eviction"]
EVENT = "create events"
STATUS = "patch rotationpolicies/status"

handle = handler(KEY)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    return _shop(clock)


def _shop(clock: FakeClock, *, hours: float = 2, policy: bool = True, **spec: Any) -> FakeCluster:
    """Return a cluster whose Deployment was made `hours` ago."""
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=hours)
    cluster.namespace()
    cluster.deployment()
    clock.time += timedelta(hours=hours)
    if policy:
        cluster.policy(**spec)
    return cluster


def _trail(outcome: Outcome) -> list[tuple[str, str | None, str]]:
    """Return what the fact's trail says: outcome, policy, reason."""
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    entries = over_the_wire(outcome.event).data["trail"]
    return [(entry["outcome"], entry["policy"], entry["reason"]) for entry in entries]


def _status(cluster: FakeCluster, name: str = "web") -> dict[str, Any]:
    status: dict[str, Any] = cluster.objects["rotationpolicies", "shop", name]["status"]
    return status


def _condition(cluster: FakeCluster, kind: str, name: str = "web") -> dict[str, Any]:
    return next(item for item in _status(cluster, name)["conditions"] if item["type"] == kind)


def _ages(cluster: FakeCluster) -> list[bool]:
    """Return for each pod whether it is old."""
    return sorted(pod["metadata"]["creationTimestamp"].startswith("2026-11-24T10") for pod in cluster.pods())


def test_nothing_is_due(clock: FakeClock) -> None:
    """A young namespace costs seven lists, and a status the first time."""
    cluster = _shop(clock, hours=0.1)
    assert Skipped("nothing is due") == handle(TICK, cluster, clock)
    assert [*LISTS, STATUS] == cluster.asked()
    assert Skipped("nothing is due") == handle(TICK, cluster, clock)
    assert LISTS == cluster.asked()


def test_no_policies_at_all(clock: FakeClock) -> None:
    """Without a policy there is nothing to read but that, and what may be left over."""
    cluster = _shop(clock, policy=False)
    assert Skipped("nothing is due") == handle(TICK, cluster, clock)
    assert START == cluster.asked()


def test_one_pod_moves_make_before_break(cluster: FakeCluster, clock: FakeClock) -> None:
    """The most overdue one, in seventeen calls, with a fact that tells of it."""
    outcome = handle(TICK, cluster, clock)
    assert [*LISTS, *FLEETS, *MOVE, STATUS, EVENT] == cluster.asked()
    assert [("acted", "web", "replaced by a fresh pod")] == _trail(outcome)
    assert [False, True, True] == _ages(cluster)
    assert isinstance(outcome, Done)
    assert outcome.event is not None
    fact = over_the_wire(outcome.event)
    assert ("io.molt-project.pods.rotated.v1", "/molt/rotate", None) == (fact.type, fact.source, fact.subject)
    assert TICK.extensions == fact.extensions, "no remedy: the end"
    assert {"id": "tick-1", "source": TICK.source, "time": None} == fact.data["tick"]
    assert 0 == fact.data["omitted"]


def test_ticks_move_all_and_then_nothing(cluster: FakeCluster, clock: FakeClock) -> None:
    """One pod a tick, then none is due until the fresh ones are old."""
    for _ in range(3):
        handle(TICK, cluster, clock)
    assert [False, False, False] == _ages(cluster)
    assert Skipped("nothing is due") == handle(TICK, cluster, clock)


def test_evict(clock: FakeClock) -> None:
    """Strategy Evict needs one call, and no wait."""
    cluster = _shop(clock, strategy="Evict")
    outcome = handle(TICK, cluster, clock)
    assert [*LISTS, *FLEETS, "create pods/eviction", STATUS, EVENT] == cluster.asked()
    assert ([("acted", "web", "evicted")], []) == (_trail(outcome), clock.slept)
    assert [False, True, True] == _ages(cluster)


def test_one_pod_of_a_workload_though_the_budget_has_room(clock: FakeClock) -> None:
    """Replicas of one workload move one after the other; those of others move at the same time."""
    cluster = _shop(clock, maxMoving=9, selector={})
    clock.time -= timedelta(hours=2)
    cluster.deployment("api")
    clock.time += timedelta(hours=2)
    outcome = handle(TICK, cluster, clock)
    assert [("acted", "web", "replaced by a fresh pod")] * 2 == _trail(outcome)
    assert isinstance(outcome, Done)
    assert "2 acted" == outcome.reason


def test_two_policies_do_not_move_two_of_a_workload(cluster: FakeCluster, clock: FakeClock) -> None:
    """Policies that overlap share the workload's one place."""
    cluster.policy("also", strategy="Evict")
    assert [("acted", "also", "evicted")] == _trail(handle(TICK, cluster, clock))


def test_it_waits_for_the_replacement(cluster: FakeCluster, clock: FakeClock) -> None:
    """The old pod serves until the new one is Ready."""
    cluster.readiness = timedelta(seconds=3)
    assert [("acted", "web", "replaced by a fresh pod")] == _trail(handle(TICK, cluster, clock))
    assert sum(clock.slept) >= 3


def test_a_slow_replacement_is_finished_by_a_later_tick(cluster: FakeCluster, clock: FakeClock) -> None:
    """The wait is bounded; the old pod goes on serving, nobody else moves, and the next tick finishes the move."""
    cluster.readiness = timedelta(seconds=90)
    outcome = handle(TICK, cluster, clock)
    reason = "waits for its replacement: Deployment/web has 2 of 3 pods Ready"
    assert [("moving", "web", reason)] == _trail(outcome)
    assert isinstance(outcome, Done)
    assert 25 == pytest.approx(sum(clock.slept))
    assert (1, None) == (_status(cluster)["moving"], _status(cluster).get("lastRotation"))
    assert [("moving", "web", reason)] == _trail(handle(TICK, cluster, clock))
    assert 4 == len(cluster.pods())
    clock.time += timedelta(seconds=60)
    cluster.asked()
    # The place is free again at once: the next pod sets out in the same tick.
    assert [("acted", "web", "replaced by a fresh pod"), ("moving", "web", reason)] == _trail(
        handle(TICK, cluster, clock)
    )
    assert [*LISTS, *FLEETS, "create pods/eviction", "patch pods"] == cluster.asked()[:14]
    assert [False, False, True, True] == _ages(cluster)


def test_a_disruption_budget_is_waited_for(cluster: FakeCluster, clock: FakeClock) -> None:
    """429 is told of, and tried again at the next tick."""
    cluster.held = {pod["metadata"]["name"] for pod in cluster.pods()}
    ((outcome, _, reason),) = _trail(handle(TICK, cluster, clock))
    assert "blocked" == outcome
    assert "disruption budget" in reason
    cluster.held = set()
    assert "acted" == _trail(handle(TICK, cluster, clock))[0][0]


def test_an_eviction_that_a_budget_forbids_is_blocked(clock: FakeClock) -> None:
    """Nothing was done, so the outcome is a skip with the reason."""
    cluster = _shop(clock, strategy="Evict")
    cluster.held = {pod["metadata"]["name"] for pod in cluster.pods()}
    outcome = handle(TICK, cluster, clock)
    assert isinstance(outcome, Skipped)
    assert ("1 blocked", "blocked") == (outcome.reason, _trail(outcome)[0][0])


def _remove_all(cluster: FakeCluster) -> None:
    for pod in cluster.pods():
        cluster.remove(pod["metadata"]["name"])


def test_what_changes_under_its_hands_stays(cluster: FakeCluster, clock: FakeClock) -> None:
    """A pod that somebody else takes is left, and the tick goes on."""
    cluster.meddle = [_remove_all]
    ((outcome, _, reason),) = _trail(handle(TICK, cluster, clock))
    assert ("skipped", True) == (outcome, "is gone before it could be replaced" in reason)


def test_a_broken_workload_is_left(cluster: FakeCluster, clock: FakeClock) -> None:
    """Never while the workload is not whole, and one reason is enough for all of its pods."""
    cluster.readiness = None
    cluster.remove(cluster.pods()[0]["metadata"]["name"])
    outcome = handle(TICK, cluster, clock)
    assert [("skipped", "web", "Deployment/web has 2 of 3 pods Ready")] == _trail(outcome)
    assert isinstance(outcome, Skipped)
    assert "1 skipped" == outcome.reason


def test_a_paused_deployment_is_left(cluster: FakeCluster, clock: FakeClock) -> None:
    """Somebody is working on it."""
    cluster.objects["deployments", "shop", "web"]["spec"]["paused"] = True
    assert [("skipped", "web", "Deployment/web is paused")] == _trail(handle(TICK, cluster, clock))


def test_pods_without_a_fleet_are_left(clock: FakeClock) -> None:
    """Nothing would replace a bare pod; a Job's has a lifetime of its own."""
    cluster = FakeCluster(clock)
    cluster.namespace()
    cluster.policy(selector={})
    clock.time -= timedelta(hours=2)
    cluster.bare_pod("solo")
    cluster.job_pod()
    clock.time += timedelta(hours=2)
    assert {"no controller would replace it", "pods of Job/batch are not moved"} == {
        reason for _, _, reason in _trail(handle(TICK, cluster, clock))
    }


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_kinds_are_evicted(clock: FakeClock, kind: str) -> None:
    """Replace falls back to Evict, and says so."""
    cluster = FakeCluster(clock)
    cluster.namespace()
    cluster.policy(selector={})
    clock.time -= timedelta(hours=2)
    cluster.stateful_set("x") if kind == "StatefulSet" else cluster.daemon_set("x")
    clock.time += timedelta(hours=2)
    reason = f"evicted, since {kind}/x does not tell its pods by pod-template-hash"
    assert [("acted", "web", reason)] == _trail(handle(TICK, cluster, clock))


@pytest.mark.parametrize("strategy", ["Replace", "Evict"])
def test_a_rehearsal_changes_nothing(clock: FakeClock, strategy: str) -> None:
    """DryRun sends the call for the server to check, does not wait, and keeps no other policy from acting."""
    cluster = _shop(clock, mode="DryRun", strategy=strategy)
    pods = [pod["metadata"] for pod in cluster.pods()]
    outcome = handle(TICK, cluster, clock)
    call = "patch pods" if strategy == "Replace" else "create pods/eviction"
    assert [*LISTS, *FLEETS, call, STATUS] == cluster.asked()
    assert (pods, []) == ([pod["metadata"] for pod in cluster.pods()], clock.slept)
    assert [("rehearsed", "web", f"would be {'replaced' if strategy == 'Replace' else 'evicted'}")] == _trail(outcome)
    assert isinstance(outcome, Done)
    assert outcome.rehearsed
    cluster.policy("x-enforced")
    assert ["rehearsed", "acted"] == [entry[0] for entry in _trail(handle(TICK, cluster, clock))]


@pytest.mark.parametrize("call", range(17))
def test_killed_after_any_call_the_next_tick_completes_it(clock: FakeClock, call: int) -> None:
    """Whatever call was the last one, ticks end with three fresh pods and nothing left over."""
    cluster = _shop(clock)
    cluster.kill_after = call
    with pytest.raises(Killed):
        handle(TICK, cluster, clock)
    for _ in range(4):
        handle(TICK, cluster, clock)
    assert [False, False, False] == _ages(cluster)
    assert not any(marks.is_retiring(pod) for pod in cluster.pods())
    assert Skipped("nothing is due") == handle(TICK, cluster, clock)


def test_what_a_step_left_over_is_finished_without_a_policy(clock: FakeClock) -> None:
    """A move that an alert began is finished by the clock, should its own event be dead-lettered."""
    cluster = _shop(clock, policy=False)
    cluster.kill_after = 5  # right after the patch
    with pytest.raises(Killed):
        handle(event_of(slip_for(cluster.pods()[0], ROTATE)), cluster, clock)
    cluster.asked()
    assert [("acted", None, "replaced by a fresh pod")] == _trail(handle(TICK, cluster, clock))
    assert [*LISTS, *FLEETS[:3], "get namespaces", "create pods/eviction", EVENT] == cluster.asked()


def _retiring(cluster: FakeCluster, clock: FakeClock) -> dict[str, Any]:
    """Leave a pod half moved."""
    cluster.kill_after = 5
    with pytest.raises(Killed):
        handle(event_of(slip_for(cluster.pods()[0], ROTATE)), cluster, clock)
    return next(pod for pod in cluster.pods() if marks.is_retiring(pod))


def test_a_retiring_pod_whose_workload_is_gone_goes_too(clock: FakeClock) -> None:
    """Nobody else would ever end it."""
    cluster = _shop(clock, policy=False)
    _retiring(cluster, clock)
    for key in [key for key in cluster.objects if key[0] in ("deployments", "replicasets")]:
        del cluster.objects[key]
    assert [("acted", None, "evicted: the workload that it left is gone")] == _trail(handle(TICK, cluster, clock))


def test_a_retiring_pod_whose_workload_is_gone_waits_for_its_budget(clock: FakeClock) -> None:
    """429 holds whoever owns the pod."""
    cluster = _shop(clock, policy=False)
    cluster.held = {_retiring(cluster, clock)["metadata"]["name"]}
    for key in [key for key in cluster.objects if key[0] in ("deployments", "replicasets")]:
        del cluster.objects[key]
    assert ["blocked"] == [entry[0] for entry in _trail(handle(TICK, cluster, clock))]


def test_a_retiring_pod_that_does_not_say_whose_it_was_is_left(clock: FakeClock) -> None:
    """The label alone, which anybody may have put there, ends no pod."""
    cluster = _shop(clock, policy=False)
    del _retiring(cluster, clock)["metadata"]["annotations"][marks.OWNER]
    reason = "retiring, without a readable annotation molt-project.io/owner"
    assert [("skipped", None, reason)] == _trail(handle(TICK, cluster, clock))


def test_a_retiring_pod_of_an_exempt_namespace_is_left(clock: FakeClock) -> None:
    """The guards hold for what was begun before."""
    cluster = _shop(clock, policy=False)
    _retiring(cluster, clock)
    cluster.namespace("shop", **{marks.EXEMPT: "true"})
    ((outcome, _, reason),) = _trail(handle(TICK, cluster, clock))
    assert ("skipped", True) == (outcome, "exempt" in reason)


def test_a_retiring_pod_that_became_another_is_looked_at_again(clock: FakeClock) -> None:
    """A pod that keeps changing is no end, and no error."""
    cluster = _shop(clock, policy=False)
    name = _retiring(cluster, clock)["metadata"]["name"]
    cluster.failing["create", "pods/eviction"] = Conflict("it changed")
    reason = f"pod shop/{name} changed under each of 4 attempts"
    assert [("moving", None, reason)] == _trail(handle(TICK, cluster, clock))


def test_a_protected_namespace_is_left(clock: FakeClock) -> None:
    """No policy moves the cluster's own pods."""
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace("kube-system")
    cluster.deployment(namespace="kube-system")
    cluster.policy(namespace="kube-system")
    clock.time += timedelta(hours=2)
    assert [("skipped", "web", "namespace kube-system is protected")] == _trail(handle(TICK, cluster, clock))


def test_an_invalid_policy_says_so_and_holds_up_no_other(cluster: FakeCluster, clock: FakeClock) -> None:
    """Its status has the reason, written once."""
    broken = cluster.policy("a-broken", lifetime={"every": "soon"})
    assert [("acted", "web", "replaced by a fresh pod")] == _trail(handle(TICK, cluster, clock))
    condition = _condition(cluster, "Accepted", "a-broken")
    assert ("False", "Invalid") == (condition["status"], condition["reason"])
    assert condition["message"].startswith("spec.lifetime.every: ")
    written = broken["metadata"]["resourceVersion"]
    handle(TICK, cluster, clock)
    assert written == broken["metadata"]["resourceVersion"] or 3 == len(_status(cluster, "a-broken")["conditions"])


def test_the_status_tells(cluster: FakeCluster, clock: FakeClock) -> None:
    """How many pods are managed and moving, when the last one moved and when the next one is due."""
    cluster.objects["rotationpolicies", "shop", "web"]["status"] = {"conditions": [{"type": "Other"}]}
    handle(TICK, cluster, clock)
    status = _status(cluster)
    assert (1, 3, 0) == (status["observedGeneration"], status["managed"], status["moving"])
    assert "2026-11-24T12:00:00.250000Z" == status["lastRotation"]
    assert "2026-11-24T10:48" < status["nextRotation"] <= "2026-11-24T11:00:00.250"
    other, accepted, *_ = status["conditions"]
    assert {"type": "Other"} == other
    assert ("Accepted", "True", "Valid", 1) == tuple(
        accepted[name] for name in ("type", "status", "reason", "observedGeneration")
    )
    first = accepted["lastTransitionTime"]
    clock.sleep(60)
    handle(TICK, cluster, clock)
    assert "2026-11-24T12:01:00.250000Z" == _status(cluster)["lastRotation"]
    assert first == _status(cluster)["conditions"][1]["lastTransitionTime"]


@pytest.mark.parametrize("error", [Unavailable("no"), Forbidden("no")])
def test_a_status_that_cannot_be_written_is_logged(
    cluster: FakeCluster, clock: FakeClock, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pod has moved; the next tick writes the status."""
    cluster.failing["patch", "rotationpolicies/status"] = error
    assert [("acted", "web", "replaced by a fresh pod")] == _trail(handle(TICK, cluster, clock))
    assert "policy shop/web: status not written: no" in capsys.readouterr().out


def test_what_the_api_forbids_is_raised(cluster: FakeCluster, clock: FakeClock) -> None:
    """A missing verb is for the dead letter, where its name is read."""
    cluster.failing["patch", "pods"] = Forbidden("not allowed to patch pods")
    with pytest.raises(PermanentError, match="not allowed to patch pods"):
        handle(TICK, cluster, clock)


def test_what_the_api_refuses_for_one_pod_holds_up_no_other(clock: FakeClock) -> None:
    """An admission policy of one team's namespace must not stop the rotation of all others."""
    cluster = _shop(clock, selector={})
    clock.time -= timedelta(hours=2)
    cluster.namespace("a-bank")
    cluster.deployment("vault", namespace="a-bank")
    clock.time += timedelta(hours=2)
    cluster.policy(namespace="a-bank", selector={})
    patched = cluster.merge

    def admitted(resource: Any, name: str, patch: Any, namespace: str | None = None, **more: Any) -> Any:
        if namespace == "a-bank" and resource == PODS:
            raise Forbidden('not allowed to patch pods in namespace a-bank: admission webhook "labels" denied it')
        return patched(resource, name, patch, namespace, **more)

    cluster.merge = admitted  # type: ignore[method-assign]
    outcome = handle(TICK, cluster, clock)
    assert ["refused", "acted"] == [entry[0] for entry in _trail(outcome)]
    assert isinstance(outcome, Done)
    assert "1 acted, 1 refused" == outcome.reason


def test_an_eviction_that_the_api_refuses_is_raised(cluster: FakeCluster, clock: FakeClock) -> None:
    """The old pod serves on, and the dead letter names the verb that is missing."""
    cluster.failing["create", "pods/eviction"] = Forbidden("not allowed to create pods/eviction")
    with pytest.raises(PermanentError, match="not allowed to create pods/eviction"):
        handle(TICK, cluster, clock)
    assert [] == clock.slept
    del cluster.failing["create", "pods/eviction"]
    assert ("acted", "web", "replaced by a fresh pod") in _trail(handle(TICK, cluster, clock))


@pytest.mark.parametrize("strategy", ["Replace", "Evict"])
def test_a_pod_that_is_put_in_quarantine_meanwhile_stays(clock: FakeClock, strategy: str) -> None:
    """Between the look and the eviction: the examiner must find it, and no other policy moves a sibling now."""
    cluster = _shop(clock, strategy=strategy, maxMoving=9)
    cluster.policy("x-also", strategy="Evict")

    def isolate(cluster: FakeCluster, name: str) -> None:
        event = event_of(slip_for(cluster.pod(name), QUARANTINE))
        assert isinstance(quarantine()(event, cluster, clock), Done)

    cluster.interfere = isolate
    ((outcome, policy, reason),) = _trail(handle(TICK, cluster, clock))
    assert ("skipped", "web") == (outcome, policy)
    assert reason in {
        "it is retiring no more: somebody else has taken it",
        "it is no longer one of Deployment/web that can be moved",
    }
    assert 1 == sum(map(marks.is_compromised, cluster.pods()))
    assert 4 == len(cluster.pods())


def test_a_doubled_tick_does_no_harm(cluster: FakeCluster, clock: FakeClock) -> None:
    """The second one, a redelivery too, finds the first one's work done and has the same id."""
    first, second = handle(TICK, cluster, clock), handle(TICK, cluster, clock)
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert first.event
    assert second.event
    assert first.event.id == second.event.id
    assert 3 == len(cluster.pods())


def test_a_long_trail_is_cut(clock: FakeClock) -> None:
    """An event has a bound, and says how many entries it leaves out."""
    diary = Diary(clock.now())
    pod = {"metadata": {"namespace": "shop", "name": "x", "uid": "x"}}
    for _ in range(MOST + 5):
        diary.add("acted", pod, None, "")
    outcome = diary.answer(TICK)
    assert outcome.event is not None
    assert (MOST, 5) == (len(outcome.event.data["trail"]), outcome.event.data["omitted"])
    assert f"{MOST + 5} acted" == outcome.reason


def test_a_tick_with_a_time_keeps_it(clock: FakeClock) -> None:
    """The fact says which tick it answers."""
    diary = Diary(clock.now())
    diary.add("moving", {"metadata": {"namespace": "shop", "name": "x", "uid": "x"}}, None, "")
    outcome = diary.answer(Event(id="1", source="/s", type="t", data={}, time=clock.now()))
    assert outcome.event is not None
    assert "2026-11-24T12:00:00.250000Z" == outcome.event.data["tick"]["time"]


def test_a_step_is_told_from_a_tick(cluster: FakeCluster, clock: FakeClock) -> None:
    """The same handler serves both; a step that nothing can be done for is skipped."""
    pod = cluster.bare_pod("solo")
    outcome = handle(event_of(slip_for(pod, ROTATE, ROTATE)), cluster, clock)
    assert isinstance(outcome, Skipped)
    assert outcome.event is not None
    assert (SKIPPED, FUNCTION) == (outcome.event.type, "rotate")


def test_the_fake_has_what_the_tests_rely_on(cluster: FakeCluster) -> None:
    """The ReplicaSet belongs to the Deployment, and the policy is one that the parser takes."""
    assert {"deployments", "replicasets", "pods", "namespaces", "rotationpolicies"} == {
        key[0] for key in cluster.objects
    }
    assert (DEPLOYMENTS.plural, ROTATION_POLICIES.plural) == ("deployments", "rotationpolicies")


def _annotate(cluster: FakeCluster, kind: str, name: str, value: str) -> None:
    namespace = "" if kind == "namespaces" else "shop"
    cluster.objects[kind, namespace, name]["metadata"]["annotations"] = {marks.PAUSE: value}


@pytest.mark.parametrize(("kind", "name"), [("deployments", "web"), ("namespaces", "shop")])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("true", ""),
        ("2026-11-24T13:00:00+00:00", " until 2026-11-24T13:00:00Z"),
        ("", ', though "" is neither "true" nor an RFC 3339 time'),
        ("false", ', though "false" is neither "true" nor an RFC 3339 time'),
        ("next\x1b[31m" + "x" * 50, f', though "next [31m{"x" * 28}..." is neither "true" nor an RFC 3339 time'),
    ],
)
def test_a_pause_holds_up_the_clock(clock: FakeClock, kind: str, name: str, value: str, reason: str) -> None:
    """On the workload or its namespace; it costs no call, and whoever wonders is told."""
    cluster = _shop(clock)
    _annotate(cluster, kind, name, value)
    paused = "Deployment/web" if kind == "deployments" else "namespace shop"
    expected = f"{paused} is paused by molt-project.io/pause{reason}"
    assert [("skipped", "web", expected)] == _trail(handle(TICK, cluster, clock))
    assert [*LISTS, *FLEETS, STATUS] == cluster.asked()
    assert [True, True, True] == _ages(cluster)


@pytest.mark.parametrize(("kind", "name"), [("deployments", "web"), ("namespaces", "shop")])
def test_a_pause_is_over_at_its_time(clock: FakeClock, kind: str, name: str) -> None:
    """A time that is past holds up nothing; nobody has to take the annotation off."""
    cluster = _shop(clock)
    _annotate(cluster, kind, name, marks.stamp(clock.now()))
    assert [("acted", "web", "replaced by a fresh pod")] == _trail(handle(TICK, cluster, clock))


def test_what_a_replica_set_inherited_is_no_pause(cluster: FakeCluster, clock: FakeClock) -> None:
    """A Deployment hands its annotations to its ReplicaSet, and does not take them back there."""
    _annotate(cluster, "replicasets", f"web-{HASH}", "true")
    assert [("acted", "web", "replaced by a fresh pod")] == _trail(handle(TICK, cluster, clock))


NIGHTS = [{"cron": "0 22 * * *", "duration": "4h", "timeZone": "Europe/Berlin"}]
NOONS = [{"cron": "0 12 * * *", "duration": "2h"}]


@pytest.mark.parametrize(
    ("hours", "opens"),
    [
        ({"windows": NIGHTS}, "2026-11-24T21:00:00Z"),
        ({"blackouts": NOONS}, "2026-11-24T14:00:00Z"),
        ({"windows": NOONS, "blackouts": NOONS}, None),
    ],
)
def test_moves_begin_only_when_windows_and_blackouts_let_them(
    clock: FakeClock, hours: dict[str, Any], opens: str | None
) -> None:
    """Outside nothing is looked at any closer, and the status says when it will be."""
    cluster = _shop(clock, **hours)
    assert Skipped("nothing is due") == handle(TICK, cluster, clock)
    assert [*LISTS, STATUS] == cluster.asked()
    assert opens == _status(cluster).get("nextRotation")
    if opens:
        clock.time = datetime.fromisoformat(opens)
        assert [("acted", "web", "replaced by a fresh pod")] == _trail(handle(TICK, cluster, clock))


def test_a_move_under_way_is_finished_outside_the_windows(clock: FakeClock) -> None:
    """What has begun is not left half-done until the next night."""
    cluster = _shop(clock, windows=NOONS)
    cluster.readiness = timedelta(hours=2, minutes=5)
    assert [("moving", "web")] == [entry[:2] for entry in _trail(handle(TICK, cluster, clock))]
    clock.time += timedelta(hours=2, minutes=6)
    assert [("acted", "web", "replaced by a fresh pod")] == _trail(handle(TICK, cluster, clock))


def test_a_policy_with_an_unknown_time_zone_says_so(clock: FakeClock) -> None:
    """No schema knows the zones: the condition is where the user reads it."""
    cluster = _shop(clock, windows=[NIGHTS[0] | {"timeZone": "Europe/Berlni"}])
    assert Skipped("nothing is due") == handle(TICK, cluster, clock)
    condition = _condition(cluster, "Accepted")
    assert ("False", "Invalid") == (condition["status"], condition["reason"])
    assert 'spec.windows[0].timeZone: "Europe/Berlni" is no time zone that is known here' == condition["message"]
