"""On whose account a pod moves, and what others may have written where the tick looks: it stops at none of it.

Pods are made at START - 2 h; the default policy of the tests lets each live an hour.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molt import marks
from molt.cluster import Forbidden, Unavailable
from molt.events import Event
from molt.itinerary import Step
from molt.lifetime import Keys
from molt.outcome import Done, MoltError, Outcome, Skipped
from rotate.diary import LONGEST_NAME
from rotate.handler import handler
from rotate.siblings import SCOPES as SCOPE_NAMES
from rotate.tick import LATE
from tests.functions.fake_cluster import HASH, FakeClock, FakeCluster
from tests.functions.slips import ROTATE, event_of, slip_for

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
LAST = "9999-12-31T23:59:59Z"
NOONS = [{"cron": "0 22 29 2 *", "duration": "6h", "timeZone": "Asia/Tokyo"}]

handle = handler(Keys(b"sixteen bytes or more"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster with a Deployment of three that is two hours old, and no policy."""
    return _made(clock)


def _made(clock: FakeClock) -> FakeCluster:
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    cluster.deployment()
    cluster._mature()
    clock.time += timedelta(hours=2)
    return cluster


def _trail(outcome: Outcome) -> list[tuple[str, str | None]]:
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    return [(entry["outcome"], entry["policy"]) for entry in outcome.event.data["trail"]]


def _moving(cluster: FakeCluster) -> dict[str, tuple[int, bool]]:
    """Return by their policies how many are moving, and whether one has moved."""
    found = {}
    for (kind, _, name), obj in cluster.objects.items():
        if kind == "rotationpolicies":
            found[name] = (obj["status"]["moving"], bool(obj["status"].get("lastRotation")))
    return found


@pytest.mark.parametrize("other", [{"mode": "DryRun", "lifetime": {"every": "1h"}}, {"lifetime": {"every": "100h"}}])
def test_a_move_stays_on_the_account_of_its_policy(
    cluster: FakeCluster, clock: FakeClock, other: dict[str, Any]
) -> None:
    """A later tick, too, counts it for the policy by whose clock it has begun, and for no other."""
    cluster.policy("web")
    cluster.policy("all", selector={}, **other)  # by its name the first
    cluster.readiness = timedelta(minutes=2)
    for _ in range(2):
        handle(TICK, cluster, clock)
        assert {"web": (1, False), "all": (0, False)} == _moving(cluster)
    clock.time += timedelta(minutes=2)
    cluster.readiness = timedelta(0)
    assert ("acted", "web") == _trail(handle(TICK, cluster, clock))[0]
    assert {"web": True, "all": False} == {name: moved for name, (_, moved) in _moving(cluster).items()}


def test_a_move_whose_policy_is_gone_is_finished(cluster: FakeCluster, clock: FakeClock) -> None:
    """Who deletes a policy in the middle of a move leaves nothing behind; another in force has it on its account."""
    cluster.policy("web")
    cluster.policy("rehearsal", mode="DryRun")
    cluster.readiness = timedelta(minutes=2)
    handle(TICK, cluster, clock)
    del cluster.objects["rotationpolicies", "shop", "web"]
    clock.time += timedelta(minutes=2)
    cluster.readiness = timedelta(0)
    assert ("acted", None) == _trail(handle(TICK, cluster, clock))[0]
    assert (0, False) == _moving(cluster)["rehearsal"]
    assert not any(map(marks.is_retiring, cluster.pods()))


@pytest.mark.parametrize("spec", [{}, {"windows": NOONS}, {"underAttack": {"factor": 4, "for": "8760h"}}])
def test_the_end_of_time_stops_no_tick(cluster: FakeCluster, clock: FakeClock, spec: dict[str, Any]) -> None:
    """A pod may say anything of when its move was undone, and a status of an alarm: the others move as ever."""
    cluster.policy(**spec)
    cluster.objects["rotationpolicies", "shop", "web"]["status"] = {"underAttackSince": LAST}
    cluster.pods()[0]["metadata"]["annotations"] = {marks.STAYED_SINCE: LAST, marks.STAYS: "999"}
    outcome = handle(TICK, cluster, clock)
    if "windows" not in spec:
        assert [("acted", "web")] == _trail(outcome)
    assert 3 == cluster.objects["rotationpolicies", "shop", "web"]["status"]["managed"]


