"""Places that threads claim at once: one patch for all that wait, and the limits as exact as one by one."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from molt import ledger as ledgers
from molt import marks
from molt.cluster import Forbidden, Rejected, Unavailable
from molt.cluster.resources import LEDGERS
from molt.itinerary import PolicyRef
from molt.ledger import Breaker, Ledger, Place
from quarantine import limits
from quarantine.limits import Answer, Claim, Refusal
from quarantine.places import OPENED, Places
from tests.functions.fake_cluster import START, FakeClock, FakeCluster

WEB = "shop/Deployment/web"
POLICY = PolicyRef("shells", "policy-uid", 1, {})


def _claim(uid: str, **bounds: Any) -> Claim:
    return Claim(uid, WEB, 1, "shells", bounds)


def _known(cluster: FakeCluster) -> Places:
    """Return the places of a process that knows the ledger, with one place taken."""
    places = Places()
    assert places.take(_claim("first", perWorkload=99), POLICY, cluster, cluster.clock) is None
    cluster.asked()
    return places


def _together(places: Places, cluster: FakeCluster, claims: Sequence[Claim]) -> list[Future[str | None]]:
    """Claim at once: while the place of a pod `leader` is being written, all the others come."""

    def wait(_: FakeCluster) -> None:
        while len(places._claims._waiting) < len(claims):
            time.sleep(0.001)

    cluster.meddle.insert(0, wait)
    with ThreadPoolExecutor(len(claims) + 1) as pool:
        leader = pool.submit(places.take, _claim("leader", perWorkload=99), POLICY, cluster, cluster.clock)
        while not places._claims._busy:
            time.sleep(0.001)
        futures = []
        for number, claim in enumerate(claims):
            futures.append(pool.submit(places.take, claim, POLICY, cluster, cluster.clock))
            while len(places._claims._waiting) <= number and cluster.meddle[:1] == [wait]:
                time.sleep(0.001)
    assert leader.result() is None
    return futures


def _taken(cluster: FakeCluster) -> set[str]:
    return set(cluster.objects["ledgers", "", ledgers.NAME]["spec"]["pods"])


def _bump(cluster: FakeCluster) -> None:
    """Have somebody else write the ledger."""
    cluster.put(LEDGERS, cluster.objects["ledgers", "", ledgers.NAME])


def test_all_that_wait_take_their_places_in_one_patch(cluster: FakeCluster) -> None:
    """Two patches for ten pods: the first one's, and the others' while it was written."""
    futures = _together(_known(cluster), cluster, [_claim(f"u{number}", perWorkload=99) for number in range(9)])
    assert [None] * 9 == [future.result() for future in futures]
    assert ["patch ledgers"] * 2 == cluster.asked()
    assert {"first", "leader", *(f"u{number}" for number in range(9))} == _taken(cluster)


def test_limits_hold_within_a_patch(cluster: FakeCluster) -> None:
    """Each place that is taken counts for the next; whoever is refused is so on a ledger that was read anew."""
    futures = _together(_known(cluster), cluster, [_claim(f"u{number}", perWorkload=5) for number in range(9)])
    reasons = [future.result() for future in futures]
    assert [None] * 3 == reasons[:3]
    assert {"limits.perWorkload is 5: 5 pods of Deployment/web in quarantine already"} == set(reasons[3:])
    assert ["patch ledgers", "get ledgers", "patch ledgers"] == cluster.asked()
    assert {"first", "leader", "u0", "u1", "u2"} == _taken(cluster)


def test_a_conflict_has_all_decided_anew(cluster: FakeCluster) -> None:
    """Another process took places meanwhile: they count, for everybody in the patch."""
    places = _known(cluster)

    def other(cluster: FakeCluster) -> None:
        for uid in ("x", "y"):
            assert Places().take(_claim(uid, perWorkload=99), POLICY, cluster, cluster.clock) is None

    # The leader's patch, this one, which the other process is faster than, and that process's own two.
    cluster.meddle = [other, *[lambda _: None] * 3]
    futures = _together(places, cluster, [_claim(f"u{number}", perWorkload=5) for number in range(4)])
    reasons = [future.result() for future in futures]
    assert Counter({True: 3, False: 1}) == Counter(reason is not None for reason in reasons)
    assert {"first", "leader", "x", "y", "u0"} == _taken(cluster)


@pytest.mark.parametrize("error", [Unavailable("no answer"), Rejected("a bad place"), Forbidden("no")])
def test_a_patch_that_fails_fails_for_all_in_it(cluster: FakeCluster, error: Exception) -> None:
    """Each is delivered again, and takes its place then."""
    places = _known(cluster)
    claims = [_claim(f"u{number}", perWorkload=99) for number in range(4)]

    def fail(cluster: FakeCluster) -> None:
        cluster.failing["patch", "ledgers"] = error

    cluster.meddle = [fail]
    futures = _together(places, cluster, claims)
    assert [error] * 4 == [future.exception() for future in futures]
    assert {"first", "leader"} == _taken(cluster)
    del cluster.failing["patch", "ledgers"]
    assert [None] * 4 == [places.take(claim, POLICY, cluster, cluster.clock) for claim in claims]


def test_a_lost_answer_loses_no_place(cluster: FakeCluster) -> None:
    """The patch got through, and its repetition finds another version: each finds the place that it has."""
    places = _known(cluster)
    claims = [_claim(f"u{number}", perWorkload=5) for number in range(3)]

    def write(cluster: FakeCluster) -> None:
        spec = cluster.objects["ledgers", "", ledgers.NAME]["spec"]
        spec["pods"] |= {claim.uid: Place(WEB, cluster.clock.now()).render() for claim in claims}
        _bump(cluster)

    cluster.meddle = [write]
    assert [None] * 3 == [future.result() for future in _together(places, cluster, claims)]
    assert ["patch ledgers", "patch ledgers", "get ledgers"] == cluster.asked()


def test_a_breaker_opens_within_a_patch(cluster: FakeCluster, clock: FakeClock) -> None:
    """The places before it and the opening are written at once; one Event, of the one that opened it."""
    futures = _together(_known(cluster), cluster, [_claim(f"u{number}", perMinute=4) for number in range(6)])
    reasons = [future.result() or "" for future in futures]
    assert ["", ""] == reasons[:2]
    assert "limits.perMinute is 4: 4 pods put in quarantine within the last minute" == reasons[2]
    assert all("the breaker of policy shells is open until" in reason for reason in reasons[3:])
    assert Counter({"patch ledgers": 2, "get ledgers": 1, "create events": 1}) == Counter(cluster.asked())
    (event,) = [obj for (plural, _, _), obj in cluster.objects.items() if plural == "events"]
    assert OPENED == event["reason"]
    assert {"opened": marks.stamp(clock.now()), "by": "u2"} == _breaker(cluster)


def test_who_comes_again_within_a_patch_takes_one_place(cluster: FakeCluster) -> None:
    """A doubled delivery finds the place that its twin has taken a moment before."""
    futures = _together(_known(cluster), cluster, [_claim("u", perWorkload=3)] * 3)
    assert [None] * 3 == [future.result() for future in futures]
    assert {"first", "leader", "u"} == _taken(cluster)


def test_stale_places_are_given_to_whoever_waits(cluster: FakeCluster, clock: FakeClock) -> None:
    """The pods are listed once for all of them, and what is none any more goes with the patch."""
    places = _known(cluster)
    for number in range(4):
        assert places.take(_claim(f"old{number}", perWorkload=99), POLICY, cluster, clock) is None
    clock.time += timedelta(seconds=121)
    cluster.asked()
    futures = _together(places, cluster, [_claim(f"u{number}", perWorkload=3) for number in range(4)])
    assert [False, False, True, True] == [future.result() is not None for future in futures]
    assert ["patch ledgers", "get ledgers", "list pods", "patch ledgers"] == cluster.asked()
    assert {"leader", "u0", "u1"} == _taken(cluster)


def test_two_processes_share_a_limit(cluster: FakeCluster) -> None:
    """Each with many threads: together they take what the limit allows, neither more nor less."""
    processes, whole = [Places(), Places()], threading.Lock()
    claims = [_claim(f"u{number}", perWorkload=20) for number in range(60)]
    merge = cluster.merge

    def merge_whole(*asked: Any, **more: Any) -> dict[str, Any]:
        with whole:  # as an API server does
            return merge(*asked, **more)

    cluster.merge = merge_whole  # type: ignore[method-assign]

    def take(number: int) -> str | None:
        return processes[number % 2].take(claims[number], POLICY, cluster, cluster.clock)

    with ThreadPoolExecutor(16) as pool:
        reasons = list(pool.map(take, range(60)))
    assert 20 == reasons.count(None)
    assert {f"u{number}" for number, reason in enumerate(reasons) if reason is None} == _taken(cluster)


def test_deciding_is_pure_and_in_order() -> None:
    """What one takes counts for the next; the ledger that was read stays as it was."""
    ledger = Ledger("7", {"old": Place("shop/Pod/x", START - timedelta(hours=1))}, {"shells": Breaker(reset=START)})
    claims = [_claim("a", perMinute=1), _claim("a", perMinute=1), _claim("b", perWorkload=1), _claim("c", perMinute=1)]
    decided = limits.decide(ledger, claims, START + timedelta(seconds=1))
    now = START + timedelta(seconds=1)
    assert [Answer(), Answer(held=True)] == list(decided.answers[:2])
    full, opens = (answer.refused for answer in decided.answers[2:])
    assert full == Refusal("limits.perWorkload is 1: 1 pod of Deployment/web in quarantine already")
    assert opens == Refusal("limits.perMinute is 1: 1 pod put in quarantine within the last minute", opens=True)
    assert now == decided.answers[3].opened
    assert Breaker(now, "c", START) == decided.ledger.breakers["shells"]
    assert {"old", "a"} == set(decided.ledger.places)
    assert {"old"} == set(ledger.places)
    assert Breaker(reset=START) == ledger.breakers["shells"]


def _breaker(cluster: FakeCluster) -> Any:
    return cluster.objects["ledgers", "", ledgers.NAME]["spec"]["breakers"]["shells"]
