"""The quarantine function: the one PATCH that isolates a pod, and what must be sure before it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import (
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    NETWORK_POLICIES,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Conflict,
    NotFound,
)
from molt.itinerary import Entry, Slip
from molt.outcome import Done, MoltError, Outcome, Skipped, TemporaryError
from quarantine import isolation, leaks, limits, tick
from quarantine.isolation import Next
from quarantine.report import report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.itinerary import Target
    from molt.outcome import Clock

FUNCTION = "quarantine"
QUARANTINED = "io.molt-project.pod.quarantined.v1"
SKIPPED = "io.molt-project.remedy.skipped.v1"
MANAGER = "molt-quarantine"
ATTEMPTS = 4
_WORKLOADS = {resource.kind: resource for resource in (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS)}


def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
    """Isolate the slip's target, unless there is a reason not to; on a tick, mend the fence.

    Raises BadEvent for an event that is no slip with `quarantine` at its head, TemporaryError when the pod changed
    under every attempt, and the errors of molt.cluster.
    """
    if event.type == tick.TICK:
        return tick.handle(cluster)
    slip = Slip.parse(event.data)
    slip.current(FUNCTION)
    dry_run = slip.mode == "DryRun"
    ready = False
    for _ in range(ATTEMPTS):
        pod = _find(cluster, slip.target)
        if excuse := isolation.excuse(pod, slip):
            return _excused(excuse, pod, slip, event, cluster, clock)
        if not ready:
            if reason := _over_limit(slip, cluster, clock.now()):
                return Skipped(reason)
            # Before the label: the moment that the pod has it, the policy selects it.
            policy = isolation.deny_all(slip.target.namespace)
            cluster.apply(NETWORK_POLICIES, policy, slip.target.namespace, manager=MANAGER, dry_run=dry_run)
            ready = True
        now = clock.now()
        try:
            isolated = _isolate(cluster, slip, pod or {}, now)
        except (Conflict, NotFound):
            continue
        return _done(slip, event, now, report(cluster, slip, isolated, now))
    raise TemporaryError(f"pod {slip.target.namespace}/{slip.target.name} changed under each of {ATTEMPTS} attempts")


def _find(cluster: Cluster, target: Target) -> dict[str, Any] | None:
    """Return what has the target's name now; None when nothing has."""
    try:
        return cluster.get(PODS, target.name, target.namespace)
    except NotFound:
        return None


def _over_limit(slip: Slip, cluster: Cluster, now: datetime) -> str | None:
    """Return which of the policy's limits is used up, or None."""
    bounds = slip.policy.limits
    if not bounds:
        return None
    isolated = cluster.list(PODS, labels=f"{marks.COMPROMISED}={marks.TRUE}")
    replicas = isolation.replicas_of(_workload(slip.target, cluster) if limits.needs_replicas(bounds) else None)
    workload = (slip.target.namespace, isolation.workload_of(slip.target))
    return limits.exceeded(bounds, isolated, workload, replicas, now)


def _workload(target: Target, cluster: Cluster) -> dict[str, Any] | None:
    """Return the object that keeps the pod's replicas, when it is there and of a kind that counts them."""
    resource = target.workload and _WORKLOADS.get(target.workload.kind)
    if not target.workload or not resource:
        return None
    try:
        return cluster.get(resource, target.workload.name, target.namespace)
    except NotFound:
        return None


def _isolate(cluster: Cluster, slip: Slip, pod: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Send the patch, and then, as far as it goes, the Event that tells of it; return the pod as it is then."""
    dry_run = slip.mode == "DryRun"
    target = slip.target
    isolated = cluster.merge(PODS, target.name, isolation.patch(pod, slip, now), target.namespace, dry_run=dry_run)
    if not dry_run:
        with suppress(MoltError):  # the pod is isolated, and its annotations say why: no Event is worth a failure now
            cluster.create(EVENTS, isolation.notice(slip, now), target.namespace)
    return isolated


def _excused(
    excuse: isolation.Excuse, pod: dict[str, Any] | None, slip: Slip, event: Event, cluster: Cluster, clock: Clock
) -> Outcome:
    """Return the outcome for a pod that is not to be isolated now."""
    if excuse.then is Next.STOP:
        return Skipped(excuse.reason)
    if excuse.then is Next.REPEAT and pod:
        at = marks.time_of(marks.annotations_of(pod).get(marks.QUARANTINED_AT)) or clock.now()
        return _done(slip, event, at, report(cluster, slip, pod, at))
    now = clock.now()
    left = slip.record(Entry(FUNCTION, "skipped", excuse.reason, marks.stamp(now)))
    if not left.itinerary:
        return Skipped(excuse.reason)
    return Skipped(excuse.reason, left.event(function=FUNCTION, type=SKIPPED, cause=event, time=now))


def _done(slip: Slip, event: Event, at: datetime, findings: Sequence[str]) -> Done:
    """Return the fact that follows; the same for a redelivery, since all of it comes from the slip and the pod."""
    rehearsed = slip.mode == "DryRun"
    reason = isolation.account(slip.target)
    if leaky := leaks.certain(findings):
        reason += f"; still leaks: {', '.join(sorted({leak.partition(':')[0] for leak in leaky}))}"
    entry = Entry(
        FUNCTION,
        "rehearsed" if rehearsed else "acted",
        reason,
        marks.stamp(at),
        {"pod": slip.target.name, "workload": isolation.workload_of(slip.target), "leaks": list(findings)},
    )
    left = slip.record(entry)
    steps = leaks.following(findings, slip.current(FUNCTION).parameters.get("ifLeaky"), left.itinerary)
    fact = replace(left, itinerary=steps).event(function=FUNCTION, type=QUARANTINED, cause=event, time=at)
    return Done(fact, reason, rehearsed)
