"""Restart: the workload's own rollout replaces its pods, once for all that are due, and goes back when it is stuck.

| the tick or step finds                            | it                                                        |
|---------------------------------------------------|-----------------------------------------------------------|
| a whole workload with pods that are due           | patches the template once                                 |
| a rollout, a pause, a pod younger than minAge     | waits                                                     |
| OnDelete, Recreate, a kind without rollouts       | leaves it, with the reason                                |
| a pod below a StatefulSet's partition             | does not restart for it                                   |
| its restart through                               | takes its marks off the workload                          |
| its restart stuck                                 | gives the template back what it had, and rests            |
| somebody else's change meanwhile                  | takes its marks off, and undoes nothing                   |
| itself killed after any call, or doubled          | restarts no second time                                   |
"""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import Conflict, Forbidden, Resource
from molt.events import Event
from molt.itinerary import Step
from molt.lifetime import Keys
from molt.outcome import BadEvent, Done, Outcome, PermanentError, Skipped, TemporaryError
from rotate import restart
from rotate.handler import handler
from rotate.restart import RESOURCES, STAMP
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.slips import QUARANTINE, event_of, over_the_wire, slip_for

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
START = ["list rotationpolicies", "list pods", "list nodes"]
WATCH = ["list deployments", "list statefulsets", "list daemonsets"]
FLEETS = ["list pods", "list replicasets", "list deployments", "list nodes", "get namespaces"]
STATUS = "patch rotationpolicies/status"
RESTART = Step("rotate", {"scope": "Workload", "strategy": "Restart"})
OURS = {marks.RESTARTED_AT, marks.RESTARTED_FROM, marks.RESTARTED_TEMPLATE, marks.REASON, marks.POLICY}

