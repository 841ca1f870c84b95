"""A move whose replacement does not become Ready: undone in time, and not tried again at once.

| the retiring pod                            | the tick                              |
|---------------------------------------------|---------------------------------------|
| retiring for less than ten minutes          | waits                                 |
| its replacement is hopeless                 | gives it back at once                 |
| for longer, the workload settled            | gives it back to its ReplicaSet       |
| a rollout in progress, or a pause           | waits: that may be the cure           |
| its ReplicaSet keeps no pods any more       | waits: it would be taken in and ended |
| its labels, or its owner, are not known     | waits                                 |
| whole meanwhile                             | evicts it, whatever the time          |
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from molt import due, marks
from molt.cluster import AlreadyExists, Conflict, Unavailable
from molt.events import Event
from molt.lifetime import Keys
from molt.outcome import Done, Skipped, TemporaryError
from rotate.handler import handler
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.slips import ROTATE, event_of, slip_for

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})

handle = handler(Keys(b"sixteen bytes or more"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster where every new pod is stuck: of three old ones one is retiring, on an alert's account."""
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    cluster.deployment()
    cluster._mature()
    clock.time += timedelta(hours=2)
    cluster.readiness = None
    with pytest.raises(TemporaryError, match="waits for its replacement"):
        handle(event_of(slip_for(cluster.pods()[0], ROTATE)), cluster, clock)
    return cluster


def _retiring(cluster: FakeCluster) -> list[dict[str, Any]]:
    return [pod for pod in cluster.pods() if marks.is_retiring(pod)]


def _trail(cluster: FakeCluster, clock: FakeClock) -> list[tuple[str, str]]:
    outcome = handle(TICK, cluster, clock)
    assert isinstance(outcome, Done | Skipped)
    entries = outcome.event.data["trail"] if outcome.event else []
    return [(entry["outcome"], entry["reason"]) for entry in entries]


def test_it_is_waited_for_first(cluster: FakeCluster, clock: FakeClock) -> None:
    """A slow image is no stuck one."""
    clock.time += timedelta(minutes=8)
    assert [("moving", "waits for its replacement: Deployment/web has 2 of 3 pods Ready")] == _trail(cluster, clock)
    assert 1 == len(_retiring(cluster))


def test_it_is_undone_in_time(cluster: FakeCluster, clock: FakeClock) -> None:
    """The old pod is its ReplicaSet's again, which ends the stuck one; only the annotation tells of it."""
    (old,) = _retiring(cluster)
    name = old["metadata"]["name"]
    labels = marks.original_labels(old)
    clock.time += timedelta(minutes=10)
    reason = "it stays, since its replacement does not become Ready: Deployment/web has 2 of 3 pods Ready"
    cluster.asked()
    assert [("skipped", reason)] == _trail(cluster, clock)
    assert ["get namespaces", "patch pods", "create events"] == cluster.asked()[-3:]
    after = cluster.pod(name)["metadata"]
    assert labels == after["labels"]
    assert {marks.STAYED_SINCE, marks.STAYS} == set(after["annotations"])
    assert ["ReplicaSet"] == [owner["kind"] for owner in after["ownerReferences"]]
    assert 3 == len(cluster.pods())
    assert all(pod["status"]["conditions"] for pod in cluster.pods()), "the stuck one has gone"
    assert [] == _trail(cluster, clock)


