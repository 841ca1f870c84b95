"""The closed forms: against textbook cases, integrals and simulation, and what they say about rotation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from molt.simulate import epochs, exact
from molt.simulate.attackers import Attacker, ClockSeeing, Stepwise
from molt.simulate.exact import Exact
from molt.simulate.lifetimes import Bounded, Exponential, Lifetimes, peers

EACH: dict[str, Lifetimes] = {
    **peers(1.0),
    "every": Bounded(0.8, 1.0),
    "min, max": Bounded(0.5, 1.0),
    "minAge": Bounded(0.7, 1.0, 0.4),
}
SPREAD = {name: lives for name, lives in peers(1.0).items() if name != "fixed"}
FIXED = Bounded(1.0, 1.0)
ATTACKERS: list[Attacker] = [
    *(Stepwise(mean, stages, keep) for mean, stages, keep in itertools.product((0.3, 1, 4), (1, 4), (0.0, 0.6))),
    *(ClockSeeing(mean) for mean in (0.3, 1, 4)),
]

each_lives = pytest.mark.parametrize("lives", EACH.values(), ids=EACH)


@each_lives
@pytest.mark.parametrize("attacker", ATTACKERS, ids=repr)
def test_a_simulation_agrees(attacker: Attacker, lives: Lifetimes) -> None:
    """Each model against each kind of lifetimes: chance, time, dwell and share, within five standard errors."""
    known, course = exact.of(attacker, lives), epochs.run(attacker, lives, 200_000, np.random.default_rng(3))
    won, stays = len(course.times), course.stays
    assert abs(won / stays - known.chance) < 5 * math.sqrt(known.chance * (1 - known.chance) / stays) + 1e-12
    error = course.times.std() / math.sqrt(won)
    assert abs(course.tried / won - known.time) < 5 * error + 1e-9
    assert abs(course.dwells.mean() - known.dwell) < 5 * course.dwells.std() / math.sqrt(won) + 1e-9
    assert course.dwells.sum() / course.passed == pytest.approx(known.share, rel=5 * math.sqrt(2 / won), abs=1e-9)


@each_lives
@pytest.mark.parametrize("keep", [0.0, 0.7])
@pytest.mark.parametrize("mean", [1e-3, 1.0, 40.0])
def test_no_rotation_delays_a_memoryless_attacker(lives: Lifetimes, mean: float, keep: float) -> None:
    """E[T] is the mean of the attack, whatever the lifetimes: there is no progress to lose."""
    assert mean == pytest.approx(exact.of(Stepwise(mean, 1, keep), lives).time)


@pytest.mark.parametrize("mean", [0.2, 1.0, 5.0])
def test_a_memoryless_attackers_share(mean: float) -> None:
    """1 - m (1 - exp(-1/m)) of fixed lives of length 1, and 1 / (1 + m) of exponential ones."""
    attacker = Stepwise(mean)
    assert 1 - mean * (1 - math.exp(-1 / mean)) == pytest.approx(exact.of(attacker, FIXED).share)
    assert 1 / (1 + mean) == pytest.approx(exact.of(attacker, Exponential(1.0)).share)


@pytest.mark.parametrize("stages", [1, 2, 5])
def test_a_kill_chain_against_exponential_lives(stages: int) -> None:
    """Each step comes before the move with chance r / (1 + r)."""
    attacker = Stepwise(3.0, stages)
    chance = (attacker.rate / (1 + attacker.rate)) ** stages
    assert chance == pytest.approx(exact.of(attacker, Exponential(1.0)).chance)


@each_lives
@pytest.mark.parametrize("stages", [1, 4, 40])
def test_a_kill_chain_is_what_the_integral_of_its_restarts_gives(lives: Lifetimes, stages: int) -> None:
    """E[min(L, A)] / P(A <= L), both by the trapezium rule over the survival of L and A."""
    attacker = Stepwise(1.3, stages)
    times = np.linspace(0, 15, 75_001)
    steps = attacker.rate * times
    term, done = np.exp(-steps), np.ones_like(times)
    for i in range(stages):
        done -= term
        term = term * steps / (i + 1)
    alive = np.array([lives.survival(age) for age in times])
    chance = np.trapezoid(alive, done)  # of A in dt while L >= t
    known = exact.of(attacker, lives)
    assert chance == pytest.approx(known.chance, rel=2e-3)
    assert np.trapezoid(alive * (1 - done), times) / chance == pytest.approx(known.time, rel=2e-3)


@pytest.mark.parametrize("stages", [1, 3])
@pytest.mark.parametrize("keep", [0.2, 0.9])
def test_who_survives_exponential_moves_meets_fewer_of_them(stages: int, keep: float) -> None:
    """A geometric sum of exponential lives is an exponential life of mean 1 / (1 - keep)."""
    fewer = exact.of(Stepwise(2.0, stages), Exponential(1 / (1 - keep)))
    known = exact.of(Stepwise(2.0, stages, keep), Exponential(1.0))
    for name in ("chance", "time", "dwell", "share"):
        assert getattr(fewer, name) == pytest.approx(getattr(known, name))


def test_the_more_survives_the_less_rotation_helps() -> None:
    """From a kill chain that is thrown back at each move to one that never is."""
    times = [exact.of(Stepwise(3.0, 4, keep), FIXED).time for keep in (0.0, 0.5, 0.9, 0.999)]
    assert sorted(times, reverse=True) == times
    assert 3.0 == pytest.approx(times[-1], rel=1e-2)


@pytest.mark.parametrize("mean", [0.01, 1.0, 30.0])
def test_the_best_age_to_strike(mean: float) -> None:
    """All of a fixed life, m ln(1 + mean / m) of an exponential one, and else what a search along all ages finds."""
    attacker = ClockSeeing(mean)
    assert mean * math.log1p(1 / mean) == pytest.approx(attacker.strike(Exponential(1.0)), rel=1e-5)
    assert 1.0 == attacker.strike(FIXED)
    for lives in (Bounded(0.5, 1.0), Bounded(0.0, 2.0), Bounded(0.7, 1.0, 0.4), Bounded(0.1, 6.0)):
        ages = [lives.low, *np.linspace(0, 6, 60_001).tolist()]
        found = max(attacker.hit(lives, age) for age in ages)
        assert found == pytest.approx(attacker.hit(lives, attacker.strike(lives)), rel=1e-5)


def test_a_clock_seeing_attacker_against_fixed_lives() -> None:
    """A geometric number of whole lives, the last with the strike at its end: 1 / (1 - exp(-1/m)), no dwell."""
    chance = 1 - math.exp(-1 / 2)
    known = exact.of(ClockSeeing(2.0), FIXED)
    assert (0.0, 0.0) == (known.dwell, known.share)
    assert (chance, 1 / chance) == pytest.approx((known.chance, known.time))


@pytest.mark.parametrize("attacker", ATTACKERS, ids=repr)
def test_without_rotation(attacker: Attacker) -> None:
    """It takes what the attack takes, and then the pod is lost for good."""
    assert Exact(1.0, attacker.mean, math.inf, 1.0) == exact.of(attacker, None)


def test_what_cannot_happen_takes_for_ever() -> None:
    """A thousand steps of a day each do not fit into a second: the chance is no number of a computer."""
    known = exact.of(Stepwise(8.64e7, 1000), FIXED)
    assert Exact(0.0, math.inf, 0.0, 0.0) == known


@each_lives
def test_inspection_paradox(lives: Lifetimes) -> None:
    """A slow attack ends at a random moment, so that its dwell is the mean age: E[L^2] / (2 E[L])."""
    assert exact.age(lives) == pytest.approx(exact.of(Stepwise(1e5), lives).dwell, rel=1e-4)
    assert lives.square / lives.mean / 2 == exact.age(lives)


@pytest.mark.parametrize(("mean", "expected"), [(1.0, 36), (5.0, 78)])
def test_exponential_lives_leave_a_memoryless_attacker_36_to_78_percent_more(mean: float, expected: int) -> None:
    """Of the share of time, where an attack takes one to five mean lifetimes; never more than twice as much."""
    fixed, loose = (exact.of(Stepwise(mean), lives).share for lives in (FIXED, Exponential(1.0)))
    assert expected == round(100 * (loose / fixed - 1))
    assert loose < 2 * fixed


@pytest.mark.parametrize(("mean", "jitter", "own"), [(1.0, 0.7, 0.2), (5.0, 1.2, 0.4), (1e4, 1.3, 0.4)])
def test_jitter_costs_about_one_percent(mean: float, jitter: float, own: float) -> None:
    """±20 %: at most 1.3 %, which is the square of its coefficient of variation; what `every` does: at most 0.4 %."""
    for lives, expected in ((Bounded(0.8, 1.2), jitter), (Bounded(0.8, 1.0), own)):
        fixed = Bounded(lives.mean, lives.mean)
        more = exact.of(Stepwise(mean), lives).share / exact.of(Stepwise(mean), fixed).share - 1
        assert expected == round(100 * more, 1)


@pytest.mark.parametrize("other", SPREAD.values(), ids=SPREAD)
@pytest.mark.parametrize("mean", [0.1, 0.5, 1.0, 3.0, 9.0])
@pytest.mark.parametrize("stages", [1, 4, 30])
def test_fixed_lives_leave_the_least_share_to_whoever_cannot_see_the_clock(
    other: Lifetimes, mean: float, stages: int
) -> None:
    """E[(x - A)+] is convex in x: by Jensen's inequality no lives of that mean leave less, whatever the attack."""
    attacker = Stepwise(mean, stages)
    assert exact.of(attacker, FIXED).share <= exact.of(attacker, other).share + 1e-12


@pytest.mark.parametrize("other", SPREAD.values(), ids=SPREAD)
@pytest.mark.parametrize("mean", [0.1, 0.5, 1.0, 3.0, 9.0])
def test_random_lives_help_against_whoever_sees_the_clock(other: Lifetimes, mean: float) -> None:
    """Fewer strikes hit than with fixed lives: a P(L >= a) <= E[L] by Markov's inequality, and success is concave."""
    attacker = ClockSeeing(mean)
    assert exact.of(attacker, other).chance < exact.of(attacker, FIXED).chance


def test_what_is_best_against_a_kill_chain_depends_on_how_long_it_takes() -> None:
    """Fixed lives delay one that takes longer than they do most, and one that fits into them least."""
    longer, shorter = Stepwise(3.0, 4), Stepwise(0.5, 30)
    for other in SPREAD.values():
        assert exact.of(longer, FIXED).time > exact.of(longer, other).time
        assert exact.of(shorter, FIXED).time < exact.of(shorter, other).time
