"""How many moves one tick begins in the whole cluster, and who they are.

| there is due                                    | begun are                                               |
|-------------------------------------------------|---------------------------------------------------------|
| no more than the cap                            | all                                                     |
| more                                            | the most overdue, whatever their namespace and policy   |
| much that cannot move now                       | those that can: its places go on to them                |
| something to rehearse                           | as many as without it                                   |
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt.events import Event
from molt.lifetime import Keys
from molt.outcome import Done, Skipped
from rotate.handler import handler
from rotate.quota import MOST, Outlook, Quota, most
from tests.functions.fake_cluster import FakeClock, FakeCluster

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def _outlook(name: str, *minutes: int, under_way: bool = False) -> Outlook:
    """Return a namespace whose workloads are overdue since so many minutes before noon."""
    return Outlook(name, sorted(NOON - timedelta(minutes=one) for one in minutes), under_way)


def test_a_setting_is_read() -> None:
    """Nothing set is the default."""
    assert (MOST, 7, 10_000) == (most(""), most(" 7 "), most("10000"))


@pytest.mark.parametrize("text", ["0", "-1", "10001", "x", "1.5"])
def test_a_setting_that_is_none_is_refused(text: str) -> None:
    """A typing error must not stop all rotation in silence."""
    with pytest.raises(ValueError, match=r"MOLT_MOVES_PER_TICK is not a number in 1\.\.10000"):
        most(text)


def test_the_most_overdue_namespace_comes_first() -> None:
    """One with nothing to do does not come at all; one with moves under way only comes last."""
    outlooks = [_outlook("a", 5), _outlook("b"), _outlook("c", 90, 1), _outlook("d", under_way=True)]
    shared = [outlook.namespace for outlook in Quota(3).share(outlooks)]
    assert ["c", "a", "d"] == shared
    assert ["d"] == [outlook.namespace for outlook in Quota(3).share([_outlook("d", under_way=True)])]


def test_shares_follow_from_what_is_overdue() -> None:
    """What one does not use is the next one's; what was not begun is anybody's."""
    quota = Quota(3)
    found = list(quota.share([_outlook("a", 9, 8, 1, 1), _outlook("b", 7, 6, 5)]))
    assert ["a", "b"] == [outlook.namespace for outlook in found]
    assert [True, True, False] == [quota.take("a") for _ in range(3)]
    quota.give_back()
    quota.leave("a")
    assert [True, True, False] == [quota.take("b") for _ in range(3)]
    quota = Quota(3)
    list(quota.share(found))
    quota.leave("a")
    assert [True, True, True, False] == [quota.take("b") for _ in range(4)]


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.integers(0, 99), max_size=9)), st.integers(1, 20))
def test_never_more_than_the_cap_and_never_less_than_there_is(due: dict[str, list[int]], cap: int) -> None:
    """Whoever can move moves: the cap is used up as far as there is anything due."""
    quota = Quota(cap)
    begun: Counter[str] = Counter()
    for outlook in quota.share(_outlook(name, *minutes) for name, minutes in due.items()):
        begun[outlook.namespace] = sum(quota.take(outlook.namespace) for _ in outlook.overdue)
        quota.leave(outlook.namespace)
    assert begun.total() == min(cap, sum(map(len, due.values())))


def _cluster(clock: FakeClock, **ages: float) -> FakeCluster:
    """Return a cluster with a namespace of each name, in it a Deployment of one as old as that, in hours."""
    cluster = FakeCluster(clock)
    start = clock.time
    for name, hours in ages.items():
        clock.time = start - timedelta(hours=hours)
        cluster.namespace(name)
        cluster.deployment("web", 1, name)
        cluster._mature()
        cluster.policy(namespace=name)
    clock.time = start
    return cluster


def _fresh(cluster: FakeCluster, *names: str) -> list[bool]:
    return [cluster.pods(name)[0]["metadata"]["creationTimestamp"].startswith("2026-11-24T12") for name in names]


def test_a_tick_begins_no_more_than_its_cap() -> None:
    """The most overdue first, in whatever namespace; the others are told of, and later ticks move them."""
    clock = FakeClock()
    cluster = _cluster(clock, a=2, b=5, c=3)
    handle = handler(Keys(b"sixteen bytes or more"), cap=2)
    outcome = handle(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert "2 acted, 1 skipped" == outcome.reason
    assert outcome.event
    said = [entry["reason"] for entry in outcome.event.data["trail"] if entry["outcome"] == "skipped"]
    assert ["2 moves have begun in this tick, and a later one begins more"] == said
    assert [False, True, True] == _fresh(cluster, "a", "b", "c")
    handle(TICK, cluster, clock)
    assert [True] == _fresh(cluster, "a")


def test_who_cannot_move_starves_nobody() -> None:
    """Neither a workload that is not whole nor a pod whose budget says no uses a place up."""
    clock = FakeClock()
    cluster = _cluster(clock, a=9, b=8, c=2)
    cluster.objects["deployments", "a", "web"]["spec"]["paused"] = True
    cluster.objects["rotationpolicies", "b", "web"]["spec"]["strategy"] = "Evict"
    cluster.held = {cluster.pods("b")[0]["metadata"]["name"]}
    outcome = handler(Keys(b"sixteen bytes or more"), cap=1)(TICK, cluster, clock)
    assert isinstance(outcome, Done)
    assert [False, False, True] == _fresh(cluster, "a", "b", "c")


def test_a_rehearsal_uses_no_place() -> None:
    """It moves nothing."""
    clock = FakeClock()
    cluster = _cluster(clock, a=9, b=2)
    cluster.objects["rotationpolicies", "a", "web"]["spec"]["mode"] = "DryRun"
    outcome = handler(Keys(b"sixteen bytes or more"), cap=1)(TICK, cluster, clock)
    assert isinstance(outcome, Done | Skipped)
    assert "1 acted, 1 rehearsed" == outcome.reason
