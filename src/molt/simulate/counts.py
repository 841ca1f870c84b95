"""How many steps of a steady attack fit into a time: Poisson counts. Pure.

Steps that each take an exponential time of mean 1/rate are the points of a Poisson process: N(x) of them fit into a
time x, and P(N(x) >= i) is the chance that an Erlang time of i steps is at most x.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def tails(amount: float, steps: int) -> Floats:
    """Return P(N >= i) for i = 0..steps, where N is Poisson of mean `amount` (>= 0).

    Small ones are sums of their own terms, not what is left of 1: the chance of 1 in 10^30 keeps its digits.
    """
    if amount == 0:
        return np.asarray(np.arange(steps + 1) == 0, np.float64)
    if amount > 2 * steps + 100:  # nearly all of it lies beyond the last step
        before = np.cumsum(_terms(amount, steps))
        return np.concatenate(([1.0], 1.0 - before))
    enough = steps + math.ceil(amount + 12 * math.sqrt(amount + steps) + 60)
    return np.minimum(np.cumsum(_terms(amount, enough)[::-1])[::-1][: steps + 1], 1.0)


def _terms(amount: float, count: int) -> Floats:
    """Return P(N = n) for n = 0..count-1, by logarithms: neither the power nor the factorial overflows."""
    numbers = np.arange(count)
    factorials = np.cumsum(np.log(np.maximum(numbers, 1)))
    return np.asarray(np.exp(numbers * math.log(amount) - amount - factorials))


def summed(until: float, rate: float, steps: int) -> Floats:
    """Return the integral of P(N(x) >= i) over x = 0..until, for i = 0..steps: E[(until - Erlang_i)+].

    By parts: until * P(N >= i) - (i / rate) * P(N >= i + 1), with N = N(until).
    """
    chances = tails(until * rate, steps + 1)
    return until * chances[:-1] - np.arange(steps + 1) / rate * chances[1:]


def compounded(chances: Floats, keep: float) -> Floats:
    """Return P(N' >= i), where N' counts over a first life and a next one with chance `keep` (< 1), and so on.

    `chances` are those of one life. By the first life, in which n steps fit with chance p(n):
    t'(i) = t(i) + keep * sum over n < i of p(n) t'(i - n), solved for t'(i).
    """
    exactly = chances[:-1] - chances[1:]
    made = np.ones_like(chances)
    for i in range(1, len(chances)):
        earlier = exactly[1:i] @ made[i - 1 : 0 : -1]
        made[i] = (chances[i] + keep * earlier) / (1 - keep + keep * chances[1])
    return made
