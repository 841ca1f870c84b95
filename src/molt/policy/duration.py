"""Durations in Go's syntax, the one that Kubernetes manifests use: `1h30m`, `90s`, `1.5h`, `500ms`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from molt.policy.fields import quote

if TYPE_CHECKING:
    from molt.policy.fields import Reader

LONGEST = timedelta(hours=8760)
"""No duration of a policy is longer than a year."""

# Bounded digits: no sum of so short a text can overflow. The CRDs have the same pattern.
_WHOLE = re.compile(r"(?:[0-9]{1,6}(?:\.[0-9]{1,3})?(?:h|m|s|ms))+")
_PART = re.compile(r"([0-9.]+)(h|ms|m|s)")
_UNITS = {"h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}
_MOST_CHARACTERS = 32


def parse(text: str) -> timedelta | None:
    """Return the duration, or None when `text` is none (Go's signs, bare `0`, us and ns are not taken)."""
    if len(text) > _MOST_CHARACTERS or not _WHOLE.fullmatch(text):
        return None
    return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in _PART.findall(text)), timedelta())


def render(duration: timedelta) -> str:
    """Return the shortest text in whole units: `1h30m`, `90s` as `1m30s`, `0s`."""
    rest = round(duration.total_seconds() * 1000)
    parts = []
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def read(
    reader: Reader, name: str, *, least: timedelta, default: timedelta = timedelta(), required: bool = False
) -> timedelta:
    """Return the field's duration of `least`..LONGEST, or `default` when absent or wrong.

    What is wrong is noted, and so is what is absent though required.
    """
    value = reader.raw(name, required=required)
    if value is None:
        return default
    duration = parse(value) if isinstance(value, str) else None
    if duration is None:
        reader.problems.note(reader.at(name), f"{quote(value)} is not a duration such as 1h30m, 90s or 500ms")
    elif not least <= duration <= LONGEST:
        bounds = f"{render(least)}..{render(LONGEST)}"
        reader.problems.note(reader.at(name), f"{quote(value)} is not in {bounds}")
    else:
        return duration
    return default
