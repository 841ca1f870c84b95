"""A step of an itinerary: one pod moves, then the event goes round again for the next.

Nothing is remembered between two hops. Who is to move follows from when a pod was made, what is moving from its label:
an event delivered again, after a crash at any call, finds the work where it was left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from molt import guard, marks
from molt.cluster import Blocked
from molt.itinerary import Slip
from molt.outcome import Done, Outcome, Skipped, TemporaryError
from molt.workload import is_ready
from rotate import alarm, begin, departure, notice, relocate, renewal, siblings, successor, survey, wide
from rotate.evict import evict_if, evict_in_time
from rotate.hop import Hop
from rotate.notice import Moved
from rotate.patience import Patience
from rotate.replace import REPLACED
from rotate.siblings import REMEDY, Order

if TYPE_CHECKING:
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock
    from molt.turns import Turns
    from rotate.departure import Way
    from rotate.fleet import Fleet

Object = dict[str, Any]

HOPS = 200
"""Pods that one alert moves at most: a broker ends a chain of events after 254 passes, in the dead letter."""
NAMED = 20
"""Pods that a rehearsal tries and names; of the others it says how many."""


@dataclass(frozen=True, slots=True)
class View:
    """A fleet and its pods, who is still to move, and whose move was begun before; one of these is not empty."""

    fleet: Fleet
    pods: list[Object]
    left: list[Object]
    under_way: list[Object]

    @property
    def sick(self) -> bool:
        """Tell whether a pod that is not Ready is still to move."""
        return bool(self.left) and not is_ready(self.left[0])

    def lacks(self, now: datetime) -> str | None:
        """Return why nothing can be done now, or None.

        To finish a move less is needed than to begin one. A pod that is not Ready goes though its fleet is not whole:
        else an attacker in it could hold up the rotation of all by having its probe fail.
        """
        if self.sick:
            return self.fleet.restless()
        return self.fleet.short(self.pods, now) if self.under_way else self.fleet.lacks(self.pods, now)


@dataclass(frozen=True, slots=True)
class Begun:
    """A pod whose move is begun, by which way, and what became of it if that was all."""

    pod: Object
    way: Way
    note: str = ""


def handle(event: Event, cluster: Cluster, clock: Clock, turns: Turns) -> Outcome:
    """Move one pod that the slip asks for.

    Raises BadEvent, TemporaryError when it would have to wait longer than one event may, and what molt.cluster raises.
    """
    slip = Slip.parse(event.data)
    order = Order.parse(slip.current(REMEDY).parameters)
    hop = Hop(event, slip, order, siblings.trigger(slip, event.time, clock.now()), cluster, clock, turns)
    namespace = slip.target.namespace
    reason = guard.protected_namespace(namespace) or guard.exempt_namespace(
        namespace, survey.namespace(cluster, namespace)
    )
    if reason:
        return hop.skipped(reason)
    if hop.is_first:
        hop = replace(hop, alarm=alarm.sound(hop))
    if reason := siblings.excuse(slip, order):
        return hop.skipped(reason)
    if order.scope in siblings.AREAS:
        return wide.handle(hop)
    if order.strategy == "Restart":
        return renewal.handle(hop)
    return _rehearse(hop) if slip.mode == "DryRun" else _move(hop)


def _rehearse(hop: Hop) -> Outcome:
    """Let the API server check the moves, without waiting and without a change."""
    fleet = hop.fleet()
    if fleet is None:
        return hop.skipped(hop.gone())
    if fleet.refused:
        return hop.skipped(f"{fleet} {fleet.refused}")
    pods = siblings.candidates(hop.slip, hop.order, fleet, survey.pods(hop.cluster, fleet), hop.before)
    if not pods:
        return hop.skipped(hop.none_left(fleet))
    blocked = sum(not begin.rehearse(hop, pod, fleet) for pod in pods[:NAMED])
    reason = f"would move {_count(len(pods))} of {fleet}, one after the other"
    reason += f"; a disruption budget would now hold {blocked} of them back" if blocked else ""
    return hop.moved(reason, {"pods": [pod["metadata"]["name"] for pod in pods[:NAMED]]}, rehearsed=True)


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
        return hop.skipped(hop.gone())
    if fleet.refused:
        return hop.skipped(f"{fleet} {fleet.refused}")
    pods = survey.pods(hop.cluster, fleet)
    left = siblings.candidates(hop.slip, hop.order, fleet, pods, hop.before)
    under_way = siblings.retiring(fleet, pods)
    return View(fleet, pods, left, under_way) if left or under_way else hop.skipped(hop.none_left(fleet))


def _begin(hop: Hop, view: View) -> Begun:
    """Send the first call of a move, or the last one of a move under way."""
    if view.under_way and not view.sick:
        return _go_on(hop, view)
    pod = view.left[0]
    return Begun(pod, begin.begin(hop, pod, view.fleet))


def _go_on(hop: Hop, view: View) -> Begun:
    """Make the last call of a move that is under way."""
    pod = view.under_way[0]
    way, note = departure.Way("Replace"), REPLACED
    if relocate.is_relocating(pod):
        relocate.lift(hop.cluster, pod)
        way, note = departure.Way("Relocate"), relocate.landing(view.fleet, view.pods, pod)
    if not evict_if(hop.cluster, pod, siblings.leaves):
        raise TemporaryError(f"{pod['metadata']['name']} is not as it was read")
    return Begun(pod, way, note)


def _finish(hop: Hop, view: View, begun: Begun, patience: Patience) -> str:
    """Wait for the fleet to be whole again, do what is left of the move then, and return what became of the pod."""
    if begun.note:
        _tell(hop, view.fleet, begun.pod, begun.note, view.pods)
        return begun.note
    lack, pods = _await_whole(hop, view.fleet, patience, begun.pod if begun.way.strategy == "Relocate" else None)
    if not begun.way.is_make_before_break:
        # Said here and not tried again: the pod is gone, and a second delivery would not know that this step moved it.
        note = begun.way.note("evicted") + (f"; its replacement is not Ready yet: {lack}" if lack else "")
        _tell(hop, view.fleet, begun.pod, note, [] if lack else pods)
        return note
    if lack:
        raise TemporaryError(f"{begun.pod['metadata']['name']} waits for its replacement: {lack}")
    old = survey.among(pods, begun.pod)
    note = begun.way.note(relocate.landing(view.fleet, pods, old) if relocate.is_relocating(old) else REPLACED)
    if not evict_in_time(hop.cluster, old, siblings.leaves, patience):
        return f"{note}; it stays, since somebody else has taken it"
    _tell(hop, view.fleet, old, note, pods)
    return note


def _tell(hop: Hop, fleet: Fleet, pod: Object, said: str, pods: list[Object]) -> None:
    """Leave an Event on the workload; `pods` are its pods now, as far as the new one is among them."""
    why = marks.annotations_of(pod).get(marks.REASON) if marks.is_retiring(pod) else None
    moved = Moved(pod, said, why or begin.reason(hop), successor.name(fleet, pods, pod))
    notice.post(hop.cluster, notice.rotated(fleet, moved, hop.clock.now()))


def _told(hop: Hop, view: View, begun: Begun, note: str) -> Done:
    """Return the fact about the pod that has moved."""
    left = hop.bounded(len(view.left)) + len(view.under_way) - 1
    name = begun.pod["metadata"]["name"]
    details = {"pod": name, "uid": begun.pod["metadata"]["uid"], "strategy": begun.way.strategy, "left": left}
    if left and len(hop.slip.trail) >= HOPS:
        return hop.moved(f"{name} {note}; {_count(left)} left as they are: one alert moves {HOPS}", details)
    return hop.moved(f"{name} {note}", details, more=bool(left))


def _await_whole(
    hop: Hop, fleet: Fleet, patience: Patience, relocating: Object | None
) -> tuple[str | None, list[Object]]:
    """Wait until the fleet is whole again; return what it lacks when the time is up, and its pods as seen last.

    The node of the pod that is `relocating` takes pods again as soon as every replica has a node.
    """
    while True:
        pods = survey.pods(hop.cluster, fleet)
        if relocating and relocate.is_placed(fleet, pods):
            relocate.lift(hop.cluster, relocating)
            relocating = None
        lack = fleet.short(pods, hop.clock.now())
        if lack is None or not patience.pause():
            return lack, pods


def _count(pods: int) -> str:
    return "1 pod" if pods == 1 else f"{pods} pods"
