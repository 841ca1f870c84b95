"""What a RotationPolicy's status says: pure, and written only when it says something new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from molt.policy import PolicyError

Object = dict[str, Any]

ACCEPTED = "Accepted"
_LONGEST = 1024


def valid(
    obj: Mapping[str, Any],
    now: datetime,
    *,
    managed: int,
    moving: int,
    last: datetime | None,
    following: datetime | None,
) -> Object:
    """Return the status of a policy in force; `last` None keeps the one that is there."""
    return {
        "observedGeneration": _generation(obj),
        "managed": managed,
        "moving": moving,
        "lastRotation": marks.stamp(last) if last else _present(obj).get("lastRotation"),
        "nextRotation": marks.stamp(following) if following else None,
        "conditions": _conditions(obj, now, "True", "Valid", "the policy takes part"),
    }


def refused(obj: Mapping[str, Any], now: datetime, error: PolicyError) -> Object:
    """Return the status of a policy that cannot be acted on."""
    return {
        "observedGeneration": _generation(obj),
        "conditions": _conditions(obj, now, "False", "Invalid", marks.printable(error.reason, _LONGEST)),
    }


def news(obj: Mapping[str, Any], status: Object) -> Object | None:
    """Return the merge patch that brings the object's status to `status`, or None when it says all of it already."""
    present = _present(obj)
    if all(present.get(name) == value for name, value in status.items()):
        return None
    return {"metadata": {"uid": obj["metadata"]["uid"]}, "status": status}


def _conditions(obj: Mapping[str, Any], now: datetime, status: str, reason: str, message: str) -> list[Object]:
    """Return all conditions, ours renewed; its time stays while its status does."""
    present = list(_present(obj).get("conditions") or ())
    ours: Object = next((item for item in present if item.get("type") == ACCEPTED), {})
    since = ours.get("lastTransitionTime") if ours.get("status") == status else None
    renewed = {
        "type": ACCEPTED,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": _generation(obj),
        "lastTransitionTime": since or marks.stamp(now),
    }
    return [*(item for item in present if item.get("type") != ACCEPTED), renewed]


def _present(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return obj.get("status") or {}


def _generation(obj: Mapping[str, Any]) -> int:
    return int(obj["metadata"].get("generation", 0))
