"""The arithmetic of rollouts: bounds, growth, shrinking, proportional scaling."""

from __future__ import annotations

from typing import Any

import pytest

from molt.embedded.cluster.controllers.amounts import resolve
from molt.embedded.cluster.controllers.rollout import (
    Bounds,
    Part,
    bounds,
    new_size,
    old_sizes,
    proportional,
)


@pytest.mark.parametrize(
    ("amount", "up", "expected"),
    [(3, True, 3), ("25%", True, 3), ("25%", False, 2), ("0%", True, 0), ("100%", False, 10), ("101%", True, 11)],
)
def test_amounts(amount: int | str, up: bool, expected: int) -> None:  # noqa: FBT001 - a column of the table
    """A percentage of ten is rounded as asked; a number is itself."""
    assert expected == resolve(amount, 10, up=up)


@pytest.mark.parametrize("amount", ["25", "25%x", "", "half"])
def test_amounts_that_are_none(amount: str) -> None:
    """Text that is no percentage is refused."""
    with pytest.raises(ValueError, match=r"number|invalid"):
        resolve(amount, 10, up=True)


def _rolling(replicas: int, surge: int | str | None, unavailable: int | str | None) -> dict[str, Any]:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"replicas": replicas, "strategy": {"rollingUpdate": {k: v for k, v in rolling.items() if v is not None}}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, Bounds(1, 1, 0)),
        (_rolling(3, None, None), Bounds(3, 1, 0)),
        (_rolling(4, None, None), Bounds(4, 1, 1)),
        (_rolling(10, "30%", "50%"), Bounds(10, 3, 5)),
        (_rolling(3, 0, 0), Bounds(3, 0, 1)),
        (_rolling(3, 0, "10%"), Bounds(3, 0, 1)),
        (_rolling(2, 5, 5), Bounds(2, 5, 2)),
        (_rolling(0, 1, 1), Bounds(0, 1, 0)),
        ({"replicas": 3, "strategy": {"type": "Recreate"}}, Bounds(3, 0, 0)),
    ],
)
def test_bounds(spec: dict[str, Any], expected: Bounds) -> None:
    """Surge rounds up, unavailability down, both zero becomes one unavailable, none exceeds the replicas."""
    assert expected == bounds(spec)


@pytest.mark.parametrize(
    ("new", "total", "expected"),
    [(0, 3, 1), (0, 0, 3), (1, 4, 1), (1, 3, 2), (3, 4, 3), (5, 5, 3), (2, 9, 2)],
)
def test_new_size(new: int, total: int, expected: int) -> None:
    """The new ReplicaSet of three replicas with surge one takes the room there is, and never more."""
    assert expected == new_size(new, total, Bounds(3, 1, 0))


OLD = Part("old", 3, 3, "1")


@pytest.mark.parametrize(
    ("new", "old", "limits", "expected"),
    [
        pytest.param(Part("new", 1, 0), [OLD], Bounds(3, 1, 0), {}, id="the new one is not available yet"),
        pytest.param(Part("new", 1, 1), [OLD], Bounds(3, 1, 0), {"old": 2}, id="one may go"),
        pytest.param(Part("new", 0, 0), [OLD], Bounds(3, 0, 1), {"old": 2}, id="without surge the old shrink first"),
        pytest.param(Part("new", 3, 3), [OLD], Bounds(3, 1, 0), {"old": 0}, id="all may go"),
        pytest.param(Part("new", 1, 0), [Part("old", 3, 1)], Bounds(3, 2, 1), {"old": 2}, id="unhealthy ones go first"),
        pytest.param(
            Part("new", 2, 2),
            [Part("b", 1, 1, "2"), Part("a", 1, 1, "1"), Part("none", 0, 0, "0")],
            Bounds(3, 1, 0),
            {"a": 0},
            id="the oldest goes first",
        ),
        pytest.param(
            Part("new", 1, 1),
            [Part("old", 2, 3)],
            Bounds(3, 1, 0),
            {},
            id="what is still on its way out is not counted",
        ),
        pytest.param(
            Part("new", 3, 0),
            [Part("old", 4, 0)],
            Bounds(3, 4, 0),
            {"old": 3},
            id="nobody is available: only unhealthy go",
        ),
    ],
)
def test_old_sizes(new: Part, old: list[Part], limits: Bounds, expected: dict[str, int]) -> None:
    """The old ReplicaSets shrink by what is neither needed for availability nor waited for."""
    assert expected == old_sizes(new, old, limits)


@pytest.mark.parametrize(
    ("parts", "limits", "current", "expected"),
    [
        pytest.param(
            [Part("a", 5, 0, "1", 10), Part("b", 5, 0, "2", 10)], Bounds(20, 0, 1), 10, {"a": 10, "b": 10}, id="up"
        ),
        pytest.param(
            [Part("a", 6, 0, "1", 10), Part("b", 4, 0, "2", 10)], Bounds(5, 0, 1), 10, {"a": 3, "b": 2}, id="down"
        ),
        pytest.param(
            [Part("a", 3, 0, "1", 5), Part("b", 2, 0, "2", 5)], Bounds(6, 0, 1), 5, {"a": 4, "b": 2}, id="rounded"
        ),
        pytest.param(
            [Part("a", 1, 0, "1", 2), Part("b", 1, 0, "2", 2)], Bounds(3, 0, 1), 2, {"a": 1, "b": 2}, id="newer up"
        ),
        pytest.param(
            [Part("a", 1, 0, "1", 2), Part("b", 1, 0, "2", 2)], Bounds(1, 0, 1), 2, {"a": 0, "b": 1}, id="older down"
        ),
        pytest.param(
            [Part("a", 3, 0, "1", 5), Part("b", 2, 0, "2", 5)], Bounds(0, 1, 0), 5, {"a": 0, "b": 0}, id="to nothing"
        ),
        pytest.param(
            [Part("a", 3, 0, "1"), Part("b", 2, 0, "2")], Bounds(10, 0, 1), 5, {"a": 6, "b": 4}, id="no limit noted"
        ),
        pytest.param(
            [Part("a", 3, 0, "1", 5), Part("b", 2, 0, "2", 5)], Bounds(5, 0, 1), 5, {"a": 3, "b": 2}, id="no change"
        ),
        pytest.param(
            [Part("a", 4, 0, "1", 40), Part("b", 4, 0, "2", 40)], Bounds(12, 0, 1), 8, {"a": 1, "b": 11}, id="leftover"
        ),
    ],
)
def test_proportional(parts: list[Part], limits: Bounds, current: int, expected: dict[str, int]) -> None:
    """A Deployment scaled in mid-rollout keeps the shares of its ReplicaSets, and the sum is exact."""
    assert expected == proportional(parts, limits, current)
