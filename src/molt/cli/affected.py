"""The pods that molt has changed, as their own marks tell it: pure, and each mark may be missing or wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.workload import top

if TYPE_CHECKING:
    from collections.abc import Mapping

SELECTOR_OF_QUARANTINED = f"{marks.COMPROMISED}={marks.TRUE}"
SELECTOR_OF_MOVING = f"{marks.RETIRING}={marks.TRUE},!{marks.COMPROMISED}"


@dataclass(frozen=True, slots=True)
class Affected:
    """A pod that molt has changed: how, why, since when (RFC 3339), what comes next, and what leaks from it."""

    namespace: str
    pod: str
    state: str
    workload: str
    since: str
    why: str
    policy: str
    alert: str
    next: str
    leaks: tuple[str, ...] = ()


def quarantined(pod: Mapping[str, Any]) -> Affected:
    """Return what a pod in quarantine says of itself."""
    notes = marks.annotations_of(pod)
    return Affected(
        namespace=pod["metadata"]["namespace"],
        pod=pod["metadata"]["name"],
        state="quarantined" if marks.is_quarantined(pod) else "labelled only",
        workload=notes.get(marks.WORKLOAD, ""),
        since=notes.get(marks.QUARANTINED_AT, ""),
        why=notes.get(marks.RULE, ""),
        policy=notes.get(marks.POLICY, ""),
        alert=notes.get(marks.ALERT, ""),
        next=_next_of(notes),
        leaks=marks.leaks_of(pod) or (),
    )


def _next_of(notes: Mapping[str, str]) -> str:
    """Return what becomes of a pod in quarantine."""
    if notes.get(marks.RELEASE) == marks.TRUE and marks.KEPT not in notes:
        return "released at the clock's next tick"
    does = {"Release": "released", "Terminate": "ended"}.get(notes.get(marks.THEN, ""))
    if does is None or marks.EXPIRES_AT not in notes or marks.KEPT in notes:
        return "kept until it is released or deleted"
    return f"{does} at {marks.printable(notes[marks.EXPIRES_AT])}"


def moving(pod: Mapping[str, Any]) -> Affected:
    """Return what the old pod of a move says of itself."""
    notes = marks.annotations_of(pod)
    return Affected(
        namespace=pod["metadata"]["namespace"],
        pod=pod["metadata"]["name"],
        state="moving",
        workload=_released_from(pod),
        since=notes.get(marks.RETIRING_SINCE, ""),
        why=notes.get(marks.REASON, ""),
        policy="",
        alert="",
        next="serves until its replacement is Ready, then is evicted",
    )


def _released_from(pod: Mapping[str, Any]) -> str:
    """Return `Kind/name` of the workload that the pod was one of, "" when it does not say."""
    try:
        owner = json.loads(marks.annotations_of(pod).get(marks.OWNER, ""))
        workload = top({"metadata": {"labels": marks.original_labels(pod), "ownerReferences": [owner]}})
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return ""
    return f"{workload.kind}/{workload.name}" if workload else ""
