"""The quarantine function: the one PATCH that isolates a pod, and what must be sure before it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import (
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Conflict,
    NotFound,
)
from molt.itinerary import Entry, Slip
from molt.outcome import Done, MoltError, Outcome, Skipped, TemporaryError
from quarantine import isolation, leaks, limits, retention, tick
from quarantine.isolation import FUNCTION, Next
from quarantine.places import Places
from quarantine.recent import Recent
from quarantine.report import report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock

Object = dict[str, Any]

__all__ = ["ATTEMPTS", "FUNCTION", "handler"]

QUARANTINED = "io.molt-project.pod.quarantined.v1"
SKIPPED = "io.molt-project.remedy.skipped.v1"
ATTEMPTS = 4
_WORKLOADS = {resource.kind: resource for resource in (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS)}


def handler(places: Places | None = None, recent: Recent | None = None) -> Callable[[Event, Cluster, Clock], Outcome]:
    """Return the function's handler; whoever is bound by limits takes one of the `places` before it isolates.

    `recent`: what the process has found out lately.
    """
    places, recent = places or Places(), recent or Recent()

    def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
        if event.type == tick.TICK:
            return tick.handle(cluster, clock)
        return _handle(Part(event, Slip.parse(event.data), cluster, clock, recent), places)

    return handle


@dataclass(frozen=True, slots=True)
class Part:
    """One event, what it asks for, and what to do it with."""

    event: Event
    slip: Slip
    cluster: Cluster
    clock: Clock
    recent: Recent

    @property
    def dry_run(self) -> bool:
        """Tell whether nothing is to change."""
        return self.slip.mode == "DryRun"


def _handle(part: Part, places: Places) -> Outcome:
    """Isolate the slip's target, unless there is a reason not to.

    Raises BadEvent for an event that is no slip with `quarantine` at its head, TemporaryError when the pod changed
    under every attempt or its turn did not come, and the errors of molt.cluster.
    """
    slip = part.slip
    slip.current(FUNCTION)
    pod = _find(part)
    if excuse := isolation.excuse(pod, slip):
        return _excused(excuse, pod, part)
    if slip.policy.limits and (reason := _over_limit(part, places)):
        return Skipped(reason)
    settled = _isolate(part, pod)
    return _told(part, settled) if isinstance(settled, dict) else settled


def _isolate(part: Part, pod: Object | None) -> Outcome | Object:
    """Make sure of the policy and patch the pod, which is read again as often as it changed meanwhile.

    Return the pod as it is then, or the outcome when it is not to be isolated any more.
    """
    slip, cluster = part.slip, part.cluster
    target, ensured, reason = slip.target, False, ""
    for _ in range(ATTEMPTS):
        if excuse := isolation.excuse(pod, slip):
            return _excused(excuse, pod, part)
        now = part.clock.now()
        try:
            if not ensured:
                # Before the label: the moment that the pod has it, the policy selects it.
                part.recent.close(cluster, target.namespace, now, dry_run=part.dry_run)
                ensured = True
            patch = isolation.patch(pod or {}, slip, now)
            return cluster.merge(PODS, target.name, patch, target.namespace, dry_run=part.dry_run)
        except (Conflict, NotFound) as error:
            pod, reason = _find(part), error.reason
    raise TemporaryError(f"pod {target.namespace}/{target.name} changed under each of {ATTEMPTS} attempts: {reason}")


def _told(part: Part, isolated: Object) -> Outcome:
    """Tell of the isolation: by an Event, as far as it goes, and by what leaks."""
    now = _since(isolated, part)
    if not part.dry_run:
        with suppress(MoltError):  # the pod is isolated, and its annotations say why: no Event is worth a failure now
            part.cluster.create(EVENTS, isolation.notice(part.slip, now), part.slip.target.namespace)
    return _done(part, now, _leaks(part, isolated))


def _leaks(part: Part, isolated: Object) -> tuple[str, ...]:
    """Return what leaks by now: a redelivery may come long after the time that the pod says it was isolated."""
    return report(part.cluster, part.recent, part.slip, isolated, part.clock.now())


def _since(pod: Object, part: Part) -> datetime:
    """Return when the pod says that it was isolated; now, when it does not."""
    return marks.quarantined_at(pod) or part.clock.now()


def _find(part: Part) -> Object | None:
    """Return what has the target's name now; None when nothing has."""
    target = part.slip.target
    try:
        return part.cluster.get(PODS, target.name, target.namespace)
    except NotFound:
        return None


def _over_limit(part: Part, places: Places) -> str | None:
    """Return which of the policy's limits is used up, or None once the pod has a place within all of them."""
    target, policy = part.slip.target, part.slip.policy
    replicas = isolation.replicas_of(_workload(part) if limits.needs_replicas(policy.limits) else None)
    workload = f"{target.namespace}/{isolation.workload_of(target)}"
    claim = limits.Claim(target.uid, workload, replicas, policy.name, policy.limits)
    if part.dry_run:
        return places.rehearse(claim, part.cluster, part.clock)
    return places.take(claim, policy, part.cluster, part.clock)


def _workload(part: Part) -> Object | None:
    """Return the object that keeps the pod's replicas, when it is there and of a kind that counts them."""
    target = part.slip.target
    resource = target.workload and _WORKLOADS.get(target.workload.kind)
    if not target.workload or not resource:
        return None
    try:
        return part.cluster.get(resource, target.workload.name, target.namespace)
    except NotFound:
        return None


def _excused(excuse: isolation.Excuse, pod: Object | None, part: Part) -> Outcome:
    """Return the outcome for a pod that is not to be isolated now."""
    if excuse.then is Next.STOP:
        return Skipped(excuse.reason)
    if excuse.then is Next.REPEAT and pod:
        at = _since(pod, part)
        return _done(part, at, _leaks(part, pod))
    now = part.clock.now()
    left = part.slip.record(Entry(FUNCTION, "skipped", excuse.reason, marks.stamp(now)))
    if not left.itinerary:
        return Skipped(excuse.reason)
    return Skipped(excuse.reason, left.event(function=FUNCTION, type=SKIPPED, cause=part.event, time=now))


def _done(part: Part, at: datetime, findings: Sequence[str]) -> Done:
    """Return the fact that follows; the same for a redelivery, since all of it comes from the slip and the pod."""
    slip = part.slip
    reason = isolation.account(slip.target)
    if leaky := leaks.certain(findings):
        reason += f"; still leaks: {', '.join(sorted({leak.partition(':')[0] for leak in leaky}))}"
    entry = Entry(
        FUNCTION,
        "rehearsed" if part.dry_run else "acted",
        reason,
        marks.stamp(at),
        {"pod": slip.target.name, "workload": isolation.workload_of(slip.target), "leaks": list(findings)},
    )
    left = slip.record(entry)
    parameters = slip.current(FUNCTION).parameters
    steps = retention.following(slip.target, parameters, left.itinerary)
    steps = leaks.following(findings, parameters.get("ifLeaky"), steps)
    fact = replace(left, itinerary=steps).event(function=FUNCTION, type=QUARANTINED, cause=part.event, time=at)
    return Done(fact, reason, part.dry_run)
