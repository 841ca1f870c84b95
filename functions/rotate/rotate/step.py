"""A step of an itinerary: one pod moves, then the event goes round again for the next.

Nothing is remembered between two hops. Who is to move follows from when a pod was made, what is moving from its label:
an event delivered again, after a crash at any call, finds the work where it was left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from molt import guard, marks
from molt.cluster import Blocked
from molt.itinerary import Slip
from molt.outcome import Done, Outcome, Skipped, TemporaryError
from rotate import siblings, survey
from rotate.evict import evict, evict_if, evict_in_time
from rotate.hop import Hop
from rotate.patience import Patience
from rotate.replace import hindrance, retire
from rotate.siblings import REMEDY, Order

if TYPE_CHECKING:
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock
    from molt.turns import Turns
    from rotate.fleet import Fleet

Object = dict[str, Any]

HOPS = 200
"""Pods that one alert moves at most: a broker ends a chain of events after 254 passes, in the dead letter."""
NAMED = 20
"""Pods that a rehearsal tries and names; of the others it says how many."""
REPLACED = "replaced by a fresh pod"


@dataclass(frozen=True, slots=True)
class View:
    """A fleet and its pods, who is still to move, and whose move was begun before; one of these is not empty."""

    fleet: Fleet
    pods: list[Object]
    left: list[Object]
    under_way: list[Object]

    def lacks(self, now: datetime) -> str | None:
        """Return why nothing can be done now, or None. To finish a move less is needed than to begin one."""
        return self.fleet.short(self.pods, now) if self.under_way else self.fleet.lacks(self.pods, now)


@dataclass(frozen=True, slots=True)
class Begun:
    """A pod whose move is begun, by which strategy, and what became of it if that was all."""

    pod: Object
    strategy: str
    note: str = ""


def handle(event: Event, cluster: Cluster, clock: Clock, turns: Turns) -> Outcome:
    """Move one pod that the slip asks for.

    Raises BadEvent, TemporaryError when it would have to wait longer than one event may, and what molt.cluster raises.
    """
    slip = Slip.parse(event.data)
    order = Order.parse(slip.current(REMEDY).parameters)
    hop = Hop(event, slip, order, siblings.trigger(slip, event.time, clock.now()), cluster, clock, turns)
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
    while True:
        delay: TemporaryError
        try:
            with hop.turns.of(f"namespace {hop.slip.target.namespace}"):
                view = _look(hop)
                if isinstance(view, Skipped):
                    return view
                lack = view.lacks(hop.clock.now())
                begun = None if lack else _begin(hop, view)
            if begun:
                return _told(hop, view, begun, _finish(hop, view, begun, patience))
            delay = TemporaryError(f"no pod moves while {lack}")
        except Blocked as error:
            delay = error
        if not patience.pause():
            raise delay


def _look(hop: Hop) -> View | Skipped:
    """Return what there is to do, or that there is nothing."""
    fleet = hop.fleet()
    if fleet is None:
        return hop.skipped(_gone(hop))
    pods = survey.pods(hop.cluster, fleet)
    left = siblings.candidates(hop.slip, hop.order, fleet, pods, hop.before)
    under_way = siblings.retiring(fleet, pods)
    return View(fleet, pods, left, under_way) if left or under_way else hop.skipped(_none_left(hop, fleet))


def _begin(hop: Hop, view: View) -> Begun:
    """Send the first call of a move, or the last one of a move under way."""
    fleet = view.fleet
    if view.under_way:
        begun, still = Begun(view.under_way[0], "Replace", REPLACED), siblings.leaves
    elif hop.order.strategy == "Replace" and not hindrance(view.left[0], fleet):
        retire(hop.cluster, view.left[0], fleet, hop.clock.now(), _why(hop))
        return Begun(view.left[0], "Replace")
    else:
        begun, still = Begun(view.left[0], "Evict"), partial(siblings.movable, fleet=fleet)
    if not evict_if(hop.cluster, begun.pod, still):
        raise TemporaryError(f"{begun.pod['metadata']['name']} was taken by somebody else")
    return begun


def _finish(hop: Hop, view: View, begun: Begun, patience: Patience) -> str:
    """Wait for the fleet to be whole again, do what is left of the move then, and return what became of the pod."""
    if begun.note:
        return begun.note
    lack, pods = _await_whole(hop, view.fleet, patience)
    if begun.strategy == "Replace":
        if lack:
            raise TemporaryError(f"{begun.pod['metadata']['name']} waits for its replacement: {lack}")
        gone = evict_in_time(hop.cluster, survey.among(pods, begun.pod), siblings.leaves, patience)
        return REPLACED if gone else f"{REPLACED}; it stays, since somebody else has taken it"
    # Said here and not tried again: the pod is gone, and a second delivery would not know that this step moved it.
    obstacle = hindrance(begun.pod, view.fleet) if hop.order.strategy == "Replace" else None
    note = "evicted" + (f", since {obstacle}" if obstacle else "")
    return note + (f"; its replacement is not Ready yet: {lack}" if lack else "")


def _told(hop: Hop, view: View, begun: Begun, note: str) -> Done:
    """Return the fact about the pod that has moved."""
    left = hop.left(len(view.left), taken=not view.under_way)
    name = begun.pod["metadata"]["name"]
    details = {"pod": name, "uid": begun.pod["metadata"]["uid"], "strategy": begun.strategy, "left": left}
    if left and len(hop.slip.trail) >= HOPS:
        return hop.moved(f"{name} {note}; {_count(left)} left as they are: one alert moves {HOPS}", details)
    return hop.moved(f"{name} {note}", details, more=bool(left))


def _await_whole(hop: Hop, fleet: Fleet, patience: Patience) -> tuple[str | None, list[Object]]:
    """Wait until the fleet is whole again; return what it lacks when the time is up, and its pods as seen last."""
    while True:
        pods = survey.pods(hop.cluster, fleet)
        lack = fleet.short(pods, hop.clock.now())
        if lack is None or not patience.pause():
            return lack, pods


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
