"""A RotationPolicy: which pods of its namespace live how long, and how they are moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt.policy import (
    amount,
    duration,
    manifest,
    reconfigure,
    regeneration,
    selector,
    under_attack,
    windows,
)
from molt.policy.amount import Amount
from molt.policy.fields import Problems, Reader, quote
from molt.policy.windows import Hours

if TYPE_CHECKING:
    from molt.haste import Alarm
    from molt.policy.reconfigure import Dimension
    from molt.policy.regeneration import Regeneration
    from molt.policy.selector import Selector
    from molt.policy.under_attack import UnderAttack

KIND = "RotationPolicy"
SHORTEST = timedelta(seconds=1)
STRATEGIES = (*manifest.STRATEGIES, reconfigure.STRATEGY)
"""Those of a step of an alert, and what takes a policy to say it."""


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
    under_attack: UnderAttack | None = None
    alarm: Alarm | None = None
    """The last alarm that an alert has raised, by the policy's status; it may be over."""
    dimensions: tuple[Dimension, ...] = ()
    """What strategy Reconfigure changes; () for any other."""
    secrets: tuple[Regeneration, ...] = ()


def parse(obj: Any) -> RotationPolicy:
    """Return the policy that a manifest is; without metadata.namespace it belongs to `default`.

    Raises PolicyError with everything that is wrong with it.
    """
    problems = Problems()
    envelope, spec = manifest.open_manifest(obj, KIND, problems)
    attack = under_attack.read(spec)
    strategy = spec.choice("strategy", STRATEGIES, default="Replace")
    policy = RotationPolicy(
        name=envelope.name,
        namespace=envelope.namespace,
        uid=envelope.uid,
        generation=envelope.generation,
        mode=spec.choice("mode", manifest.MODES, default="DryRun"),
        selector=selector.parse(spec.object("selector", required=True)),
        lifetime=_lifetime(spec.object("lifetime", required=True)),
        strategy=strategy,
        max_moving=amount.read(spec, "maxMoving", default=Amount(1)),
        min_age=duration.read(spec, "minAge", least=timedelta()),
        hours=_hours(spec),
        min_ready=amount.optional(spec, "minReady"),
        under_attack=attack,
        alarm=attack.alarm(obj) if attack else None,
        dimensions=reconfigure.read(spec, strategy),
        secrets=regeneration.parse(spec.objects("secrets", most=regeneration.MOST), _lifetime),
    )
    spec.close()
    _note_what_it_selects_by(policy, spec)
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


def _note_what_it_selects_by(policy: RotationPolicy, reader: Reader) -> None:
    """Note a label that would change, and by which the policy itself selects its pods."""
    asked = {item.key for item in policy.selector.requirements}
    for index, one in enumerate(policy.dimensions):
        if one.field.kind == "label" and one.field.key in asked:
            path = f"{reader.at('reconfigure')}[{index}].label.key"
            reader.problems.note(path, f"the policy selects its pods by {quote(one.field.key)}")


def _hours(reader: Reader) -> Hours:
    """Read spec.windows and spec.blackouts."""
    return Hours(*(windows.parse(reader.objects(name, most=windows.MOST)) for name in ("windows", "blackouts")))
