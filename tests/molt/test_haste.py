"""Haste: what an alarm does to lifetimes, held against its own definition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt.haste import Alarm, due
from molt.lifetime import LONG_AGO

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EPSILON = timedelta(milliseconds=1)

births = st.floats(-50, 50).map(lambda hours: NOON + hours * HOUR)
lifetimes = st.floats(0.001, 60).map(lambda hours: hours * HOUR)
alarms = st.builds(Alarm, st.just(NOON), st.floats(1.01, 100), st.floats(0.001, 40).map(lambda hours: hours * HOUR))


@pytest.mark.parametrize(
    ("born", "lifetime", "factor", "length", "expected"),
    [
        # At noon ten hours old, of twenty that it lives; all in hours from noon.
        (-10, 20, 2, 1, 0),
        (-10, 20, 4, 1, 0),
        (-5, 20, 2, 1, 15),
        (-10, 10, 2, 1, 0),
        (-10, 9, 2, 1, -1),
        # Made at noon: x * (3 - x) = 2 is x = 1, and its first moment is not its second, 2.
        (0, 2, 3, 2, 1),
        (0, 1.9999, 3, 2, 0.9999),
        # The least lifetime that an alarm does not reach: at its end lifetimes are as ever.
        (0, 2.25, 3, 2, 1.5),
        (0, 2.26, 3, 2, 2.26),
        # Made in the alarm, at its end, and after it.
        (1, 0.75, 3, 2, 1.5),
        (2, 1, 3, 2, 3),
        (5, 1, 3, 2, 6),
        # Made so long ago that the curve only falls.
        (-3, 20, 3, 2, 17),
    ],
)
def test_cases(born: float, lifetime: float, factor: float, length: float, expected: float) -> None:
    """Worked out by hand."""
    at = due(NOON + born * HOUR, lifetime * HOUR, Alarm(NOON, factor, length * HOUR))
    assert expected == pytest.approx((at - NOON) / HOUR, abs=1e-3)


@given(births, lifetimes)
def test_without_an_alarm_nothing_is_shorter(born: datetime, lifetime: timedelta) -> None:
    """A lifetime is a lifetime."""
    assert born + lifetime == due(born, lifetime, None)


@given(births, lifetimes, alarms)
def test_never_later_than_ever_and_never_earlier_than_the_factor_lets_it(
    born: datetime, lifetime: timedelta, alarm: Alarm
) -> None:
    """And nobody is due by an alarm before it was raised."""
    at = due(born, lifetime, alarm)
    assert born + lifetime / alarm.factor - EPSILON <= at <= born + lifetime
    assert at == born + lifetime or at >= alarm.since


@given(births, lifetimes, alarms)
def test_it_is_the_first_moment_that_the_formula_names(born: datetime, lifetime: timedelta, alarm: Alarm) -> None:
    """Before, the pod is younger than what the alarm leaves of its lifetime; at the time it is not."""
    at = due(born, lifetime, alarm)
    assert (at + EPSILON - born) * alarm.at(at) >= lifetime - alarm.factor * 2 * EPSILON
    begin = max(born, alarm.since)
    for part in range(20):
        time = begin + (at - begin) * part / 20
        if begin <= time < at:
            assert (time - born) * alarm.at(time) <= lifetime + alarm.factor * EPSILON


@given(births, lifetimes, alarms)
def test_an_alarm_ends(born: datetime, lifetime: timedelta, alarm: Alarm) -> None:
    """Who is made when it is over lives as long as ever; nobody else becomes due by it any more."""
    at = due(born, lifetime, alarm)
    assert at <= alarm.until or at == born + lifetime
    late = alarm.until + (born - NOON if born > NOON else timedelta())
    assert late + lifetime == due(late, lifetime, alarm)
    assert (1.0, 1.0) == (alarm.at(alarm.until + EPSILON), alarm.at(alarm.since - EPSILON))
    assert alarm.factor == pytest.approx(alarm.at(alarm.since))


@given(births, lifetimes, lifetimes, alarms, st.floats(1.01, 100))
def test_the_longer_lifetime_and_the_smaller_factor_end_later(
    born: datetime, one: timedelta, other: timedelta, alarm: Alarm, factor: float
) -> None:
    """So the ends of a range of lifetimes are the ends of the range of times."""
    low, high = sorted((one, other))
    assert due(born, low, alarm) <= due(born, high, alarm) + EPSILON
    weak, strong = (Alarm(alarm.since, each, alarm.length) for each in sorted((alarm.factor, factor)))
    assert due(born, one, strong) <= due(born, one, weak) + EPSILON


@given(births, lifetimes, alarms, st.floats(0, 100))
def test_a_new_alarm_makes_nobody_due_later_who_was_due(
    born: datetime, lifetime: timedelta, alarm: Alarm, hours: float
) -> None:
    """Whoever was due, and waited for a window, stays due."""
    again = Alarm(alarm.since + hours * HOUR, alarm.factor, alarm.length)
    if due(born, lifetime, alarm) <= again.since - EPSILON:
        assert due(born, lifetime, again) <= again.since + EPSILON


def test_a_pod_that_does_not_say_when_it_was_made_is_due() -> None:
    """It is older than any."""
    assert due(LONG_AGO, HOUR, Alarm(NOON, 100, HOUR)) < NOON
