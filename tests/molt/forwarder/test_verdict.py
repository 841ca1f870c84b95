"""What answers mean, and how long to wait."""

from __future__ import annotations

import pytest

from molt.forwarder.verdict import Gate, backoff, retry_after, verdict

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("status", "expected"),
    [(code, "sent") for code in (200, 202, 204)]
    + [(code, "refused") for code in (400, 411, 413, 414, 415, 422, 431)]
    + [(code, "again") for code in (100, 301, 302, 401, 403, 404, 405, 408, 409, 410, 418, 425, 429, 500, 502, 503)],
)
def test_verdicts(status: int, expected: str) -> None:
    """Only what blames the request itself is a reason to give up."""
    assert expected == verdict(status)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0.0),
        ("", 0.0),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("100000000000000000000000", 300.0),
        ("-1", 0.0),
        ("soon", 0.0),
        ("٣", 0.0),
        ("Thu, 01 Jan 2026 00:00:09 GMT", 9.0),
        ("Thu, 01 Jan 2026 00:00:09 -0000", 9.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("Fri, 01 Jan 2027 00:00:00 GMT", 300.0),
    ],
)
def test_retry_after(value: str | None, seconds: float) -> None:
    """Seconds or a date, up to five minutes; what cannot be read asks for nothing."""
    assert seconds == retry_after(value, NOW)


def test_backoff_doubles_up_to_its_cap() -> None:
    """With full jitter: a part of the bound that chance says; the greatest number of tries overflows nothing."""
    bounds = [backoff(tries, 1.0, base=0.5, cap=5.0) for tries in (1, 2, 3, 4, 5, 10_000)]
    assert [0.5, 1.0, 2.0, 4.0, 5.0, 5.0] == bounds
    assert 1.0 == backoff(3, 0.5, base=0.5, cap=5.0)


def test_an_open_gate_lets_many_in() -> None:
    """While the broker works, several try at a time."""
    gate = Gate()
    assert [True, True] == [gate.enter(0.0), gate.enter(0.0)]


def test_after_a_failure_one_tries_at_a_time_and_ever_more_rarely() -> None:
    """The wait grows, at least to what the broker asked for; the first success opens for all."""
    gate = Gate(base=1.0, cap=4.0)
    assert gate.enter(0.0)
    gate.failed(0.0, 1.0)
    assert [False, True, False] == [gate.enter(0.9), gate.enter(1.0), gate.enter(1.0)]
    gate.failed(1.0, 1.0, asked=10.0)
    assert [False, True] == [gate.enter(12.9), gate.enter(13.0)]
    gate.leave()
    assert gate.enter(13.0)
    gate.succeeded()
    assert (0, [True, True]) == (gate.failures, [gate.enter(0.0), gate.enter(0.0)])
