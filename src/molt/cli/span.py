"""Lengths of time on the command line: `2h`, `30d`, and how a table says them."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import typer

from molt.policy import duration

DAY = 86_400.0
_DAYS = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?)d")
_UNITS = ((365 * DAY, "y"), (DAY, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))
_MANY = 10_000  # years that are no longer told apart


def seconds(text: str) -> float:
    """Return a length of time longer than 0: a duration as policies have it, with days before it or alone.

    Raises typer.BadParameter.
    """
    days = _DAYS.match(text)
    rest = text[days.end() :] if days else text
    length = duration.parse(rest) if rest else None
    if (rest and length is None) or not text:
        raise typer.BadParameter(f"{text!r} is not a length of time such as 30d, 1h30m or 90s")
    total = (float(days[1]) * DAY if days else 0.0) + (length.total_seconds() if length else 0.0)
    if not total:
        raise typer.BadParameter("must be longer than 0")
    return total


def checked(text: str) -> str:
    """Return the text of a length of time as it is, or say what is wrong with it before anything is begun."""
    seconds(text)
    return text


def brief(length: float) -> str:
    """Return a length of time in its largest unit and the next: `3d4h`, `12m`, `0.25s`; inf is `never`."""
    if math.isinf(length):
        return "never"
    if length >= _MANY * _UNITS[0][0]:
        return f"{length / _UNITS[0][0]:.1e}y"
    for (size, unit), (less, smaller) in pairwise(_UNITS):
        whole, rest = divmod(round(length / less), round(size / less))
        if whole:
            return f"{whole}{unit}{rest}{smaller}" if rest else f"{whole}{unit}"
    return f"{length:.3g}s"
