"""What alerts do not already show about times (test_alert.py has the table): the strict reader and the writer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from molt import timestamps


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05Z+2",
        "1790000102",
        "2026-01-32T03:04:05Z",
        "٢026-01-02T03:04:05Z",
    ],
)
def test_strict_reader_wants_rfc3339(text: str) -> None:
    """What lacks the offset, or is no date, must not be a time of a CloudEvent."""
    assert timestamps.rfc3339(text) is None


@pytest.mark.parametrize(
    "text", ["2026-01-02T03:04:05Z", "2026-01-02t04:04:05.0+01:00", "2026-01-01 21:34:05.0000000001-05:30"]
)
def test_strict_reader_reads_every_offset(text: str) -> None:
    """All ways in which RFC 3339 writes a time must be read, in UTC."""
    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == timestamps.rfc3339(text)


def test_written_in_utc() -> None:
    """A time in another zone must be written in UTC."""
    time = datetime(2026, 1, 2, 4, 4, 5, 120000, tzinfo=timezone(timedelta(hours=1)))
    assert "2026-01-02T03:04:05.120000Z" == timestamps.render(time)
