"""How long ago, or in how long: times as people say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt import marks

if TYPE_CHECKING:
    from datetime import datetime

# As kubectl: a unit is used from twice its length on.
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def seconds(text: str | None, now: datetime) -> int | None:
    """Return how many whole seconds before `now` an RFC 3339 time is, negative for the future; None when it is none."""
    time = marks.time_of(text)
    return None if time is None else round((now - time).total_seconds())


def relative(text: str | None, now: datetime) -> str:
    """Return a time with its distance from `now`: `11:20:03 UTC, 45s ago`; what is no time as it is.

    The date stands there when it is not today's.
    """
    time, distance = marks.time_of(text), seconds(text, now)
    if time is None or distance is None:
        return text or ""
    clock = f"{time:%H:%M:%S} UTC" if time.date() == now.date() else f"{time:%Y-%m-%d %H:%M:%S} UTC"
    return f"{clock}, {_length(distance)} ago" if distance >= 0 else f"{clock}, in {_length(-distance)}"


def lasting(text: str | None, now: datetime) -> str:
    """Return how long it is since an RFC 3339 time, as kubectl shows an age: `3h`; "" for what is none."""
    distance = seconds(text, now)
    return "" if distance is None else _length(max(distance, 0))


def _length(number: int) -> str:
    for length, unit in _UNITS:
        if number >= 2 * length:
            return f"{number // length}{unit}"
    return f"{number}s"
