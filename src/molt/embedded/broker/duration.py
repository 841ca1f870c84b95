"""ISO 8601 durations, as Knative's delivery specifications write them."""

from __future__ import annotations

import re

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:[.,]\d+)?)S)?)?",
    re.ASCII,
)
_SECONDS = {"weeks": 604_800.0, "days": 86_400.0, "hours": 3_600.0, "minutes": 60.0, "seconds": 1.0}


def parse(text: str) -> float:
    """Return the seconds of `text`: PT0.2S, PT1M30S, P1DT12H. Raises ValueError, for years and months too."""
    found = _DURATION.fullmatch(text)
    parts = {name: value for name, value in found.groupdict().items() if value} if found else {}
    if not parts or text.endswith("T"):
        message = f'"{text}" is not an ISO 8601 duration such as PT0.2S, PT1M or P1D'
        raise ValueError(message)
    return sum(_SECONDS[name] * float(value.replace(",", ".")) for name, value in parts.items())