handle = handler(Keys(b"sixteen bytes or more"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    return _cluster(clock)


def _cluster(clock: FakeClock, kind: str = "Deployment", **policy: Any) -> FakeCluster:
    """Return a cluster with a workload `web` of three that is two hours old, and a policy that restarts it."""
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    match kind:
        case "Deployment":
            cluster.deployment()
        case "StatefulSet":
            cluster.stateful_set("web", 3)
        case "DaemonSet":
            cluster.daemon_set("web", 3)
        case _:
            cluster.replica_set("web", 3, "shop", {"app": "web"})
    cluster._mature()
    clock.time += timedelta(hours=2)
    cluster.policy(strategy="Restart", **policy)
    return cluster


def _top(cluster: FakeCluster, kind: str = "Deployment") -> dict[str, Any]:
    return cluster.objects[RESOURCES[kind].plural, "shop", "web"]


def _stamp(cluster: FakeCluster, kind: str = "Deployment") -> str:
    return restart.stamped(_top(cluster, kind))


def _uids(cluster: FakeCluster) -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.pods()}


def _trail(outcome: Outcome) -> list[tuple[str, str]]:
    assert isinstance(outcome, Done | Skipped)
    entries = outcome.event.data["trail"] if outcome.event else []
    return [(entry["outcome"], entry["reason"]) for entry in entries]


def _marked(cluster: FakeCluster, kind: str = "Deployment") -> set[str]:
    top = _top(cluster, kind)
    return {name for name in {**marks.labels_of(top), **marks.annotations_of(top)} if "molt" in name}


@pytest.mark.parametrize("kind", RESOURCES)
def test_one_restart_for_all_that_are_due(clock: FakeClock, kind: str) -> None:
    """The template says since when, all pods are fresh, and the next tick finds it done and takes its marks off."""
    cluster = _cluster(clock, kind)
    old = _uids(cluster)
    reason = f"is replaced by {kind}/web's own rollout"
    assert [("moving", reason)] == _trail(handle(TICK, cluster, clock))
    assert "2026-11-24T12:00:00Z" == _stamp(cluster, kind)
    assert not old & _uids(cluster)
    assert 1 == cluster.objects["rotationpolicies", "shop", "web"]["status"]["moving"]
    assert OURS | {marks.RESTARTING} == _marked(cluster, kind)
    cluster.asked()
    outcome = handle(TICK, cluster, clock)
    assert [("acted", "restarted")] == _trail(outcome)
    assert isinstance(outcome, Done)
    assert outcome.event
    (entry,) = over_the_wire(outcome.event).data["trail"]
    assert (f"{kind}/web", "web", "shop") == (entry["workload"], entry["policy"], entry["namespace"])
    assert set() == _marked(cluster, kind)
    status = cluster.objects["rotationpolicies", "shop", "web"]["status"]
    assert (0, "2026-11-24T12:00:00.250000Z") == (status["moving"], status["lastRotation"])
    assert Skipped("nothing is due") == handle(TICK, cluster, clock)


def test_what_it_costs(cluster: FakeCluster, clock: FakeClock) -> None:
    """A look at the pod and one patch; the tick after it four lists, a get, an Event and a patch."""
    handle(TICK, cluster, clock)
    assert [*START, *WATCH, "list pods", *FLEETS, "get pods", "patch deployments", STATUS] == cluster.asked()
    handle(TICK, cluster, clock)
    seen = ["list deployments", "get namespaces", "list replicasets", "list pods", "create events", "patch deployments"]
    assert [*START, *seen, *WATCH[1:], "list pods", STATUS] == cluster.asked()


def test_a_doubled_tick_does_not_restart_twice(cluster: FakeCluster, clock: FakeClock) -> None:
    """The controller has not seen the first one's patch yet."""
    cluster.rolling = False
    handle(TICK, cluster, clock)
    clock.time += timedelta(seconds=5)
    expected = [("moving", "restarts: Deployment/web has a rollout in progress")]
    assert expected == _trail(handle(TICK, cluster, clock))
    assert "2026-11-24T12:00:00Z" == _stamp(cluster)


def test_a_rollout_that_ends_between_two_looks_is_not_followed_by_another(
    cluster: FakeCluster, clock: FakeClock
) -> None:
    """Old pods were read, then a workload whose restart is through."""
    listed = cluster.list

    def ended(resource: Resource, *rest: Any, **more: Any) -> Any:
        if resource == RESOURCES["Deployment"] and not more:
            cluster.roll("web")
        return listed(resource, *rest, **more)

    cluster.list = ended  # type: ignore[method-assign]
    expected = [("skipped", "it is gone before Deployment/web could be restarted")]
    assert expected == _trail(handle(TICK, cluster, clock))
    assert "" == _stamp(cluster)


def test_two_ticks_at_once_do_not_restart_twice(cluster: FakeCluster, clock: FakeClock) -> None:
    """The patch holds only for the workload as it was read."""

    def touch(cluster: FakeCluster) -> None:
        _top(cluster)["metadata"]["resourceVersion"] += "x"

    cluster.meddle = [touch]
    assert [("skipped", "resourceVersion is another")] == _trail(handle(TICK, cluster, clock))
    assert "" == _stamp(cluster)


@pytest.mark.parametrize("call", range(16))
def test_killed_after_any_call(cluster: FakeCluster, clock: FakeClock, call: int) -> None:
    """The next ticks find what was done: one restart in all, and no marks in the end."""
    patches = 0
    merge = cluster.merge

    def counted(resource: Resource, name: str, patch: Any, *rest: Any, **more: Any) -> Any:
        nonlocal patches
        patches += "template" in patch.get("spec", {})
        return merge(resource, name, patch, *rest, **more)

    cluster.merge = counted  # type: ignore[method-assign]
    for calls in (call, call):
        cluster.kill_after = calls
        try:
            handle(TICK, cluster, clock)
        except Killed:
            continue
    cluster.kill_after = None
    for _ in range(3):
        handle(TICK, cluster, clock)
    assert (1, set()) == (patches, _marked(cluster))


@pytest.mark.parametrize("dry", ["DryRun", "Enforce"])
def test_a_rehearsal_restarts_nothing(clock: FakeClock, dry: str) -> None:
    """The API server checks the patch."""
    cluster = _cluster(clock, mode=dry)
    outcome, reason = _trail(handle(TICK, cluster, clock))[0]
    expected = ("rehearsed", "would be") if dry == "DryRun" else ("moving", "is")
    assert expected == (outcome, reason.partition(" replaced")[0])
    assert (dry == "DryRun") == (_stamp(cluster) == "")


@pytest.mark.parametrize(
    ("kind", "spec", "reason"),
    [
        (
            "Deployment",
            {"strategy": {"type": "Recreate"}},
            "a restart would end all of its pods before there is another",
        ),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, "a restart would replace none of its pods"),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, "a restart would replace none of its pods"),
        ("ReplicaSet", {}, "ReplicaSet/web has no rollout of its own, and cannot be restarted"),
        ("Deployment", {"paused": True}, "Deployment/web is paused"),
    ],
)
def test_what_cannot_be_restarted(clock: FakeClock, kind: str, spec: dict[str, Any], reason: str) -> None:
    """It is left, and the trail says why."""
    cluster = _cluster(clock, kind)
    (cluster.objects["replicasets", "shop", "web"] if kind == "ReplicaSet" else _top(cluster, kind))["spec"] |= spec
    ((outcome, said),) = _trail(handle(TICK, cluster, clock))
    assert ("skipped", True) == (outcome, said.endswith(reason)), said


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("Deployment", {"updatedReplicas": 2}),
        ("Deployment", {"replicas": 4}),
        ("Deployment", {"observedGeneration": 0}),
        ("StatefulSet", {"updateRevision": "b", "currentRevision": "a"}),
        ("DaemonSet", {"updatedNumberScheduled": 2}),
    ],
)
def test_a_rollout_in_progress_is_waited_for(clock: FakeClock, kind: str, status: dict[str, Any]) -> None:
    """Though every pod is Ready just now."""
    cluster = _cluster(clock, kind)
    _top(cluster, kind)["status"] |= status
    ((outcome, said),) = _trail(handle(TICK, cluster, clock))
    assert ("skipped", "") == (outcome, _stamp(cluster, kind)), said


