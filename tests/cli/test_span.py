"""Lengths of time as people type and read them."""

from __future__ import annotations

import math

import pytest
import typer

from molt.cli import span


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30d", 2_592_000), ("1.5d", 129_600), ("1d12h", 129_600), ("2h", 7200), ("1h30m", 5400), ("250ms", 0.25)],
)
def test_what_is_taken(text: str, expected: float) -> None:
    """Days, and durations as policies have them."""
    assert expected == span.seconds(text)
    assert text == span.checked(text)


@pytest.mark.parametrize("text", ["", "d", "2", "-1h", "1h2d", "2w", "1d1x", "0s", "0d", "0d0s", "999999d"])
def test_what_is_not(text: str) -> None:
    """Nothing, no number, no unit, the wrong order, no length at all."""
    with pytest.raises(typer.BadParameter, match=r"length of time|longer than 0"):
        span.checked(text)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0.0, "0s"),
        (0.2504, "0.25s"),
        (0.9999, "1s"),
        (59.6, "1m"),
        (61.0, "1m1s"),
        (3599.7, "1h"),
        (7200.0, "2h"),
        (86_399.0, "1d"),
        (273_600.0, "3d4h"),
        (86_400.0 * 400, "1y35d"),
        (86_400.0 * 365e5, "1.0e+05y"),
        (math.inf, "never"),
    ],
)
def test_what_is_said(length: float, expected: str) -> None:
    """The largest unit and the next; rounded, but never to sixty of one."""
    assert expected == span.brief(length)
