"""A step whose scope is a node or a namespace: each event moves a pod of each of many workloads, then goes round again.

Nothing is remembered between two hops but in the trail: how many were left, and how often nothing could move. Who is to
move follows from when a pod was made, what is moving from its label; so a redelivery finds the work where it was left.
What cannot move is told of in the end, and why; it holds up no other workload, and no later step for long.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from molt import marks
from rotate.area import Area
from rotate.begin import rehearse
from rotate.patience import Patience
from rotate.siblings import REMEDY
from rotate.sweep import Sweep, name_of

if TYPE_CHECKING:
    from molt.itinerary import Entry
    from molt.outcome import Outcome
    from rotate.hop import Hop

Object = dict[str, Any]

BATCH = 25
"""Pods whose moves one hop begins at most."""
HOPS = 200
"""Entries of a trail at most: a broker ends a chain of events after 254 passes, in the dead letter."""
MOST = 500
"""Pods that one step moves at most: each is named in the trail, which every event carries, of 1 MiB at most."""
IDLE = 24
"""Hops in a row in which nothing could move, of 25 s each, after which the step gives up what is left."""
NAMED = 20
"""Pods and reasons that an entry names; of the others it says how many."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the hops before have said: how many pods they left (None: there was none), and moved; how many idled."""

    left: int | None
    moved: int
    idle: int

    @property
    def most(self) -> int:
        """Return how many pods may still move."""
        return MOST - self.moved if self.left is None else min(self.left, MOST - self.moved)


def handle(hop: Hop) -> Outcome:
    """Move what the slip asks for. Raises what molt.cluster raises, and TemporaryError when others are at it."""
    place = hop.place()
    if place is None:
        return hop.skipped(f"the node of pod {hop.slip.target.name} is not known: the pod is gone, or had none yet")
    area = Area(hop.order.scope, place, hop.before)
    return _rehearse(hop, area) if hop.slip.mode == "DryRun" else _move(hop, area)


def _rehearse(hop: Hop, area: Area) -> Outcome:
    """Let the API server check the first moves, without waiting and without a change."""
    sweep = Sweep(hop, area, MOST, MOST, rehearsal=True)
    sweep.visit()
    if not sweep.left:
        return hop.skipped(_none(area) + _told("stay", sweep.stays))
    tried = sweep.begun[:NAMED]
    blocked = sum(not rehearse(hop, pod, fleet) for pod, fleet in tried)
    reason = f"would move {_count(sweep.left)} of {area}, one of each workload at a time, {len(sweep.begun)} at first"
    reason += f"; a disruption budget would now hold {blocked} of them back" if blocked else ""
    reason += _told("wait", sweep.waits) + _told("stay", sweep.stays)
    return hop.moved(reason, {"pods": [name_of(pod) for pod, _ in tried]}, rehearsed=True)


def _move(hop: Hop, area: Area) -> Outcome:
    """Finish what is under way, and move one pod of each workload that is whole; wait while there is none."""
    patience, past = Patience(hop.clock), _past(hop)
    while True:
        sweep = Sweep(hop, area, BATCH, past.most)
        sweep.visit()
        if sweep.begun or sweep.moved or sweep.under_way or not sweep.left or not past.most or not patience.pause():
            break
    sweep.finish(patience)
    return _outcome(hop, area, sweep, past)


def _outcome(hop: Hop, area: Area, sweep: Sweep, past: Past) -> Outcome:
    """Return what the hop has done, and whether the event is to come back."""
    known = sweep.left if past.left is None else min(sweep.left, past.left)
    left = max(0, known - len(sweep.begun))
    open_ones = left + len(sweep.under_way) + sweep.unseen
    details = _details(hop, sweep, left)
    idle = not sweep.begun and not sweep.moved
    full = past.moved + len(sweep.moved) >= MOST or len(hop.slip.trail) >= HOPS
    again = bool(open_ones) and not full and not (idle and past.idle + 1 >= IDLE)
    if idle and again:
        reason = f"no pod of {area} moves now" + _told("wait", sweep.waits) + _told("stay", sweep.stays)
        return hop.again(reason, details)
    if idle and not open_ones:
        return hop.skipped(_none(area) + _told("stay", sweep.stays))
    reason = f"{_count(len(sweep.moved))} of {area} moved"
    reason += f", {len(sweep.under_way)} on the move" if sweep.under_way else ""
    reason += f", {left} left" if left else ""
    if open_ones and not again:
        reason += f" as they are: one alert moves {MOST} in {HOPS} events" if full else f" after {IDLE} tries"
        reason += _told("wait", sweep.waits)
    reason += _told("stay", sweep.stays)
    # The last entry has room for it: what stays is found again by every hop.
    details |= {} if again else {"stays": [marks.printable(line) for line in sweep.stays[:NAMED]]}
    return hop.skipped(reason) if idle else hop.moved(reason, details, more=again)


def _details(hop: Hop, sweep: Sweep, left: int) -> Object:
    moved = [{"pod": name_of(pod), "uid": pod["metadata"]["uid"], "reason": reason} for pod, reason in sweep.moved]
    return {
        "scope": hop.order.scope,
        "strategy": hop.order.strategy,
        "moved": moved,
        "moving": len(sweep.under_way),
        "left": left,
    }


def _past(hop: Hop) -> Past:
    """Return what the hops of this step before this one have said; those of an earlier step have ended."""
    before = list(takewhile(_goes_round, reversed(hop.slip.trail)))
    left = before[0].details.get("left") if before else None
    moved = sum(len(moved) for entry in before if isinstance(moved := entry.details.get("moved"), list))
    idle = len(list(takewhile(lambda entry: entry.outcome == "skipped", before)))
    return Past(left if isinstance(left, int) and left >= 0 else None, moved, idle)


def _goes_round(entry: Entry) -> bool:
    return entry.remedy == REMEDY and entry.details.get("more") is True


def _none(area: Area) -> str:
    return f"no pod of {area} from before {marks.stamp(area.before)} is left to move"


def _told(verb: str, lines: list[str]) -> str:
    """Return why pods wait or stay, as the end of a reason."""
    if not lines:
        return ""
    more = f"; and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    return f"; these {verb}: " + "; ".join(lines[:NAMED]) + more


def _count(pods: int) -> str:
    return "1 pod" if pods == 1 else f"{pods} pods"
