"""A step of an itinerary: one pod moves, then the event goes round again for the next.

Nothing is remembered between two hops. Who is to move follows from when a pod was made, what is moving from its label:
an event delivered again, after a crash at any call, finds the work where it was left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import guard, marks
from molt.cluster import Blocked
from molt.itinerary import Entry, Slip
from molt.outcome import Done, Outcome, Skipped, TemporaryError
from rotate import siblings, survey
from rotate.evict import evict, evict_in_time
from rotate.fleet import by_controller
from rotate.patience import Patience
from rotate.replace import hindrance, retire
from rotate.siblings import REMEDY, Order

if TYPE_CHECKING:
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock
    from rotate.fleet import Fleet

Object = dict[str, Any]

ROTATED = "io.molt-project.pods.rotated.v1"
SKIPPED = "io.molt-project.remedy.skipped.v1"
HOPS = 200
"""Pods that one alert moves at most: a broker ends a chain of events after 254 passes, in the dead letter."""
NAMED = 20
"""Pods that a rehearsal tries and names; of the others it says how many."""
REPLACED = "replaced by a fresh pod"


@dataclass(frozen=True, slots=True)
class Hop:
    """One event's part of the step."""

    event: Event
    slip: Slip
    order: Order
    before: datetime
    cluster: Cluster
    clock: Clock

    def fleet(self) -> Fleet | None:
        """Return the workload's fleet as it is now; None when it is gone, or another has its name."""
        workload = self.slip.target.workload
        if workload is None:
            return None
        found = survey.fleets(self.cluster, self.slip.target.namespace, {workload.kind})
        return by_controller(found).get(workload.uid)

    def skipped(self, reason: str) -> Skipped:
        """Return the outcome of a step that does nothing; steps after it are still done."""
        now = self.clock.now()
        left = self.slip.record(Entry(REMEDY, "skipped", reason, marks.stamp(now)))
        if not left.itinerary:
            return Skipped(reason)
        return Skipped(reason, left.event(function=REMEDY, type=SKIPPED, cause=self.event, time=now))

    def moved(self, reason: str, details: Object, *, more: bool = False, rehearsed: bool = False) -> Done:
        """Return the fact that follows, which comes back here when `more` pods are to move."""
        now = self.clock.now()
        details = {**details, "before": marks.stamp(self.before)}
        entry = Entry(REMEDY, "rehearsed" if rehearsed else "acted", reason, marks.stamp(now), details)
        slip = self.slip.note(entry) if more else self.slip.record(entry)
        return Done(slip.event(function=REMEDY, type=ROTATED, cause=self.event, time=now), reason, rehearsed)


@dataclass(frozen=True, slots=True)
class View:
    """A whole fleet, who is still to move, and whose move was begun before; one of them is not empty."""

    fleet: Fleet
    left: list[Object]
    under_way: list[Object]


def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
    """Move one pod that the slip asks for.

    Raises BadEvent, TemporaryError when it would have to wait longer than one event may, and what molt.cluster raises.
    """
    slip = Slip.parse(event.data)
    order = Order.parse(slip.current(REMEDY).parameters)
    hop = Hop(event, slip, order, siblings.trigger(slip, event.time, clock.now()), cluster, clock)
    namespace = slip.target.namespace
    reason = siblings.excuse(slip) or guard.exempt_namespace(namespace, survey.namespace(cluster, namespace))
    if reason:
        return hop.skipped(reason)
    return _rehearse(hop) if slip.mode == "DryRun" else _move(hop)


def _rehearse(hop: Hop) -> Outcome:
    """Let the API server check the moves, without waiting and without a change."""
    fleet = hop.fleet()
    if fleet is None:
        return hop.skipped(_gone(hop))
    pods = siblings.candidates(hop.slip, hop.order, fleet, survey.pods(hop.cluster, fleet), hop.before)
    if not pods:
        return hop.skipped(_none_left(hop, fleet))
    blocked = sum(not _try(hop, fleet, pod) for pod in pods[:NAMED])
    reason = f"would move {_count(len(pods))} of {fleet}, one after the other"
    reason += f"; a disruption budget would now hold {blocked} of them back" if blocked else ""
    return hop.moved(reason, {"pods": [pod["metadata"]["name"] for pod in pods[:NAMED]]}, rehearsed=True)


