"""Attackers: what an attack needs, and what a move takes from it. Pure; times in seconds.

All begin in a fresh pod at once, try without a pause, and begin anew in the next fresh pod when a move threw them out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from molt.simulate.counts import Floats
    from molt.simulate.lifetimes import Lifetimes

_HALVINGS = 200  # of the span in which the best age lies: to the last digit


@dataclass(frozen=True, slots=True)
class Stepwise:
    """An attack of `stages` steps, each an exponential time, that takes `mean` in all where no pod moves.

    A move takes all steps from it, and a compromised pod from the attacker; but with chance `keep` it takes nothing,
    since there is a foothold on the node or in a sibling. One stage and `keep` 0 is the memoryless attacker, more
    stages are a kill chain; the more, the less the length of the attack varies (by 1/sqrt(stages)).
    """

    mean: float
    stages: int = 1
    keep: float = 0.0

    @property
    def rate(self) -> float:
        """Return the steps in a second."""
        return self.stages / self.mean

    def needs(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw how long attacks take that nothing stops."""
        return rng.standard_gamma(self.stages, count) / self.rate


@dataclass(frozen=True, slots=True)
class ClockSeeing:
    """An attacker who sees how old a pod is, and knows how long the policy lets pods live, but not the key.

    The attack is fitted to the time there seems to be: it is ready after an exponential time of `mean`, there is one
    strike in a pod (one that fails is an alert), and it comes at the age at which most strikes hit: the attack is
    ready, and the pod is still there. Where no pod moves there is all the time that it takes.
    """

    mean: float

    def ready(self, age: float) -> float:
        """Return the chance that the attack is ready at an age: 1 - exp(-age / mean)."""
        return -math.expm1(-age / self.mean)

    def hit(self, lives: Lifetimes, age: float) -> float:
        """Return the chance that a strike at an age hits: it is ready, and the pod still lives."""
        return self.ready(age) * lives.survival(age)

    def strike(self, lives: Lifetimes) -> float:
        """Return the age at which it is best to strike.

        Between the span's ends the chance has one maximum, since both its factors are log-concave; at the shortest
        life, up to which every pod lives, it may be higher still.
        """
        low, high = lives.span
        left, right = low, high
        for _ in range(_HALVINGS):
            third = (right - left) / 3
            if self.hit(lives, left + third) < self.hit(lives, right - third):
                left += third
            else:
                right -= third
        return max(low, (left + right) / 2, key=lambda age: self.hit(lives, age))

    def needs(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw how long attacks take that nothing hurries."""
        return rng.exponential(self.mean, count)


Attacker = Stepwise | ClockSeeing
