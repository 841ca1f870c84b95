"""A RotationPolicy: which pods of its namespace live how long, and how they are moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt.policy import amount, duration, manifest, regeneration, selector, windows
from molt.policy.amount import Amount
from molt.policy.fields import Problems, Reader
from molt.policy.windows import Hours

if TYPE_CHECKING:
    from molt.policy.regeneration import Regeneration
    from molt.policy.selector import Selector

KIND = "RotationPolicy"
SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a pod lives: between `min` and `max`; `fixed` for `every`, whose value both are."""

    min: timedelta
    max: timedelta
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """A policy whose every field is valid, with the defaults filled in."""

    name: str
    namespace: str
    uid: str
    generation: int
    mode: str
    selector: Selector
    lifetime: Lifetime
    strategy: str
    max_moving: Amount
    min_age: timedelta
    hours: Hours = field(default_factory=Hours)
    min_ready: Amount | None = None
    secrets: tuple[Regeneration, ...] = ()


def parse(obj: Any) -> RotationPolicy:
    """Return the policy that a manifest is; without metadata.namespace it belongs to `default`.

    Raises PolicyError with everything that is wrong with it.
    """
    problems = Problems()
    envelope, spec = manifest.open_manifest(obj, KIND, problems)
    policy = RotationPolicy(
        name=envelope.name,
        namespace=envelope.namespace,
        uid=envelope.uid,
        generation=envelope.generation,
        mode=spec.choice("mode", manifest.MODES, default="DryRun"),
        selector=selector.parse(spec.object("selector", required=True)),
        lifetime=_lifetime(spec.object("lifetime", required=True)),
        strategy=spec.choice("strategy", manifest.STRATEGIES, default="Replace"),
        max_moving=amount.read(spec, "maxMoving", default=Amount(1)),
        min_age=duration.read(spec, "minAge", least=timedelta()),
        hours=_hours(spec),
        min_ready=amount.optional(spec, "minReady"),
        secrets=regeneration.parse(spec.objects("secrets", most=regeneration.MOST), _lifetime),
    )
    spec.close()
    problems.settle()
    return policy


def _lifetime(reader: Reader) -> Lifetime:
    """Read spec.lifetime: `every`, or `min` and `max`."""
    every, low, high = (duration.read(reader, name, least=SHORTEST) for name in ("every", "min", "max"))
    has_every, has_low, has_high = (reader.has(name) for name in ("every", "min", "max"))
    note = reader.problems.note
    if reader.readable and (has_every == (has_low or has_high) or has_low != has_high):
        note(reader.path, "must have either every, or both min and max")
    elif low and high and low > high:
        note(reader.path, f"min {duration.render(low)} is longer than max {duration.render(high)}")
    reader.close()
    return Lifetime(every, every, fixed=True) if has_every else Lifetime(low, high)


def _hours(reader: Reader) -> Hours:
    """Read spec.windows and spec.blackouts."""
    return Hours(*(windows.parse(reader.objects(name, most=windows.MOST)) for name in ("windows", "blackouts")))
