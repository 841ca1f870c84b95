"""The clock: PingSource of sources.knative.dev/v1, ticking into a broker as Knative's does.

A tick that is missed (the machine slept, the broker was down, the disk was full) is gone; it is not made up for.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadCronError, CroniterBadDateError, croniter

from molt.commits import StoreError
from molt.embedded.broker.eventing import API as EVENTING
from molt.embedded.broker.eventing import destination, key_of
from molt.embedded.broker.message import Message
from molt.outcome import BadEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from molt.embedded.manifests import Document, Field

TICK = "dev.knative.sources.ping"
API = "sources.knative.dev/v1"
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAYS = "sun|mon|tue|wed|thu|fri|sat"
_RANK = {name: rank for names in (_MONTHS, _DAYS) for rank, name in enumerate(names.split("|"))}
# What robfig/cron takes, which is less than croniter does: no L, #, H, no year, Sunday is 0 and not 7.
_VALUES = (r"\d+", r"\d+", r"\d+", r"\d+", rf"\d+|{_MONTHS}", rf"[0-6]|{_DAYS}")
_FIELDS = [
    re.compile(rf"(?:[*?]|(?P<low>{value})(?:-(?P<high>{value}))?)(?:/[1-9]\d*)?", re.ASCII) for value in _VALUES
]
# A wait is cut into pieces, so that a clock that is set is noticed.
_LONGEST_WAIT = 5.0


class BadSchedule(ValueError):
    """A schedule that Knative would refuse too, or that never comes."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to tick: 5 fields, or 6 with the seconds first, in a time zone."""

    expression: str
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, timezone: str = "") -> Schedule:
        """Read a schedule as Knative does. Raises BadSchedule."""
        try:
            zone = ZoneInfo(timezone or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            message = f'"{timezone}" is no time zone'
            raise BadSchedule(message) from error
        fields = _DESCRIPTORS.get(text.strip(), text).lower().split()
        patterns = _FIELDS[6 - len(fields) :] if len(fields) in {5, 6} else []
        if not patterns or not all(map(_fits, patterns, fields)):
            message = f'"{text}" is no schedule of 5 fields, or 6 with the seconds first'
            raise BadSchedule(message)
        schedule = cls(" ".join(fields).replace("?", "*"), zone)
        try:
            schedule.after(datetime.now(UTC))
        except (CroniterBadCronError, CroniterBadDateError) as error:
            message = f'"{text}" never comes: {error}'
            raise BadSchedule(message) from error
        return schedule

    def after(self, moment: datetime) -> datetime:
        """Return the first tick after `moment`, in UTC.

        Local times that a change to summer time leaves out have no tick; those that come twice have two.
        """
        start = moment.astimezone(self.zone)
        following = croniter(self.expression, start, ret_type=datetime, second_at_beginning=True)
        while True:
            tick: datetime = following.get_next()
            # croniter moves a tick that was left out to the next hour.
            if croniter.match(self.expression, tick.replace(tzinfo=None), second_at_beginning=True):
                return tick.astimezone(UTC)


def _fits(pattern: re.Pattern[str], text: str) -> bool:
    for item in text.split(","):
        found = pattern.fullmatch(item)
        if not found or (found["high"] and _rank(found["low"]) > _rank(found["high"])):
            return False
    return True


def _rank(text: str) -> int:
    return int(text) if text.isdigit() else _RANK[text]


@dataclass(frozen=True, slots=True)
class PingSource:
    """What ticks when, and into which broker (`namespace/name`)."""

    key: str
    schedule: Schedule
    broker: str
    attributes: Mapping[str, str]
    data: bytes

    def tick(self, now: datetime) -> Message:
        """Return the event of a tick."""
        namespace, _, name = self.key.partition("/")
        own = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "type": TICK,
            "source": f"/apis/v1/namespaces/{namespace}/pingsources/{name}",
            "time": now.isoformat().replace("+00:00", "Z"),
        }
        return Message({**self.attributes, **own}, self.data)


def read(documents: Iterable[Document], brokers: Collection[str], schedule: str | None = None) -> list[PingSource]:
    """Return the PingSources among `documents`; `schedule`, if given, in place of what each has.

    Raises ManifestError, and BadSchedule for `schedule`.
    """
    override = Schedule.parse(schedule) if schedule else None
    return [_source(document.root, brokers, override) for document in documents if document.api == (API, "PingSource")]


def _source(root: Field, brokers: Collection[str], override: Schedule | None) -> PingSource:
    spec = root.at("spec").object("schedule", "timezone", "contentType", "data", "dataBase64", "sink", "ceOverrides")
    try:
        own = Schedule.parse(spec.at("schedule").text(), spec.at("timezone").text(""))
    except BadSchedule as error:
        raise spec.at("schedule").bad(str(error)) from error
    key = key_of(root)
    sink = destination(spec.at("sink"), key).ref
    broker = f"{sink.namespace}/{sink.name}" if sink else ""
    if sink is None or sink.api_version != EVENTING or broker not in brokers:
        raise spec.at("sink").bad("must be the ref of a Broker that is here")
    extensions = spec.at("ceOverrides").object("extensions").at("extensions").texts()
    content_type = spec.at("contentType").text("")
    attributes = {**extensions, "datacontenttype": content_type} if content_type else extensions
    return PingSource(key, override or own, broker, attributes, _data(spec, content_type))


def _data(spec: Field, content_type: str) -> bytes:
    plain, encoded = spec.at("data"), spec.at("dataBase64")
    if plain and encoded:
        raise encoded.bad("must not stand beside data")
    try:
        data = base64.b64decode(encoded.text(""), validate=True) if encoded else plain.text("").encode()
        if data and content_type == "application/json":
            json.loads(data)
    except ValueError as error:
        raise (encoded or plain).bad(f"does not hold what it says: {error}") from error
    return data


@dataclass(frozen=True, slots=True)
class Ticking:
    """Ticks into brokers. `accept` takes a broker and an event; `trouble` is told why a tick was lost."""

    sources: Sequence[PingSource]
    accept: Callable[[str, Message], object]
    trouble: Callable[[str], None]

    def run(self, wait: Callable[[float], bool], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Tick until `wait`, which gets seconds, returns true."""
        before = now()
        while not wait(self.pause(before)):
            moment = now()
            # A clock that was set back, or a machine that slept: go on from here, with one tick at most.
            for source in self.sources:
                if before <= moment and source.schedule.after(before) <= moment:
                    self._tick(source, moment)
            before = moment

    def pause(self, moment: datetime) -> float:
        """Return the seconds from `moment` to the next tick, cut so that a clock that is set gets noticed."""
        following = min(source.schedule.after(moment) for source in self.sources)
        return min((following - moment).total_seconds(), _LONGEST_WAIT)

    def _tick(self, source: PingSource, moment: datetime) -> None:
        try:
            self.accept(source.broker, source.tick(moment))
        except (StoreError, BadEvent) as error:
            self.trouble(f"a tick of {source.key} is lost: {error.reason}")
