"""What a RotationPolicy's status says: pure, and written only when it says something new."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import marks
from rotate import conditions, held
from rotate.conditions import Count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from molt.policy import PolicyError
    from rotate.held import Held

Object = dict[str, Any]

COUNTED = ("managed", "due", "moving", "blocked", "exposedSince", "nextRotation")
"""What is told of a policy in force only: of any other it would be about an earlier one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a policy in force stands at the end of a tick.

    `due`, `moving` and `managed` count pods; `last` None when none has moved in this tick; `following` is when the next
    one may, `exposed` when the oldest one was made; `closed` says why no move begins now.
    """

    mode: str
    managed: int
    due: int
    moving: int
    held: Sequence[Held]
    last: datetime | None
    following: datetime | None
    exposed: datetime | None
    closed: str | None


def valid(obj: Mapping[str, Any], now: datetime, standing: Standing) -> Object:
    """Return the status of a policy in force; what is not new keeps its time."""
    blocked = held.grouped(standing.held, _present(obj), now)
    secrets = Counter(one.reason for one in standing.held if one.is_secret)
    count = Count(standing.mode, standing.due, standing.moving, blocked, standing.closed, secrets)
    return {
        "observedGeneration": _generation(obj),
        "managed": standing.managed,
        "due": standing.due,
        "moving": standing.moving,
        "blocked": blocked,
        "exposedSince": _stamp(standing.exposed),
        "lastRotation": _stamp(standing.last) or _present(obj).get("lastRotation"),
        "nextRotation": _stamp(standing.following),
        "conditions": conditions.renewed(obj, conditions.valid(count, now), now),
    }


def refused(obj: Mapping[str, Any], now: datetime, error: PolicyError) -> Object:
    """Return the status of a policy that cannot be acted on."""
    return {
        "observedGeneration": _generation(obj),
        **dict.fromkeys(COUNTED),
        "conditions": conditions.renewed(obj, conditions.refused(error.reason), now),
    }


def news(obj: Mapping[str, Any], status: Object) -> Object | None:
    """Return the merge patch that brings the object's status to `status`, or None when it says all of it already."""
    present = _present(obj)
    if all(present.get(name) == value for name, value in status.items()):
        return None
    return {"metadata": {"uid": obj["metadata"]["uid"]}, "status": status}


def _stamp(time: datetime | None) -> str | None:
    return marks.stamp(time) if time else None


def _present(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return obj.get("status") or {}


def _generation(obj: Mapping[str, Any]) -> int:
    return int(obj["metadata"].get("generation", 0))
