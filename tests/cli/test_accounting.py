"""The sum of all alerts, from lines in any order, twice, cut off and among others'.

| of an alert the record has                       | it is                                      |
|--------------------------------------------------|--------------------------------------------|
| a line with a fate                               | that                                       |
| two: acted, and any other                        | acted, and told as twice                   |
| two others                                       | the last, and told as twice                |
| no fate, and a line younger than the patience    | under way, and where                       |
| no fate, and only older lines                    | missing, and where it was seen last        |
| only the broker's word that it took it           | under way, or missing: seen by no function |
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt.cli.accounting import Account, Open, Record
from molt.fate import FATES

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PATIENCE = timedelta(minutes=30)
ALERT = "falco.rule.output.v1"
SLIP = "io.molt-project.alert.routed.v1"


def line(name: str | None = "a", function: str = "detect-router", *, ago: float = 1, **members: Any) -> bytes:
    """Return a function's line, written `ago` minutes before NOW."""
    time = (NOW - timedelta(minutes=ago)).isoformat().replace("+00:00", "Z")
    kind = ALERT if function == "detect-router" else SLIP
    said = {"time": time, "level": "info", "function": function, "event": f"event-of-{name}", "type": kind}
    return json.dumps(said | ({"alert": name} if name else {}) | members).encode() + b"\n"


def account(*lines: bytes, now: datetime = NOW) -> Account:
    record = Record()
    record.read(lines)
    return record.account(now, PATIENCE)


@pytest.mark.parametrize("fate", FATES)
def test_one_of_each_fate(fate: str) -> None:
    """It is counted there, and nothing else is."""
    done = account(line(next="quarantine", outcome="done"), line(function="quarantine", fate=fate))
    assert (1, dict.fromkeys(FATES, 0) | {fate: 1}) == (done.received, dict(done.fates))
    assert ((), (), {}, (), True) == (done.under_way, done.missing, dict(done.twice), done.unannounced, done.whole)


def test_on_its_way() -> None:
    """Under way with where it goes, while its last line is young; then missing, with the same words."""
    routed = line(outcome="done", reason="policy web", next="quarantine", ago=30)
    where = Open("a", "after detect-router, on its way to quarantine", "2026-11-24T11:30:00Z")
    young, old = account(routed), account(routed, now=NOW + timedelta(seconds=1))
    assert ((where,), (), True) == (young.under_way, young.missing, young.whole)
    assert ((), (where,), False) == (old.under_way, old.missing, old.whole)
    assert 1 == young.received == old.received


def test_tried_again_and_again() -> None:
    """Where it hangs, and why: the last line says so, in whatever order the logs are read."""
    lines = [
        line(outcome="done", next="quarantine", ago=9),
        line(function="quarantine", outcome="temporary error", reason="503 away", ago=8),
        line(function="quarantine", outcome="temporary error", reason="409 changed", ago=7),
    ]
    for order in itertools.permutations(lines):
        assert ["in quarantine: temporary error, 409 changed"] == [one.where for one in account(*order).under_way]


@pytest.mark.parametrize(
    ("ends", "fate"),
    [
        (("acted", "dead-lettered"), "acted"),
        (("dead-lettered", "acted"), "acted"),
        (("ignored", "skipped"), "skipped"),
        (("skipped", "dead-lettered"), "dead-lettered"),
    ],
)
def test_more_than_one_end(ends: tuple[str, str], fate: str) -> None:
    """It is counted once, and both are told in their order."""
    lines = [line(fate=end, ago=9 - number) for number, end in enumerate(ends)]
    for order in (lines, lines[::-1]):
        sum_ = account(*order)
        assert (1, 1, {"a": ends}) == (sum_.received, sum_.fates[fate], dict(sum_.twice))
        assert sum_.whole


def test_the_same_end_twice_is_one() -> None:
    """A redelivery, or a log that is read twice."""
    sum_ = account(line(fate="ignored"), line(fate="ignored"), line(fate="ignored", ago=5))
    assert (1, {}) == (sum_.fates["ignored"], dict(sum_.twice))


def test_what_has_no_alert_goes_by_its_event() -> None:
    """The router could not read it, and the dead letter has the same event."""
    sum_ = account(
        line(None, outcome="bad event", status=400, ago=2),
        line(None, "dead-letter", type=ALERT, fate="dead-lettered", outcome="dead-lettered"),
    )
    assert (1, 1, ()) == (sum_.received, sum_.fates["dead-lettered"], sum_.unannounced)


def test_whose_arrival_is_not_in_the_record() -> None:
    """It counts, and it is told: others may have come of which nothing is there."""
    sum_ = account(line("a", "quarantine", fate="acted"), line("b", "rotate", outcome="done", next="x", ago=99))
    assert (2, ("b", "a")) == (sum_.received, sum_.unannounced)
    assert ["b"] == [one.alert for one in sum_.missing]


