"""What is told on a workload: that a pod moved, and, once an hour, that pods are held up.

| the tick, or step                                     | the Event                                       |
|-------------------------------------------------------|-------------------------------------------------|
| moves a pod                                           | Rotated, one for each pod                       |
| finds a restart done                                  | Rotated, one for each restart                   |
| finds pods held up for ten minutes                    | RotationBlocked, one for each workload and hour |
| the same, by a pause or another intent                | none                                            |
| is a rehearsal                                        | none                                            |
| is done twice, or by two instances                    | no other                                        |
| may write no Event, or not now                        | logged; the move is done                        |
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import PDBS, Forbidden, Rejected, Unavailable
from molt.events import Event
from molt.itinerary import Step
from molt.lifetime import Keys
from molt.outcome import Done
from rotate import successor
from rotate.blockage import MOST
from rotate.fleet import Fleet
from rotate.handler import handler
from rotate.notice import Notice
from tests.functions.fake_cluster import START, FakeClock, FakeCluster, Killed
from tests.functions.slips import ROTATE, event_of, slip_for

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
KEYS = Keys(b"sixteen bytes or more")
EVICT = Step("rotate", {"scope": "Siblings", "strategy": "Evict"})
LIFETIME = "its lifetime by policy web is over"

Object = dict[str, Any]

handle = handler(KEYS)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster with a Deployment of three that is two hours old, and no policy."""
    return _shop(clock)


def _shop(clock: FakeClock, *names: str) -> FakeCluster:
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    for name in names or ("web",):
        cluster.deployment(name)
    cluster._mature()
    clock.time += timedelta(hours=2)
    return cluster


def _events(cluster: FakeCluster, reason: str = "Rotated") -> list[Object]:
    return [obj for (plural, _, _), obj in cluster.objects.items() if plural == "events" and obj["reason"] == reason]


def _names(cluster: FakeCluster) -> set[str]:
    return {pod["metadata"]["name"] for pod in cluster.pods()}


def _cordon(cluster: FakeCluster) -> None:
    cluster.node("node-1")["spec"]["unschedulable"] = True


def _later(cluster: FakeCluster, clock: FakeClock, *minutes: int, by: Any = None) -> list[int]:
    """Tick after each of so many minutes; return how many Events each time were asked for."""
    found = []
    for step in minutes:
        clock.time += timedelta(minutes=step)
        cluster.asked()
        (by or handle)(TICK, cluster, clock)
        found.append(cluster.asked().count("create events"))
    return found


def test_the_clock_moved_a_pod(cluster: FakeCluster, clock: FakeClock) -> None:
    """On the Deployment: which pod, how, which one is there instead, by which policy and why."""
    cluster.policy()
    before = _names(cluster)
    handle(TICK, cluster, clock)
    (event,) = _events(cluster)
    ((old,), (new,)) = before - _names(cluster), _names(cluster) - before
    assert f"pod {old}: replaced by a fresh pod; the new pod is {new}; {LIFETIME}" == event["note"]
    top = cluster.objects["deployments", "shop", "web"]["metadata"]
    regarding = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": top["uid"]}
    assert regarding == event["regarding"]
    assert ("v1", "Pod", "shop", old) == tuple(
        event["related"][name] for name in ("apiVersion", "kind", "namespace", "name")
    )
    assert ("Normal", "Rotate", "molt-project.io/rotate", "rotate", "2026-11-24T12:00:00.250000Z") == tuple(
        event[name] for name in ("type", "action", "reportingController", "reportingInstance", "eventTime")
    )
    assert event["metadata"]["name"].startswith("web.")


def test_the_clock_evicted_a_pod(cluster: FakeCluster, clock: FakeClock) -> None:
    """Who comes is not known yet; that it is not what the policy asks for is said."""
    cluster.stateful_set("db")
    clock.time += timedelta(hours=2)
    cluster.policy(selector={"matchLabels": {"app": "db"}})
    handle(TICK, cluster, clock)
    (event,) = _events(cluster)
    said = "evicted, since StatefulSet/db does not tell its pods by pod-template-hash"
    assert f"pod {event['related']['name']}: {said}; {LIFETIME}" == event["note"]
    assert ("StatefulSet", "db") == (event["regarding"]["kind"], event["regarding"]["name"])


