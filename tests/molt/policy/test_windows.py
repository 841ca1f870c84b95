"""Windows and blackouts, in zones whose clocks change: by an hour in Berlin and New York, by half of one on Lord Howe.

                    clocks leave out      clocks repeat
Europe/Berlin       2026-03-29 2:00-3:00  2026-10-25 2:00-3:00
America/New_York    2026-03-08 2:00-3:00  2026-11-01 1:00-2:00
Australia/Lord_Howe 2026-10-04 2:00-2:30  2026-04-05 1:30-2:00
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from molt.policy import PolicyError, rotation, windows
from molt.policy.windows import Hours, Window
from tests.molt.policy.verdicts import ROTATION, manifest

HOUR = timedelta(hours=1)
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}:00Z")


@pytest.mark.parametrize(
    ("zone", "cron", "before", "begins"),
    [
        # Nothing changes.
        (BERLIN, "30 2 * * *", "06-01T00:00", "06-01T00:30"),
        ("Asia/Kolkata", "30 2 * * *", "06-01T00:00", "06-01T21:00"),
        # The time is left out: as soon as the clocks have gone forward.
        (BERLIN, "30 2 * * *", "03-29T00:00", "03-29T01:00"),
        (NEW_YORK, "30 2 * * *", "03-08T05:00", "03-08T07:00"),
        (LORD_HOWE, "15 2 * * *", "10-03T14:00", "10-03T15:30"),
        # It comes twice: the first time.
        (BERLIN, "30 2 * * *", "10-25T00:00", "10-25T00:30"),
        (NEW_YORK, "30 1 * * *", "11-01T05:00", "11-01T05:30"),
        (LORD_HOWE, "45 1 * * *", "04-04T14:00", "04-04T14:45"),
        # And not again.
        (BERLIN, "30 2 * * *", "10-25T00:30", "10-26T01:30"),
        (BERLIN, "30 2 * * *", "10-25T01:10", "10-26T01:30"),
        (NEW_YORK, "30 1 * * *", "11-01T06:15", "11-02T06:30"),
        (LORD_HOWE, "45 1 * * *", "04-04T15:05", "04-05T15:15"),
        # With a star, by the time that passes.
        (BERLIN, "*/30 * * * *", "03-29T00:30", "03-29T01:00"),
        (BERLIN, "*/30 * * * *", "10-25T00:59", "10-25T01:00"),
        (LORD_HOWE, "*/30 * * * *", "04-04T14:59", "04-04T15:00"),
    ],
)
def test_a_window_begins(zone: str, cron: str, before: str, begins: str) -> None:
    """A given time comes once a day, whatever the clocks do; it is in the window from then on, and not before."""
    window = Window(cron, timedelta(minutes=10), zone)
    start = _utc(begins)
    assert start == window.next(_utc(before))
    assert start + timedelta(minutes=10) == window.end(start)
    assert start + timedelta(minutes=10) != window.end(start - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("zone", "cron", "start", "local_end"),
    [
        (BERLIN, "0 1 * * *", "03-29T00:00", "06:00"),
        (BERLIN, "0 1 * * *", "10-24T23:00", "04:00"),
        (NEW_YORK, "0 0 * * *", "03-08T05:00", "05:00"),
        (NEW_YORK, "0 0 * * *", "11-01T04:00", "03:00"),
        (LORD_HOWE, "0 1 * * *", "10-03T14:30", "05:30"),
        (LORD_HOWE, "0 1 * * *", "04-04T14:00", "04:30"),
    ],
)
def test_a_window_lasts_its_time_though_the_clocks_change(zone: str, cron: str, start: str, local_end: str) -> None:
    """Four hours are four hours that pass; the end is not of the window any more."""
    window, end = Window(cron, 4 * HOUR, zone), _utc(start) + 4 * HOUR
    assert local_end == f"{end.astimezone(ZoneInfo(zone)):%H:%M}"
    assert [end, end] == [window.end(moment) for moment in (_utc(start), end - timedelta(microseconds=1))]
    assert window.end(end) is None


def test_a_window_that_began_at_the_first_of_two_times_holds_through_the_second() -> None:
    """From 2:30 for an hour ends at the second 2:30, and not an hour later."""
    window = Window("30 2 * * *", HOUR, BERLIN)
    inside = [window.end(_utc("10-25T00:30") + timedelta(minutes=minute)) for minute in range(60)]
    assert {_utc("10-25T01:30")} == set(inside)
    assert window.end(_utc("10-25T01:30")) is None


@given(
    st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, "Asia/Kolkata", "UTC", "America/Havana"]),
    st.sampled_from(["30 2 * * *", "*/20 1-3 * * *", "0,30 0-4 * * SUN", "15,45 2 * * *", "0 */2 * * *", "7 * * * *"]),
    st.sampled_from(["03-08", "03-29", "04-05", "10-04", "10-25", "11-01", "07-01"]),
    st.integers(-12 * 60, 36 * 60),
    st.integers(1, 600),
)
def test_a_moment_is_inside_when_a_span_has_begun_and_not_ended(
    zone: str, cron: str, day: str, minutes: int, lasts: int
) -> None:
    """What a walk over all beginnings finds is what is told, on the days around each change of the clocks."""
    moment = _utc(f"{day}T00:00") + timedelta(minutes=minutes, seconds=30)
    walk = CronSim(cron, (moment - timedelta(days=9)).astimezone(ZoneInfo(zone)))
    starts = list(takewhile(lambda start: start <= moment + timedelta(days=9), (at.astimezone(UTC) for at in walk)))
    window = Window(cron, timedelta(minutes=lasts), zone)
    last = max(start for start in starts if start <= moment)
    assert (last + window.duration if last + window.duration > moment else None) == window.end(moment)
    assert min(start for start in starts if start > moment) == window.next(moment)


NIGHTS = Window("0 22 * * *", 4 * HOUR)
WEEKEND = Window("0 0 * * SAT", 48 * HOUR)
ALWAYS = Window("* * * * *", HOUR)


@pytest.mark.parametrize(
    ("hours", "moment", "opens", "closed"),
    [
        (Hours(), "11-24T12:00", "11-24T12:00", None),
        (Hours((NIGHTS,)), "11-24T12:00", "11-24T22:00", "outside the windows"),
        (Hours((NIGHTS,)), "11-24T23:00", "11-24T23:00", None),
        (Hours((NIGHTS,)), "11-24T22:00", "11-24T22:00", None),
        (Hours((NIGHTS,)), "11-25T02:00", "11-25T22:00", "outside the windows"),
        (Hours((NIGHTS, WEEKEND)), "11-28T12:00", "11-28T12:00", None),
        (Hours((), (WEEKEND,)), "11-27T12:00", "11-27T12:00", None),
        (Hours((), (WEEKEND,)), "11-28T12:00", "11-30T00:00", "in a blackout"),
        (Hours((NIGHTS,), (WEEKEND,)), "11-28T23:00", "11-30T00:00", "in a blackout"),
        (Hours((NIGHTS,), (Window("0 22 * * SAT", HOUR),)), "11-28T12:00", "11-28T23:00", "outside the windows"),
        (Hours((), (WEEKEND, Window("0 23 * * SUN", 2 * HOUR))), "11-29T23:30", "11-30T01:00", "in a blackout"),
        (Hours((), (ALWAYS,)), "11-24T12:00", None, "in a blackout"),
        (Hours((Window("0 0 1 12 *", HOUR),), (Window("0 0 * * *", 24 * HOUR),)), "11-24T12:00", None, "in a blackout"),
    ],
)
def test_moves_begin_inside_windows_and_outside_blackouts(
    hours: Hours, moment: str, opens: str | None, closed: str | None
) -> None:
    """A blackout is stronger than a window; where both leave no time at all, none is told."""
    assert (opens and _utc(opens), closed) == (hours.opens(_utc(moment)), hours.closed(_utc(moment)))


def test_a_window_that_comes_no_more_opens_nothing() -> None:
    """Beyond what the library looks at there is no beginning."""
    assert Hours((Window("* * */20 * 1L", HOUR),)).opens(_utc("11-24T12:00")) is None


def _problem(**window: str) -> str:
    spec = {"selector": {}, "lifetime": {"every": "1h"}, "windows": [{"cron": "0 2 * * *", "duration": "1h"} | window]}
    with pytest.raises(PolicyError) as caught:
        rotation.parse(manifest(ROTATION, spec))
    return str(caught.value)


@pytest.mark.parametrize(
    ("cron", "problem"),
    [
        ("5-1 2 * * *", "bad minute"),
        ("0 2 * FOO *", "bad month"),
        ("0 2 * * MON-XYZ", "bad day-of-week"),
        ("0 0 31 2,4 *", "bad day-of-month"),
    ],
)
def test_a_schedule_that_fits_the_pattern_and_cannot_be_followed(cron: str, problem: str) -> None:
    """What no schema can tell, the parser does: it becomes the policy's condition."""
    assert f'spec.windows[0].cron: "{cron}" cannot be followed: {problem}' == _problem(cron=cron)


def test_a_schedule_that_never_comes() -> None:
    """The first of January can be the fifth Monday of the month as little as the library finds one."""
    assert "cannot be followed: it never comes" == windows._fault("* * */20 * 1L")


def test_an_unknown_time_zone() -> None:
    """A name that looks like one is looked up; a folder of the database, or a file of it that is none, is no zone."""
    for zone in ("Europe/Berlni", "Europe", "SECURITY"):
        expected = f'spec.windows[0].timeZone: "{zone}" is no time zone that is known here'
        assert expected == _problem(timeZone=zone)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who reads a window needs it, and is told so."""
    monkeypatch.setitem(sys.modules, "cronsim", None)
    windows._fault.cache_clear()
    assert _problem(cron="1 2 3 4 5").endswith('"1 2 3 4 5" needs the package cronsim (extra `windows`)')
    assert Hours() == rotation.parse(manifest(ROTATION, {"selector": {}, "lifetime": {"every": "1h"}})).hours
    windows._fault.cache_clear()