def test_what_only_the_broker_knows() -> None:
    """It took it and no function has seen it: under way at first, then missing; a line of a function says more."""
    record = Record()
    record.taken("a", NOW - timedelta(minutes=1))
    record.taken("b", NOW - timedelta(minutes=31))
    record.taken("c", None)
    sum_ = record.account(NOW, PATIENCE)
    where = "taken by the broker, and seen by no function"
    assert (Open("a", where, "2026-11-24T11:59:00Z"),) == sum_.under_way
    assert ["c", "b"] == [one.alert for one in sum_.missing]
    assert () == sum_.unannounced
    record.read([line("b", fate="ignored"), line("c", fate="ignored")])
    record.taken("b", NOW)
    assert () == record.account(NOW, PATIENCE).missing


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"Traceback (most recent call last):", "unreadable"),
        (line(fate="acted")[:-9], "unreadable"),
        (b"[" * 100_000 + b"{" * 100_000, "unreadable"),
        (b"[1]", "unreadable"),
        (b"\xff\xfe{\xff}", "unreadable"),
        (b'{"severity": "INFO", "logger": "activator"}', "foreign"),
        (b'{"function": 7}', "foreign"),
        (json.dumps({"function": "rotate", "message": "listening"}).encode(), "other"),
        (line(None, alert=["hostile"], event=None), "other"),
        (line(None, function="dead-letter", type="io.molt-project.alerts.dropped.v1", fate="dead-lettered"), "other"),
        (line(function="rotate", type="dev.knative.sources.ping", fate="skipped"), "ticks"),
        (b'{"time": "x", "function": "rotate", "type": "dev.knative.sources.ping", "event": "t"}', "ticks"),
    ],
)
def test_lines_of_others(text: bytes, kind: str) -> None:
    """They are counted, and nothing is made of them."""
    sum_ = account(text, b"\n", b"  \n")
    assert {"read": 1, "ticks": 0, "other": 0, "foreign": 0, "unreadable": 0} | {kind: 1} == dict(sum_.lines)
    assert 0 == sum_.received


@pytest.mark.parametrize(
    "prefix", [b"[pod/quarantine-00001-x/function] ", b"2026-11-24T12:00:00.123Z ", b"\xef\xbb\xbf"]
)
def test_what_kubectl_puts_before_a_line(prefix: bytes) -> None:
    """`--prefix` and `--timestamps` are no harm."""
    assert 1 == account(prefix + line(fate="acted")).fates["acted"]


def test_a_fate_that_there_is_not() -> None:
    """It is none, and a time that is none is before all others."""
    sum_ = account(line(fate="vanished", outcome="done", reason="r"), line(time="yesterday", outcome="error"))
    assert ["in detect-router: done, r"] == [one.where for one in sum_.under_way]
    assert 0 == sum(sum_.fates.values())


_COURSES = st.lists(
    st.tuples(
        st.sampled_from(["none", *FATES]),
        st.booleans(),  # came twice
        st.floats(0, 60),  # minutes since its last line
        st.booleans(),  # the broker says so, too
    ),
    max_size=30,
)
_NOISE = st.lists(st.binary(max_size=60).filter(lambda text: b"\n" not in text), max_size=10)


def _lines(courses: Iterable[tuple[str, bool, float, bool]]) -> Iterable[bytes]:
    for number, (end, twice, ago, _) in enumerate(courses):
        for _ in range(1 + twice):
            yield line(f"a{number}", outcome="done", next="quarantine", ago=ago)
            if end != "none":
                yield line(f"a{number}", "quarantine", fate=end, ago=ago)


@given(_COURSES, _NOISE, st.randoms(use_true_random=False))
def test_the_sum_is_whole(
    courses: list[tuple[str, bool, float, bool]], noise: list[bytes], dice: random.Random
) -> None:
    """However the lines come: every alert stands in just one place, and those that are missing are just those."""
    lines = [*_lines(courses), *(b"#" + text.replace(b"{", b"") for text in noise)]
    dice.shuffle(lines)
    record = Record()
    for number, (_, _, ago, told) in enumerate(courses):
        if told:
            record.taken(f"a{number}", NOW - timedelta(minutes=ago))
    record.read(lines)
    sum_ = record.account(NOW, PATIENCE)
    assert len(courses) == sum_.received
    assert sum_.received == sum(sum_.fates.values()) + len(sum_.under_way) + len(sum_.missing)
    assert {fate: sum(end == fate for end, *_ in courses) for fate in FATES} == dict(sum_.fates)
    opened = {f"a{number}": ago for number, (end, _, ago, _) in enumerate(courses) if end == "none"}
    edge = PATIENCE - timedelta(milliseconds=1)
    assert {a for a, ago in opened.items() if timedelta(minutes=ago) > PATIENCE} <= {one.alert for one in sum_.missing}
    assert {a for a, ago in opened.items() if timedelta(minutes=ago) < edge} <= {one.alert for one in sum_.under_way}
    assert set(opened) == {one.alert for one in (*sum_.missing, *sum_.under_way)}
    assert len(noise) == sum_.lines["unreadable"]


@given(_COURSES.filter(bool), st.data())
def test_no_line_can_go_unnoticed(courses: list[tuple[str, bool, float, bool]], data: st.DataObject) -> None:
    """Take the line away that ended an alert, and the audit names that alert."""
    ended = [number for number, (end, *_) in enumerate(courses) if end != "none"]
    if not ended:
        return
    gone = f"a{data.draw(st.sampled_from(ended))}"
    left = [text for text in _lines(courses) if not (f'"{gone}"'.encode() in text and b'"fate"' in text)]
    sum_ = account(*left, now=NOW + timedelta(hours=2))
    assert gone in {one.alert for one in sum_.missing}
    assert not sum_.whole
