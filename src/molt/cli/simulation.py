"""What `molt simulate` says: tables, curves and JSON. Imports numpy, so nothing imports it but that command at work."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from molt.cli.output import EXIT_USAGE, complain, say, show_json, show_table
from molt.cli.span import brief
from molt.policy import RotationPolicy
from molt.simulate.attackers import Attacker, ClockSeeing, Stepwise
from molt.simulate.lifetimes import Lifetimes, of_policy
from molt.simulate.report import NONE, OURS, POINTS, Measure, Settings, compared, exposure, study

__all__ = ["Settings", "Study", "attackers", "draw", "show"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_COLUMNS = 48  # characters of a curve


@dataclass(frozen=True, slots=True)
class Study:
    """A policy, where it stands, and what each attacker (by name) does against each kind of lifetimes (by name)."""

    source: str
    policy: RotationPolicy
    lives: Lifetimes
    attackers: Mapping[str, Attacker]
    measures: Mapping[str, Mapping[str, Measure]]

    @classmethod
    def of(cls, source: str, policy: RotationPolicy, attackers: Mapping[str, Attacker], settings: Settings) -> Study:
        """Simulate a policy."""
        lives = of_policy(policy)
        return cls(source, policy, lives, attackers, dict(study(lives, attackers, settings)))

    @property
    def name(self) -> str:
        """Return the policy's name with its namespace."""
        return f"{self.policy.namespace}/{self.policy.name}"


def attackers(names: Iterable[str], mean: float, stages: int, keep: float) -> dict[str, Attacker]:
    """Return the attackers of these names."""
    known: dict[str, Attacker] = {
        "memoryless": Stepwise(mean),
        "kill-chain": Stepwise(mean, stages),
        "clock-seeing": ClockSeeing(mean),
        "persistent": Stepwise(mean, stages, keep),
    }
    return {name: known[name] for name in names}


def draw(studies: Sequence[Study], settings: Settings, path: Path) -> None:
    """Draw the studies into a file; complain and end with exit code 2 when it cannot be written."""
    from molt.simulate import figure  # noqa: PLC0415 - matplotlib takes 0.3 s: only who draws pays

    try:
        figure.draw([(one.name, one.measures) for one in studies], settings.horizon, path)
    except OSError as error:
        complain(f"{path}: {error.strerror}")
        raise typer.Exit(EXIT_USAGE) from None


def show(studies: Sequence[Study], settings: Settings, *, json_: bool) -> None:
    """Print the studies."""
    if json_:
        show_json([_as_json(one, settings) for one in studies])
        return
    for one in studies:
        _show(one, settings)


def _show(one: Study, settings: Settings) -> None:
    say(f"{one.name}  ({one.source}, mode {one.policy.mode})", "bold")
    if one.policy.mode == "DryRun":
        say("It moves nothing yet: what follows is what would hold in mode Enforce.", "yellow", indent=2)
    rows = [
        (name, brief(of.mean), brief(of.longest) if of.longest else "no bound", brief(of.age))
        for name, of in ((name, exposure(lives)) for name, lives in compared(one.lives).items() if lives)
    ]
    show_table(("Pods live", "Mean", "Longest", "Mean age of one seen at random"), rows)
    for name, measures in one.measures.items():
        _show_attacker(name, one.attackers[name], measures, settings)


def _show_attacker(name: str, attacker: Attacker, measures: Mapping[str, Measure], settings: Settings) -> None:
    until = brief(settings.horizon)
    columns = ("Pods live", "Mean time", "Median", "p95", f"In {until}", "A try", "Dwell", "Held")
    show_table(columns, [_row(*item) for item in measures.items()], f"{name}: {_model(attacker)}")
    show_table(
        ("", f"chance of a compromise from 0 to {until}"), [(of, _drawn(one.curve)) for of, one in measures.items()]
    )
    if any(one.estimated for one in measures.values()):
        lives = f"{settings.epochs:,} lives"
        say(f"≈ from the closed form: in {lives} fewer than 100 compromises, too few to count on.", "dim", indent=2)
    say(_verdict(measures), "bold", indent=2)
    say("")


def _model(attacker: Attacker) -> str:
    length = brief(attacker.mean)
    if isinstance(attacker, ClockSeeing):
        return f"ready after {length} on average; one strike in a pod, at the age at which most hit"
    steps = f" in {attacker.stages} steps" if attacker.stages > 1 else ""
    loses = f"nothing with chance {attacker.keep:g}, else all" if attacker.keep else "all"
    return f"an attack takes {length} on average{steps}; a move takes {loses} of it"


def _row(name: str, one: Measure) -> tuple[str, ...]:
    about = "≈" if one.estimated else ""
    times = (one.time.mean, one.time.median, one.time.p95)
    dwell = "for good" if math.isinf(one.dwell[0]) else brief(one.dwell[0])
    chances = (_percent(one.within), _percent(one.chance))
    return (name, *(about + text for text in (*map(brief, times), *chances, dwell, _percent(one.share))))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _drawn(curve: Sequence[float]) -> str:
    """Return a curve of values in 0..1 as blocks; the lowest is for less than an eighth."""
    step = POINTS // _COLUMNS
    return "".join(_BLOCKS[min(int(value * len(_BLOCKS)), len(_BLOCKS) - 1)] for value in curve[step::step])


def _verdict(measures: Mapping[str, Measure]) -> str:
    ours, none = measures[OURS].exact, measures[NONE].exact
    if math.isinf(ours.time):
        return "With this policy there is no compromise that is worth a number."
    times = ours.time / none.time
    longer = "no longer than" if math.isclose(times, 1, rel_tol=0.005) else f"{times:.3g} times as long as"
    held = _percent(ours.share)
    return f"A compromise takes {longer} without rotation, and the attacker holds the pod {held} of the time."


def _as_json(one: Study, settings: Settings) -> dict[str, Any]:
    """Return a study with all times in seconds; null: never, for good, or without a bound."""
    return {
        "source": one.source,
        "policy": one.name,
        "mode": one.policy.mode,
        "settings": asdict(settings),
        "exposure": {name: asdict(exposure(lives)) for name, lives in compared(one.lives).items() if lives},
        "attackers": {
            name: {
                "parameters": asdict(one.attackers[name]),
                "against": {against: _finite(asdict(measure)) for against, measure in measures.items()},
            }
            for name, measures in one.measures.items()
        },
    }


def _finite(value: Any) -> Any:
    """Return a value with null for what is infinite: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items() if key != "curve"}
    if isinstance(value, tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and math.isinf(value) else value
