"""The release function: on a tick, the pods in quarantine whose time is over, or whose release is asked for.

A tick says nothing but that time has passed: a lost one is made up for by the next, a doubled one finds the work done.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from molt import guard, marks, timestamps
from molt.cluster import NAMESPACES, PODS, Blocked, Conflict, Forbidden, NotFound, Unauthorized
from molt.events import Event, deterministic_id
from molt.outcome import BadEvent, Done, MoltError, Outcome, PermanentError, Skipped
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
"""Pods that one tick looks after; the others are a later one's. Each is up to eight calls."""
_CARRIED: Final = ("traceparent", "tracestate")
_WEBHOOK: Final = "admission webhook"  # begins what the API server says when one of them refuses, be it with 403


def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
    """Release, end or keep the pods that are due; what cannot be done now waits for the next tick.

    Raises BadEvent for an event that is no tick, and the errors of molt.cluster when the pods cannot be listed; the
    first pod's when none could be done.
    """
    if event.type != TICK:
        raise BadEvent(f"{event.type} is no tick")
    now = clock.now()
    exemption = cache(partial(_exemption, cluster))
    entries: list[dict[str, Any]] = []
    waiting: list[str] = []
    failures: list[MoltError] = []
    for pod, what in _turn(cluster.list(PODS, labels=SELECTOR), now):
        try:
            if not what.asked and (reason := exemption(pod["metadata"]["namespace"])):
                waiting.append(f"{_name(pod)} left: {reason}")
                continue
            entries.append(_entry(pod, *_done(cluster, pod, what), now))
        except (Conflict, NotFound):  # it changed, or is gone: the next tick looks again
            continue
        except Blocked as error:
            waiting.append(f"{_name(pod)} waits: {error.reason}")
        except MoltError as error:  # no pod may keep the others waiting
            failures.append(error)
    if failures and not entries:
        raise failures[0]
    if not entries:
        return Skipped("; ".join(waiting) or "nothing is due")
    told = [f"pod {entry['namespace']}/{entry['pod']} {entry['reason']}" for entry in entries]
    undone = [*waiting, *(f"not done: {error.reason}" for error in failures)]
    return Done(_fact(event, entries, now), "; ".join([*told, *undone]))


def _turn(pods: list[dict[str, Any]], now: datetime) -> list[tuple[dict[str, Any], Due]]:
    """Return the pods whose turn it is, with what is to be done: no more than MOST.

    When more are due, which of them is another lot each time: those that wait or fail must not starve the others.
    """
    waiting = [(pod, what) for pod in pods if (what := due(pod, now))]
    if len(waiting) <= MOST:
        return waiting
    return sorted(waiting, key=lambda each: deterministic_id(marks.stamp(now), each[0]["metadata"]["uid"]))[:MOST]


def _exemption(cluster: Cluster, name: str) -> str | None:
    """Return why the clock is to leave a namespace's pods alone, or None."""
    try:
        return guard.exempt_namespace(name, cluster.get(NAMESPACES, name))
    except NotFound:
        return guard.exempt_namespace(name, None)


def _done(cluster: Cluster, pod: dict[str, Any], what: Due) -> tuple[End, str]:
    """End the quarantine of the pod, or have it say why not; return what was done, and in words."""
    metadata = pod["metadata"]
    name, namespace, uid = metadata["name"], metadata["namespace"], metadata["uid"]
    reason = what.reason
    try:
        if what.end is End.TERMINATE:
            cluster.evict(name, namespace, uid=uid, resource_version=metadata["resourceVersion"])
            return what.end, f"evicted: {reason}"
        if what.end is End.RELEASE:
            return what.end, f"released: {reason}; {undo(cluster, namespace, name, uid=uid).consequence}"
    except PermanentError as error:
        if not _is_the_pods(error):
            raise
        reason = error.reason
    cluster.merge(PODS, name, kept(pod, reason), namespace)
    return End.KEEP, f"kept: {reason}"


def _is_the_pods(error: PermanentError) -> bool:
    """Tell whether it is this pod that is refused, for good; else it is gone, or the account may not do it."""
    if isinstance(error, Forbidden):
        return _WEBHOOK in error.reason
    return not isinstance(error, (NotFound, Unauthorized))


def _name(pod: dict[str, Any]) -> str:
    return f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"


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
