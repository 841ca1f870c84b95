"""The release function: on a tick, the pods in quarantine whose time is over, or whose release is asked for.

A tick says nothing but that time has passed: a lost one is made up for by the next, a doubled one finds the work done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt import marks, timestamps
from molt.cluster import PODS, Conflict, NotFound
from molt.events import Event, deterministic_id
from molt.outcome import BadEvent, Done, MoltError, Outcome, Skipped
from molt.release import NotReleasable
from molt.release import release as undo
from release.due import Due, End, due, kept

if TYPE_CHECKING:
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.outcome import Clock

FUNCTION: Final = "release"
TICK: Final = "dev.knative.sources.ping"
RELEASED: Final = "io.molt-project.pod.released.v1"
SELECTOR: Final = f"{marks.COMPROMISED}={marks.TRUE}"
MOST: Final = 50
"""Pods that one tick ends the quarantine of; the others are the next one's. Each is up to seven calls."""
_CARRIED: Final = ("traceparent", "tracestate")


def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
    """Release, end or keep the pods that are due; what cannot be done now waits for the next tick.

    Raises BadEvent for an event that is no tick, and the errors of molt.cluster when the pods cannot be listed; the
    first pod's when none could be done.
    """
    if event.type != TICK:
        raise BadEvent(f"{event.type} is no tick")
    now = clock.now()
    entries: list[dict[str, Any]] = []
    failures: list[MoltError] = []
    for pod in cluster.list(PODS, labels=SELECTOR):
        what = due(pod, now)
        if what is None or len(entries) == MOST:
            continue
        try:
            entries.append(_entry(pod, what.end, _done(cluster, pod, what), now))
        except (Conflict, NotFound):  # it changed, or is gone: the next tick looks again
            continue
        except MoltError as error:  # no pod may keep the others waiting
            failures.append(error)
    if failures and not entries:
        raise failures[0]
    if not entries:
        return Skipped("nothing is due")
    told = [f"pod {entry['namespace']}/{entry['pod']} {entry['reason']}" for entry in entries]
    return Done(_fact(event, entries, now), "; ".join([*told, *(f"not done: {error.reason}" for error in failures)]))


def _done(cluster: Cluster, pod: dict[str, Any], what: Due) -> str:
    """End the quarantine of the pod, or have it say why not; return what was done in words."""
    metadata = pod["metadata"]
    name, namespace, uid = metadata["name"], metadata["namespace"], metadata["uid"]
    if what.end is End.TERMINATE:
        cluster.evict(name, namespace, uid=uid, resource_version=metadata["resourceVersion"])
        return f"evicted: {what.reason}"
    reason = what.reason
    if what.end is End.RELEASE:
        try:
            return f"released: {what.reason}; {undo(cluster, namespace, name, uid=uid).consequence}"
        except NotReleasable as error:
            reason = error.reason
    cluster.merge(PODS, name, kept(pod, reason), namespace)
    return f"kept: {reason}"


def _entry(pod: dict[str, Any], end: End, reason: str, now: datetime) -> dict[str, Any]:
    notes = marks.annotations_of(pod)
    return {
        "remedy": FUNCTION,
        "namespace": pod["metadata"]["namespace"],
        "pod": pod["metadata"]["name"],
        "uid": pod["metadata"]["uid"],
        "alert": notes.get(marks.ALERT, ""),
        "outcome": "acted",
        "end": end.value,
        "reason": reason,
        "at": marks.stamp(now),
    }


def _fact(tick: Event, entries: list[dict[str, Any]], now: datetime) -> Event:
    """Return the event that tells of it: the same source and id for the same tick."""
    time = tick.time and timestamps.render(tick.time)
    return Event(
        id=deterministic_id(tick.source, tick.id, FUNCTION, RELEASED),
        source=f"/molt/{FUNCTION}",
        type=RELEASED,
        data={"tick": {"id": tick.id, "source": tick.source, "time": time}, "trail": entries},
        time=now,
        extensions={name: tick.extensions[name] for name in _CARRIED if name in tick.extensions},
    )
