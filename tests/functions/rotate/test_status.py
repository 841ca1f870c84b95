"""What a RotationPolicy's status says, and that it is written only when it says something new.

Pods are made at START - age; the default policy of the tests lets each live an hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from molt import marks
from molt.cluster import Unavailable
from molt.events import Event
from molt.lifetime import Keys
from molt.policy.under_attack import SINCE
from rotate import conditions, status
from rotate.conditions import Count
from rotate.handler import handler
from rotate.held import LONGEST, MOST, Held, grouped
from rotate.reasons import INTENDED
from rotate.status import Standing
from tests.functions.fake_cluster import START, FakeClock, FakeCluster

CRD = Path(__file__).resolve().parents[3] / "knative/base/crds/rotationpolicies.yaml"
TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
WRITE = "patch rotationpolicies/status"
NOONS = [{"cron": "0 12 * * *", "duration": "2h"}]

handle = handler(Keys(b"sixteen bytes or more"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster with a Deployment of three that is two hours old, and no policy."""
    return _shop(clock)


def _shop(clock: FakeClock, *, hours: float = 2, replicas: int = 3) -> FakeCluster:
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=hours)
    cluster.namespace()
    cluster.deployment(replicas=replicas)
    cluster._mature()
    clock.time += timedelta(hours=hours)
    return cluster


def _status(cluster: FakeCluster, name: str = "web") -> dict[str, Any]:
    said: dict[str, Any] = cluster.objects["rotationpolicies", "shop", name]["status"]
    return said


def _conditions(cluster: FakeCluster) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in _status(cluster)["conditions"]}


def _message(cluster: FakeCluster, kind: str = "Ready") -> str:
    return next(str(one["message"]) for one in _status(cluster)["conditions"] if one["type"] == kind)


def _tick(cluster: FakeCluster, clock: FakeClock, **later: float) -> int:
    """Let the time pass, tick, and return how many statuses were written."""
    clock.time += timedelta(**later)
    cluster.asked()
    handle(TICK, cluster, clock)
    return cluster.asked().count(WRITE)


def _cordon(cluster: FakeCluster) -> None:
    cluster.node("node-1")["spec"]["unschedulable"] = True


def _pause(cluster: FakeCluster) -> None:
    cluster.objects["deployments", "shop", "web"]["metadata"]["annotations"] = {marks.PAUSE: "true"}


def _lose_one(cluster: FakeCluster) -> None:
    cluster.readiness = None
    cluster.remove(cluster.pods()[0]["metadata"]["name"])


def test_who_is_due_and_who_has_lived_longest(cluster: FakeCluster, clock: FakeClock) -> None:
    """The one that moved is due no more; the oldest of those that are left says how long pods have lived."""
    cluster.policy()
    handle(TICK, cluster, clock)
    said = _status(cluster)
    assert (3, 2, 0) == (said["managed"], said["due"], said["moving"])
    assert {"count": 0, "reasons": []} == said["blocked"]
    assert "2026-11-24T10:00:00Z" == said["exposedSince"]
    expected = {"Accepted": ("True", "Valid"), "Progressing": ("False", "PodsDue"), "Ready": ("True", "OnSchedule")}
    assert expected == _conditions(cluster)
    assert "2 pods are due, and move one after the other" == _message(cluster, "Progressing")
    for _ in range(3):
        handle(TICK, cluster, clock)
    assert (0, "2026-11-24T12:00:00Z") == (_status(cluster)["due"], _status(cluster)["exposedSince"])
    assert ("False", "NothingDue") == _conditions(cluster)["Progressing"]


def test_a_retiring_pod_still_counts_for_the_exposure(clock: FakeClock) -> None:
    """It serves until its replacement does; one in quarantine, ended or on its way out does not count."""
    cluster = _shop(clock, replicas=1)
    cluster.policy()
    cluster.readiness = timedelta(minutes=5)
    handle(TICK, cluster, clock)
    said = _status(cluster)
    assert (1, 0, "2026-11-24T10:00:00Z") == (said["moving"], said["due"], said["exposedSince"])
    assert ("True", "PodsMoving") == _conditions(cluster)["Progressing"]
    assert "1 pod is on the move" == _message(cluster, "Progressing")
    (old,) = (pod for pod in cluster.pods() if marks.is_retiring(pod))
    clock.time += timedelta(minutes=5)
    handle(TICK, cluster, clock)
    handle(TICK, cluster, clock)
    fresh = _status(cluster)["exposedSince"]
    assert "2026-11-24T12:00" == fresh[:16]
    for part in (
        {"metadata": old["metadata"] | {"labels": {"app": "web", marks.COMPROMISED: "true"}}},
        {"metadata": old["metadata"] | {"labels": {"app": "web"}, "deletionTimestamp": "2026-11-24T12:00:00Z"}},
        {"metadata": old["metadata"] | {"labels": {"app": "web"}}, "status": {"phase": "Failed", "conditions": []}},
        {
            "metadata": old["metadata"] | {"labels": {"app": "web"}, "creationTimestamp": "what?"},
            "status": {"conditions": []},
        },
    ):
        cluster.objects["pods", "shop", "old"] = old | part
        handle(TICK, cluster, clock)
        assert fresh == _status(cluster)["exposedSince"]