def test_a_pod_younger_than_min_age_postpones(clock: FakeClock) -> None:
    """A restart moves all pods, so that minAge is every pod's."""
    cluster = _cluster(clock, minAge="10m")
    cluster.remove(cluster.pods()[0]["metadata"]["name"])
    ((outcome, said),) = _trail(handle(TICK, cluster, clock))
    assert ("skipped", True) == (outcome, said.endswith("of Deployment/web is younger than minAge"))
    clock.time += timedelta(minutes=10)
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]


def test_a_partition_is_honoured(clock: FakeClock) -> None:
    """Pods below it are no reason for a restart; those above it are, and the rollout is through when they are fresh."""
    cluster = _cluster(clock, "StatefulSet")
    top = _top(cluster, "StatefulSet")
    top["spec"]["updateStrategy"] = {"rollingUpdate": {"partition": 3}}
    top["status"] |= {"updateRevision": "a", "currentRevision": "a", "updatedReplicas": 3}
    reason = "a restart of StatefulSet/web stops at the partition 3, and this pod is below it"
    assert [("skipped", reason)] == _trail(handle(TICK, cluster, clock))
    top["spec"]["updateStrategy"] = {"rollingUpdate": {"partition": 2}}
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    _top(cluster, "StatefulSet")["status"] |= {"updateRevision": "b", "updatedReplicas": 0}
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    _top(cluster, "StatefulSet")["status"] |= {"updatedReplicas": 1}
    assert [("acted", "restarted")] == _trail(handle(TICK, cluster, clock))


STUCK = {"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ErrImagePull"}}}]}


