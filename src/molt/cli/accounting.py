"""Every alert has one fate: the proof, from the record that the functions' logs are. Pure.

    received = acted + skipped + ignored + dead-lettered + under way + missing

An alert is received when the broker says that it took it, or when a function's log names it: first detect-router's.
What became of it is the `fate` of the line that ended it. One that came twice may have come to two ends: that it was
acted on stands, else the last. Without an end it is under way while its last line is young, and missing after that.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from molt import marks
from molt.embedded.runtime.ledger import TICK
from molt.fate import FATES
from molt.forward import DROPPED
from molt.forward import TYPE as ALERT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

ROUTER: Final = "detect-router"
ACTED: Final = "acted"
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_READ: Final = ("read", "ticks", "other", "foreign", "unreadable")


@dataclass(slots=True)
class Course:
    """What the record tells of one alert: its ends in their order, and where it was seen last."""

    announced: bool = False
    ends: list[tuple[datetime, str]] = field(default_factory=list)
    at: datetime = _EVER
    where: str = "taken by the broker, and seen by no function"

    @property
    def fate(self) -> str | None:
        """Return the one fate."""
        words = [word for _, word in sorted(self.ends)]
        return ACTED if ACTED in words else next(reversed(words), None)


@dataclass(frozen=True, slots=True)
class Open:
    """An alert that has no fate: where it was seen last, and when."""

    alert: str
    where: str
    since: str


@dataclass(frozen=True, slots=True)
class Account:
    """The sum. `twice`: alerts that came to different ends, with these.

    `unannounced`: those whose arrival is not in the record, so that others may have come of which nothing is there.
    """

    received: int
    fates: Mapping[str, int]
    under_way: tuple[Open, ...]
    missing: tuple[Open, ...]
    twice: Mapping[str, tuple[str, ...]]
    unannounced: tuple[str, ...]
    lines: Mapping[str, int]

    @property
    def whole(self) -> bool:
        """Tell whether nothing is missing."""
        return not self.missing


class Record:
    """What was read so far. Lines may come in any order, twice, cut off, and among lines of others."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._courses: dict[str, Course] = {}
        self._lines = Counter(dict.fromkeys(_READ, 0))

    def taken(self, alert: str, at: datetime | None) -> None:
        """Note that the broker took an alert."""
        course = self._courses.setdefault(alert, Course())
        course.announced = True
        if course.at == _EVER and at is not None:
            course.at = at

    def read(self, lines: Iterable[bytes]) -> None:
        """Note what the lines of a log tell."""
        for line in lines:
            if line.strip():
                self._lines["read"] += 1
                self._lines[self._noted(line)] += 1

    def account(self, now: datetime, patience: timedelta) -> Account:
        """Return the sum as it is `now`; what was last seen longer than `patience` ago is missing."""
        known = sorted(self._courses.items(), key=lambda one: (one[1].at, one[0]))
        still = {alert: course for alert, course in known if course.fate is None}
        lost = {alert: course for alert, course in still.items() if course.at < now - patience}
        counts = Counter(course.fate for _, course in known)
        return Account(
            received=len(known),
            fates={word: counts[word] for word in FATES},
            under_way=tuple(_open(alert, course) for alert, course in still.items() if alert not in lost),
            missing=tuple(_open(alert, course) for alert, course in lost.items()),
            twice={alert: words for alert, course in known if len(set(words := _words(course))) > 1},
            unannounced=tuple(alert for alert, course in known if not course.announced),
            lines={name: self._lines[name] for name in _READ},
        )

    def _noted(self, line: bytes) -> str:
        """Note what a line tells, and return what kind of line it is: "alerts", or one of those that are counted."""
        said = _object(line)
        if said is None:
            return "unreadable"
        if not isinstance(said.get("function"), str):
            return "foreign"
        if said.get("type") == TICK:
            return "ticks"
        alert = said.get("alert") or said.get("event")
        if not isinstance(alert, str) or said.get("type") == DROPPED:
            return "other"
        self._note(alert, said)
        return "alerts"

    def _note(self, alert: str, said: Mapping[str, Any]) -> None:
        course, at = self._courses.setdefault(alert, Course()), _time(said.get("time"))
        course.announced = course.announced or (said["function"] == ROUTER and said.get("type") == ALERT)
        if said.get("fate") in FATES:
            course.ends.append((at, said["fate"]))
        if at >= course.at:
            course.at, course.where = at, _where(said)


def _object(line: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object of a line, after what `kubectl logs --prefix --timestamps` puts before it; else None."""
    start = line.find(b"{")
    try:
        said = json.loads(line[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _where(said: Mapping[str, Any]) -> str:
    """Return where an alert is after a line that does not end it."""
    if following := said.get("next"):
        return f"after {said['function']}, on its way to {following}"
    return f"in {said['function']}: {said.get('outcome')}, {said.get('reason')}"


def _time(text: object) -> datetime:
    return (marks.time_of(text) if isinstance(text, str) else None) or _EVER


def _words(course: Course) -> tuple[str, ...]:
    """Return the ends in their order, each as often as it changed."""
    words = [word for _, word in sorted(course.ends)]
    return tuple(word for number, word in enumerate(words) if number == 0 or words[number - 1] != word)


def _open(alert: str, course: Course) -> Open:
    return Open(alert, course.where, marks.stamp(course.at))
