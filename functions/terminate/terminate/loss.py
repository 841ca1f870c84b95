"""What the end of a pod means to its workload: pure, from the pod as read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks
from molt.workload import top

if TYPE_CHECKING:
    from collections.abc import Mapping


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
