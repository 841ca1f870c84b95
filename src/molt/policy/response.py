"""A ResponsePolicy: which alerts it is for, and which remedies they get."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from molt.policy import amount, expression, manifest, remedies, selector
from molt.policy.amount import Amount
from molt.policy.fields import Problems, Reader
from molt.priority import Priority

if TYPE_CHECKING:
    from molt.itinerary import Step
    from molt.policy.selector import Selector

KIND = "ResponsePolicy"
_ONE = Amount(1)
_PER_MINUTE = 20
_NAMESPACE = (re.compile(r"[a-z0-9*?-]+"), "a name of a namespace, with * and ?")


@dataclass(frozen=True, slots=True)
class Match:
    """Criteria that must all hold; an empty or absent one holds for every alert."""

    rules: tuple[str, ...] = ()
    minimum_priority: Priority | None = None
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    pod_selector: Selector | None = None
    expression: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a policy may do: pods of one workload at once, and pods in the cluster in a minute."""

    per_workload: Amount = _ONE
    per_minute: int = _PER_MINUTE

    def render(self) -> dict[str, Any]:
        """Return the limits as in a manifest."""
        return {"perWorkload": self.per_workload.render(), "perMinute": self.per_minute}


@dataclass(frozen=True, slots=True)
class ResponsePolicy:
    """A policy whose every field is valid; defaults are filled in, in the remedies' parameters too."""

    name: str
    uid: str
    generation: int
    mode: str
    order: int
    match: Match
    remedies: tuple[Step, ...]
    limits: Limits = field(default_factory=Limits)


def parse(obj: Any) -> ResponsePolicy:
    """Return the policy that a manifest is.

    Raises PolicyError with everything that is wrong with it.
    """
    problems = Problems()
    envelope, spec = manifest.open_manifest(obj, KIND, problems)
    policy = ResponsePolicy(
        name=envelope.name,
        uid=envelope.uid,
        generation=envelope.generation,
        mode=spec.choice("mode", manifest.MODES, default="DryRun"),
        order=spec.integer("order", least=0, most=1_000_000, default=100),
        match=_match(spec.object("match", required=True)),
        remedies=remedies.read(spec),
        limits=_limits(spec.object("limits")),
    )
    spec.close()
    problems.settle()
    return policy


def _match(reader: Reader) -> Match:
    """Read spec.match."""
    priority = reader.choice("minimumPriority", [str(priority) for priority in Priority])
    match = Match(
        rules=reader.strings("rules", most=128, longest=256),
        minimum_priority=Priority.parse(priority) if priority else None,
        tags=reader.strings("tags", most=64, longest=128),
        sources=reader.strings("sources", most=16, longest=64),
        namespaces=reader.strings("namespaces", most=64, longest=63, pattern=_NAMESPACE),
        pod_selector=selector.parse(reader.object("podSelector")) if reader.has("podSelector") else None,
        expression=reader.text("expression", longest=4096),
    )
    reader.close(known=["podSelector"])
    if match.expression and (problem := expression.check(match.expression)):
        reader.problems.note(reader.at("expression"), problem)
    return match


def _limits(reader: Reader) -> Limits:
    """Read spec.limits."""
    limits = Limits(
        per_workload=amount.read(reader, "perWorkload", default=_ONE),
        per_minute=reader.integer("perMinute", least=1, most=10_000, default=_PER_MINUTE),
    )
    reader.close()
    return limits
