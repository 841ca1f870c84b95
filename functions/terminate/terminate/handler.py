"""The terminate function: one eviction, or one deletion, and what must be sure before it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from molt.cluster import PODS, Blocked, Conflict, NotFound
from molt.outcome import Outcome, Skipped, TemporaryError
from molt.task import ATTEMPTS, Task
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
    holds it, TemporaryError when the pod changed under every attempt, and the other errors of molt.cluster.
    """
    task = Task.of(FUNCTION, event, cluster, clock)
    for _ in range(ATTEMPTS):
        with suppress(Conflict):  # it changed since it was read: another alert may have put it in quarantine
            return _ended(task)
    target = task.slip.target
    raise TemporaryError(f"pod {target.namespace}/{target.name} changed under each of {ATTEMPTS} attempts")


def _ended(task: Task) -> Outcome:
    """Decide on the pod as it is now, and end that; raises Conflict when it is another by then."""
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
    """End this very pod, unless forced as it was read only, and return what was done in words."""
    metadata = pod["metadata"]
    name, namespace, uid = metadata["name"], metadata["namespace"], metadata["uid"]
    try:
        if force:
            task.cluster.delete(PODS, name, namespace, uid=uid, dry_run=task.rehearsal)
            return loss.account(pod, "deleted")
        version = metadata["resourceVersion"]
        task.cluster.evict(name, namespace, uid=uid, resource_version=version, dry_run=task.rehearsal)
    except NotFound:
        return "the pod is gone"
    except Blocked:
        if not task.rehearsal:
            raise
        return "a disruption budget would hold it now, and the eviction be tried again"
    return loss.account(pod, "evicted")
