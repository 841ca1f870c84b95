"""A restart under way: watched by every tick until all is well, or taken back when it will not be.

A restart that is stuck keeps the old pods serving, as far as the workload's maxUnavailable goes. Its template then gets
back what it had: the workload's controller goes back by itself. A StatefulSet's waits for the pod that is stuck: that
one is evicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import Blocked
from molt.due import born
from molt.outcome import PermanentError, TemporaryError
from molt.workload import is_ready, is_terminating
from rotate import notice, reconfigure, restart, stuck, survey
from rotate.evict import evict_if
from rotate.restart import RESOURCES
from rotate.stuck import HOMELESS
from rotate.undo import STUCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from rotate.fleet import Fleet

Object = dict[str, Any]


def under_way(cluster: Cluster) -> Iterator[tuple[str, Object]]:
    """Yield the kind and the object of every workload that molt has restarted, or takes back."""
    for kind, resource in RESOURCES.items():
        for obj in cluster.list(resource, labels=f"{marks.RESTARTING}={marks.TRUE}"):
            yield kind, obj


def go_on(cluster: Cluster, kind: str, obj: Object, now: datetime) -> tuple[str, str]:
    """Do what the restart needs next; return the outcome and the reason."""
    try:
        return _go_on(cluster, survey.fleet_with(cluster, kind, obj), now)
    except Blocked as error:
        return "blocked", error.reason
    except TemporaryError as error:
        return "moving", error.reason
    except PermanentError as error:
        return "refused", error.reason


def _go_on(cluster: Cluster, of: Fleet, now: datetime) -> tuple[str, str]:
    at = marks.annotations_of(of.top).get(marks.RESTARTED_AT)
    if at is not None and restart.stamped(of.top) != at:
        return _end(cluster, of, "skipped", "somebody else has restarted it, or undone that")
    pods = survey.pods(cluster, of)
    lack = f"{of} has a rollout in progress" if restart.rolls(of) else of.short(pods, now)
    if lack is None:
        return _finish(cluster, of, at, now)
    if at is None:
        return _return(cluster, of, pods, now, lack)
    trouble = cause(of, pods, now)
    if trouble is None or of.top["spec"].get("paused"):
        return "moving", f"restarts: {lack}"
    if marks.annotations_of(of.top).get(marks.RESTARTED_TEMPLATE) != restart.digest(of.top):
        return _end(cluster, of, "skipped", f"somebody has changed it since its restart: {trouble}")
    return _undo(cluster, of, at, now, trouble)


def _finish(cluster: Cluster, of: Fleet, at: str | None, now: datetime) -> tuple[str, str]:
    """End what all is well with: the restart of the time `at`, or, None, the way back from one."""
    if at is None:
        return _end(cluster, of, "skipped", "as before its restart")
    notice.post(cluster, notice.restarted(of, at, now))
    return _end(cluster, of, "acted", "reconfigured" if reconfigure.is_one(of.top) else "restarted", well=True)


def _undo(cluster: Cluster, of: Fleet, at: str, now: datetime, trouble: str) -> tuple[str, str]:
    """Give the workload back what it had."""
    patch = reconfigure.back(of.top, now)
    if patch is None:
        return _end(cluster, of, "skipped", f"nobody can read how to go back from here: {trouble}")
    reason = f"its {'reconfiguration' if reconfigure.is_one(of.top) else 'restart'} is undone: {trouble}"
    _merge(cluster, of, patch)
    notice.undone(cluster, of, at, reason, now)
    return "skipped", reason


def _return(cluster: Cluster, of: Fleet, pods: Sequence[Object], now: datetime, lack: str) -> tuple[str, str]:
    """Help a StatefulSet past the pod that it waits for; the other kinds find back alone."""
    for pod in pods if of.kind == "StatefulSet" else ():
        if of.owns(pod) and not is_ready(pod) and stuck.hopeless(pod, now) and not _is_current(of, pod):
            evict_if(cluster, pod, lambda latest: not is_ready(latest))
    return "moving", f"goes back to before its restart: {lack}"


def _is_current(of: Fleet, pod: Object) -> bool:
    revision = (of.top.get("status") or {}).get("updateRevision")
    return revision is not None and marks.labels_of(pod).get("controller-revision-hash") == revision


def cause(of: Fleet, pods: Sequence[Object], now: datetime) -> str | None:
    """Return why the restart will not end well, or None; pods on their way out say nothing of those that come."""
    for condition in (of.top.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return "ProgressDeadlineExceeded"
        if condition["type"] == "ReplicaFailure" and condition.get("status") == "True":
            since = marks.time_of(condition.get("lastTransitionTime"))
            if since and since <= now - HOMELESS:
                return marks.printable(f"no pod can be made: {condition.get('message') or condition.get('reason')}")
    own = [pod for pod in pods if of.owns(pod)]
    staying = [pod for pod in own if not is_terminating(pod)]
    began = marks.time_of(marks.annotations_of(of.top).get(marks.RESTARTED_AT)) or now
    late = (pod for pod in staying if not is_ready(pod) and max(began, born(pod)) <= now - STUCK)
    slow = next((f"pod {pod['metadata']['name']} is not Ready after ten minutes" for pod in late), None)
    if reason := stuck.of(of, staying, now) or slow:
        return reason
    if len(own) < of.desired and max([began, *map(born, own)]) <= now - STUCK:  # only a Deployment says so itself
        return f"{len(own)} of {of.desired} pods are there, and none was made for ten minutes"
    return None


def _end(cluster: Cluster, of: Fleet, outcome: str, reason: str, *, well: bool = False) -> tuple[str, str]:
    _merge(cluster, of, reconfigure.ended(of.top, well=well))
    return outcome, reason


def _merge(cluster: Cluster, of: Fleet, patch: Object) -> None:
    cluster.merge(RESOURCES[of.kind], of.name, patch, of.namespace)
