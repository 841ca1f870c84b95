"""A move whose replacement does not become Ready: undone in time, and not tried again at once.

| the retiring pod                            | the tick                              |
|---------------------------------------------|---------------------------------------|
| retiring for less than ten minutes          | waits                                 |
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

from molt import marks
from molt.cluster import Conflict
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
    assert [("skipped", reason)] == _trail(cluster, clock)
    after = cluster.pod(name)["metadata"]
    assert labels == after["labels"]
    assert {marks.STAYED_SINCE} == set(after["annotations"])
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
    _trail(cluster, clock)
    assert old["metadata"]["name"] not in {pod["metadata"]["name"] for pod in cluster.pods()}


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