@pytest.mark.parametrize("trouble", [_cordon, _pause, _lose_one, None])
@pytest.mark.parametrize("mode", ["Enforce", "DryRun"])
def test_nothing_new_is_not_written(clock: FakeClock, trouble: Any, mode: str) -> None:
    """A tick later nothing is new, whatever holds pods up: no write, until the grace is over, and then one."""
    cluster = _shop(clock)
    cluster.policy(mode=mode)
    if trouble:
        trouble(cluster)
    else:
        clock.time -= timedelta(hours=1, minutes=55)
    assert 1 == _tick(cluster, clock)
    assert 0 == sum(_tick(cluster, clock, minutes=1) for _ in range(9))
    alarms = mode == "Enforce" and trouble in (_cordon, _lose_one)
    assert alarms == _tick(cluster, clock, minutes=1)
    assert 0 == sum(_tick(cluster, clock, minutes=1) for _ in range(9))


def test_what_holds_pods_up(cluster: FakeCluster, clock: FakeClock) -> None:
    """The reason, in one word and in words, how many pods, one of them, and since when, which stays."""
    cluster.policy()
    _cordon(cluster)
    handle(TICK, cluster, clock)
    blocked = _status(cluster)["blocked"]
    first = min(pod["metadata"]["name"] for pod in cluster.pods())
    (reason,) = blocked["reasons"]
    assert (3, "NodeCordoned", 3) == (blocked["count"], reason["reason"], reason["count"])
    assert reason["example"] >= first
    assert "its node node-1 is cordoned: a drain would move it, and a replacement might not fit" == reason["message"]
    assert ("False", "PodsBlocked") == _conditions(cluster)["Progressing"]
    assert "3 pods are due, and 3 cannot move now" == _message(cluster, "Progressing")
    assert ("True", "OnSchedule") == _conditions(cluster)["Ready"]
    clock.time += timedelta(minutes=10)
    handle(TICK, cluster, clock)
    assert [reason] == _status(cluster)["blocked"]["reasons"]
    assert ("False", "PodsBlocked") == _conditions(cluster)["Ready"]
    since = f"NodeCordoned since {marks.stamp(START)}, 3 pods: its node node-1 is cordoned"
    assert _message(cluster).startswith(since)
    del cluster.objects["nodes", "", "node-1"]
    handle(TICK, cluster, clock)
    assert (0, ("True", "OnSchedule")) == (_status(cluster)["blocked"]["count"], _conditions(cluster)["Ready"])


def test_a_replacement_that_is_stuck(cluster: FakeCluster, clock: FakeClock) -> None:
    """It is told as such as long as the workload rests; with one replica, too, whose only pod is put off."""
    one = _shop(clock, replicas=1)
    for each in (cluster, one):
        each.policy()
        each.readiness = None
        for minutes in (0, 10, 5, 5, 5):
            clock.time += timedelta(minutes=minutes)
            handle(TICK, each, clock)
        (reason,) = _status(each)["blocked"]["reasons"]
        assert "ReplacementStuck" == reason["reason"]
        assert _status(each)["due"] == _status(each)["blocked"]["count"] == reason["count"]
        assert "a replacement of Deployment/web did not become Ready: tried again from" in reason["message"]
        assert ("False", "ReplacementStuck") == _conditions(each)["Ready"]


@pytest.mark.parametrize(
    ("spec", "made", "progressing", "ready"),
    [
        ({"mode": "DryRun"}, None, "DryRun", "DryRun"),
        ({"blackouts": NOONS}, None, "WindowClosed", "WindowClosed"),
        ({"blackouts": NOONS, "lifetime": {"every": "9h"}}, None, "NothingDue", "OnSchedule"),
        ({}, _pause, "PodsBlocked", "Paused"),
    ],
)
def test_what_somebody_wants_is_no_trouble(
    cluster: FakeCluster, clock: FakeClock, spec: dict[str, Any], made: Any, progressing: str, ready: str
) -> None:
    """However long it lasts: the policy is Ready, and says why nothing moves."""
    cluster.policy(**spec)
    if made:
        made(cluster)
    for _ in range(3):
        handle(TICK, cluster, clock)
        assert (("False", progressing), ("True", ready)) == (
            _conditions(cluster)["Progressing"],
            _conditions(cluster)["Ready"],
        )
        clock.time += timedelta(minutes=20)


