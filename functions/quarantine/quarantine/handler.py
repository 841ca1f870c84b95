"""The quarantine function: the one PATCH that isolates a pod, and what must be sure before it."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
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
from quarantine import isolation, limits
from quarantine.isolation import Next
from quarantine.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock
    from quarantine.places import Place

Object = dict[str, Any]

FUNCTION = "quarantine"
QUARANTINED = "io.molt-project.pod.quarantined.v1"
SKIPPED = "io.molt-project.remedy.skipped.v1"
MANAGER = "molt-quarantine"
ATTEMPTS = 4
_WORKLOADS = {resource.kind: resource for resource in (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, DAEMON_SETS)}


def handler() -> Callable[[Event, Cluster, Clock], Outcome]:
    """Return the function's handler; events that it handles at once share the places under the limits."""
    places = Places()

    def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
        return _handle(Part(event, Slip.parse(event.data), cluster, clock), places)

    return handle


@dataclass(frozen=True, slots=True)
class Part:
    """One event, what it asks for, and what to do it with."""

    event: Event
    slip: Slip
    cluster: Cluster
    clock: Clock

    @property
    def dry_run(self) -> bool:
        """Tell whether nothing is to change."""
        return self.slip.mode == "DryRun"


def _handle(part: Part, places: Places) -> Outcome:
    """Isolate the slip's target, unless there is a reason not to.

    Raises BadEvent for an event that is no slip with `quarantine` at its head, TemporaryError when the pod changed
    under every attempt, and the errors of molt.cluster.
    """
    slip = part.slip
    slip.current(FUNCTION)
    pod = _find(part)
    if excuse := isolation.excuse(pod, slip):
        return _excused(excuse, pod, part)
    place = _place(part, places) if slip.policy.limits else None
    if isinstance(place, str):
        return Skipped(place)
    with places.use(place) if place else nullcontext():
        outcome = _isolate(part, pod)
    if isinstance(outcome, Done) and not part.dry_run:
        with suppress(MoltError):  # the pod is isolated, and its annotations say why: no Event is worth a failure now
            part.cluster.create(EVENTS, isolation.notice(slip, part.clock.now()), slip.target.namespace)
    return outcome


def _isolate(part: Part, pod: Object | None) -> Outcome:
    """Make sure of the policy and patch the pod; read the pod again as often as it changed meanwhile."""
    slip, cluster = part.slip, part.cluster
    target, ensured, reason = slip.target, False, ""
    for _ in range(ATTEMPTS):
        if excuse := isolation.excuse(pod, slip):
            return _excused(excuse, pod, part)
        now = part.clock.now()
        try:
            if not ensured:
                # Before the label: the moment that the pod has it, the policy selects it.
                policy = isolation.deny_all(target.namespace)
                cluster.apply(NETWORK_POLICIES, policy, target.namespace, manager=MANAGER, dry_run=part.dry_run)
                ensured = True
            patch = isolation.patch(pod or {}, slip, now)
            cluster.merge(PODS, target.name, patch, target.namespace, dry_run=part.dry_run)
        except (Conflict, NotFound) as error:
            pod, reason = _find(part), error.reason
        else:
            return _done(part, now, rehearsed=part.dry_run)
    raise TemporaryError(f"pod {target.namespace}/{target.name} changed under each of {ATTEMPTS} attempts: {reason}")


def _find(part: Part) -> Object | None:
    """Return what has the target's name now; None when nothing has."""
    target = part.slip.target
    try:
        return part.cluster.get(PODS, target.name, target.namespace)
    except NotFound:
        return None


def _place(part: Part, places: Places) -> Place | str:
    """Return the target's place under the policy's limits, or which of them is used up."""
    slip, bounds, now = part.slip, part.slip.policy.limits, part.clock.now()
    with places.count():
        listed = part.cluster.list(PODS, labels=f"{marks.COMPROMISED}={marks.TRUE}")
        exceeded = partial(
            limits.exceeded,
            bounds,
            workload=(slip.target.namespace, isolation.workload_of(slip.target)),
            replicas=isolation.replicas_of(_workload(part) if limits.needs_replicas(bounds) else None),
            now=now,
        )
        return places.take(isolation.held(slip, now), listed, exceeded, dry_run=part.dry_run)


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
        at = marks.time_of(marks.annotations_of(pod).get(marks.QUARANTINED_AT))
        return _done(part, at or part.clock.now(), rehearsed=False)
    now = part.clock.now()
    left = part.slip.record(Entry(FUNCTION, "skipped", excuse.reason, marks.stamp(now)))
    if not left.itinerary:
        return Skipped(excuse.reason)
    return Skipped(excuse.reason, left.event(function=FUNCTION, type=SKIPPED, cause=part.event, time=now))


def _done(part: Part, at: datetime, *, rehearsed: bool) -> Done:
    """Return the fact that follows; the same for a redelivery, since all of it comes from the slip and the pod."""
    slip = part.slip
    reason = isolation.account(slip.target)
    entry = Entry(
        FUNCTION,
        "rehearsed" if rehearsed else "acted",
        reason,
        marks.stamp(at),
        {"pod": slip.target.name, "workload": isolation.workload_of(slip.target)},
    )
    fact = slip.record(entry).event(function=FUNCTION, type=QUARANTINED, cause=part.event, time=at)
    return Done(fact, reason, rehearsed)
