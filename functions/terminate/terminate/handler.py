"""The terminate function: one eviction, or one deletion, and what must be sure before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.cluster import PODS, Blocked, NotFound
from molt.outcome import Outcome, Skipped
from molt.task import Task
from molt.workload import is_terminating
from terminate import loss

if TYPE_CHECKING:
    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock

FUNCTION: Final = "terminate"
TERMINATED: Final = "io.molt-project.pod.terminated.v1"


def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
    """End the slip's pod, unless there is a reason not to; one that is gone, or going, is as it should be.

    Raises BadEvent for an event that is no slip with `terminate` at its head, Blocked while the pod's disruption budget
    holds it, Conflict when another pod took its name in the same instant, and the other errors of molt.cluster.
    """
    task = Task.of(FUNCTION, event, cluster, clock)
    force = task.step.parameters.get("force") is True
    details = {"pod": task.slip.target.name, "forced": force}
    pod = task.pod()
    if isinstance(pod, str):
        return task.done(TERMINATED, pod, details)
    if is_terminating(pod):
        return task.done(TERMINATED, "the pod is terminating", details)
    if objection := task.objection(pod) or (None if force else loss.kept(pod, task.slip.alert["id"])):
        return Skipped(objection)
    if not force and (reason := loss.irreplaceable(pod)):
        return task.skipped(reason)
    return task.done(TERMINATED, _end(task, pod, force=force), details)


def _end(task: Task, pod: dict[str, Any], *, force: bool) -> str:
    """End this very pod, and return what was done in words."""
    metadata = pod["metadata"]
    name, namespace, uid = metadata["name"], metadata["namespace"], metadata["uid"]
    try:
        if force:
            task.cluster.delete(PODS, name, namespace, uid=uid, dry_run=task.rehearsal)
            return loss.account(pod, "deleted")
        task.cluster.evict(name, namespace, uid=uid, dry_run=task.rehearsal)
    except NotFound:
        return "the pod is gone"
    except Blocked:
        if not task.rehearsal:
            raise
        return "a disruption budget would hold it now, and the eviction be tried again"
    return loss.account(pod, "evicted")