def test_due_is_due_though_the_window_is_closed(cluster: FakeCluster, clock: FakeClock) -> None:
    """So that one sees what will begin when it opens; nothing is blocked by it."""
    cluster.policy(blackouts=NOONS)
    handle(TICK, cluster, clock)
    said = _status(cluster)
    assert (3, 0, "2026-11-24T14:00:00Z") == (said["due"], said["blocked"]["count"], said["nextRotation"])
    assert "3 pods are due; no move begins in a blackout" == _message(cluster)


def test_an_invalid_policy_keeps_no_counts(cluster: FakeCluster, clock: FakeClock) -> None:
    """They would be about what it was before; what was done stays true, and another's conditions stay."""
    policy = cluster.policy()
    policy["status"] = {"conditions": [{"type": "Audited", "status": "True"}]}
    handle(TICK, cluster, clock)
    last = _status(cluster)["lastRotation"]
    cluster.objects["rotationpolicies", "shop", "web"]["spec"]["lifetime"] = {"every": "soon"}
    handle(TICK, cluster, clock)
    said = _status(cluster)
    assert {"observedGeneration", "lastRotation", "conditions"} == set(said)
    assert last == said["lastRotation"]
    assert {"type": "Audited", "status": "True"} == said["conditions"][0]
    invalid = {one["type"]: (one["status"], one["reason"]) for one in said["conditions"][1:]}
    assert dict.fromkeys(("Accepted", "Progressing", "Ready"), ("False", "Invalid")) == invalid
    assert 0 == _tick(cluster, clock, minutes=1)


def test_a_condition_keeps_its_time_while_its_status_stays(cluster: FakeCluster, clock: FakeClock) -> None:
    """Though its reason changes; the time is that of the change of True and False."""
    cluster.policy()
    _pause(cluster)
    handle(TICK, cluster, clock)
    clock.time += timedelta(minutes=3)
    cluster.objects["deployments", "shop", "web"]["metadata"]["annotations"] = {}
    handle(TICK, cluster, clock)
    since = {one["type"]: one["lastTransitionTime"] for one in _status(cluster)["conditions"]}
    assert {marks.stamp(START)} == set(since.values())
    assert ("True", "OnSchedule") == _conditions(cluster)["Ready"]


def test_a_status_that_could_not_be_written_is_written_by_the_next_tick(cluster: FakeCluster, clock: FakeClock) -> None:
    """Nothing is lost but the time since when."""
    cluster.policy()
    _cordon(cluster)
    cluster.failing["patch", "rotationpolicies/status"] = Unavailable("no")
    handle(TICK, cluster, clock)
    del cluster.failing["patch", "rotationpolicies/status"]
    assert 1 == _tick(cluster, clock, minutes=1)
    assert marks.stamp(clock.now()) == _status(cluster)["blocked"]["reasons"][0]["since"]


@pytest.mark.parametrize(
    ("reason", "pod", "expected"),
    [("Refused", "a", "no (request 1)"), ("Refused", "b", "no (request 2)"), ("MinReady", "a", "no (request 2)")],
)
def test_words_of_others_that_differ_each_time_are_no_news(reason: str, pod: str, expected: str) -> None:
    """A webhook may number its refusals: about the same pod the first one stays."""
    first = status.valid(_policy(), START, _standing([Held(reason, "no (request 1)", "a", 1)]))
    later = status.valid(_policy(first), START, _standing([Held(reason, "no (request 2)", pod, 1)]))
    assert expected == later["blocked"]["reasons"][0]["message"]
    assert (status.news(_policy(first), later) is None) == (expected == "no (request 1)")


REASONS = st.sampled_from([*sorted(INTENDED), "NodeCordoned", "ReplacementStuck", "Other", "Refused"])
HELD = st.builds(
    Held,
    reason=REASONS,
    message=st.text(max_size=400),
    example=st.from_regex(r"[a-z]{1,9}", fullmatch=True),
    pods=st.integers(1, 9),
)


