"""Times as people say them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from molt.cli.age import lasting, relative, seconds

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said", "distance"),
    [
        ("2026-03-04T12:00:00Z", "12:00:00 UTC, 0s ago", 0),
        ("2026-03-04T11:58:01.5Z", "11:58:01 UTC, 118s ago", 118),
        ("2026-03-04T11:58:00Z", "11:58:00 UTC, 2m ago", 120),
        ("2026-03-04T10:00:01Z", "10:00:01 UTC, 119m ago", 7199),
        ("2026-03-04T10:00:00+00:00", "10:00:00 UTC, 2h ago", 7200),
        ("2026-03-02T12:00:00Z", "2026-03-02 12:00:00 UTC, 2d ago", 172_800),
        ("2026-03-04T12:00:30Z", "12:00:30 UTC, in 30s", -30),
        ("2026-03-05T00:00:00Z", "2026-03-05 00:00:00 UTC, in 12h", -43_200),
        ("yesterday", "yesterday", None),
        ("", "", None),
        (None, "", None),
    ],
)
def test_times_and_their_distance(text: str | None, said: str, distance: int | None) -> None:
    """Past and future, today's without the date; what is no time is shown as it is."""
    assert (said, distance) == (relative(text, NOW), seconds(text, NOW))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-03-01T12:00:00Z", "3d"),
        ("2026-03-04T11:58:30Z", "90s"),
        ("2026-03-04T12:00:09Z", "0s"),
        ("ever", ""),
        ("", ""),
    ],
)
def test_how_long_something_lasts(text: str, said: str) -> None:
    """As kubectl's ages; where clocks disagree it has just begun, and what is no time says nothing."""
    assert said == lasting(text, NOW)
