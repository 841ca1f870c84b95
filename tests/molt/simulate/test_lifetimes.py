"""Lifetimes: those of rotate, and the moments and chances that follow."""

from __future__ import annotations

import numpy as np
import pytest

from molt import lifetime
from molt.policy import rotation
from molt.simulate import lifetimes
from molt.simulate.lifetimes import Bounded, Exponential, Lifetimes

KEY = b"k" * 16
EACH: list[Lifetimes] = [
    Bounded(5, 5),
    Bounded(4, 9),
    Bounded(4, 9, 0.3),
    Bounded(0, 2),
    Exponential(3),
]


def policy(spec: dict[str, object]) -> rotation.RotationPolicy:
    """Return the policy of a spec without selector."""
    return rotation.parse(
        {
            "apiVersion": "molt-project.io/v1alpha1",
            "kind": "RotationPolicy",
            "metadata": {"name": "p"},
            "spec": {"selector": {}, **spec},
        }
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"lifetime": {"every": "10s"}}, Bounded(8, 10)),
        ({"lifetime": {"min": "4s", "max": "9s"}}, Bounded(4, 9)),
        ({"lifetime": {"min": "4s", "max": "4s"}}, Bounded(4, 4)),
        ({"lifetime": {"min": "4s", "max": "8s"}, "minAge": "3s"}, Bounded(4, 8)),
        ({"lifetime": {"min": "4s", "max": "8s"}, "minAge": "5s"}, Bounded(5, 8, 0.25)),
        ({"lifetime": {"every": "10s"}, "minAge": "10s"}, Bounded(10, 10)),
        ({"lifetime": {"min": "4s", "max": "4s"}, "minAge": "1h"}, Bounded(3600, 3600)),
    ],
    ids=str,
)
def test_what_a_policy_says(spec: dict[str, object], expected: Bounded) -> None:
    """`every` is up to a fifth less; minAge holds back those that would go before it."""
    assert expected == lifetimes.of_policy(policy(spec))


@pytest.mark.parametrize(
    "spec",
    [
        {"lifetime": {"every": "1h"}},
        {"lifetime": {"min": "30m", "max": "60m"}},
        {"lifetime": {"min": "30m", "max": "60m"}, "minAge": "40m"},
    ],
    ids=str,
)
def test_they_are_those_that_rotate_draws(spec: dict[str, object]) -> None:
    """Kolmogorov and Smirnov find no difference in 10,000 UIDs (at 1 %)."""
    one = policy(spec)
    drawn = sorted(
        max(lifetime.lifetime(one.lifetime, KEY, str(n)), one.min_age).total_seconds() for n in range(10_000)
    )
    shorter = np.array([1 - lifetimes.of_policy(one).survival(age) for age in drawn])
    counted = np.searchsorted(drawn, drawn) / len(drawn)
    assert np.max(np.abs(shorter - counted)) < 1.63 / np.sqrt(len(drawn))


@pytest.mark.parametrize("lives", EACH, ids=repr)
def test_moments_and_chances_are_those_of_the_sample(lives: Lifetimes) -> None:
    """Mean, mean square, survival, excess and steps of 400,000 lives are within half a percent of what is said."""
    drawn = lives.sample(np.random.default_rng(7), 400_000)
    assert lives.mean == pytest.approx(drawn.mean(), rel=5e-3)
    assert lives.square == pytest.approx((drawn**2).mean(), rel=1e-2)
    for age in (lives.span[0], 5.5, lives.span[1], 8.0):
        assert lives.survival(age) == pytest.approx((drawn >= age).mean(), abs=5e-3)
        assert age < lives.span[0] or lives.excess(age) == pytest.approx(np.maximum(drawn - age, 0).mean(), abs=1e-2)
    steps = np.random.default_rng(8).poisson(0.7 * drawn)
    assert [float((steps >= i).mean()) for i in range(5)] == pytest.approx(lives.tails(0.7, 4), abs=5e-3)
    assert lives.longest is None or drawn.max() <= lives.longest


def test_peers_have_the_same_mean() -> None:
    """All four, and the spread that their names say."""
    peers = lifetimes.peers(50.0)
    assert dict.fromkeys(peers, 50.0) == {name: lives.mean for name, lives in peers.items()}
    assert {"fixed": 50.0, "fixed ±20 %": 60.0, "uniform": 100.0, "exponential": None} == {
        name: lives.longest for name, lives in peers.items()
    }