def test_it_is_not_tried_again_at_once(cluster: FakeCluster, clock: FakeClock) -> None:
    """Neither by the clock within the hour nor by the same alert; by the clock afterwards."""
    cluster.policy()
    event = event_of(slip_for(cluster.pods()[0], ROTATE))
    (old,) = _retiring(cluster)
    clock.time += timedelta(minutes=10)
    _trail(cluster, clock)
    again = [pod["metadata"]["name"] for pod in cluster.pods() if marks.is_retiring(pod)]
    assert old["metadata"]["name"] not in again
    cluster.readiness = timedelta()
    for pod in cluster.pods():
        pod["ready-at"] = clock.now().isoformat()
    while isinstance(handle(event, cluster, clock), Done):
        pass
    assert old["metadata"]["name"] in {pod["metadata"]["name"] for pod in cluster.pods()}
    clock.time += timedelta(minutes=59)
    for _ in range(4):
        _trail(cluster, clock)
    assert old["metadata"]["name"] in {pod["metadata"]["name"] for pod in cluster.pods()}
    clock.time += timedelta(minutes=1)
    for _ in range(3):  # the others are more overdue by now
        _trail(cluster, clock)
    assert old["metadata"]["name"] not in {pod["metadata"]["name"] for pod in cluster.pods()}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
            "container main: ImagePullBackOff",
        ),
        (
            {
                "initContainerStatuses": [
                    {"name": "set", "state": {"waiting": {"reason": "ErrImagePull", "message": "no\nsuch"}}}
                ]
            },
            "container set: ErrImagePull: no such",
        ),
        (
            {
                "containerStatuses": [
                    {"name": "main", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
                ]
            },
            "container main: CrashLoopBackOff",
        ),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "reason": "Unschedulable",
                        "status": "False",
                        "message": "0/3 nodes",
                        "lastTransitionTime": "2026-11-24T11:58:00Z",
                    }
                ]
            },
            "Unschedulable: 0/3 nodes",
        ),
    ],
)
def test_what_is_hopeless_is_undone_at_once(
    cluster: FakeCluster, clock: FakeClock, status: dict[str, Any], said: str
) -> None:
    """The old pod has its place back within a tick, and whoever looks at the workload is told why."""
    (old,) = _retiring(cluster)
    fresh = next(pod for pod in cluster.pods() if not pod["status"]["conditions"])
    fresh["status"] |= status
    reason = f"it stays, since its replacement does not become Ready: pod {fresh['metadata']['name']}: {said}"
    assert [("skipped", reason)] == _trail(cluster, clock)
    assert not _retiring(cluster)
    (event,) = (obj for (plural, _, _), obj in cluster.objects.items() if plural == "events")
    assert ("Warning", "MoltRotationUndone", "Deployment", "web") == (
        *(event[name] for name in ("type", "reason")),
        *(event["regarding"][name] for name in ("kind", "name")),
    )
    assert f"pod {old['metadata']['name']} was to move: {reason}" == event["note"]


