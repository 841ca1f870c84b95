"""perWorkload counts the places of one workload, perMinute those that were taken in the last minute, in the cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from molt.ledger import Breaker, Ledger, Place
from quarantine import limits
from quarantine.limits import Claim, Refusal

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _place(workload: str = "shop/Deployment/web", **ago: float) -> Place:
    return Place(workload, NOW - timedelta(**(ago or {"hours": 1})))


def _ledger(*places: Place, breaker: Breaker | None = None) -> Ledger:
    return Ledger("1", {f"u{number}": place for number, place in enumerate(places)}, {"p": breaker or Breaker()})


def _claim(replicas: int = 1, uid: str = "new", **bounds: Any) -> Claim:
    return Claim(uid, "shop/Deployment/web", replicas, "p", bounds)


@pytest.mark.parametrize(
    ("bound", "here", "replicas", "allowed"),
    [
        (1, 0, 3, True),
        (1, 1, 3, False),
        (2, 1, 3, True),
        ("30%", 0, 1, True),
        ("30%", 1, 6, False),
        ("50%", 2, 6, True),
        ("50%", 3, 6, False),
        (None, 99, 1, True),
        ("nonsense", 99, 1, True),
    ],
)
def test_per_workload(bound: Any, here: int, replicas: int, allowed: bool) -> None:  # noqa: FBT001 - a column of the table
    """A count or a percentage of the replicas, never less than one pod, of this workload only."""
    others = [_place("shop/Deployment/api"), _place("test/Deployment/web"), _place("shop/Pod/web")]
    ledger = _ledger(*others, *(_place() for _ in range(here)))
    assert allowed == (limits.refusal(ledger, _claim(replicas, perWorkload=bound), NOW) is None)


def test_per_workload_says_what_is_used_up() -> None:
    """The reason names the limit, its value and the count."""
    reason = "limits.perWorkload is 30%: 1 pod of Deployment/web in quarantine already"
    assert Refusal(reason) == limits.refusal(_ledger(_place()), _claim(3, perWorkload="30%"), NOW)


def test_the_pod_itself_does_not_count() -> None:
    """A redelivery finds its own place, as long as it will not lose it while it isolates."""
    ledger = _ledger(_place(seconds=59))
    assert limits.refusal(ledger, _claim(uid="u0", perWorkload=1, perMinute=1), NOW) is None
    assert limits.holds(ledger, _claim(uid="u0"), NOW)
    assert not limits.holds(ledger, _claim(uid="u0"), NOW + timedelta(seconds=2))
    assert not limits.holds(ledger, _claim(), NOW)


def test_per_minute_counts_the_last_minute_of_the_whole_cluster() -> None:
    """Older ones do not count; the one that is too many opens the breaker."""
    ledger = _ledger(_place("a/StatefulSet/x", seconds=1), _place("b/Pod/y", seconds=59), _place(seconds=61))
    assert limits.refusal(ledger, _claim(perMinute=3), NOW) is None
    reason = "limits.perMinute is 2: 2 pods put in quarantine within the last minute"
    assert Refusal(reason, opens=True) == limits.refusal(ledger, _claim(perMinute=2), NOW)


def test_an_open_breaker_refuses_everybody_for_a_minute() -> None:
    """Whatever the count is meanwhile; it closes by itself."""
    ledger = _ledger(breaker=Breaker(NOW - timedelta(seconds=59), "u"))
    refused = limits.refusal(ledger, _claim(perMinute=100), NOW)
    assert refused
    wanted = "limits.perMinute is 100: the breaker of policy p is open until 12:00:01Z, or `molt breaker reset p`"
    assert (wanted, False) == (refused.reason, refused.opens)
    assert limits.refusal(ledger, _claim(perMinute=100), NOW + timedelta(seconds=1)) is None


def test_after_a_reset_the_count_begins_anew() -> None:
    """What was isolated before it does not open the breaker again."""
    before, after = _place(seconds=30), _place("x/Pod/y", seconds=10)
    ledger = _ledger(before, after, breaker=Breaker(reset=NOW - timedelta(seconds=20)))
    assert limits.refusal(ledger, _claim(perMinute=2), NOW) is None
    assert limits.refusal(ledger, _claim(perMinute=1), NOW)


@pytest.mark.parametrize(("bound", "needed"), [("30%", True), (1, False), (None, False)])
def test_replicas_are_asked_for_a_percentage_only(bound: Any, needed: bool) -> None:  # noqa: FBT001 - a column of the table
    """A count needs no further call."""
    assert needed == limits.needs_replicas({"perWorkload": bound})
