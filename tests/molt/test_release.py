"""The undoing of a quarantine, against a cluster in memory."""

from __future__ import annotations

from typing import Any

import pytest

from molt import marks, release, surplus
from molt.cluster import PODS, Forbidden, NotFound
from molt.outcome import TemporaryError
from molt.release import NotReleasable, Released
from quarantine.handler import handler
from tests.functions.fake_cluster import HASH, FakeClock, FakeCluster, Killed
from tests.functions.slips import QUARANTINE, event_of, isolation_of, slip_for


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
    calls = ["get pods", "get replicasets", "list pods", "patch pods", "patch pods", "patch ledgers", "patch fences"]
    assert calls == cluster.asked()
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


def _of(cluster: FakeCluster, *, but: str) -> dict[str, Any]:
    """Return the one pod of the workload that has not this name."""
    (other,) = (pod for pod in cluster.pods() if pod["metadata"]["name"] != but)
    return other


def test_without_a_surplus_nothing_is_marked(cluster: FakeCluster) -> None:
    """Marked before by a release that was killed, scaled up meanwhile, gone meanwhile: the release goes on."""
    name = _quarantined(cluster)["metadata"]["name"]
    other = _of(cluster, but=name)
    unmarked = ["get pods", "get replicasets", "list pods", "patch pods"]
    other["metadata"]["annotations"] = surplus.mark(other, cluster.pod(name)["metadata"]["uid"])
    release.release(cluster, "shop", name, dry_run=True)
    assert unmarked == cluster.asked()
    other["metadata"]["annotations"] = {}
    cluster.objects["replicasets", "shop", f"web-{HASH}"]["spec"]["replicas"] = 2
    for keep in ("Released", "Replacement"):
        release.release(cluster, "shop", name, keep=keep, dry_run=True)
        assert unmarked == cluster.asked()
    cluster.objects["replicasets", "shop", f"web-{HASH}"]["spec"]["replicas"] = 1
    cluster.meddle = [lambda cluster: cluster.remove(other["metadata"]["name"])]
    release.release(cluster, "shop", name, dry_run=True)
    release.release(cluster, "shop", name)


def test_nobodys_cost_is_lost(cluster: FakeCluster) -> None:
    """The mark is one release's; a pod that has it and is itself released to stay costs what it did before."""
    name = _quarantined(cluster)["metadata"]["name"]
    other = _of(cluster, but=name)["metadata"]
    other["annotations"] = {surplus.COST: "7"}
    cluster.paused = True  # nothing comes of the mark
    release.release(cluster, "shop", name)
    uid = cluster.pod(name)["metadata"]["uid"]
    marked = {surplus.COST: surplus.CHEAPEST, marks.SURPLUS_FOR: uid, marks.OWN_COST: "7"}
    assert marked == cluster.pod(other["name"])["metadata"]["annotations"]
    assert marked | {marks.SURPLUS_FOR: "u"} == surplus.mark(cluster.pod(other["name"]), "u")
    cluster.merge(PODS, other["name"], isolation_of(cluster.pod(other["name"])), "shop")
    release.release(cluster, "shop", other["name"])
    assert {surplus.COST: "7"} == cluster.pod(other["name"])["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("own", "cost"),
    [("-2147483648", "-2147483648"), ("0", "0"), ("2147483648", None), ("+1", None), ("x", None), ("", None)],
)
def test_a_forged_cost_does_not_hold_up_a_release(own: str, cost: str | None) -> None:
    """What the API would refuse is no cost."""
    pod = {"metadata": {"annotations": {marks.SURPLUS_FOR: "u", marks.OWN_COST: own, surplus.COST: surplus.CHEAPEST}}}
    assert {surplus.COST: cost, marks.SURPLUS_FOR: None, marks.OWN_COST: None} == surplus.unmark(pod)


