"""The gate: who gets in without a signature, who does not get in at all, and what goes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from molt.events import Event, parse, render
from molt.gate import gated
from molt.outcome import Done, Ignored, Outcome, RefusedEvent, Skipped
from molt.seal import Seal
from molt.server import create_app
from tests.molt.application import FakeCluster

if TYPE_CHECKING:
    from molt.cluster import Cluster
    from molt.outcome import Clock

TICK = "dev.knative.sources.ping"
SEAL = Seal((b"k" * 32,), "here")
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
NEXT = Event(id="2", source="/molt/x", type="io.molt-project.next.v1", data={}, extensions={"remedy": "rotate"})
SLIP = Event(id="1", source="/molt/detect-router", type="io.molt-project.alert.routed.v1", data={})
NO_CLUSTER = cast("Cluster", FakeCluster())


class Slow:
    """A clock on which ten minutes go by between two looks."""

    def __init__(self) -> None:
        """Begin at NOW."""
        self.time = NOW

    def now(self) -> datetime:
        """Return a later time."""
        self.time += timedelta(minutes=10)
        return self.time

    def sleep(self, seconds: float) -> None:
        """Nobody sleeps here."""
        raise AssertionError(seconds)


def behind(outcome: Outcome, event: Event, *unsigned: str) -> tuple[Outcome, list[Event]]:
    """Return what comes out of a gated handler, and what it saw."""
    seen: list[Event] = []

    def handle(event: Event, _cluster: Cluster, _clock: Clock) -> Outcome:
        seen.append(event)
        return outcome

    return gated(handle, SEAL, unsigned)(event, NO_CLUSTER, Slow()), seen


@pytest.mark.parametrize(
    "outcome", [Done(NEXT, "isolated"), Skipped("gone", NEXT), Done(NEXT, "would", rehearsed=True)]
)
def test_what_goes_out_is_signed(outcome: Done | Skipped) -> None:
    """With the time at which it goes; nothing else of the outcome changes."""
    signed = SEAL.sign(SLIP, NOW)
    answered, seen = behind(outcome, signed)
    assert [signed] == seen
    assert isinstance(answered, Done | Skipped)
    assert SEAL.sign(NEXT, NOW + timedelta(minutes=20)) == answered.event
    assert outcome.reason == answered.reason


@pytest.mark.parametrize("outcome", [Done(reason="x"), Skipped("x"), Ignored("x")])
def test_an_outcome_without_an_event_stays_as_it_is(outcome: Outcome) -> None:
    """There is nothing to sign."""
    assert (outcome, [SEAL.sign(SLIP, NOW)]) == behind(outcome, SEAL.sign(SLIP, NOW))


def test_nobody_sees_what_is_refused() -> None:
    """The handler is not called."""

    def handle(*_: object) -> Outcome:
        raise AssertionError

    with pytest.raises(RefusedEvent, match=r"^it has no signature$"):
        gated(handle, SEAL, {TICK})(SLIP, NO_CLUSTER, Slow())


def test_ticks_get_in_by_their_type_alone() -> None:
    """Exactly that type, where it is allowed: a remedy in it changes nothing, since the type is what decides."""
    tick = Event(id="t", source="/anybody", type=TICK, data={}, extensions={"remedy": "terminate"})
    assert [tick] == behind(Done(), tick, TICK)[1]
    for other, unsigned in ((tick, ()), (Event("t", "/s", f"{TICK}.x", {}), (TICK,)), (SLIP, (TICK,))):
        with pytest.raises(RefusedEvent):
            behind(Done(), other, *unsigned)


def test_over_http_it_is_403_at_once_and_a_line_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A broker takes 403 to the dead letter without a second try, with the reason."""
    guarded = gated(lambda *_: Done(NEXT), SEAL)
    client = create_app("evidence", guarded, NO_CLUSTER, Slow()).test_client()
    headers, body = render(SLIP)
    answer = client.post("/", headers=headers, data=body)
    assert (403, "it has no signature\n", "text/plain") == (answer.status_code, answer.text, answer.mimetype)
    line = capsys.readouterr().out
    assert '"outcome": "refused", "reason": "it has no signature"' in line
    assert '"api_calls": 0, "status": 403' in line
    headers, body = render(SEAL.sign(SLIP, NOW))
    answer = client.post("/", headers=headers, data=body)
    assert 200 == answer.status_code
    SEAL.check(parse(answer.headers.items(), answer.data), NOW)