@pytest.mark.parametrize("owner", ["another", "rs"])
def test_a_pod_that_pretends_to_be_relocating_stops_no_tick(cluster: FakeCluster, clock: FakeClock, owner: str) -> None:
    """Whoever makes a pod may mark it; without a node it bars none, and the others move as ever."""
    cluster.policy()
    (controller,) = cluster.pods()[0]["metadata"]["ownerReferences"]
    said = controller | ({"uid": owner} if owner == "another" else {})
    bare = cluster.pods()[0] | {"spec": {}, "status": {"conditions": []}, "ready-at": None}
    bare["metadata"] = {
        "name": "bare",
        "namespace": "shop",
        "uid": "bare",
        "resourceVersion": "1",
        "creationTimestamp": marks.stamp(clock.now()),
        "labels": {marks.RETIRING: "true"},
        "annotations": {marks.OWNER: json.dumps(said), marks.STRATEGY: "Relocate"},
    }
    cluster.objects["pods", "shop", "bare"] = bare
    assert ("acted", "web") in _trail(handle(TICK, cluster, clock))


def test_a_workload_says_no_more_of_its_policy_than_a_name_is_long(cluster: FakeCluster, clock: FakeClock) -> None:
    """Whoever may annotate a workload could else fill the tick's event, which has a size at most."""
    metadata = cluster.objects["deployments", "shop", "web"]["metadata"]
    metadata["labels"] = {marks.RESTARTING: "true"}
    metadata["annotations"] = {marks.POLICY: "\u001b[31m" + "x" * 200_000}
    ((_, policy),) = _trail(handle(TICK, cluster, clock))
    assert policy is not None
    assert LONGEST_NAME == len(policy)
    assert policy.isprintable()


def test_policies_that_cannot_be_read_raise_no_alarm_and_hold_up_no_move(
    cluster: FakeCluster, clock: FakeClock
) -> None:
    """What the API server refuses is told; what it cannot answer now is asked again."""
    cluster.failing["list", "rotationpolicies"] = Forbidden("no")
    outcome = handle(event_of(slip_for(cluster.pods()[0], ROTATE)), cluster, clock)
    assert isinstance(outcome, Done)
    assert "no alarm is raised: no" in outcome.reason
    cluster.failing["list", "rotationpolicies"] = Unavailable("later")
    with pytest.raises(Unavailable):
        handle(event_of(slip_for(cluster.pods()[1], ROTATE)), cluster, clock)


def _slow(cluster: FakeCluster, clock: FakeClock, verb: str) -> list[str]:
    """Let each request of a kind take eight seconds before it fails; return where the first ones of these go to."""
    asked, seen = cluster._asked, []

    def wait(word: str, resource: Any, namespace: str | None, subresource: str = "") -> None:
        if f"{word} {resource.plural}/{subresource}".startswith(verb):
            seen.append(str(namespace))
            clock.time += timedelta(seconds=8)
            raise Unavailable("429")
        asked(word, resource, namespace, subresource)

    cluster._asked = wait  # type: ignore[method-assign, assignment]
    return seen


def test_a_tick_ends_in_time_though_no_move_can_begin(cluster: FakeCluster, clock: FakeClock) -> None:
    """Each call may take seconds: after twenty no other is tried, and what is left is told, or looked at later."""
    clock.time -= timedelta(hours=2)
    for number in range(5):
        cluster.deployment(f"api-{number}")
    cluster.namespace("bank")
    cluster.deployment("vault", namespace="bank")
    cluster._mature()
    clock.time += timedelta(hours=2)
    cluster.policy("all", selector={}, maxMoving=20)
    cluster.policy("web", "bank", selector={}, lifetime={"every": "90m"})
    seen = _slow(cluster, clock, "patch pods/")
    outcome = handle(TICK, cluster, clock)
    assert ["shop", "shop", "shop"] == seen
    assert isinstance(outcome, Skipped)
    assert outcome.event is not None
    reasons = [(entry["namespace"], entry["reason"]) for entry in outcome.event.data["trail"]]
    assert [("shop", "429")] * 3 + [("shop", LATE)] * 3 == reasons


def test_a_hop_ends_in_time_though_no_move_can_begin(cluster: FakeCluster, clock: FakeClock) -> None:
    """In one namespace, too, moves begin for ten seconds; the event comes back for the others."""
    clock.time -= timedelta(hours=2)
    for number in range(5):
        cluster.deployment(f"api-{number}")
    cluster._mature()
    clock.time += timedelta(hours=2)
    event = event_of(slip_for(cluster.pods()[0], Step("rotate", {"scope": "Namespace"})))
    seen = _slow(cluster, clock, "patch pods/")
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Skipped)
    assert outcome.event is not None
    assert "rotate" == outcome.event.extensions["remedy"]
    assert ["shop", "shop"] * 2 == seen, "two at a look, and two looks"
    assert (2, 4) == (outcome.reason.count(": 429"), outcome.reason.count(": its turn comes"))


