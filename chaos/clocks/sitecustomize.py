"""Puts the clocks of a runtime's processes out by the seconds in a file that the folder of this module has: `offset`.

Python imports it at the start of each process that has the folder on its path. The cluster keeps its time: it is
another machine. Monotonic clocks do not jump, as those of an operating system do not.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from pathlib import Path

_REAL = dt.datetime
_FILE = Path(__file__).with_name("offset")


def _offset() -> float:
    try:
        return float(_FILE.read_text(encoding="ascii"))
    except (OSError, ValueError):  # none, or half written
        return 0.0


class _Real(type):
    """Takes real times for what they are, whoever has made them."""

    def __instancecheck__(cls, instance: object) -> bool:
        """Tell whether it is a time."""
        return isinstance(instance, _REAL)


class Jumping(_REAL, metaclass=_Real):
    """The time as a clock tells it that somebody has moved."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> _REAL:  # type: ignore[override]
        """Return the present, put out."""
        return _REAL.now(tz) + dt.timedelta(seconds=_offset())


if not any("molt.embedded.cluster" in argument for argument in sys.orig_argv):
    _time = time.time
    time.time = lambda: _time() + _offset()
    setattr(dt, "datetime", Jumping)  # noqa: B010 - a name that is a type takes no assignment