def test_the_clock_restarted_a_workload(cluster: FakeCluster, clock: FakeClock) -> None:
    """When all of it is done, and once."""
    cluster.policy(strategy="Restart")
    handle(TICK, cluster, clock)
    assert [] == _events(cluster)
    cluster.kill_after = 11  # the Event is there, and the marks too
    while not _events(cluster):
        try:
            handle(TICK, cluster, clock)
        except Killed:
            cluster.kill_after = None
    for _ in range(2):
        handle(TICK, cluster, clock)
    (event,) = _events(cluster)
    assert f"restarted, all of its pods are fresh; {LIFETIME}" == event["note"]
    assert "related" not in event


@pytest.mark.parametrize("step", [ROTATE, EVICT])
def test_an_alert_moved_its_siblings(cluster: FakeCluster, clock: FakeClock, step: Step) -> None:
    """Each with the alert, the policy, and the pod that came."""
    slip = slip_for(cluster.pods()[0], step)
    event = event_of(slip)
    seen = _names(cluster)
    for _ in range(2):
        outcome = handle(event, cluster, clock)
        assert isinstance(outcome, Done)
        assert outcome.event
        event = outcome.event
        (new,) = _names(cluster) - seen
        seen |= {new}
        said = "replaced by a fresh pod" if step == ROTATE else "evicted"
        last = _events(cluster)[-1]
        clock.time += timedelta(seconds=1)  # creationTimestamp has whole seconds
        why = f"alert {slip.alert['id']}, policy {slip.policy.name}"
        assert f"pod {last['related']['name']}: {said}; the new pod is {new}; {why}" == last["note"]
        clock.time += timedelta(seconds=1)
    assert 2 == len(_events(cluster))


def test_of_two_pods_of_one_second_neither_is_called_the_new_one(cluster: FakeCluster, clock: FakeClock) -> None:
    """Ages have whole seconds: what they do not tell is not told."""
    event, notes = event_of(slip_for(cluster.pods()[0], ROTATE)), []
    for _ in range(2):
        outcome = handle(event, cluster, clock)
        assert isinstance(outcome, Done)
        assert outcome.event
        event = outcome.event
        notes.append(_events(cluster)[-1]["note"])
    assert [True, False] == ["; the new pod is " in note for note in notes]


def test_a_step_that_finishes_what_the_clock_began(cluster: FakeCluster, clock: FakeClock) -> None:
    """It is on the account of who began it."""
    cluster.policy()
    cluster.kill_after = 12  # right after the patch
    with pytest.raises(Killed):
        handle(TICK, cluster, clock)
    target = next(pod for pod in cluster.pods() if not marks.is_retiring(pod))
    assert isinstance(handle(event_of(slip_for(target, ROTATE)), cluster, clock), Done)
    assert LIFETIME in _events(cluster)[0]["note"]


def test_an_evicted_pod_whose_place_is_empty_yet(cluster: FakeCluster, clock: FakeClock) -> None:
    """No sibling is taken for the new one."""
    cluster.readiness = None
    assert isinstance(handle(event_of(slip_for(cluster.pods()[0], EVICT)), cluster, clock), Done)
    (event,) = _events(cluster)
    assert "its replacement is not Ready yet: Deployment/web has 2 of 3 pods Ready; alert" in event["note"]


def test_a_workload_of_another_kind_is_told_by_its_own_group(clock: FakeClock) -> None:
    """`kubectl describe` finds it there."""
    owner = {"apiVersion": "apps.kruise.io/v1", "kind": "CloneSet", "name": "web", "uid": "c", "controller": True}
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    cluster.bare_pod("web", ownerReferences=[owner])
    budget = {"spec": {"selector": {}}, "status": {"observedGeneration": 1, "expectedPods": 1}}
    cluster.put(PDBS, {"metadata": {"name": "web", "namespace": "shop", "generation": 1}, **budget})
    clock.time += timedelta(hours=2)
    cluster.policy()
    handle(TICK, cluster, clock)
    expected = {name: value for name, value in owner.items() if name != "controller"} | {"namespace": "shop"}
    assert [expected] == [event["regarding"] for event in _events(cluster)]


@pytest.mark.parametrize("spec", [{}, {"strategy": "Evict"}, {"strategy": "Restart"}])
def test_a_rehearsal_tells_nothing(cluster: FakeCluster, clock: FakeClock, spec: Object) -> None:
    """It leaves no trace but the trail and the status, for however long it finds pods held up."""
    cluster.policy(mode="DryRun", **spec)
    assert [0] == _later(cluster, clock, 0)
    _cordon(cluster)
    assert [0, 0, 0] == _later(cluster, clock, 1, 10, 60)