def _standing(held: list[Held], **parts: Any) -> Standing:
    given: dict[str, Any] = {"mode": "Enforce", "managed": 0, "due": 0, "moving": 0, "held": held, "last": None}
    return Standing(**given | {"following": None, "exposed": None, "closed": None} | parts)


def _policy(said: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": "web", "uid": "u", "generation": 3}, **({"status": said} if said else {})}


@given(st.lists(HELD, max_size=30), st.randoms(use_true_random=False))
def test_whatever_holds_pods_up_the_status_is_bounded_and_the_same_for_the_same(held: list[Held], order: Any) -> None:
    """At most eight reasons, the largest first, whatever the order of the trail; then nothing is new."""
    shuffled = order.sample(held, len(held))
    first = status.valid(_policy(), START, _standing(held))
    assert first == status.valid(_policy(), START, _standing(shuffled))
    blocked = first["blocked"]
    assert sum(one.pods for one in held) == blocked["count"]
    counts = [each["count"] for each in blocked["reasons"]]
    assert (len(counts) <= MOST, counts) == (True, sorted(counts, reverse=True))
    for each in blocked["reasons"]:
        assert each["message"].isprintable()
        assert len(each["message"]) <= LONGEST
    later = START + timedelta(minutes=9)
    assert status.news(_policy(first), status.valid(_policy(first), later, _standing(shuffled))) is None


@given(st.lists(HELD, min_size=1, max_size=8), st.integers(0, 30))
def test_only_trouble_that_lasts_makes_a_policy_unready(held: list[Held], minutes: int) -> None:
    """Neither what somebody wants, however long, nor trouble for less than the grace."""
    first = status.valid(_policy(), START, _standing(held))
    later = START + timedelta(minutes=minutes)
    (ready,) = (
        one for one in status.valid(_policy(first), later, _standing(held))["conditions"] if one["type"] == "Ready"
    )
    trouble = {one.reason for one in held} - INTENDED
    assert (ready["status"] == "False") == (bool(trouble) and timedelta(minutes=minutes) >= conditions.GRACE)
    assert (ready["reason"] == "ReplacementStuck") == (ready["status"] == "False" and "ReplacementStuck" in trouble)


def test_a_time_that_nobody_can_read_is_not_taken_for_long() -> None:
    """Somebody may have written the status; the reason counts from when it is written anew."""
    said = {"blocked": {"count": 1, "reasons": [{"reason": "Other", "count": 1, "since": "ever"}]}}
    found = status.valid(_policy(said), START, _standing([Held("Other", "x", "p", 1)]))
    assert "True" == found["conditions"][2]["status"]
    assert grouped([], {"blocked": None}, START) == {"count": 0, "reasons": []}


def test_the_definition_has_what_is_written_and_its_bounds() -> None:
    """Field for field; the API server drops what it does not know, and takes nothing longer."""
    (version,) = yaml.safe_load(CRD.read_text(encoding="utf-8"))["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    held = [Held("Other", "x", "p", 1)]
    moment: dict[str, datetime] = {"last": START, "following": START, "exposed": START}
    found = status.valid(_policy(), START, _standing(held, **moment))
    assert {*found, SINCE} == set(schema), "the time of the alarm is written by a step"
    reason = schema["blocked"]["properties"]["reasons"]
    assert set(found["blocked"]["reasons"][0]) == set(reason["items"]["properties"])
    assert (MOST, LONGEST) == (reason["maxItems"], reason["items"]["properties"]["message"]["maxLength"])


def test_secrets_are_not_counted_as_pods() -> None:
    """The conditions say of what there are how many; what is due are pods alone."""
    since = marks.stamp(START - timedelta(hours=1))
    reason = {"reason": "Refused", "count": 3, "example": "Secret/db", "message": "no right", "since": since}
    paused = {"reason": "Paused", "count": 2, "example": "Secret/db", "message": "paused", "since": since}
    for each, secrets, expected in (
        (reason, {"Refused": 2}, f"Refused since {since}, 1 pod and 2 Secrets: no right"),
        (reason, {"Refused": 3}, f"Refused since {since}, 3 Secrets: no right"),
        (paused, {"Paused": 1}, "1 pod and 1 Secret are due: paused"),
    ):
        blocked = {"count": each["count"], "reasons": [each]}
        _, _, ready = conditions.valid(Count("Enforce", 1, 0, blocked, None, secrets), START)
        assert expected == ready.message
    _, progressing, _ = conditions.valid(Count("Enforce", 1, 0, {"count": 3, "reasons": []}, None, {"X": 3}), START)
    assert "PodsDue" == progressing.reason
