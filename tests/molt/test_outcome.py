"""Errors that carry one line of text, and the machine's clock."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from molt.outcome import BadEvent, MoltError, PermanentError, SystemClock, TemporaryError


@pytest.mark.parametrize("kind", [BadEvent, PermanentError, TemporaryError])
def test_every_error_is_one_of_molt(kind: type[MoltError]) -> None:
    """Each must be caught as a MoltError and have its reason as text."""
    error = kind("no")
    assert isinstance(error, MoltError)
    assert "no" == error.reason == str(error)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a\r\n  b\tc ", "a b c"),
        ("\x1b[2J\x00\u2028x", r"\u001b[2J\u0000 x"),
        ("\u202efdp.exe", r"\u202efdp.exe"),
        ("\ud800", r"\ud800"),
        ("Müll 🦀", "Müll 🦀"),
    ],
)
def test_reason_is_one_printable_line(given: str, expected: str) -> None:
    """Whatever a reason is made from must not break out of its line or change the terminal."""
    assert expected == BadEvent(given).reason


def test_temporary_error_may_say_when() -> None:
    """The hint for the sender must be kept."""
    assert 1.5 == TemporaryError("busy", 1.5).retry_after
    assert TemporaryError("busy").retry_after is None


def test_system_clock() -> None:
    """The clock must tell an aware time in UTC, and wait."""
    clock = SystemClock()
    before = clock.now()
    clock.sleep(0)
    assert before <= clock.now()
    assert timedelta(0) == before.utcoffset()
    assert UTC is before.tzinfo