@pytest.mark.parametrize(
    "status",
    [
        {"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}}]},
        {"containerStatuses": [{"name": "main", "state": {"running": {}}, "restartCount": 9}]},
        {"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
        {"conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "status": "False"}]},
        {"conditions": [{"type": "PodScheduled", "reason": "SchedulingGated", "status": "False"}]},
        {
            "nominatedNodeName": "node-9",
            "conditions": [
                {"type": "PodScheduled", "reason": "Unschedulable", "lastTransitionTime": "2026-11-24T11:00:00Z"}
            ],
        },
        {
            "conditions": [
                {"type": "PodScheduled", "reason": "Unschedulable", "lastTransitionTime": "2026-11-24T11:59:59Z"}
            ]
        },
    ],
)
def test_what_may_still_become_ready_is_waited_for(
    cluster: FakeCluster, clock: FakeClock, status: dict[str, Any]
) -> None:
    """A slow start, a first crash and a full cluster whose autoscaler has an answer are no reason."""
    fresh = next(pod for pod in cluster.pods() if not pod["status"]["conditions"])
    fresh["status"] |= status
    assert ["moving"] == [outcome for outcome, _ in _trail(cluster, clock)]


def test_the_rest_doubles_up_to_a_day(cluster: FakeCluster, clock: FakeClock) -> None:
    """Each time in a row the workload is left alone for twice as long; what nobody can read counts as none."""
    (old,) = _retiring(cluster)
    notes: dict[str, str] = old["metadata"]["annotations"]
    rests = []
    for said in ("", "1", "2", "3", "6", "999", "99999", "many"):
        notes |= {marks.STAYED_SINCE: marks.stamp(clock.now()), marks.STAYS: said}
        until = due.rests_until(old, clock.now())
        assert until
        rests.append((until - clock.now()) / timedelta(hours=1))
    assert [1, 1, 2, 4, 24, 24, 1, 1] == rests


def test_the_whole_workload_rests(cluster: FakeCluster, clock: FakeClock) -> None:
    """Another of its pods would fare no better: the clock tries none until the rest is over."""
    (old,) = _retiring(cluster)
    clock.time += timedelta(minutes=10)
    _trail(cluster, clock)
    cluster.policy()
    until = marks.stamp(clock.now() + timedelta(hours=1))
    reason = f"a replacement of Deployment/web did not become Ready: tried again from {until} on"
    assert [("skipped", reason)] == _trail(cluster, clock)
    clock.time += timedelta(hours=1)
    assert ["moving"] == [outcome for outcome, _ in _trail(cluster, clock)]
    clock.time += timedelta(minutes=10)
    _trail(cluster, clock)
    assert {"1"} == {marks.annotations_of(pod)[marks.STAYS] for pod in cluster.pods() if due.stays_since(pod)}
    assert "1" == marks.annotations_of(cluster.pod(old["metadata"]["name"]))[marks.STAYS]


@pytest.mark.parametrize("error", [AlreadyExists("it is there"), Unavailable("not now")])
def test_without_an_event_it_is_undone_all_the_same(
    cluster: FakeCluster, clock: FakeClock, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trail says it too."""
    cluster.failing["create", "events"] = error
    clock.time += timedelta(minutes=10)
    assert ["skipped"] == [outcome for outcome, _ in _trail(cluster, clock)]
    assert ("no Event: not now" in capsys.readouterr().out) == isinstance(error, Unavailable)


def _paused(cluster: FakeCluster) -> None:
    cluster.objects["deployments", "shop", "web"]["spec"]["paused"] = True


def _rolled(cluster: FakeCluster) -> None:
    cluster.objects["replicasets", "shop", "web-5d9c7b"]["spec"]["replicas"] = 0


def _unlabelled(cluster: FakeCluster) -> None:
    del _retiring(cluster)[0]["metadata"]["annotations"][marks.ORIGINAL_LABELS]


@pytest.mark.parametrize("meddle", [_paused, _rolled, _unlabelled])
def test_it_waits_where_undoing_does_not_help(cluster: FakeCluster, clock: FakeClock, meddle: Any) -> None:
    """The old pod goes on serving."""
    meddle(cluster)
    clock.time += timedelta(hours=1)
    assert ["moving"] == [outcome for outcome, _ in _trail(cluster, clock)]
    assert 1 == len(_retiring(cluster))


def test_without_a_time_it_is_undone(cluster: FakeCluster, clock: FakeClock) -> None:
    """Nobody knows since when: that must not be for good."""
    del _retiring(cluster)[0]["metadata"]["annotations"][marks.RETIRING_SINCE]
    assert ["skipped"] == [outcome for outcome, _ in _trail(cluster, clock)]


def test_a_pod_that_changes_meanwhile_is_looked_at_again(cluster: FakeCluster, clock: FakeClock) -> None:
    """Put in quarantine just now, say: the patch does not hold for what it is since."""
    cluster.failing["patch", "pods"] = Conflict("it changed")
    clock.time += timedelta(minutes=10)
    assert [("moving", "it changed")] == _trail(cluster, clock)


@pytest.mark.parametrize("meddle", [_paused, lambda _: None])
def test_once_it_is_whole_the_move_is_finished(cluster: FakeCluster, clock: FakeClock, meddle: Any) -> None:
    """However late, and though the Deployment is paused: the workload counts without the old pod."""
    (old,) = _retiring(cluster)
    meddle(cluster)
    for pod in cluster.pods():
        pod["ready-at"] = clock.now().isoformat()
    clock.time += timedelta(hours=1)
    assert [("acted", "replaced by a fresh pod")] == _trail(cluster, clock)
    assert old["metadata"]["name"] not in {pod["metadata"]["name"] for pod in cluster.pods()}
