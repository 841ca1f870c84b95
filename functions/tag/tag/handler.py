"""The tag function: one patch that marks a pod as suspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from molt.cluster import PODS, Conflict, NotFound
from molt.outcome import Outcome, Skipped, TemporaryError
from molt.task import ATTEMPTS, Task
from tag import suspicion

if TYPE_CHECKING:
    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock

FUNCTION: Final = "tag"
TAGGED: Final = "io.molt-project.pod.tagged.v1"
REASON: Final = "marked as suspect"


def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
    """Mark the slip's pod as suspect, unless there is a reason not to.

    Raises BadEvent for an event that is no slip with `tag` at its head, TemporaryError when the pod changed under every
    attempt, and the errors of molt.cluster.
    """
    task = Task.of(FUNCTION, event, cluster, clock)
    target, details = task.slip.target, {"pod": task.slip.target.name}
    for _ in range(ATTEMPTS):
        pod = task.pod()
        if isinstance(pod, str):
            return task.skipped(pod)
        if since := suspicion.since(pod, task.slip):
            return task.done(TAGGED, REASON, details, at=since)
        if excuse := suspicion.excuse(pod):
            return task.skipped(excuse)
        if objection := task.objection(pod):
            return Skipped(objection)
        now = clock.now()
        patch = suspicion.patch(pod, task.slip, now)
        try:
            cluster.merge(PODS, target.name, patch, target.namespace, dry_run=task.rehearsal)
        except (Conflict, NotFound):
            continue
        return task.done(TAGGED, REASON, details, at=now)
    raise TemporaryError(f"pod {target.namespace}/{target.name} changed under each of {ATTEMPTS} attempts")
