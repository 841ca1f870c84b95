"""perWorkload counts the pods of one workload in quarantine, perMinute those of the cluster in the last minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from molt import marks
from quarantine import limits

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WEB = ("shop", "Deployment/web")


def _isolated(workload: str = "Deployment/web", namespace: str = "shop", at: str | None = None) -> dict[str, Any]:
    notes = {marks.WORKLOAD: workload, **({marks.QUARANTINED_AT: at} if at else {})}
    return {"metadata": {"namespace": namespace, "name": "x", "annotations": notes}}


def _ago(**delta: float) -> str:
    return marks.stamp(NOW - timedelta(**delta))


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
    others = [_isolated("Deployment/api"), _isolated(namespace="test"), _isolated("Pod/web")]
    pods = [*others, *(_isolated() for _ in range(here))]
    assert allowed == (limits.exceeded({"perWorkload": bound}, pods, WEB, replicas, NOW) is None)


def test_per_workload_says_what_is_used_up() -> None:
    """The reason names the limit, its value and the count."""
    reason = limits.exceeded({"perWorkload": "30%"}, [_isolated()], WEB, 3, NOW)
    assert "limits.perWorkload is 30%: 1 pod of Deployment/web in quarantine already" == reason


def test_per_minute_counts_the_last_minute_of_the_whole_cluster() -> None:
    """Older ones, and those whose time nobody can read, do not count."""
    counted = [_isolated("StatefulSet/x", "a", _ago(seconds=1)), _isolated("Pod/y", "b", _ago(seconds=59))]
    others = [_isolated(at=_ago(seconds=61)), _isolated(at="yesterday"), _isolated()]
    pods = [*counted, *others]
    assert limits.exceeded({"perMinute": 3}, pods, WEB, 1, NOW) is None
    reason = limits.exceeded({"perMinute": 2}, pods, WEB, 1, NOW)
    assert "limits.perMinute is 2: 2 pods put in quarantine within the last minute" == reason


@pytest.mark.parametrize(("bound", "needed"), [("30%", True), (1, False), (None, False)])
def test_replicas_are_asked_for_a_percentage_only(bound: Any, needed: bool) -> None:  # noqa: FBT001 - a column of the table
    """A count needs no further call."""
    assert needed == limits.needs_replicas({"perWorkload": bound})
