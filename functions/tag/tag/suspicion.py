"""What marks a pod as suspect, and when not to: pure, from the pod as read and the slip as received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks
from molt.workload import is_terminating

if TYPE_CHECKING:
    from datetime import datetime

    from molt.itinerary import Slip

Pod = dict[str, Any]


def since(pod: Pod, slip: Slip) -> datetime | None:
    """Return when this very alert has marked the pod, or None.

    Told from the annotations alone: a quarantine meanwhile has taken the label off, and the mark was made all the same.
    """
    noted = marks.annotations_of(pod)
    if noted.get(marks.SUSPECT_ALERT) != marks.printable(slip.alert["id"]):
        return None
    return marks.time_of(noted.get(marks.SUSPECT_SINCE))


def excuse(pod: Pod) -> str | None:
    """Return why the mark would say nothing new, or None."""
    if is_terminating(pod):
        return "the pod is terminating"
    if marks.is_quarantined(pod):
        return "in quarantine, which says more"
    if marks.labels_of(pod).get(marks.SUSPECT) == marks.TRUE:
        by = marks.annotations_of(pod).get(marks.SUSPECT_ALERT)
        return f"suspect already, by {f'alert {marks.printable(by)}' if by else 'hand'}"
    return None


def patch(pod: Pod, slip: Slip, now: datetime) -> dict[str, Any]:
    """Return the merge patch that marks `pod` as it was read: one label, four annotations, nothing else.

    The annotations are not those of a quarantine, which may follow, and whose release takes its own off again.
    """
    metadata = pod["metadata"]
    return {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "labels": {marks.SUSPECT: marks.TRUE},
            "annotations": {
                marks.SUSPECT_RULE: marks.printable(str(slip.alert.get("rule") or "")),
                marks.SUSPECT_ALERT: marks.printable(slip.alert["id"]),
                marks.SUSPECT_POLICY: slip.policy.name,
                marks.SUSPECT_SINCE: marks.stamp(now),
            },
        }
    }
