"""What becomes of a pod in quarantine at this tick: pure, from the pod as read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from molt import guard, marks
from molt.workload import is_terminating

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class End(Enum):
    """How the quarantine of a pod ends; Kept: not at all."""

    RELEASE = "Release"
    TERMINATE = "Terminate"
    KEEP = "Keep"


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now, and why; `asked`: by somebody, and not by the clock."""

    end: End
    reason: str
    asked: bool = False


def due(pod: Mapping[str, Any], now: datetime) -> Due | None:
    """Return what is to be done with the quarantined pod, or None when nothing is, or not yet.

    A release that somebody asks for comes before all else. Only the value "true" asks for one. A pod whose time is over
    and that is kept says so, and is due no more until somebody asks; neither is one in a namespace where molt touches
    nothing. A pod that wears the label of a quarantine, and was never put in one, is not ended.
    """
    notes = marks.annotations_of(pod)
    if is_terminating(pod) or guard.protected_namespace(pod["metadata"]["namespace"]) or guard.static_pod(pod):
        return None
    if notes.get(marks.RELEASE) == marks.TRUE:
        return Due(End.RELEASE, f"asked for by its annotation {marks.RELEASE}", asked=True)
    expiry = marks.time_of(notes.get(marks.EXPIRES_AT))
    if marks.KEPT in notes or expiry is None or expiry > now:
        return None
    end = next((end for end in End if end.value == notes.get(marks.THEN)), End.KEEP)
    reason = f"its retention was over at {marks.stamp(expiry)}"
    if end is End.TERMINATE and not marks.is_quarantined(pod):
        return Due(End.KEEP, f"{reason}, and it is in no quarantine: it has no readable {marks.ORIGINAL_LABELS}")
    return Due(end, reason)


def kept(pod: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """Return the merge patch by which the pod says why it stays; for the pod as it was read only.

    A release that was asked for is so no more: it is refused once, and may be asked for again.
    """
    metadata = pod["metadata"]
    note = {marks.KEPT: marks.printable(reason), marks.RELEASE: None}
    return {"metadata": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"], "annotations": note}}
