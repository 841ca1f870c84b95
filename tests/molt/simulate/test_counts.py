"""Poisson counts against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from molt.simulate import counts


def _tail(amount: float, least: int) -> float:
    """Return P(N >= least) from its own terms, the largest not the first."""
    terms = (math.exp(n * math.log(amount) - amount - math.lgamma(n + 1)) for n in range(least, least + 4000))
    return math.fsum(terms)


@pytest.mark.parametrize("amount", [1e-8, 0.3, 1.0, 7.5, 110.0, 900.0])
@pytest.mark.parametrize("steps", [1, 4, 60])
def test_tails_are_sums_of_poisson_terms(amount: float, steps: int) -> None:
    """However small they are, and on both sides of where the complement is taken."""
    assert [_tail(amount, i) for i in range(steps + 1)] == pytest.approx(counts.tails(amount, steps), rel=1e-9)


def test_no_time_has_no_step_and_a_very_long_one_has_all() -> None:
    """Nothing overflows."""
    assert [1.0, 0.0, 0.0] == counts.tails(0.0, 2).tolist()
    assert [1.0, 1.0, 1.0] == counts.tails(1e9, 2).tolist()


def test_the_integral_of_tails() -> None:
    """It is what a trapezium rule gives."""
    times = np.linspace(0, 5, 2_001)
    added = [np.trapezoid([counts.tails(2 * x, 3)[i] for x in times], times) for i in range(4)]
    assert added == pytest.approx(counts.summed(5.0, 2.0, 3), rel=1e-5)


def test_compounded_counts() -> None:
    """With a life that fits one step for sure, P(N' >= i) is the chance of i - 1 lives more; with `keep` 0, nothing."""
    one = np.array([1.0, 1.0, 0.0, 0.0])
    assert [1.0, 1.0, 0.25, 0.0625] == pytest.approx(counts.compounded(one, 0.25))
    chances = counts.tails(1.5, 5)
    assert chances == pytest.approx(counts.compounded(chances, 0.0))
