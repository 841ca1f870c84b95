"""Coming moves as bars of characters. Pure.

·  nothing    ░  no move may begin    ─  it begins somewhere here    ●  it begins here    ┄  its successor's move
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from molt.cli.coming import Coming, Span

LEGEND = "● it begins; ─ it begins somewhere here; ┄ so does its successor's; ░ no move may begin"
_TICK = 12  # characters between two times of the axis


def axis(start: datetime, length: timedelta, width: int) -> str:
    """Return the times below the bars, in UTC: each stands where its first digit does."""
    pattern = "%H:%M" if length.days < 2 else "%d %b"  # noqa: PLR2004 - no time of day stands there twice
    return "".join(
        f"{start + length * place / width:{pattern}}".ljust(_TICK) for place in range(0, width - _TICK + 1, _TICK)
    ).rstrip()


def bar(one: Coming, shades: Sequence[bool], start: datetime, length: timedelta) -> str:
    """Return a character for each of `shades`, which tell where no move may begin in the time from `start` on."""
    drawn = ["░" if shade else "·" for shade in shades]
    for span, line in ((one.successor, "┄"), (one.begin, "─")):
        for place in _places(span, start, length, len(drawn)) if span else ():
            drawn[place] = drawn[place] if shades[place] else line
    if one.begin and one.begin.earliest == one.begin.latest:
        for place in _places(one.begin, start, length, len(drawn)):
            drawn[place] = "●"
    return "".join(drawn)


def _places(span: Span, start: datetime, length: timedelta, count: int) -> range:
    """Return the places of a span, as far as there are any."""
    first, last = (int((end - start) / length * count) for end in (span.earliest, span.latest))
    return range(min(first, count), min(last + 1, count))
