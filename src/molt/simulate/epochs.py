"""A million lives of pods, one after the other, and an attacker in them. Vectorised; times in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molt.simulate.attackers import Attacker, ClockSeeing, Stepwise

if TYPE_CHECKING:
    from molt.simulate.counts import Floats
    from molt.simulate.lifetimes import Lifetimes


@dataclass(frozen=True, slots=True)
class Course:
    """What happened.

    `times`: each time to compromise, from a fresh pod on. `dwells`: how long each compromised pod was held.
    `stays`: how often the attack began. `tried`: all the time in which no pod was held, the last, vain tries too;
    `passed`: all the time there was.
    """

    times: Floats
    dwells: Floats
    stays: int
    tried: float
    passed: float


def run(attacker: Attacker, lives: Lifetimes, epochs: int, rng: np.random.Generator) -> Course:
    """Let the attacker at `epochs` lives of one replica; a compromised pod is held until it moves."""
    drawn = lives.sample(rng, epochs)
    if isinstance(attacker, ClockSeeing):
        stays, age = drawn, attacker.strike(lives)
        won = (rng.random(epochs) < attacker.ready(age)) & (drawn >= age)
        spent = np.where(won, age, stays)
    else:
        stays = _stays(attacker, drawn, rng)
        needed = attacker.needs(rng, len(stays))
        won = needed <= stays
        spent = np.minimum(needed, stays)
    times = np.diff(np.cumsum(spent)[won], prepend=0.0)
    return Course(times, (stays - spent)[won], len(stays), float(spent.sum()), float(stays.sum()))


def _stays(attacker: Stepwise, drawn: Floats, rng: np.random.Generator) -> Floats:
    """Return how long the attacker may stay: lives as long as moves take nothing from him, added up."""
    if not attacker.keep:
        return drawn
    lost = rng.random(len(drawn)) >= attacker.keep
    starts = np.concatenate(([0], np.flatnonzero(lost[:-1]) + 1))
    return np.add.reduceat(drawn, starts)
