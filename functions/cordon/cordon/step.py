"""A step of an itinerary: the node of the alert's pod takes no new pods."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from cordon import ward
from molt.cluster import NODES, Conflict, NotFound
from molt.outcome import BadEvent, Done, Outcome, Skipped, TemporaryError
from molt.policy import duration
from molt.task import ATTEMPTS, Task

if TYPE_CHECKING:
    from datetime import datetime

    from cordon.ward import Node
    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock

FUNCTION: Final = "cordon"
CORDONED: Final = "io.molt-project.node.cordoned.v1"


def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
    """Cordon the node of the slip's pod, or make molt's earlier cordon last longer, unless there is a reason not to.

    Raises BadEvent for an event that is no slip with `cordon` at its head, TemporaryError when the node changed under
    every attempt or the last other node went meanwhile, and the errors of molt.cluster.
    """
    task = Task.of(FUNCTION, event, cluster, clock)
    until = _until(task)
    name = task.slip.target.node
    if name is None:
        return task.skipped("the pod was on no node yet")
    if objection := task.objection():
        return Skipped(objection)
    for _ in range(ATTEMPTS):
        node = _find(cluster, name)
        if node is None:
            return task.skipped(f"node {name} is gone")
        if ward.is_done(node, task.slip, until):  # this event, delivered again
            return _done(task, node, until)
        if excuse := ward.excuse(node, task.slip, until) or _is_needed(cluster, node):
            return task.skipped(excuse)
        patch = ward.patch(node, task.slip, clock.now(), until)
        try:
            cordoned = cluster.merge(NODES, name, patch, dry_run=task.rehearsal)
        except (Conflict, NotFound):
            continue
        return _done(task, cordoned, until)
    raise TemporaryError(f"node {name} changed under each of {ATTEMPTS} attempts")


def _find(cluster: Cluster, name: str) -> Node | None:
    try:
        return cluster.get(NODES, name)
    except NotFound:
        return None


def _until(task: Task) -> datetime | None:
    """Return when the cordon ends, None for one that somebody else has to undo.

    Counted from when the event was made, not from now: a redelivery comes to the same end.
    """
    text = task.step.parameters.get("for")
    if text is None:
        return None
    length = duration.parse(text) if isinstance(text, str) else None
    if length is None:
        raise BadEvent("itinerary[0].parameters.for: not a duration")
    return (task.cause.time or task.clock.now()) + length


def _is_needed(cluster: Cluster, node: Node) -> str | None:
    """Return that the node has to take pods, since no other does; None when it need not, or does not any more."""
    name = node["metadata"]["name"]
    if ward.is_ours(node) or _others(cluster, name):
        return None
    return f"node {name} is the last one that takes pods"


def _others(cluster: Cluster, name: str) -> bool:
    """Tell whether another node takes pods."""
    nodes = cluster.list(NODES, fields="spec.unschedulable=false")
    return any(ward.takes_pods(node) for node in nodes if node["metadata"]["name"] != name)


def _done(task: Task, node: Node, until: datetime | None) -> Done:
    """Return the outcome for a node that is cordoned, once it is sure that another one is not.

    Two nodes that are cordoned in the same instant may each have counted on the other: then neither stays so, and the
    event comes again.
    """
    name = node["metadata"]["name"]
    if not task.rehearsal and not _others(task.cluster, name):
        with suppress(NotFound):
            task.cluster.merge(NODES, name, ward.lifted(node, exactly=False))
        raise TemporaryError(f"node {name} was the last one that takes pods, and is not cordoned any more")
    reason = f"node {name} takes no new pods {ward.lasting(until)}"
    details: dict[str, Any] = {"node": name, "until": ward.text(until)}
    return task.done(CORDONED, reason, details, at=ward.since(node))