def test_after_a_rollout_it_says_that_the_pod_is_ended(cluster: FakeCluster) -> None:
    """Its ReplicaSet wants none any more, and which of its pods goes first is nobody's question."""
    name = _quarantined(cluster)["metadata"]["name"]
    cluster.objects["replicasets", "shop", f"web-{HASH}"]["spec"]["replicas"] = 0
    done = release.release(cluster, "shop", name, dry_run=True)
    assert ["get pods", "get replicasets", "patch pods"] == cluster.asked()
    said = "Deployment/web takes it back, and ends it at once: the ReplicaSet that it was of wants no pod any more"
    assert said == done.consequence


@pytest.mark.parametrize("said", ["Deployment/web", "ReplicaSet/lone", "ReplicaSet/../nodes", "Deployment/"])
def test_a_replica_set_that_is_gone_takes_nobody_back(cluster: FakeCluster, said: str) -> None:
    """Nor one whose name cannot be: whoever may change the pod may have written it."""
    name = _quarantined(cluster)["metadata"]["name"]
    cluster.pod(name)["metadata"]["annotations"][marks.WORKLOAD] = said
    del cluster.objects["replicasets", "shop", f"web-{HASH}"]
    done = release.release(cluster, "shop", name)
    assert f"the ReplicaSet of {said} that it was of is gone: it runs on as it was" == done.consequence
    assert "list pods" not in cluster.asked()


def test_whom_a_replica_set_counts(cluster: FakeCluster) -> None:
    """Its own and those that it is about to take; not the released one, nor what is over or another's."""
    replica_set = cluster.objects["replicasets", "shop", f"web-{HASH}"]
    (one,) = cluster.pods()
    orphan = cluster.bare_pod("orphan")
    assert [one, orphan] == surplus.siblings([one, orphan], replica_set, "")
    assert [orphan] == surplus.siblings([one, orphan], replica_set, one["metadata"]["uid"])
    orphan["status"]["phase"] = "Failed"
    one["metadata"]["deletionTimestamp"] = "2026-12-01T00:00:00Z"
    other = cluster.job_pod()
    assert [] == surplus.siblings([one, orphan, other], replica_set, "")


def test_a_replica_sets_whole_selector_is_asked_for() -> None:
    """Labels and expressions."""
    expressions = [{"key": "tier", "operator": "Exists"}, {"key": "env", "operator": "NotIn", "values": ["a", "b"]}]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    assert "app in (web),tier,env notin (a,b)" == surplus.selector({"spec": {"selector": selector}})


def test_the_youngest_unmarked_one_goes() -> None:
    """As many marks as there are pods too many: those that go anyway count as gone."""

    def sibling(name: str, created: str, **notes: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "creationTimestamp": created, "annotations": notes}}

    old, new = sibling("z", "2026-01-01T00:00:00Z"), sibling("a", "2026-01-02T00:00:00Z")
    goes = sibling("b", "2026-01-03T00:00:00Z", **{surplus.COST: surplus.CHEAPEST, marks.SURPLUS_FOR: "u"})
    users = sibling("c", "2025-01-03T00:00:00Z", **{surplus.COST: surplus.CHEAPEST})
    assert new == surplus.to_mark([new, old, goes], 2)
    assert surplus.to_mark([old, goes], 2) is None
    assert old == surplus.to_mark([old, users], 2)


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


@pytest.mark.parametrize("call", range(5))
def test_killed_after_any_call_it_is_whole_or_not_done(cluster: FakeCluster, call: int) -> None:
    """One patch does all of it: no pod is left with half of its labels."""
    name = _quarantined(cluster)["metadata"]["name"]
    cluster.kill_after = call
    with pytest.raises(Killed):
        release.release(cluster, "shop", name)
    released = call == 4
    assert released != marks.is_compromised(cluster.pod(name))
    assert released == ("app" in cluster.pod(name)["metadata"]["labels"])


def test_a_fence_that_stays_up_is_told_of(cluster: FakeCluster) -> None:
    """The pod is released all the same, and the clock's next tick takes its fence down."""
    name = _quarantined(cluster)["metadata"]["name"]
    cluster.failing["patch", "fences"] = Forbidden("not allowed")
    done = release.release(cluster, "shop", name)
    assert done.consequence.endswith("; its token may write again after the clock's next tick: not allowed")
    assert not marks.is_compromised(cluster.pod(name))