def test_the_first_status_that_cannot_be_written_is_the_last(cluster: FakeCluster, clock: FakeClock) -> None:
    """Two hundred policies would take an hour; one that is refused holds up no other."""
    for number in range(5):
        cluster.policy(f"policy-{number}", lifetime={"every": "100h"})
    cluster.policy("broken", lifetime={})
    seen = _slow(cluster, clock, "patch rotationpolicies/status")
    handle(TICK, cluster, clock)
    assert 1 == len(seen)


ANNOTATIONS = sorted(
    {value for name, value in vars(marks).items() if name.isupper() and str(value).startswith("molt-")}
)
SAID = st.sampled_from(
    [
        *("", "true", "[]", "{}", "null", "[1]", '{"a": 1}', "\u001b[31m", "\u0663", "-1", "9" * 400, "x" * 3000),
        *(LAST, "0001-01-01T00:00:00Z", "2026-11-24T11:00:00Z", "2026-11-24T11:00:00", "Relocate", "Evict", "all"),
        json.dumps({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "web-rs", "controller": True}),
        json.dumps({"apiVersion": [], "kind": {}, "name": None, "uid": 1}),
        json.dumps({"app": "web", HASH: "6d5f7c9b8"}),
    ]
)
RS = json.dumps({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "gone", "controller": True})
LIKELY = {marks.OWNER: RS, marks.STRATEGY: "Relocate", marks.STAYED_SINCE: LAST, marks.RETIRING_SINCE: LAST}
NOTES = st.fixed_dictionaries(
    {}, optional={name: st.one_of(st.just(LIKELY.get(name, "true")), SAID) for name in ANNOTATIONS}
)
MARKED = st.fixed_dictionaries(
    {}, optional={name: st.one_of(st.just("true"), SAID) for name in (marks.RETIRING, marks.COMPROMISED, HASH)}
)
SCOPES = [*({"scope": scope} for scope in SCOPE_NAMES), {"scope": "Workload", "strategy": "Restart"}]


@settings(max_examples=100, deadline=None)
@given(
    pods=st.lists(st.tuples(MARKED, NOTES, st.booleans()), max_size=3),
    top=st.tuples(st.sampled_from([{}, {marks.RESTARTING: "true"}]), NOTES),
    space=NOTES,
    strategy=st.sampled_from(["Replace", "Evict", "Relocate", "Restart"]),
    scope=st.sampled_from(SCOPES),
)
def test_what_tenants_write_stops_nobody(
    pods: Any, top: Any, space: dict[str, str], strategy: str, scope: dict[str, str]
) -> None:
    """Labels and annotations may say anything, of pods, of workloads and of namespaces: the others are looked after."""
    clock = FakeClock()
    cluster = _made(clock)
    for place, node in (("shop", "node-1"), ("bank", "node-2")):
        cluster.policy(strategy=strategy, namespace=place)
        cluster.node(node)
    clock.time -= timedelta(hours=2)
    cluster.namespace("bank")
    cluster.deployment(namespace="bank")
    cluster._mature()
    clock.time += timedelta(hours=2)
    for pod, (labels, notes, placed) in zip([pod for pod in cluster.pods() if _of_shop(pod)], pods, strict=False):
        pod["metadata"] |= {"labels": {"app": "web", **labels}, "annotations": notes}
        pod["spec"] = pod["spec"] if placed else {}
    workload = cluster.objects["deployments", "shop", "web"]
    workload["metadata"] |= {"labels": top[0], "annotations": top[1]}
    cluster.objects["namespaces", "", "shop"]["metadata"]["annotations"] = space
    target = next(pod for pod in cluster.pods() if _of_shop(pod))
    for event in (TICK, event_of(slip_for(target, Step("rotate", scope))), TICK):
        with suppress(MoltError):
            handle(event, cluster, clock)
        clock.time += timedelta(minutes=1)
    assert any(one["status"].get("lastRotation") or one["status"]["moving"] for one in _policies(cluster, "bank"))


def _of_shop(pod: dict[str, Any]) -> bool:
    return bool(pod["metadata"]["namespace"] == "shop")


def _policies(cluster: FakeCluster, namespace: str) -> list[dict[str, Any]]:
    return [
        one for (kind, place, _), one in cluster.objects.items() if (kind, place) == ("rotationpolicies", namespace)
    ]
