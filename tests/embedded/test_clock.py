"""The clock: schedules, PingSources, ticks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from molt.commits import StoreError
from molt.embedded import clock
from molt.embedded.broker.message import Message
from molt.embedded.clock import BadSchedule, PingSource, Schedule, Ticking
from molt.embedded.manifests import Document, ManifestError

BROKERS = {"molt/default"}
SINK = {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}}


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "ticks"),
    [
        ("* * * * *", "", "2026-01-01T00:00:30+00:00", ["2026-01-01T00:01:00", "2026-01-01T00:02:00"]),
        ("*/20 * * * * *", "", "2026-01-01T00:00:30+00:00", ["2026-01-01T00:00:40", "2026-01-01T00:01:00"]),
        ("30 0 12 * * *", "", "2026-01-01T00:00:00+00:00", ["2026-01-01T12:00:30", "2026-01-02T12:00:30"]),
        ("5/15 * * * *", "", "2026-01-01T00:06:00+00:00", ["2026-01-01T00:20:00", "2026-01-01T00:35:00"]),
        ("0 9 ? * MON-FRI", "", "2026-01-02T10:00:00+00:00", ["2026-01-05T09:00:00", "2026-01-06T09:00:00"]),
        ("0 0 1 jan,jul *", "", "2026-01-02T00:00:00+00:00", ["2026-07-01T00:00:00", "2027-01-01T00:00:00"]),
        ("0 0 13 * 5", "", "2026-02-01T00:00:00+00:00", ["2026-02-06T00:00:00", "2026-02-13T00:00:00"]),
        ("@hourly", "", "2026-01-01T00:06:00+00:00", ["2026-01-01T01:00:00", "2026-01-01T02:00:00"]),
        ("0 9 * * *", "Asia/Tokyo", "2026-01-01T00:00:00+00:00", ["2026-01-02T00:00:00", "2026-01-03T00:00:00"]),
        # Summer time begins: 02:30 does not come on the 29th of March.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+00:00", ["2026-03-30T00:30:00", "2026-03-31T00:30:00"]),
        # It ends: the hour from 2 to 3 comes twice, and a minute's ticks go on.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+00:00", ["2026-10-25T00:30:00", "2026-10-25T01:30:00"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:20:00+00:00", ["2026-10-25T00:30:00", "2026-10-25T01:00:00"]),
    ],
)
def test_a_schedule_ticks(schedule: str, zone: str, after: str, ticks: list[str]) -> None:
    """As robfig/cron does, which Knative uses: seconds first, time zones, days by either field."""
    parsed = Schedule.parse(schedule, zone)
    first = parsed.after(_at(after))
    assert [_at(f"{tick}+00:00") for tick in ticks] == [first, parsed.after(first)]


@pytest.mark.parametrize(
    "schedule",
    [
        "", "* * * *", "* * * * * * *", "@every 5s", "@reboot", "x * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *",
        "* * * 13 *", "* * * * 7", "* * L * *", "* * * * mon#1", "H * * * *", "30-10 * * * *", "* * * dec-feb *",
        "*/0 * * * *", "1,,2 * * * *", "0 0 30 2 *", "-1 * * * *",
    ],
)  # fmt: skip
def test_a_bad_schedule_is_refused(schedule: str) -> None:
    """What Knative refuses, and what never comes."""
    with pytest.raises(BadSchedule, match=r"is no schedule|never comes"):
        Schedule.parse(schedule)


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../etc/passwd", "/etc"])
def test_a_bad_time_zone_is_refused(zone: str) -> None:
    """By its name."""
    with pytest.raises(BadSchedule, match="is no time zone"):
        Schedule.parse("* * * * *", zone)


def _source(override: str | None = None, **spec: Any) -> list[PingSource]:
    body: dict[str, Any] = {
        "apiVersion": clock.API,
        "kind": "PingSource",
        "metadata": {"name": "rotation", "namespace": "molt"},
        "spec": {"schedule": "* * * * *", "sink": SINK, **spec},
    }
    other: dict[str, Any] = {"apiVersion": clock.API, "kind": "ApiServerSource"}
    return clock.read([Document(Path("m.yaml"), n, it) for n, it in enumerate([other, body])], BROKERS, override)


@pytest.mark.parametrize(
    ("spec", "attributes", "data"),
    [
        ({}, {}, b""),
        ({"contentType": "application/json", "data": '{"a": 1}'}, {"datacontenttype": "application/json"}, b'{"a": 1}'),
        ({"dataBase64": "/w=="}, {}, b"\xff"),
        ({"ceOverrides": {"extensions": {"remedy": "rotate"}}}, {"remedy": "rotate"}, b""),
    ],
)
def test_a_tick_is_knatives(spec: dict[str, Any], attributes: dict[str, str], data: bytes) -> None:
    """Type, source, a new id, the time, and what the manifest says."""
    (source,) = _source(**spec)
    first, second = (source.tick(_at("2026-01-01T00:00:00+00:00")) for _ in range(2))
    assert first.attributes["id"] != second.attributes["id"]
    expected = {
        "specversion": "1.0",
        "type": "dev.knative.sources.ping",
        "source": "/apis/v1/namespaces/molt/pingsources/rotation",
        "time": "2026-01-01T00:00:00Z",
    }
    assert expected | attributes == {name: text for name, text in first.attributes.items() if name != "id"}
    assert (data, "molt/default") == (first.data, source.broker)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"schedule": "@every 1s"}, 'spec.schedule: "@every 1s" is no schedule'),
        ({"schedule": None}, "spec.schedule: is required"),
        ({"timezone": "Mars"}, 'spec.schedule: "Mars" is no time zone'),
        ({"sink": {"uri": "http://x/"}}, "spec.sink: must be the ref of a Broker that is here"),
        ({"sink": {"ref": SINK["ref"] | {"name": "other"}}}, "spec.sink: must be the ref of a Broker that is here"),
        (
            {"sink": {"ref": {"apiVersion": "v1", "kind": "Service", "name": "default"}}},
            "spec.sink: must be the ref of a Broker",
        ),
        ({"data": "a", "dataBase64": "YQ=="}, "spec.dataBase64: must not stand beside data"),
        ({"data": "{", "contentType": "application/json"}, "spec.data: does not hold what it says"),
        ({"dataBase64": "*"}, "spec.dataBase64: does not hold what it says"),
        ({"jsonData": "{}"}, "spec.jsonData: is not supported here"),
    ],
)
def test_a_bad_source_is_refused(spec: dict[str, Any], problem: str) -> None:
    """The error names the file, the object and the field."""
    with pytest.raises(ManifestError) as refused:
        _source(**spec)
    assert f"m.yaml: PingSource molt/rotation: {problem}" in str(refused.value)


def test_one_schedule_may_stand_for_all() -> None:
    """For a demonstration that cannot wait."""
    (source,) = _source("*/5 * * * * *")
    assert Schedule.parse("*/5 * * * * *") == source.schedule


class _Time:
    """A clock that is moved by waiting, and by hand."""

    def __init__(self, *jumps: float) -> None:
        self.present = datetime(2026, 1, 1, 0, 0, 58, tzinfo=UTC)
        self.waits: list[float] = []
        self._jumps = list(jumps)

    def now(self) -> datetime:
        return self.present

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if not self._jumps:
            return True
        self.present += timedelta(seconds=seconds + self._jumps.pop(0))
        return False


def _ticks(time: _Time, schedule: str) -> list[str]:
    ticks: list[str] = []

    def accept(_: str, tick: Message) -> None:
        ticks.append(tick.attributes["time"])

    Ticking(_source(schedule=schedule), accept, pytest.fail).run(time.wait, time.now)
    return ticks


def test_a_tick_comes_when_it_is_due() -> None:
    """Once for each due time, and waiting is cut into pieces."""
    assert ["2026-01-01T00:01:00Z"] == _ticks(time := _Time(0, 0), "* * * * *")
    assert [2.0, 5.0, 5.0] == time.waits


def test_missed_ticks_are_not_made_up_for() -> None:
    """After an hour's sleep one tick comes, not sixty."""
    assert ["2026-01-01T01:01:00Z", "2026-01-01T01:02:00Z"] == _ticks(_Time(3600, *[0] * 12), "* * * * *")


def test_a_clock_that_is_set_back_goes_on_from_there() -> None:
    """The next tick comes at its time on the new clock, not an hour late."""
    assert ["2025-12-31T23:02:00Z"] == _ticks(_Time(-3600, *[0] * 12), "* * * * *")


def test_a_tick_that_nobody_takes_is_lost() -> None:
    """It is said, and the clock goes on."""
    said: list[str] = []

    def full(*_: object) -> None:
        raise StoreError("disk full")

    time = _Time(0, 0, 0)
    Ticking(_source(schedule="* * * * * *"), full, said.append).run(time.wait, time.now)
    assert ["a tick of molt/rotation is lost: disk full"] * 3 == said
