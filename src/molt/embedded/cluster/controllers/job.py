"""Job: pods until enough of them have succeeded. Minimal: parallelism, completions, backoffLimit, suspend.

Nothing here ends a container: a pod succeeds or fails when somebody writes its status. Not honoured: indexed
completion, deadlines, the tracking finalizer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.embedded.cluster.controllers import conditions
from molt.embedded.cluster.controllers.actions import Action, Create, Delete, Object, status_change, without_zeros
from molt.embedded.cluster.controllers.controller import itself_or_owners
from molt.embedded.cluster.controllers.kinds import JOB, POD
from molt.embedded.cluster.controllers.ownership import claim, reference_to
from molt.embedded.cluster.controllers.pods import from_template, is_active, is_ready, is_terminating, labels_of, phase
from molt.embedded.cluster.objects import rfc3339
from molt.embedded.cluster.selectors import matches, of_spec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache, Ref

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
DEFAULT_BACKOFF = 6


class Jobs:
    """Runs Jobs."""

    def touched(self, cache: Cache, record: Record) -> Iterable[Ref]:
        """Return the Job that changed, or whose pod did."""
        return itself_or_owners(JOB, cache, record)

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather the namespace's pods."""
        return reconcile(obj, cache.objects(POD.plural, key.namespace), now)


def reconcile(job: Object, pods: Iterable[Object], now: datetime) -> list[Action]:
    """Return the pods that the Job still needs, the end of those it does not, and its status."""
    if conditions.is_true(job, "Complete") or conditions.is_true(job, "Failed"):
        return []
    generated = {"matchLabels": {CONTROLLER_UID: job["metadata"]["uid"]}}
    selector = of_spec(job["spec"].get("selector") or generated)
    claimed = claim(JOB, job, POD.plural, pods, lambda pod: matches(selector, labels_of(pod)))
    active = [pod for pod in claimed.owned if is_active(pod)]
    status = _counted(job, claimed.owned, now)
    ended = _ended(job, status)
    wanted = 0 if ended or job["spec"].get("suspend") else _wanted(job, status["succeeded"])
    actions: list[Action] = [*claimed.actions, *(Delete(POD.plural, pod) for pod in active[wanted:])]
    if not is_terminating(job):
        actions += [Create(POD.plural, _made(job))] * (wanted - len(active))
    if ended:
        closed = [*(status.get("conditions") or ()), conditions.condition(ended, status=True, now=now)]
        status |= {"conditions": closed} | ({"completionTime": rfc3339(now)} if ended == "Complete" else {})
    status = without_zeros(status, "active", "succeeded", "failed")
    return [*actions, *status_change(JOB.plural, job, status)]


def _counted(job: Object, owned: list[Object], now: datetime) -> Object:
    """Return the status with its counts; what has ended once stays counted when its pod is gone."""
    old = job.get("status") or {}
    return old | {
        "active": sum(is_active(pod) for pod in owned),
        "ready": sum(is_active(pod) and is_ready(pod) for pod in owned),
        "succeeded": max(old.get("succeeded", 0), sum(phase(pod) == "Succeeded" for pod in owned)),
        "failed": max(old.get("failed", 0), sum(phase(pod) == "Failed" for pod in owned)),
        "startTime": old.get("startTime", rfc3339(now)),
    }


def _ended(job: Object, status: Object) -> str:
    """Return the condition that ends the Job, "" while it runs."""
    if status["failed"] > job["spec"].get("backoffLimit", DEFAULT_BACKOFF):
        return "Failed"
    return "Complete" if status["succeeded"] and not _wanted(job, status["succeeded"]) else ""


def _wanted(job: Object, succeeded: int) -> int:
    """Return how many pods are to run: without completions, one success ends it and none is started after."""
    parallelism = int(job["spec"].get("parallelism", 1))
    completions = job["spec"].get("completions")
    if completions is None:
        return 0 if succeeded else parallelism
    return max(0, min(parallelism, int(completions) - succeeded))


def _made(job: Object) -> Object:
    """Return one pod of the Job."""
    uid, name = job["metadata"]["uid"], job["metadata"]["name"]
    extra = {CONTROLLER_UID: uid, JOB_NAME: name, "controller-uid": uid, "job-name": name}
    return from_template(job["spec"]["template"], job, reference_to(JOB, job), extra)
