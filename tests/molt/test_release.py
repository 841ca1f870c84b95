"""The undoing of a quarantine, against a cluster in memory."""

from __future__ import annotations

from typing import Any

import pytest

from molt import marks, release, surplus
from molt.cluster import Forbidden, NotFound
from molt.outcome import TemporaryError
from molt.release import NotReleasable, Released
from quarantine.handler import handler
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.slips import QUARANTINE, event_of, slip_for


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster(FakeClock())
    cluster.deployment(replicas=1)
    return cluster


def _quarantined(cluster: FakeCluster) -> dict[str, Any]:
    """Isolate the first pod and return it as it was before."""
    pod = cluster.pods()[0]
    before: dict[str, Any] = {**pod, "metadata": dict(pod["metadata"])}
    handler()(event_of(slip_for(pod, QUARANTINE)), cluster, FakeClock())
    cluster.asked()
    return before


def test_a_released_pod_is_as_it_was(cluster: FakeCluster) -> None:
    """Exactly the old labels and no mark; the one that goes was marked before, and the fence comes down after."""
    before = _quarantined(cluster)
    name = before["metadata"]["name"]
    cluster.pod(name)["metadata"]["labels"]["examiner"] = "me"
    cluster.pod(name)["metadata"]["annotations"]["note"] = "kept"
    done = release.release(cluster, "shop", name)
    assert ["get pods", "list pods", "patch pods", "patch pods", "patch ledgers", "patch fences"] == cluster.asked()
    assert [{}] == [obj["spec"]["pods"] for (kind, _, _), obj in cluster.objects.items() if kind == "fences"]
    after = cluster.pod(name)["metadata"]
    assert before["metadata"]["labels"] == after["labels"]
    assert {"note": "kept"} == after["annotations"]
    consequence = "Deployment/web takes it back, and ends the one that replaced it if it has one too many"
    assert Released("shop", name, before["metadata"]["labels"], "Deployment/web", consequence) == done


def test_a_pod_without_labels_is_released_without_labels(cluster: FakeCluster) -> None:
    """Exactly the old ones may be none at all; a bare pod runs on."""
    cluster.bare_pod("a")["metadata"]["labels"] = {}
    _quarantined(cluster)
    done = release.release(cluster, "shop", "a")
    assert ({}, None, "no controller takes it back: it runs on as it was") == (
        done.labels,
        done.workload,
        done.consequence,
    )
    assert {} == cluster.pod("a")["metadata"]["labels"]


@pytest.mark.parametrize(
    ("workload", "stays", "words"),
    [
        (None, "Released", "no controller takes it back: it runs on as it was"),
        ("StatefulSet/db", "Released", "StatefulSet/db takes it back as the replica of its name"),
        (
            "DaemonSet/a",
            "Released",
            "DaemonSet/a takes it back, and ends the younger one of its node if it was replaced",
        ),
        ("Job/a", "Released", "Job/a takes it back, and may end a pod if it has one too many"),
        ("ReplicaSet/a", "Replacement", "ReplicaSet/a takes it back, and ends this one if it has one too many"),
    ],
)
def test_consequence(workload: str | None, stays: str, words: str) -> None:
    """Whoever releases is told that the controller may end a pod, and which."""
    assert words == release.consequence(workload, stays)


