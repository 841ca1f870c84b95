"""What cordons a node, what lifts that again, and when not to: pure, from the node as read.

A cordon of molt's has a label and annotations beside `spec.unschedulable`; one without them is somebody else's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt import marks, timestamps
from molt.target import SKEW
from molt.workload import created_at, is_ready, is_terminating

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from molt.itinerary import Slip

Node = dict[str, Any]

CONTROL_PLANE: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
ANNOTATIONS: Final = (marks.CORDONED_BY, marks.CORDONED_AT, marks.UNCORDON_AT, marks.RULE)
_REPELLING: Final = ("NoSchedule", "NoExecute")
_OF_A_CORDON: Final = "node.kubernetes.io/unschedulable"  # follows spec.unschedulable, and lags behind it


def excuse(node: Node, slip: Slip, until: datetime | None) -> str | None:
    """Return why the node is to be left as it is, or None."""
    name = node["metadata"]["name"]
    if reason := _unfit(node, slip):
        return f"node {name} {reason}"
    if is_ours(node):
        return f"node {name} is cordoned already, {_account(node)}" if lasts(node, until) else None
    return f"node {name} is cordoned already, by somebody else" if _is_cordoned(node) else None


def _unfit(node: Node, slip: Slip) -> str | None:
    """Return why molt does not cordon such a node, whatever its state; None when it does."""
    labels = marks.labels_of(node)
    seen, created = timestamps.rfc3339(str(slip.alert.get("time"))), created_at(node)
    if seen and created and created > seen + SKEW:
        return "was replaced since the alert: it was created after it"
    if is_terminating(node):
        return "is being deleted"
    if labels.get(marks.EXEMPT) == marks.TRUE:
        return f"is exempt by its label {marks.EXEMPT}"
    return "is of the control plane" if any(role in labels for role in CONTROL_PLANE) else None


def takes_pods(node: Node) -> bool:
    """Tell whether ordinary pods can be scheduled to the node: it is Ready, not cordoned, and without a taint."""
    taints = node["spec"].get("taints") or ()
    repels = any(taint.get("effect") in _REPELLING and taint.get("key") != _OF_A_CORDON for taint in taints)
    return is_ready(node) and not _is_cordoned(node) and not repels


def is_ours(node: Node) -> bool:
    """Tell whether the node is cordoned, and by molt."""
    return _is_cordoned(node) and marks.labels_of(node).get(marks.CORDONED) == marks.TRUE


def lasts(node: Node, until: datetime | None) -> bool:
    """Tell whether molt's cordon of the node lasts until then (None: until somebody undoes it), or longer."""
    end = _end(node)
    return end is None or (until is not None and end >= until)


def is_done(node: Node, slip: Slip, until: datetime | None) -> bool:
    """Tell whether it is for this very alert that the node is cordoned, as long as that."""
    by_this = marks.annotations_of(node).get(marks.CORDONED_BY) == _by(slip)
    return is_ours(node) and by_this and lasts(node, until)


def since(node: Node) -> datetime | None:
    """Return when the node was cordoned, or the cordon made to last longer; None when that is not readable."""
    return marks.time_of(marks.annotations_of(node).get(marks.CORDONED_AT))


def lasting(until: datetime | None) -> str:
    """Return how long a cordon lasts, in words."""
    return f"until {marks.stamp(until)}" if until else "until somebody undoes it"


def text(until: datetime | None) -> str | None:
    """Return the end of a cordon as an annotation has it; None is one that has no end."""
    return marks.stamp(until) if until else None


def patch(node: Node, slip: Slip, now: datetime, until: datetime | None) -> dict[str, Any]:
    """Return the merge patch that cordons `node` as it was read, or makes molt's cordon last until then."""
    return _patch(
        node["metadata"],
        unschedulable=True,
        label=marks.TRUE,
        annotations={
            marks.CORDONED_BY: _by(slip),
            marks.CORDONED_AT: marks.stamp(now),
            marks.UNCORDON_AT: text(until),
            marks.RULE: marks.printable(str(slip.alert.get("rule") or "")),
        },
    )


def lifted(node: Node, *, exactly: bool = True) -> dict[str, Any]:
    """Return the merge patch that lifts the cordon and takes its marks off.

    `exactly`: only while the node is as it was read, so that a cordon made to last longer meanwhile is not lifted.
    """
    metadata = dict(node["metadata"])
    if not exactly:
        del metadata["resourceVersion"]
    return _patch(metadata, unschedulable=None, label=None, annotations=dict.fromkeys(ANNOTATIONS))


def due(node: Node, now: datetime) -> str | None:
    """Return why the marks of a node that has molt's are to come off now, or None."""
    if not _is_cordoned(node):
        return "un-cordoned by somebody else, and its marks are off"
    end = _end(node)
    return "un-cordoned: its time is over" if end and end <= now else None


def _patch(
    metadata: Mapping[str, Any], *, unschedulable: bool | None, label: str | None, annotations: Mapping[str, str | None]
) -> dict[str, Any]:
    preconditions = {name: metadata[name] for name in ("uid", "resourceVersion") if name in metadata}
    marked = {"labels": {marks.CORDONED: label}, "annotations": dict(annotations)}
    return {"metadata": preconditions | marked, "spec": {"unschedulable": unschedulable}}


def _account(node: Node) -> str:
    """Return by whom and until when molt's cordon of the node is."""
    by = marks.printable(marks.annotations_of(node).get(marks.CORDONED_BY, "nobody known"))
    return f"by {by}, {lasting(_end(node))}"


def _by(slip: Slip) -> str:
    return f"alert {marks.printable(slip.alert['id'])}, policy {slip.policy.name}"


def _is_cordoned(node: Node) -> bool:
    return node["spec"].get("unschedulable") is True


def _end(node: Node) -> datetime | None:
    """Return when molt's cordon of the node ends; None when somebody else has to undo it, or no time can be read."""
    return marks.time_of(marks.annotations_of(node).get(marks.UNCORDON_AT))