def _stuck(cluster: FakeCluster, clock: FakeClock, kind: str = "Deployment", **status: Any) -> dict[str, Any]:
    """Restart, and let the first fresh pod be stuck while the old ones serve; return that pod."""
    cluster.rolling = False
    handle(TICK, cluster, clock)
    top = _top(cluster, kind)
    top["status"] |= {"observedGeneration": top["metadata"]["generation"], "updatedReplicas": 1, "replicas": 4}
    stuck = cluster.pods()[-1]
    cluster.readiness = None
    cluster.remove(stuck["metadata"]["name"])
    fresh = next(pod for pod in cluster.pods() if not pod["status"]["conditions"])
    fresh["status"] |= status or STUCK
    return fresh


def _done(cluster: FakeCluster, kind: str = "Deployment") -> None:
    """Let the controller be through, all pods Ready."""
    top = _top(cluster, kind)
    top["status"] |= {"observedGeneration": top["metadata"]["generation"], "updatedReplicas": 3, "replicas": 3}
    for pod in cluster.pods():
        pod["ready-at"] = cluster.clock.now().isoformat()


@pytest.mark.parametrize("earlier", ["", "2026-01-01T00:00:00Z"])
def test_a_stuck_restart_is_undone(cluster: FakeCluster, clock: FakeClock, earlier: str) -> None:
    """The template is as before to the letter, an Event tells why, and the workload rests for an hour, then for two."""
    if earlier:
        _top(cluster)["spec"]["template"] = {"metadata": {"annotations": {STAMP: earlier, "a": "b"}}}
    before = copy.deepcopy(_top(cluster)["spec"].get("template"))
    fresh = _stuck(cluster, clock)
    assert earlier != _stamp(cluster)
    reason = f"its restart is undone: pod {fresh['metadata']['name']}: container main: ErrImagePull"
    assert [("skipped", reason)] == _trail(handle(TICK, cluster, clock))
    assert before in (_top(cluster)["spec"]["template"], None)
    assert earlier == _stamp(cluster)
    (event,) = (obj for (plural, _, _), obj in cluster.objects.items() if plural == "events")
    assert ("MoltRotationUndone", reason, "web") == (event["reason"], event["note"], event["regarding"]["name"])
    expected = [("moving", "goes back to before its restart: Deployment/web has a rollout in progress")]
    assert expected == _trail(handle(TICK, cluster, clock))
    _done(cluster)
    rests = "the last restart of Deployment/web was undone: tried again from 2026-11-24T13:00:00.250000Z on"
    assert [("skipped", "as before its restart")] == _trail(handle(TICK, cluster, clock))
    assert [("skipped", rests)] == _trail(handle(TICK, cluster, clock))
    assert {marks.STAYED_SINCE, marks.STAYS} == _marked(cluster)
    clock.time += timedelta(hours=1)
    _stuck(cluster, clock)
    handle(TICK, cluster, clock)
    assert "2" == marks.annotations_of(_top(cluster))[marks.STAYS]


def test_a_restart_that_succeeds_forgets_those_that_did_not(cluster: FakeCluster, clock: FakeClock) -> None:
    """The next failure rests an hour again."""
    _top(cluster)["metadata"]["annotations"] = {marks.STAYED_SINCE: "2026-11-24T01:00:00Z", marks.STAYS: "2"}
    handle(TICK, cluster, clock)
    handle(TICK, cluster, clock)
    assert set() == _marked(cluster)


def test_what_may_still_end_well_is_waited_for(cluster: FakeCluster, clock: FakeClock) -> None:
    """A slow start is none; a pause may be the cure."""
    fresh = _stuck(cluster, clock, phase="Pending")
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    fresh["status"] |= STUCK
    _top(cluster)["spec"]["paused"] = True
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]


