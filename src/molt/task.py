"""A step of an itinerary as the small remedies take it: what they look at before they act, and how they answer.

Guards are asked again here, although the router has asked them: minutes, and other steps, may lie between, and whoever
labels a namespace as exempt means from now on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from molt import guard, marks
from molt.cluster import NAMESPACES, PODS, NotFound
from molt.itinerary import Entry, Slip
from molt.outcome import Done, Skipped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.itinerary import Step, StepOutcome
    from molt.outcome import Clock

SKIPPED: Final = "io.molt-project.remedy.skipped.v1"
ATTEMPTS: Final = 4
"""How often an object that changes under a write is read again before the event is left to be delivered again."""


@dataclass(frozen=True, slots=True)
class Task:
    """The head of a slip's itinerary, and what there is to do it with; `remedy` is the function's name, too."""

    remedy: str
    slip: Slip
    step: Step
    cause: Event
    cluster: Cluster
    clock: Clock

    @classmethod
    def of(cls, remedy: str, event: Event, cluster: Cluster, clock: Clock) -> Self:
        """Return the task that the event brings. Raises BadEvent when it brings none for this remedy."""
        slip = Slip.parse(event.data)
        return cls(remedy, slip, slip.current(remedy), event, cluster, clock)

    @property
    def rehearsal(self) -> bool:
        """Tell whether nothing may change."""
        return self.slip.mode == "DryRun"

    def pod(self) -> dict[str, Any] | str:
        """Return the slip's pod as it is now, or in words that it is gone: another one of its name is not it."""
        target = self.slip.target
        try:
            pod = self.cluster.get(PODS, target.name, target.namespace)
        except NotFound:
            return "the pod is gone"
        return pod if pod["metadata"]["uid"] == target.uid else "the pod is gone: another one has its name"

    def objection(self, pod: Mapping[str, Any] | None = None) -> str | None:
        """Return the first guard's reason not to act on the slip's account, with its pod if that is to be touched.

        The namespace is read only where its name does not settle it.
        """
        name = self.slip.target.namespace
        return (
            guard.protected_namespace(name)
            or guard.static_pod(pod or {})
            or guard.exempt_namespace(name, self._namespace(name))
        )

    def done(self, fact: str, reason: str, details: Mapping[str, Any], *, at: datetime | None = None) -> Done:
        """Return the outcome of a step that is done (in a rehearsal: could be); `fact` is the type of what follows.

        `at` is when it was done, if that was before; with it a redelivery is answered by the very same event.
        """
        time = at or self.clock.now()
        outcome: StepOutcome = "rehearsed" if self.rehearsal else "acted"
        slip = self.slip.record(Entry(self.remedy, outcome, reason, marks.stamp(time), details))
        event = slip.event(function=self.remedy, type=fact, cause=self.cause, time=time)
        return Done(event, reason, self.rehearsal)

    def skipped(self, reason: str) -> Skipped:
        """Return the outcome of a step that does nothing, after which the others are still done."""
        now = self.clock.now()
        slip = self.slip.record(Entry(self.remedy, "skipped", reason, marks.stamp(now)))
        if not slip.itinerary:
            return Skipped(reason)
        return Skipped(reason, slip.event(function=self.remedy, type=SKIPPED, cause=self.cause, time=now))

    def _namespace(self, name: str) -> dict[str, Any] | None:
        try:
            return self.cluster.get(NAMESPACES, name)
        except NotFound:
            return None
