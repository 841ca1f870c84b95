"""Windows and blackouts: spans of time that begin by a cron schedule in a time zone, and last as long as they say.

A span's duration is elapsed time: one that begins at 1:00 and lasts 4h ends at 6:00 in the night that the clocks go
forward, and at 4:00 in the night that they go back. A schedule of given hours and minutes (`30 2 * * *`) comes once in
either night: when its time is left out, as soon as the clocks have gone forward; when it comes twice, the first time.
One with a star in either (`*/15 * * * *`) goes by the time that passes. Both as cron(8) of Debian.

The libraries are imported when the first span is met: functions that read no RotationPolicy need not carry them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from molt.policy import duration
from molt.policy.fields import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from molt.policy.fields import Reader

MOST = 8
"""Windows, and blackouts, that one policy may have."""
SHORTEST = timedelta(minutes=1)
_STEPS = 200  # that a search for the next opening takes: a policy that is closed beyond them is never open
_CHANGE = timedelta(hours=3)  # no clocks go back by more
_SAMPLE = datetime(2000, 1, 1, tzinfo=UTC)


def _field(value: str) -> str:
    """Return the pattern of one field of a schedule, whose values are like `value`."""
    item = rf"(\*|{value}(-{value})?)(/[1-9][0-9]?)?"
    return f"{item}(,{item})*"


# The CRD has the same pattern. That names are names, and ranges rise, is told by the library.
_FIELDS = ("[0-5]?[0-9]", "([01]?[0-9]|2[0-3])", "(0?[1-9]|[12][0-9]|3[01])", "(0?[1-9]|1[0-2]|[A-Za-z]{3})")
_CRON = (
    re.compile(" ".join(map(_field, (*_FIELDS, "([0-7]|[A-Za-z]{3})")))),
    "a schedule of five fields, such as 0 2 * * MON-FRI",
)
_ZONE = (
    re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}"),
    "the name of a time zone, such as Europe/Berlin",
)
_LONGEST_CRON, _LONGEST_ZONE = 100, 64


@dataclass(frozen=True, slots=True)
class Window:
    """A span that begins whenever `cron` says in `zone`, and lasts `duration`; its end is not of it any more."""

    cron: str
    duration: timedelta
    zone: str = "UTC"

    def end(self, moment: datetime) -> datetime | None:
        """Return when the span ends that `moment` is in, in UTC; None when it is in none. The latest one counts."""
        last = self._last(moment)
        return last + self.duration if last and moment < last + self.duration else None

    def next(self, moment: datetime) -> datetime | None:
        """Return when a span begins next after `moment`, in UTC; None when none does within 50 years."""
        return next((start for start in self._starts(moment) if start > moment), None)

    def _last(self, moment: datetime) -> datetime | None:
        """Return when a span began last, at or before `moment`."""
        # The library counts on wall time: where that comes twice, what came after the first time is ahead of it.
        repeated = moment.astimezone(_zone(self.zone)).fold
        later = moment + timedelta(seconds=1) + repeated * _CHANGE
        return next((start for start in self._starts(later, reverse=True) if start <= moment), None)

    def _starts(self, moment: datetime, *, reverse: bool = False) -> Iterator[datetime]:
        from cronsim import CronSim  # noqa: PLC0415 - of the extra `windows`: see the module

        local = moment.astimezone(_zone(self.zone))
        return (start.astimezone(UTC) for start in CronSim(self.cron, local, reverse=reverse))


@dataclass(frozen=True, slots=True)
class Hours:
    """When moves may begin: inside a window, or always if there is none, and never inside a blackout."""

    windows: tuple[Window, ...] = ()
    blackouts: tuple[Window, ...] = ()

    def opens(self, moment: datetime) -> datetime | None:
        """Return the first time from `moment` on at which a move may begin: `moment` itself if it may then.

        None when there is none as far as one can see.
        """
        found: datetime | None = moment
        for _ in range(_STEPS):
            if found is None or (later := self._later(found)) == found:
                return found
            found = later
        return None

    def closed(self, moment: datetime) -> str | None:
        """Return why no move may begin at `moment`, or None when one may."""
        if any(span.end(moment) for span in self.blackouts):
            return "in a blackout"
        if self.windows and not any(span.end(moment) for span in self.windows):
            return "outside the windows"
        return None

    def _later(self, moment: datetime) -> datetime | None:
        """Return a time to look at next; `moment` when moves may begin then, None when they never may again."""
        ends = [end for span in self.blackouts if (end := span.end(moment))]
        if ends:
            return max(ends)
        if not self.windows or any(span.end(moment) for span in self.windows):
            return moment
        return min((start for span in self.windows if (start := span.next(moment))), default=None)


def parse(readers: Sequence[Reader]) -> tuple[Window, ...]:
    """Return the spans that list items hold; what is wrong is noted."""
    return tuple(map(_window, readers))


def _window(reader: Reader) -> Window:
    cron = reader.text("cron", required=True, longest=_LONGEST_CRON, pattern=_CRON)
    lasts = duration.read(reader, "duration", least=SHORTEST, required=True)
    zone = reader.text("timeZone", longest=_LONGEST_ZONE, pattern=_ZONE) or "UTC"
    for name, text, fault in (("cron", cron, cron and _fault(cron)), ("timeZone", zone, _unknown(zone))):
        if fault:
            reader.problems.note(reader.at(name), f"{quote(text)} {fault}")
    reader.close()
    return Window(cron, lasts, zone)


@lru_cache(maxsize=1024)
def _fault(cron: str) -> str:
    """Return what is wrong with a schedule that fits the pattern, "" for nothing."""
    try:
        from cronsim import CronSim, CronSimError  # noqa: PLC0415 - of the extra `windows`: see the module
    except ImportError:
        return "needs the package cronsim (extra `windows`)"
    try:
        comes = next(CronSim(cron, _SAMPLE), None)
    except CronSimError as error:
        return f"cannot be followed: {str(error).lower()}"
    return "" if comes else "cannot be followed: it never comes"


def _unknown(name: str) -> str:
    """Return why the time zone is none, "" if it is one."""
    try:
        _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "is no time zone that is known here"
    return ""


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    """Return the time zone. Raises KeyError, ValueError or OSError for what is none."""
    return ZoneInfo(name)
