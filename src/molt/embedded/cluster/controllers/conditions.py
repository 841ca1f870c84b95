"""Conditions of a status: found by type, and moved on only when they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.objects import rfc3339

if TYPE_CHECKING:
    from datetime import datetime

Condition = dict[str, Any]


def find(obj: dict[str, Any], kind: str) -> Condition | None:
    """Return the object's condition of type `kind`, if it has one."""
    conditions: list[Condition] = (obj.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), None)


def is_true(obj: dict[str, Any], kind: str) -> bool:
    """Tell whether the object's condition of type `kind` is "True"."""
    condition = find(obj, kind)
    return condition is not None and condition["status"] == "True"


def condition(kind: str, *, status: bool | str, now: datetime, reason: str = "", message: str = "") -> Condition:
    """Return a condition that changed `now`; `status` is a truth value or "Unknown"."""
    made: Condition = {"type": kind, "status": str(status), "lastTransitionTime": rfc3339(now)}
    if reason:
        made["reason"] = reason
    if message:
        made["message"] = message
    return made


def merged(old: list[Condition], *changes: Condition) -> list[Condition]:
    """Return `old` with `changes` put in by type; lastTransitionTime stays where the status does."""
    kept = {one["type"]: one for one in old}
    for change in changes:
        before = kept.get(change["type"])
        if before is not None and before["status"] == change["status"] and "lastTransitionTime" in before:
            kept[change["type"]] = change | {"lastTransitionTime": before["lastTransitionTime"]}
        else:
            kept[change["type"]] = change
    return list(kept.values())