@pytest.mark.parametrize("error", [Forbidden("not allowed"), Unavailable("429"), Rejected("no")])
@pytest.mark.parametrize("spec", [{}, {"strategy": "Evict"}])
def test_an_event_that_is_refused_holds_up_no_move(
    cluster: FakeCluster, clock: FakeClock, error: Exception, spec: Object, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is logged; the pod has moved, the trail and the status say so."""
    cluster.policy(**spec)
    cluster.failing["create", "events"] = error
    outcome = handle(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert "1 acted" == outcome.reason
    assert f"Deployment/web in shop: no Event: {error}" in capsys.readouterr().out


def test_an_api_server_that_takes_no_events_now_is_not_asked_again_and_again(
    clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each would take seconds, and the tick has to end; all pods have moved. A refusal for good takes none."""
    for error, tries in ((Unavailable("429"), 1), (Forbidden("no"), 3)):
        cluster = _shop(clock, "a", "b", "c")
        cluster.policy(selector={}, maxMoving=9)
        cluster.failing["create", "events"] = error
        outcome = handle(TICK, cluster, clock)
        assert isinstance(outcome, Done)
        assert ("3 acted", tries) == (outcome.reason, cluster.asked().count("create events"))
    assert 1 == capsys.readouterr().out.count("2 more Events are left out in this tick")


def test_pods_that_are_held_up(cluster: FakeCluster, clock: FakeClock) -> None:
    """After ten minutes and then once an hour, as long as API servers keep Events; once for a workload."""
    own = handler(KEYS)
    cluster.policy()
    _cordon(cluster)
    assert [0, 0, 1, 0, 0] == _later(cluster, clock, 0, 9, 1, 1, 48, by=own)
    (event,) = _events(cluster, "RotationBlocked")
    assert (
        "3 pods are due by policy web, and held up since 2026-11-24T12:00:00.250000Z or later (NodeCordoned): "
        "its node node-1 is cordoned: a drain would move it, and a replacement might not fit"
    ) == event["note"]
    assert ("Warning", "Deployment", False) == (event["type"], event["regarding"]["kind"], "related" in event)
    assert [1, 0, 1] == _later(cluster, clock, 1, 59, 1, by=own)
    assert 3 == len(_events(cluster, "RotationBlocked"))


def test_another_reason_is_told_anew(cluster: FakeCluster, clock: FakeClock) -> None:
    """And the same one, when it was over in between."""
    own = handler(KEYS)
    cluster.policy()
    _cordon(cluster)
    assert [0, 1] == _later(cluster, clock, 0, 10, by=own)
    cluster.objects["deployments", "shop", "web"]["status"]["observedGeneration"] = 0
    assert [0, 1] == _later(cluster, clock, 1, 10, by=own)
    cluster.objects["deployments", "shop", "web"]["status"]["observedGeneration"] = 1
    assert [0, 1] == _later(cluster, clock, 1, 10, by=own)
    assert 3 == len({event["metadata"]["name"] for event in _events(cluster, "RotationBlocked")})


def test_one_pod_that_is_held_up(clock: FakeClock) -> None:
    """By what the API server does not let molt do, say."""
    cluster = _shop(clock)
    own = handler(KEYS)
    for pod in cluster.pods()[1:]:
        pod["metadata"]["creationTimestamp"] = marks.stamp(clock.now())
    cluster.policy()
    _cordon(cluster)
    assert [0, 1] == _later(cluster, clock, 0, 10, by=own)
    assert _events(cluster, "RotationBlocked")[0]["note"].startswith("1 pod is due by policy web, and held up")


def test_another_instance_says_nothing_twice(cluster: FakeCluster, clock: FakeClock) -> None:
    """It asks once, and finds the Event there."""
    cluster.policy()
    _cordon(cluster)
    assert [0, 1] == _later(cluster, clock, 0, 10, by=handler(KEYS))
    assert [1, 0, 0] == _later(cluster, clock, 1, 1, 1, by=handler(KEYS))
    assert 1 == len(_events(cluster, "RotationBlocked"))


@pytest.mark.parametrize(("error", "tries"), [(Forbidden("no"), [1, 0, 0]), (Unavailable("not now"), [1, 1, 1])])
def test_a_warning_that_is_refused(cluster: FakeCluster, clock: FakeClock, error: Exception, tries: list[int]) -> None:
    """For good: not asked for again within the hour. For now: by the next tick."""
    own = handler(KEYS)
    cluster.policy()
    _cordon(cluster)
    cluster.failing["create", "events"] = error
    assert [0, *tries] == _later(cluster, clock, 0, 10, 1, 1, by=own)


@pytest.mark.parametrize("value", ["true", "next week"])
def test_a_pause_is_no_warning(cluster: FakeCluster, clock: FakeClock, value: str) -> None:
    """Somebody wants it; the status says so."""
    cluster.policy()
    cluster.objects["deployments", "shop", "web"]["metadata"]["annotations"] = {marks.PAUSE: value}
    assert [0, 0, 0] == _later(cluster, clock, 0, 10, 60)


def test_a_namespace_full_of_trouble(clock: FakeClock) -> None:
    """A tick writes so many Events and no more, and the next one goes on."""
    own = handler(KEYS)
    cluster = _shop(clock, *(f"web-{number}" for number in range(MOST + 5)))
    cluster.policy(selector={})
    _cordon(cluster)
    assert [0, MOST, 5, 0] == _later(cluster, clock, 0, 10, 1, 1, by=own)
    assert MOST + 5 == len({event["regarding"]["name"] for event in _events(cluster, "RotationBlocked")})


def test_a_status_that_cannot_be_written_is_no_reason_for_warnings(cluster: FakeCluster, clock: FakeClock) -> None:
    """Since when is not known then."""
    cluster.policy()
    _cordon(cluster)
    cluster.failing["patch", "rotationpolicies/status"] = Forbidden("no")
    assert [0, 0] == _later(cluster, clock, 0, 10)


def test_an_event_has_what_the_api_takes() -> None:
    """A name of at most 253 characters that ends well, and a note of at most 1024 bytes on one line."""
    fleet = Fleet("shop", "Deployment", "a" * 199 + ".-" + "b" * 52, "u", 1, frozenset())
    name = Notice(fleet, "Rotated", ("x",), "", START).name
    assert (216, True) == (len(name), name.startswith("a" * 199 + "."))
    others = {Notice(fleet, *about, "", START).name for about in (("RotationBlocked", ("x",)), ("Rotated", ("y",)))}
    assert 3 == len({name} | others)


def test_a_note_is_cut_in_bytes(cluster: FakeCluster, clock: FakeClock) -> None:
    """What stands on a pod may be of any length, and of any alphabet."""
    cluster.policy()
    cluster.kill_after = 12  # right after the patch
    with pytest.raises(Killed):
        handle(TICK, cluster, clock)
    (old,) = (pod for pod in cluster.pods() if marks.is_retiring(pod))
    old["metadata"]["annotations"][marks.REASON] = "\x1b[31mü\n" * 900
    handle(TICK, cluster, clock)
    note = _events(cluster)[0]["note"]
    assert (True, True) == (note.isprintable(), len(note.encode()) <= marks.NOTE_LIMIT)


def _pod(name: str, made: str, owner: str = "rs", **metadata: Any) -> Object:
    refs = [{"uid": owner, "kind": "ReplicaSet", "name": "rs", "controller": True}]
    return {"metadata": {"name": name, "creationTimestamp": made, "ownerReferences": refs, **metadata}}


@pytest.mark.parametrize(
    ("since", "pods", "expected"),
    [
        ("2026-11-24T12:00:00.25Z", [_pod("a", "2026-11-24T10:00:00Z"), _pod("b", "2026-11-24T12:00:00Z")], "b"),
        ("2026-11-24T12:00:00.25Z", [_pod("b", "2026-11-24T12:00:00Z"), _pod("c", "2026-11-24T12:00:09Z")], ""),
        ("2026-11-24T12:00:00.25Z", [_pod("a", "2026-11-24T10:00:00Z"), _pod("b", "2026-11-24T11:59:00Z")], "b"),
        (None, [_pod("a", "2026-11-24T10:00:00Z"), _pod("b", "2026-11-24T12:00:00Z")], "b"),
        (None, [_pod("a", "2026-11-24T10:00:00Z", owner="other")], ""),
        (None, [], ""),
    ],
)
def test_who_took_the_place(since: str | None, pods: list[Object], expected: str) -> None:
    """The one that was made since, by whatever clock; of several nobody is named, and nobody's pod is none."""
    fleet = Fleet("shop", "Deployment", "web", "u", 2, frozenset({"rs"}))
    annotations = {marks.RETIRING_SINCE: since} if since else {}
    old = _pod("old", "2026-11-24T09:00:00Z", annotations=annotations, labels={marks.RETIRING: "true"})
    assert expected == successor.name(fleet, [old, *pods], old)
