"""What can be known without a simulation. Pure; times in seconds.

L is how long an attacker may stay, A what the attack needs. Whoever was thrown out begins anew, so that

    E[T]  = E[min(L, A)] / P(A <= L)        time to compromise (Luby, Sinclair and Zuckerman 1993; Pal and Reuveni 2017)
    dwell = E[(L - A)+] / P(A <= L)         how long a pod is held then
    share = E[(L - A)+] / E[L]              of all time a pod is held (renewal reward; Ross 2019, 7.4)

With `keep` q a stay is a geometric number of lives: E[L] / (1 - q).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt.simulate import counts
from molt.simulate.attackers import Attacker, ClockSeeing, Stepwise

if TYPE_CHECKING:
    from molt.simulate.lifetimes import Lifetimes


@dataclass(frozen=True, slots=True)
class Exact:
    """What holds for one attacker and one kind of lifetimes.

    `chance` of a compromise before a move throws the attacker out; mean `time` until there is one (inf: never) and mean
    `dwell` after it (0: never; inf: for good); `share` of all time in which the attacker holds the pod, to 12 digits
    behind the point.
    """

    chance: float
    time: float
    dwell: float
    share: float


def of(attacker: Attacker, lives: Lifetimes | None) -> Exact:
    """Return what holds against these lifetimes; None: no pod is ever moved."""
    if lives is None:
        return Exact(1.0, attacker.mean, math.inf, 1.0)
    if isinstance(attacker, ClockSeeing):
        return _timed(attacker, lives)
    return _stepwise(attacker, lives)


def _stepwise(attacker: Stepwise, lives: Lifetimes) -> Exact:
    """E[min(L, A)] is the sum of P(N >= i) over the stages, each with the time of one step."""
    chances = counts.compounded(lives.tails(attacker.rate, attacker.stages), attacker.keep)
    stay, chance = lives.mean / (1 - attacker.keep), float(chances[-1])
    spent = float(chances[1:].sum()) / attacker.rate
    return _made(chance, spent, max(stay - spent, 0.0), stay)


def _timed(attacker: ClockSeeing, lives: Lifetimes) -> Exact:
    """Return it for a strike at one age: from a hit on the pod is held for the rest of its life, all else is spent."""
    age = attacker.strike(lives)
    held = attacker.ready(age) * lives.excess(age)
    return _made(attacker.hit(lives, age), lives.mean - held, held, lives.mean)


def _made(chance: float, spent: float, held: float, stay: float) -> Exact:
    if not chance:
        return Exact(0.0, math.inf, 0.0, 0.0)
    return Exact(chance, spent / chance, held / chance, held / stay)


def age(lives: Lifetimes) -> float:
    """Return E[L^2] / (2 E[L]): the mean age of a pod at a random moment, and the mean time until it is moved.

    The inspection paradox (Ross 2019, 7.7): a random moment falls into a long life more easily than into a short one.
    """
    return lives.square / (2 * lives.mean)
