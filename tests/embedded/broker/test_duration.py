"""ISO 8601 durations of delivery specifications."""

from __future__ import annotations

import pytest

from molt.embedded.broker import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0.2S", 0.2),
        ("PT0,5S", 0.5),
        ("PT1M30S", 90),
        ("PT2H", 7200),
        ("P1D", 86_400),
        ("P1W", 604_800),
        ("P1DT1S", 86_401),
        ("PT0S", 0),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    """Weeks to seconds are read, with a fraction in the seconds."""
    assert seconds == duration.parse(text)


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "1S", "PT1", "P1Y", "P1M", "PT-1S", "-PT1S", "pt1s", "PT1S ", "PT1.S"]
)
def test_anything_else_is_refused(text: str) -> None:
    """What is no duration, or has no fixed length, is refused."""
    with pytest.raises(ValueError, match="is not an ISO 8601 duration"):
        duration.parse(text)