def test_a_dry_run_changes_nothing(cluster: FakeCluster) -> None:
    """The server checks the patch, and the pod stays isolated."""
    name = _quarantined(cluster)["metadata"]["name"]
    state = cluster.state()
    release.release(cluster, "shop", name, dry_run=True)
    assert state == cluster.state()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": {"app": "web"}}, "pod shop/p is not in quarantine"),
        ({"deletionTimestamp": "2026-11-24T12:00:00Z"}, "pod shop/p is terminating"),
        ({"annotations": {}}, "pod shop/p has no readable annotation molt-project.io/original-labels"),
        ({"annotations": {marks.ORIGINAL_LABELS: "{"}}, "no readable annotation"),
        ({"annotations": {marks.ORIGINAL_LABELS: "[]"}}, "no readable annotation"),
        ({"annotations": {marks.ORIGINAL_LABELS: '{"a": 1}'}}, "no readable annotation"),
    ],
)
def test_what_cannot_be_undone_is_left(cluster: FakeCluster, change: dict[str, Any], reason: str) -> None:
    """No guess at labels: a wrong one would put an attacker's pod behind a Service."""
    metadata = {"labels": {marks.COMPROMISED: "true"}, "annotations": {marks.ORIGINAL_LABELS: "{}"}} | change
    cluster.bare_pod("p")["metadata"] |= metadata
    state = cluster.state()
    with pytest.raises(NotReleasable, match=reason):
        release.release(cluster, "shop", "p")
    assert state == cluster.state()


def test_a_pod_that_is_not_there(cluster: FakeCluster) -> None:
    """The API's own answer."""
    with pytest.raises(NotFound):
        release.release(cluster, "shop", "nobody")


def test_of_another_uid_nothing_is_released(cluster: FakeCluster) -> None:
    """A successor of the same name is not the pod that was meant."""
    name = _quarantined(cluster)["metadata"]["name"]
    with pytest.raises(NotReleasable, match="another one has its name"):
        release.release(cluster, "shop", name, uid="other")


def test_without_a_replacement_nothing_is_marked(cluster: FakeCluster) -> None:
    """None there, gone meanwhile, or marked before by a release that was killed: the release goes on."""
    name = _quarantined(cluster)["metadata"]["name"]
    (other,) = (pod for pod in cluster.pods() if pod["metadata"]["name"] != name)
    other["metadata"]["annotations"] = {surplus.COST: surplus.CHEAPEST}
    release.release(cluster, "shop", name, dry_run=True)
    assert ["get pods", "list pods", "patch pods"] == cluster.asked()
    other["metadata"]["annotations"] = {}
    cluster.meddle = [lambda cluster: cluster.remove(other["metadata"]["name"])]
    release.release(cluster, "shop", name, dry_run=True)
    release.release(cluster, "shop", name)


def _bump(cluster: FakeCluster) -> None:
    for pod in cluster.pods():
        pod["metadata"]["resourceVersion"] += "1"


def test_a_conflict_is_read_again(cluster: FakeCluster) -> None:
    """A pod that changed meanwhile is released as it is now, and one that never rests is not."""
    name = _quarantined(cluster)["metadata"]["name"]
    cluster.meddle = [_bump] * (release.ATTEMPTS + 1)  # the first of them at the one that goes
    with pytest.raises(TemporaryError, match="changed under each of 4 attempts"):
        release.release(cluster, "shop", name)
    cluster.meddle = [_bump]
    assert "Deployment/web" == release.release(cluster, "shop", name).workload


@pytest.mark.parametrize("call", range(4))
def test_killed_after_any_call_it_is_whole_or_not_done(cluster: FakeCluster, call: int) -> None:
    """One patch does all of it: no pod is left with half of its labels."""
    name = _quarantined(cluster)["metadata"]["name"]
    cluster.kill_after = call
    with pytest.raises(Killed):
        release.release(cluster, "shop", name)
    released = call == 3
    assert released != marks.is_compromised(cluster.pod(name))
    assert released == ("app" in cluster.pod(name)["metadata"]["labels"])


def test_a_fence_that_stays_up_is_told_of(cluster: FakeCluster) -> None:
    """The pod is released all the same, and the clock's next tick takes its fence down."""
    name = _quarantined(cluster)["metadata"]["name"]
    cluster.failing["patch", "fences"] = Forbidden("not allowed")
    done = release.release(cluster, "shop", name)
    assert done.consequence.endswith("; its token may write again after the clock's next tick: not allowed")
    assert not marks.is_compromised(cluster.pod(name))
