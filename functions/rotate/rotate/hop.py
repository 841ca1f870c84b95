"""One event's part of a step: what it is to do, with what, and the outcomes that it may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import PODS, NotFound
from molt.itinerary import Entry
from molt.outcome import Done, Skipped
from rotate import survey
from rotate.siblings import REMEDY

if TYPE_CHECKING:
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.itinerary import Slip
    from molt.outcome import Clock
    from molt.turns import Turns
    from rotate.fleet import Fleet
    from rotate.siblings import Order

Object = dict[str, Any]

ROTATED = "io.molt-project.pods.rotated.v1"
SKIPPED = "io.molt-project.remedy.skipped.v1"


@dataclass(frozen=True, slots=True)
class Hop:
    """One event's part of the step."""

    event: Event
    slip: Slip
    order: Order
    before: datetime
    cluster: Cluster
    clock: Clock
    turns: Turns
    alarm: str = ""
    """What was said of the alarm that this hop has raised."""

    @property
    def is_first(self) -> bool:
        """Tell whether this is the step's first hop: none before it has sent its event back here."""
        entry = self.slip.trail[-1] if self.slip.trail else None
        return entry is None or entry.remedy != REMEDY or entry.details.get("more") is not True

    def fleet(self) -> Fleet | None:
        """Return the workload's fleet as it is now; None when it is gone, or another has its name."""
        target = self.slip.target
        return survey.fleet_of(self.cluster, target.namespace, target.workload) if target.workload else None

    def place(self) -> str | None:
        """Return the namespace or node that the scope means; of a node that the slip does not name, as the pod has it.

        None when nobody knows the node.
        """
        target = self.slip.target
        if self.order.scope != "Node":
            return target.namespace
        if target.node:
            return target.node
        try:
            pod = self.cluster.get(PODS, target.name, target.namespace)
        except NotFound:
            return None
        return pod["spec"].get("nodeName") if pod["metadata"]["uid"] == target.uid else None

    def bounded(self, candidates: int) -> int:
        """Return how many of the candidates there were from the first: no more than the hop before has left.

        Where clocks disagree, replacements may look old enough to move.
        """
        said = None if self.is_first else self.slip.trail[-1].details.get("left")
        return min(candidates, said) if isinstance(said, int) and said > 0 else candidates

    def again(self, reason: str, details: Object) -> Skipped:
        """Return the outcome of a hop that could do nothing now: the event comes back here."""
        now = self.clock.now()
        reason = self._with_alarm(reason)
        details = {**details, "before": marks.stamp(self.before), "more": True}
        left = self.slip.note(Entry(REMEDY, "skipped", reason, marks.stamp(now), details))
        return Skipped(reason, left.event(function=REMEDY, type=SKIPPED, cause=self.event, time=now))

    def gone(self) -> str:
        """Return why there is no fleet."""
        workload = self.slip.target.workload
        return f"{workload.kind}/{workload.name} is gone" if workload else "no controller would replace it"

    def none_left(self, fleet: Fleet) -> str:
        """Return that no pod is left to move."""
        return f"no pod of {fleet} in scope {self.order.scope} from before {marks.stamp(self.before)} is left to move"

    def skipped(self, reason: str) -> Skipped:
        """Return the outcome of a step that does nothing; steps after it are still done."""
        now = self.clock.now()
        reason = self._with_alarm(reason)
        left = self.slip.record(Entry(REMEDY, "skipped", reason, marks.stamp(now)))
        if not left.itinerary:
            return Skipped(reason)
        return Skipped(reason, left.event(function=REMEDY, type=SKIPPED, cause=self.event, time=now))

    def moved(self, reason: str, details: Object, *, more: bool = False, rehearsed: bool = False) -> Done:
        """Return the fact that follows, which comes back here when `more` pods are to move."""
        now = self.clock.now()
        reason = self._with_alarm(reason)
        details = {**details, "before": marks.stamp(self.before)} | ({"more": True} if more else {})
        entry = Entry(REMEDY, "rehearsed" if rehearsed else "acted", reason, marks.stamp(now), details)
        slip = self.slip.note(entry) if more else self.slip.record(entry)
        return Done(slip.event(function=REMEDY, type=ROTATED, cause=self.event, time=now), reason, rehearsed)

    def _with_alarm(self, reason: str) -> str:
        return f"{reason}; {self.alarm}" if self.alarm else reason
