"""Every attacker against a policy's lifetimes, against none, and against what peers do at the same mean.

A figure that a simulation gives has its closed form beside it where there is one (`exact`). All times are in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molt.simulate import epochs, exact, lifetimes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from molt.simulate.attackers import Attacker
    from molt.simulate.counts import Floats
    from molt.simulate.exact import Exact
    from molt.simulate.lifetimes import Lifetimes

OURS = "this policy"
NONE = "no rotation"
POINTS = 240
"""How many steps a curve has."""
ENOUGH = 100
"""With fewer compromises than this their spread says less than the closed form."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is simulated: lives of pods, the time that counts as `within`, and where the random numbers start."""

    epochs: int
    horizon: float
    seed: int


@dataclass(frozen=True, slots=True)
class Spread:
    """What times there are, and the standard error of their mean (0: it is exact); inf: never."""

    mean: float
    error: float
    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class Measure:
    """What one attacker does against one kind of lifetimes.

    `compromises` counted; `chance` of one before a move throws the attacker out; `time` until the first; chance of it
    `within` the horizon, and at each of POINTS steps there (`curve`, from 0); `dwell`, mean and 95th percentile (inf:
    for good); `share` of all time in which the attacker holds the pod. `estimated`: there were too few compromises, so
    that all but the dwell's percentile follows from the closed form, the time as one without memory: the sum of so
    many vain tries is nearly one (Renyi's theorem on geometric sums).
    """

    compromises: int
    chance: float
    time: Spread
    within: float
    curve: tuple[float, ...]
    dwell: tuple[float, float]
    share: float
    estimated: bool
    exact: Exact


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long pods live: mean, longest (None: no bound), and the mean age of one at a random moment."""

    mean: float
    longest: float | None
    age: float


def compared(ours: Lifetimes) -> dict[str, Lifetimes | None]:
    """Return the lifetimes that a report compares, by name, ours first; None: no rotation."""
    return {OURS: ours, NONE: None, **lifetimes.peers(ours.mean)}


def exposure(lives: Lifetimes) -> Exposure:
    """Return how long pods live."""
    return Exposure(lives.mean, lives.longest, exact.age(lives))


def study(
    ours: Lifetimes, attackers: Mapping[str, Attacker], settings: Settings
) -> Iterator[tuple[str, dict[str, Measure]]]:
    """Yield each attacker's name with what becomes of it against each kind of lifetimes.

    The random numbers follow from the seed and both names alone: who else is asked about changes nothing.
    """
    for name, attacker in attackers.items():
        yield (
            name,
            {
                against: measure(
                    attacker, lives, settings, np.random.default_rng([settings.seed, *f"{name}/{against}".encode()])
                )
                for against, lives in compared(ours).items()
            },
        )


def measure(attacker: Attacker, lives: Lifetimes | None, settings: Settings, rng: np.random.Generator) -> Measure:
    """Simulate, and say what came of it."""
    known = exact.of(attacker, lives)
    if lives is None:
        times = attacker.needs(rng, settings.epochs)
        curve = _curve(times, settings.horizon)
        spread = _spread(times, float(times.mean()))
        return Measure(
            len(times), 1.0, spread, curve[-1], curve, (math.inf, math.inf), 1.0, estimated=False, exact=known
        )
    course = epochs.run(attacker, lives, settings.epochs, rng)
    count = len(course.times)
    if count < ENOUGH:
        curve = _steady(known.time, settings.horizon)
        spread = Spread(known.time, 0.0, known.time * math.log(2), known.time * math.log(20))
        dwell = (known.dwell, _high(course.dwells) if count else 0.0)
        return Measure(count, known.chance, spread, curve[-1], curve, dwell, known.share, estimated=True, exact=known)
    chance, share = count / course.stays, float(course.dwells.sum()) / course.passed
    curve = _curve(course.times, settings.horizon)
    spread = _spread(course.times, course.tried / count)
    dwell = (float(course.dwells.mean()), _high(course.dwells))
    return Measure(count, chance, spread, curve[-1], curve, dwell, share, estimated=False, exact=known)


def _spread(times: Floats, mean: float) -> Spread:
    """Return how times are spread; the mean is given, since the last, vain tries belong to it too."""
    median, high = np.percentile(times, (50, 95))
    return Spread(mean, float(times.std(ddof=1)) / math.sqrt(len(times)), float(median), float(high))


def _high(dwells: Floats) -> float:
    return float(np.percentile(dwells, 95))


def _curve(times: Floats, horizon: float) -> tuple[float, ...]:
    """Return the share of times up to each step of the horizon."""
    counted, _ = np.histogram(times, bins=POINTS, range=(0.0, horizon))
    return (0.0, *(np.cumsum(counted) / len(times)).tolist())


def _steady(mean: float, horizon: float) -> tuple[float, ...]:
    """Return the same for times without memory."""
    return tuple((-np.expm1(-np.linspace(0.0, horizon, POINTS + 1) / mean)).tolist())
