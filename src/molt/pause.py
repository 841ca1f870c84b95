"""The annotation that holds up the clock: on a namespace, or on the workload whose pods are to stay for now.

Its value is "true", or a time (RFC 3339) until which it holds. Whatever else stands there holds too: somebody wanted a
pause. An alert's moves do not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks
from molt.policy.fields import quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_SHOWN = 40  # characters of a value that is neither


def of(obj: Mapping[str, Any]) -> str | None:
    """Return the value of the object's annotation, None when it has none."""
    return marks.annotations_of(obj).get(marks.PAUSE)


def reason(value: str | None, name: str, now: datetime) -> str | None:
    """Return why no move of what is called `name` begins now, by the annotation's value; None when one may."""
    if value is None:
        return None
    until = marks.time_of(value)
    if until is not None:
        return f"{name} is paused by {marks.PAUSE} until {marks.stamp(until)}" if now < until else None
    if value == marks.TRUE:
        return f"{name} is paused by {marks.PAUSE}"
    shown = quote(marks.printable(value, _SHOWN))
    return f'{name} is paused by {marks.PAUSE}, though {shown} is neither "true" nor an RFC 3339 time'
