"""How long pods live: as a policy says, and as peers do it at the same mean. Pure; times in seconds.

every            uniform in [0.8, 1.0] * every    (molt.lifetime)
min, max         uniform in [min, max]
minAge           no pod is moved before: max(L, minAge)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from molt import lifetime
from molt.simulate import counts

if TYPE_CHECKING:
    from molt.policy import RotationPolicy
    from molt.simulate.counts import Floats


class Lifetimes(Protocol):
    """A distribution of lifetimes L > 0."""

    @property
    def mean(self) -> float:
        """E[L]."""

    @property
    def square(self) -> float:
        """E[L^2]."""

    @property
    def longest(self) -> float | None:
        """Return what no life exceeds; None: there is no such bound."""

    @property
    def span(self) -> tuple[float, float]:
        """Return two ages between which the one lies that suits an attacker best who must choose one beforehand."""

    def survival(self, age: float) -> float:
        """P(L >= age)."""

    def excess(self, age: float) -> float:
        """E[(L - age)+]: what is left beyond an age of at least the shortest life, 0 for those that end before."""

    def tails(self, rate: float, steps: int) -> Floats:
        """P(N(L) >= i) for i = 0..steps: so many steps of a Poisson process of that rate fit into a life."""

    def sample(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw lives."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """Uniform in [low, high], but for a share `atom` of lives that are just `low`; `low` = `high`: all alike."""

    low: float
    high: float
    atom: float = 0.0

    @property
    def mean(self) -> float:
        """Return that of the atom and of the rest."""
        return self.atom * self.low + (1 - self.atom) * (self.low + self.high) / 2

    @property
    def square(self) -> float:
        """Return that of the atom and of the rest: (low^2 + low high + high^2) / 3."""
        rest = (self.low**2 + self.low * self.high + self.high**2) / 3
        return self.atom * self.low**2 + (1 - self.atom) * rest

    @property
    def longest(self) -> float:
        """Return `high`."""
        return self.high

    @property
    def span(self) -> tuple[float, float]:
        """Return both ends: before `low` it pays to wait, since no pod is moved."""
        return self.low, self.high

    def survival(self, age: float) -> float:
        """Fall from 1 at `low`, by the atom and then steadily, to 0 at `high`; there it is 1 if all lives are alike."""
        if age <= self.low:
            return 1.0
        return (1 - self.atom) * (self.high - age) / (self.high - self.low) if age < self.high else 0.0

    def excess(self, age: float) -> float:
        """Return it for an age >= low: half the square of what is left, over the width."""
        if age >= self.high:
            return 0.0
        return (1 - self.atom) * (self.high - age) ** 2 / (2 * (self.high - self.low))

    def tails(self, rate: float, steps: int) -> Floats:
        """Average those of all times between the ends."""
        least = counts.tails(self.low * rate, steps)
        if self.low == self.high:
            return least
        rest = counts.summed(self.high, rate, steps) - counts.summed(self.low, rate, steps)
        return self.atom * least + (1 - self.atom) * rest / (self.high - self.low)

    def sample(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw lives; one random number a life, as rotation draws them, and as many for the atom if there is one."""
        lives = self.low + (self.high - self.low) * rng.random(count)
        return np.where(rng.random(count) < self.atom, self.low, lives) if self.atom else lives


@dataclass(frozen=True, slots=True)
class Exponential:
    """Lives without memory, as when pods are chosen by lot: what many a paper takes."""

    mean: float

    @property
    def square(self) -> float:
        """Return twice the square of the mean."""
        return 2 * self.mean**2

    @property
    def longest(self) -> None:
        """There is no longest."""

    @property
    def span(self) -> tuple[float, float]:
        """Return 0 and the mean: m ln(1 + mean / m), which is best, is never more."""
        return 0.0, self.mean

    def survival(self, age: float) -> float:
        """Return exp(-age / mean)."""
        return float(np.exp(-age / self.mean))

    def excess(self, age: float) -> float:
        """Return the mean, as at birth, for those that reach the age."""
        return self.mean * self.survival(age)

    def tails(self, rate: float, steps: int) -> Floats:
        """Return powers of the chance that a step comes before the end."""
        return np.asarray((rate * self.mean / (1 + rate * self.mean)) ** np.arange(steps + 1))

    def sample(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw lives."""
        return rng.exponential(self.mean, count)


def of_policy(policy: RotationPolicy) -> Bounded:
    """Return the lifetimes that rotation gives to the pods of a policy."""
    low, high = (bound.total_seconds() for bound in lifetime.bounds(policy.lifetime))
    least = policy.min_age.total_seconds()
    if least <= low:
        return Bounded(low, high)
    return Bounded(least, high, (least - low) / (high - low)) if least < high else Bounded(least, least)


def peers(mean: float) -> dict[str, Lifetimes]:
    """Return what else is done, each with this mean lifetime, by the names it has in a report.

    `uniform` is the widest there is, from 0 to twice the mean.
    """
    return {
        "fixed": Bounded(mean, mean),
        "fixed ±20 %": Bounded(mean * 0.8, mean * 1.2),
        "uniform": Bounded(0.0, 2 * mean),
        "exponential": Exponential(mean),
    }
