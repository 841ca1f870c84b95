"""What the end of a pod means to its workload: pure, from the pod as read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks
from molt.workload import top

if TYPE_CHECKING:
    from collections.abc import Mapping


def kept(pod: Mapping[str, Any], alert: str) -> str | None:
    """Return that the pod is in quarantine on another account than this alert's, or None.

    Whoever isolated it wants to examine it: an attack raises many alerts, and no later one may take that away.
    """
    by = marks.annotations_of(pod).get(marks.ALERT)
    if not marks.is_quarantined(pod) or by == marks.printable(alert):
        return None
    return f"kept in quarantine, by {f'alert {marks.printable(by)}' if by else 'hand'}: only force ends it"


def irreplaceable(pod: Mapping[str, Any]) -> str | None:
    """Return why nothing would stand in for the pod, or None.

    A pod in quarantine, or retiring, has no controller any more, since that has replaced it already.
    """
    if _stand_in(pod) or marks.is_retiring(pod):
        return None
    return "no controller replaces it: only force ends it"


def account(pod: Mapping[str, Any], how: str) -> str:
    """Return what was done to the pod, and what that means to its workload, in words."""
    if stand_in := _stand_in(pod):
        return f"{how}; {stand_in}"
    return f"{how}; nothing replaces it" if irreplaceable(pod) else f"{how}; its replacement is there"


def _stand_in(pod: Mapping[str, Any]) -> str | None:
    """Return what stands in for the pod, or None when nothing, or nothing known by name, does."""
    if workload := top(pod):
        return f"{workload.kind}/{workload.name} replaces it"
    if not marks.is_compromised(pod):
        return None
    owner = marks.annotations_of(pod).get(marks.WORKLOAD) or "Pod/"
    if owner.startswith("Pod/"):
        return None
    name = marks.printable(owner)
    return f"{name} can now replace it" if owner.startswith("StatefulSet/") else f"{name} has replaced it"
