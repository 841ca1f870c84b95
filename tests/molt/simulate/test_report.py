"""What a report says of each attacker: figures of a simulation, or of the closed form where there were too few."""

from __future__ import annotations

import math

import numpy as np
import pytest

from molt.simulate import report
from molt.simulate.attackers import Attacker, ClockSeeing, Stepwise
from molt.simulate.exact import age
from molt.simulate.lifetimes import Bounded
from molt.simulate.report import Measure, Settings

OURS = Bounded(2400.0, 3600.0)
SETTINGS = Settings(20_000, 36_000.0, 5)
ATTACKERS: dict[str, Attacker] = {"kill-chain": Stepwise(4000.0, 3), "clock-seeing": ClockSeeing(4000.0)}


def _study(settings: Settings = SETTINGS) -> dict[str, dict[str, Measure]]:
    return dict(report.study(OURS, ATTACKERS, settings))


def test_who_is_compared() -> None:
    """Each attacker against the policy, no rotation, and four peers of the policy's mean."""
    names = ["this policy", "no rotation", "fixed", "fixed ±20 %", "uniform", "exponential"]
    assert {"kill-chain": names, "clock-seeing": names} == {name: list(rows) for name, rows in _study().items()}


def test_the_seed_decides() -> None:
    """The same one gives the same figures, whoever else is asked about; another one gives others."""
    one = _study()
    assert one == _study()
    alone = {"clock-seeing": ATTACKERS["clock-seeing"]}
    assert one["clock-seeing"] == dict(report.study(OURS, alone, SETTINGS))["clock-seeing"]
    assert one != _study(Settings(20_000, 36_000.0, 6))


def test_without_rotation_time_is_that_of_the_attack() -> None:
    """Mean and median of an Erlang time; whatever is compromised is lost for good."""
    one = _study()["kill-chain"]["no rotation"]
    assert (20_000, 1.0, 1.0, (math.inf, math.inf)) == (one.compromises, one.chance, one.share, one.dwell)
    assert 4000.0 == pytest.approx(one.time.mean, abs=5 * one.time.error)
    assert 4000 / 3 * 2.674 == pytest.approx(one.time.median, rel=0.03)


def test_the_figures_are_consistent() -> None:
    """Means agree with the closed form, the curve rises to what is within the horizon, and the median lies on it."""
    for rows in _study().values():
        for one in rows.values():
            assert not one.estimated
            assert abs(one.time.mean - one.exact.time) < 5 * one.time.error
            assert one.time.median < one.time.p95
            assert (report.POINTS + 1, 0.0, one.within) == (len(one.curve), one.curve[0], one.curve[-1])
            assert sorted(one.curve) == list(one.curve)
            step = int(one.time.median / 36_000 * report.POINTS)
            assert one.curve[step] - 0.02 < 0.5 < one.curve[step + 1] + 0.02


def test_few_compromises_are_not_counted_on() -> None:
    """Fewer than a hundred: the closed form speaks, and its time is one without memory."""
    rare = Stepwise(30_000.0, 4)
    few = report.measure(rare, OURS, SETTINGS, np.random.default_rng(1))
    assert (True, 0.0, few.exact.time) == (few.estimated, few.time.error, few.time.mean)
    assert 0 < few.compromises < report.ENOUGH
    assert (few.exact.chance, few.exact.share, few.exact.dwell) == (few.chance, few.share, few.dwell[0])
    assert 1 - math.exp(-36_000 / few.exact.time) == pytest.approx(few.within)
    assert few.dwell[1] > few.dwell[0]


def test_what_is_estimated_is_near_to_what_many_lives_show() -> None:
    """Median and 95th percentile of a rare compromise are those of a time without memory."""
    rare = Stepwise(20_000.0, 4)
    many = report.measure(rare, OURS, Settings(2_000_000, 36_000.0, 1), np.random.default_rng(1))
    assert not many.estimated
    assert many.exact.time * math.log(2) == pytest.approx(many.time.median, rel=0.05)
    assert many.exact.time * math.log(20) == pytest.approx(many.time.p95, rel=0.05)


def test_what_never_happens() -> None:
    """No compromise at all: never, not a division by nothing."""
    none = report.measure(Stepwise(1e12, 1000), OURS, SETTINGS, np.random.default_rng(1))
    assert (0, 0.0, 0.0, (0.0, 0.0), 0.0) == (none.compromises, none.chance, none.within, none.dwell, none.share)
    assert (math.inf, math.inf, math.inf) == (none.time.mean, none.time.median, none.time.p95)


def test_exposure() -> None:
    """How long pods live, and how old one is that is seen at random."""
    assert report.Exposure(3000.0, 3600.0, age(OURS)) == report.exposure(OURS)
    assert 1520.0 == age(OURS)