def _try(hop: Hop, fleet: Fleet, pod: Object) -> bool:
    """Send the first call of the pod's move as a dry run, and tell whether its disruption budget would let it go."""
    if hop.order.strategy == "Replace" and not hindrance(pod, fleet):
        retire(hop.cluster, pod, fleet, hop.clock.now(), _why(hop), dry_run=True)
        return True
    try:
        evict(hop.cluster, pod, dry_run=True)
    except Blocked:
        return False
    return True


def _move(hop: Hop) -> Outcome:
    """Finish the move that is under way, or else make the next one, from a whole fleet to a whole fleet."""
    patience = Patience(hop.clock)
    view = _when_whole(hop, patience)
    if isinstance(view, Skipped):
        return view
    left = view.left
    if view.under_way:
        pod, strategy, note = view.under_way[0], "Replace", REPLACED
        evict_in_time(hop.cluster, pod, patience)
    else:
        pod, left = left[0], left[1:]
        strategy, note = _move_one(hop, view.fleet, pod, patience)
    name = pod["metadata"]["name"]
    details = {"pod": name, "uid": pod["metadata"]["uid"], "strategy": strategy, "left": len(left)}
    if left and len(hop.slip.trail) >= HOPS:
        return hop.moved(f"{name} {note}; {_count(len(left))} left as they are: one alert moves {HOPS}", details)
    return hop.moved(f"{name} {note}", details, more=bool(left))


def _move_one(hop: Hop, fleet: Fleet, pod: Object, patience: Patience) -> tuple[str, str]:
    """Move the pod by the strategy that it can be moved by; return that strategy, and what became of the pod."""
    obstacle = hindrance(pod, fleet)
    if hop.order.strategy == "Replace" and not obstacle:
        retire(hop.cluster, pod, fleet, hop.clock.now(), _why(hop))
        if lack := _await_whole(hop, fleet, patience):
            raise TemporaryError(f"{pod['metadata']['name']} waits for its replacement: {lack}")
        evict_in_time(hop.cluster, pod, patience)
        return "Replace", REPLACED
    evict_in_time(hop.cluster, pod, patience)
    # Said here and not tried again: the pod is gone, and a second delivery would not know that this step moved it.
    lack = _await_whole(hop, fleet, patience)
    note = "evicted" + (f", since {obstacle}" if obstacle and hop.order.strategy == "Replace" else "")
    return "Evict", note + (f"; its replacement is not Ready yet: {lack}" if lack else "")


def _when_whole(hop: Hop, patience: Patience) -> View | Skipped:
    """Wait until the fleet is whole, as long as there is something to move."""
    while True:
        fleet = hop.fleet()
        if fleet is None:
            return hop.skipped(_gone(hop))
        pods = survey.pods(hop.cluster, fleet)
        left = siblings.candidates(hop.slip, hop.order, fleet, pods, hop.before)
        under_way = siblings.retiring(fleet, pods)
        if not left and not under_way:
            return hop.skipped(_none_left(hop, fleet))
        lack = fleet.lacks(pods, hop.clock.now())
        if lack is None:
            return View(fleet, left, under_way)
        if not patience.pause():
            raise TemporaryError(f"no pod moves while {lack}")


def _await_whole(hop: Hop, fleet: Fleet, patience: Patience) -> str | None:
    """Wait until the fleet is whole again; return what it still lacks when the time is up."""
    while lack := fleet.lacks(survey.pods(hop.cluster, fleet), hop.clock.now()):
        if not patience.pause():
            return lack
    return None


def _why(hop: Hop) -> str:
    """Return the reason that a moving pod carries."""
    return f"alert {hop.slip.alert['id']}, policy {hop.slip.policy.name}"


def _gone(hop: Hop) -> str:
    workload = hop.slip.target.workload
    return f"{workload.kind}/{workload.name} is gone" if workload else "no controller would replace it"


def _none_left(hop: Hop, fleet: Fleet) -> str:
    return f"no pod of {fleet} in scope {hop.order.scope} from before {marks.stamp(hop.before)} is left to move"


def _count(pods: int) -> str:
    return "1 pod" if pods == 1 else f"{pods} pods"