@pytest.mark.parametrize("why", ["deadline", "ten minutes"])
def test_what_takes_too_long_is_undone(cluster: FakeCluster, clock: FakeClock, why: str) -> None:
    """By the Deployment's own account, or when a pod is not Ready after ten minutes."""
    _stuck(cluster, clock, phase="Pending")
    if why == "deadline":
        conditions = [{"type": "Available"}, {"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]
        _top(cluster)["status"]["conditions"] = conditions
    else:
        clock.time += timedelta(minutes=10)
    ((outcome, said),) = _trail(handle(TICK, cluster, clock))
    expected = "ProgressDeadlineExceeded" if why == "deadline" else "is not Ready after ten minutes"
    assert ("skipped", True) == (outcome, said.endswith(expected)), said


def test_pods_that_nobody_can_make_are_noticed(cluster: FakeCluster, clock: FakeClock) -> None:
    """By the Deployment's own account, after two minutes: a quota may be full for a moment."""
    _stuck(cluster, clock, phase="Pending")
    failure: dict[str, Any] = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "no such\naccount",
    }
    _top(cluster)["status"]["conditions"] = [failure]
    for since in (None, marks.stamp(clock.now())):
        failure["lastTransitionTime"] = since
        assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    clock.time += timedelta(minutes=2)
    failure["status"] = "False"
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    failure["status"] = "True"
    reason = "its restart is undone: no pod can be made: no such account"
    assert [("skipped", reason)] == _trail(handle(TICK, cluster, clock))


def test_old_pods_that_go_are_no_reason_to_go_back(cluster: FakeCluster, clock: FakeClock) -> None:
    """Two hours old, and not Ready since they are ending: a rollout is never without such pods."""
    cluster.rolling = False
    handle(TICK, cluster, clock)
    first, second = cluster.pods()[:2]
    first["metadata"]["deletionTimestamp"] = marks.stamp(clock.now())
    first["status"] |= STUCK
    second["status"]["conditions"], second["ready-at"] = [], None
    clock.time += timedelta(minutes=9)
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    clock.time += timedelta(minutes=1)
    reason = f"its restart is undone: pod {second['metadata']['name']} is not Ready after ten minutes"
    assert [("skipped", reason)] == _trail(handle(TICK, cluster, clock))


def test_so_are_they_where_the_workload_says_nothing(clock: FakeClock) -> None:
    """A StatefulSet's pod that is not made for ten minutes; one that is still on its way out is waited for."""
    cluster = _cluster(clock, "StatefulSet")
    top = _top(cluster, "StatefulSet")
    top["status"] |= {"updateRevision": "a", "currentRevision": "a"}
    cluster.rolling = False
    handle(TICK, cluster, clock)
    _top(cluster, "StatefulSet")["status"] |= {"updateRevision": "b"}
    last = cluster.pods()[-1]
    last["metadata"]["deletionTimestamp"] = marks.stamp(clock.now())
    clock.time += timedelta(minutes=9)
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    clock.time += timedelta(minutes=1)
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    del cluster.objects["pods", "shop", last["metadata"]["name"]]
    reason = "its restart is undone: 2 of 3 pods are there, and none was made for ten minutes"
    assert [("skipped", reason)] == _trail(handle(TICK, cluster, clock))


def test_a_stateful_set_is_helped_past_the_pod_that_it_waits_for(clock: FakeClock) -> None:
    """Its controller never ends a pod that is not Ready; what is of the old revision stays."""
    cluster = _cluster(clock, "StatefulSet")
    top = _top(cluster, "StatefulSet")
    top["status"] |= {"updateRevision": "a", "currentRevision": "a"}
    fresh = _stuck(cluster, clock, "StatefulSet")
    fresh["metadata"]["labels"]["controller-revision-hash"] = "b"
    top = _top(cluster, "StatefulSet")
    top["status"] |= {"updateRevision": "b"}
    assert [True] == [said.startswith("its restart is undone") for _, said in _trail(handle(TICK, cluster, clock))]
    handle(TICK, cluster, clock)
    assert fresh["metadata"]["uid"] in _uids(cluster), "the controller has not gone back yet"
    top = _top(cluster, "StatefulSet")
    top["status"] |= {"updateRevision": "a", "observedGeneration": top["metadata"]["generation"]}
    cluster.held = {fresh["metadata"]["name"]}
    assert ["blocked"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    cluster.held = set()
    cluster.readiness = timedelta()
    handle(TICK, cluster, clock)
    assert fresh["metadata"]["uid"] not in _uids(cluster)
    assert [("skipped", "as before its restart")] == _trail(handle(TICK, cluster, clock))


def test_somebody_elses_restart_is_theirs(cluster: FakeCluster, clock: FakeClock) -> None:
    """Molt takes its marks off, and undoes nothing."""
    _stuck(cluster, clock)
    _top(cluster)["spec"]["template"]["metadata"]["annotations"][STAMP] = "2026-11-24T12:00:01Z"
    assert [("skipped", "somebody else has restarted it, or undone that")] == _trail(handle(TICK, cluster, clock))[:1]
    assert ("2026-11-24T12:00:01Z", set()) == (_stamp(cluster), _marked(cluster))


def test_somebody_elses_change_is_not_undone(cluster: FakeCluster, clock: FakeClock) -> None:
    """To go back would be to somewhere nobody has been."""
    fresh = _stuck(cluster, clock)
    _top(cluster)["spec"]["template"]["spec"] = {"containers": [{"name": "main", "image": "web:2"}]}
    said = f"somebody has changed it since its restart: pod {fresh['metadata']['name']}: container main: ErrImagePull"
    assert [("skipped", said)] == _trail(handle(TICK, cluster, clock))[:1]
    assert "2026-11-24T12:00:00Z" == _stamp(cluster)


@pytest.mark.parametrize("error", [Conflict("it changed"), Forbidden("not allowed")])
def test_what_cannot_be_written_is_tried_again(cluster: FakeCluster, clock: FakeClock, error: Exception) -> None:
    """Nothing is lost: the label stays."""
    _stuck(cluster, clock)
    cluster.failing["patch", "deployments"] = error
    if isinstance(error, Forbidden):
        with pytest.raises(PermanentError, match="not allowed"):
            handle(TICK, cluster, clock)
    else:
        assert ("moving", "it changed") == _trail(handle(TICK, cluster, clock))[0]
    del cluster.failing["patch", "deployments"]
    assert ["skipped"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]


def test_a_label_that_anybody_put_there_is_taken_off(cluster: FakeCluster, clock: FakeClock) -> None:
    """Without the annotations of a restart there is nothing to go back to."""
    del cluster.objects["rotationpolicies", "shop", "web"]
    _top(cluster)["metadata"]["labels"] = {marks.RESTARTING: "true"}
    assert [("skipped", "as before its restart")] == _trail(handle(TICK, cluster, clock))
    assert set() == _marked(cluster)


def test_an_exempt_namespace_is_left(cluster: FakeCluster, clock: FakeClock) -> None:
    """The guards hold for what was begun before."""
    handle(TICK, cluster, clock)
    cluster.namespace("shop", **{marks.EXEMPT: "true"})
    outcome, reason = _trail(handle(TICK, cluster, clock))[0]
    assert ("skipped", True) == (outcome, "exempt" in reason)


def _step(cluster: FakeCluster, *steps: Step, **slip: Any) -> Event:
    return event_of(slip_for(cluster.pods()[0], *steps or (RESTART,), **slip))


def test_an_alert_restarts_its_workload(cluster: FakeCluster, clock: FakeClock) -> None:
    """One event, one patch, and no more hops; a redelivery finds it done."""
    event = _step(cluster)
    outcome = handle(event, cluster, clock)
    fleet = ["list deployments", "list replicasets", "list pods"]
    assert ["get namespaces", "list rotationpolicies", *fleet, "patch deployments"] == cluster.asked()
    assert isinstance(outcome, Done)
    assert outcome.event
    assert "remedy" not in outcome.event.extensions
    assert "the rollout of Deployment/web replaces 3 pods" == outcome.reason
    clock.time += timedelta(minutes=1)
    again = handle(event, cluster, clock)
    assert isinstance(again, Done)
    assert "Deployment/web was restarted at 2026-11-24T12:00:00Z" == again.reason.replace(".000000", "")
    assert "2026-11-24T12:00:00Z" == _stamp(cluster)
    del cluster.objects["rotationpolicies", "shop", "web"]
    assert [("acted", "restarted")] == _trail(handle(TICK, cluster, clock))


def test_an_alert_is_rehearsed(cluster: FakeCluster, clock: FakeClock) -> None:
    """Nothing changes."""
    cluster.deployment("solo", replicas=1)
    clock.time += timedelta(hours=1)
    solo = next(pod for pod in cluster.pods() if pod["metadata"]["labels"]["app"] == "solo")
    alert = {"time": marks.stamp(clock.now())}
    outcome = handle(event_of(slip_for(solo, RESTART, mode="DryRun", alert=alert)), cluster, clock)
    assert isinstance(outcome, Done)
    assert (True, "the rollout of Deployment/solo would replace 1 pod") == (outcome.rehearsed, outcome.reason)
    assert "" == _stamp(cluster)


@pytest.mark.parametrize("scope", ["Siblings", "Pod"])
def test_a_restart_of_less_than_the_workload_is_none(cluster: FakeCluster, clock: FakeClock, scope: str) -> None:
    """The parser of policies says the same."""
    step = Step("rotate", {"scope": scope, "strategy": "Restart"})
    with pytest.raises(BadEvent, match="a Restart is of the whole Workload"):
        handle(_step(cluster, step), cluster, clock)


def test_a_restart_that_was_undone_since_the_alert_is_not_tried_again(cluster: FakeCluster, clock: FakeClock) -> None:
    """By the same alert."""
    event = _step(cluster)
    _top(cluster)["metadata"]["annotations"] = {marks.STAYED_SINCE: marks.stamp(clock.now())}
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Skipped)
    assert outcome.reason.startswith("a restart of Deployment/web was undone at ")


def _none(cluster: FakeCluster) -> None:
    for key in [key for key in cluster.objects if key[0] in ("deployments", "replicasets")]:
        del cluster.objects[key]


def _recreated(cluster: FakeCluster) -> None:
    _top(cluster)["spec"]["strategy"] = {"type": "Recreate"}


def _fresh(cluster: FakeCluster) -> None:
    for pod in cluster.pods():
        pod["metadata"]["creationTimestamp"] = "2026-11-24T12:00:00Z"


@pytest.mark.parametrize("meddle", [_none, _recreated, _fresh])
def test_an_alert_with_nothing_to_restart_is_skipped(cluster: FakeCluster, clock: FakeClock, meddle: Any) -> None:
    """With the reason; the steps after it are still done."""
    event = _step(cluster, RESTART, QUARANTINE)
    meddle(cluster)
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Skipped)
    assert outcome.event


def test_an_alert_waits_for_a_workload_that_is_not_whole(cluster: FakeCluster, clock: FakeClock) -> None:
    """Until it is, or the broker delivers again; a pod that is not Ready and is to go is no reason to wait."""
    event = _step(cluster)
    _top(cluster)["status"]["updatedReplicas"] = 2
    with pytest.raises(TemporaryError, match="no restart while Deployment/web has a rollout in progress"):
        handle(event, cluster, clock)
    _top(cluster)["status"]["updatedReplicas"] = 3
    _top(cluster)["spec"]["paused"] = True
    with pytest.raises(TemporaryError, match="no restart while Deployment/web is paused"):
        handle(event, cluster, clock)
    del _top(cluster)["spec"]["paused"]
    sick = cluster.pods()[1]
    sick["status"]["conditions"], sick["ready-at"] = [], None
    assert isinstance(handle(event, cluster, clock), Done)
