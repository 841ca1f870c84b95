"""The routing slip: the data of every event that molt emits about an alert.

The router writes the itinerary, the remedies to do in order; each function does the head, drops it and adds to the
trail. The event's extension `remedy` names the head, so that the broker brings the event to that function and to no
other, and is signed with the slip (molt.seal). `schemas/slip.schema.json` says what a slip is to readers elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from molt.events import Event, deterministic_id
from molt.fate import fate
from molt.marks import printable
from molt.outcome import BadEvent
from molt.slip_part import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


__all__ = ["Entry", "PolicyRef", "Slip", "Step", "Target", "Workload", "fate"]

Mode = Literal["Enforce", "DryRun"]
StepOutcome = Literal["acted", "skipped", "rehearsed"]

MODES: tuple[Mode, ...] = ("Enforce", "DryRun")
STEP_OUTCOMES: tuple[StepOutcome, ...] = ("acted", "skipped", "rehearsed")
LONGEST_ITINERARY = 10  # steps: 8, as a ResponsePolicy may have, and 2 that quarantine may add
LONGEST_REASON = 1024  # characters; the names in it may be anybody's
LONGEST_TRAIL = 256  # entries; a Knative broker ends a loop after 254 passes anyway


@dataclass(frozen=True, slots=True)
class Step:
    """A remedy to do, with the parameters that the policy gives it."""

    remedy: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one step came to; `at` is RFC 3339 in UTC, `details` is free."""

    remedy: str
    outcome: StepOutcome
    reason: str
    at: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Workload:
    """The top of the pod's chain of controllers: the Deployment, not its ReplicaSet."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Target:
    """The pod that the alert is about, by its UID; `workload` is None for a pod that nothing controls."""

    namespace: str
    name: str
    uid: str
    node: str | None = None
    workload: Workload | None = None


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """The policy that matched, as it was then, and the limits that it sets."""

    name: str
    uid: str
    generation: int
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Slip:
    """A routing slip. `alert` is `Alert.to_dict()`."""

    alert: Mapping[str, Any]
    target: Target
    policy: PolicyRef
    mode: Mode
    itinerary: tuple[Step, ...] = ()
    trail: tuple[Entry, ...] = ()

    @classmethod
    def parse(cls, data: object) -> Self:
        """Return the slip in decoded JSON. Raises BadEvent, which names the member, for what the schema refuses.

        Members that are not known are ignored, so that a newer router may serve older functions.
        """
        slip = Part.of(data)
        alert = slip.part("alert")
        alert.text("id", 128)
        alert.text("rule", 65_536)
        return cls(
            alert=alert.value,
            target=_target(slip.part("target")),
            policy=_policy(slip.part("policy")),
            mode=cast("Mode", slip.choice("mode", MODES)),
            itinerary=tuple(
                Step(step.remedy(), step.mapping("parameters")) for step in slip.parts("itinerary", LONGEST_ITINERARY)
            ),
            trail=tuple(_entry(entry) for entry in slip.parts("trail", LONGEST_TRAIL)),
        )

    def render(self) -> dict[str, Any]:
        """Return the slip as JSON data; `Slip.parse` of it is this slip again."""
        return {
            "alert": dict(self.alert),
            "target": _render_target(self.target),
            "policy": {
                "name": self.policy.name,
                "uid": self.policy.uid,
                "generation": self.policy.generation,
                "limits": dict(self.policy.limits),
            },
            "mode": self.mode,
            "itinerary": [{"remedy": step.remedy, "parameters": dict(step.parameters)} for step in self.itinerary],
            "trail": [
                {
                    "remedy": entry.remedy,
                    "outcome": entry.outcome,
                    "reason": entry.reason,
                    "at": entry.at,
                    "details": dict(entry.details),
                }
                for entry in self.trail
            ],
        }

    def current(self, remedy: str) -> Step:
        """Return the head of the itinerary. Raises BadEvent when it is another than `remedy`."""
        if not self.itinerary:
            raise BadEvent(f"itinerary: empty, nothing is left for {remedy}")
        head = self.itinerary[0]
        if head.remedy != remedy:
            raise BadEvent(f"itinerary[0].remedy: {head.remedy}, not {remedy}")
        return head

    def record(self, entry: Entry) -> Self:
        """Return the slip after the head is done; of its entry's reason the first LONGEST_REASON characters."""
        return replace(self.note(entry), itinerary=self.itinerary[1:])

    def note(self, entry: Entry) -> Self:
        """Return the slip after a part of the head is done: the head stays, for the same function to go on."""
        told = replace(entry, reason=printable(entry.reason, LONGEST_REASON))
        return replace(self, trail=(*self.trail, told))

    def stop(self) -> Self:
        """Return the slip with nothing left to do."""
        return replace(self, itinerary=())

    def event(self, *, function: str, type: str, cause: Event, time: datetime, key: str = "") -> Event:  # noqa: A002 - as CloudEvents names it
        """Return the event that `function` answers `cause` with.

        Its id comes from the alert, the function, the type, the length of the trail, the target and `key` alone: what
        is delivered again is answered by the same source and id.
        """
        carried = {name: cause.extensions[name] for name in _CARRIED if name in cause.extensions}
        head = {"remedy": self.itinerary[0].remedy} if self.itinerary else {}
        return Event(
            id=deterministic_id(self.alert["id"], function, type, str(len(self.trail)), self.target.uid, key),
            source=f"/molt/{function}",
            type=type,
            data=self.render(),
            subject=f"{self.target.namespace}/pod/{self.target.name}",
            time=time,
            extensions=carried | head,
        )


_CARRIED = ("traceparent", "tracestate")  # W3C Trace Context: one alert, one trace


def _target(part: Part) -> Target:
    return Target(
        namespace=part.namespace("namespace"),
        name=part.name("name"),
        uid=part.text("uid", 128),
        node=part.name("node") if part.has("node") else None,
        workload=_workload(part.part("workload")) if part.has("workload") else None,
    )


def _workload(part: Part) -> Workload:
    return Workload(part.text("apiVersion"), part.text("kind", 63), part.name("name"), part.text("uid", 128))


def _policy(part: Part) -> PolicyRef:
    return PolicyRef(
        name=part.text("name"),
        uid=part.text("uid", 128, shortest=0),  # a policy from a file has none
        generation=part.count("generation"),
        limits=part.mapping("limits"),
    )


def _entry(part: Part) -> Entry:
    return Entry(
        remedy=part.remedy(),
        outcome=cast("StepOutcome", part.choice("outcome", STEP_OUTCOMES)),
        reason=part.text("reason", 4096, shortest=0),
        at=part.time("at"),
        details=part.mapping("details") if part.has("details") else {},
    )


def _render_target(target: Target) -> dict[str, Any]:
    workload = target.workload
    return {
        "namespace": target.namespace,
        "name": target.name,
        "uid": target.uid,
        "node": target.node,
        "workload": workload
        and {"apiVersion": workload.api_version, "kind": workload.kind, "name": workload.name, "uid": workload.uid},
    }
