"""Falco's eight priorities, the most urgent first."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Priority(IntEnum):
    """A priority; a lower number is more urgent, as in syslog. Falco writes them capitalised, and so does `str`."""

    EMERGENCY = 0
    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFORMATIONAL = 6
    DEBUG = 7

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the priority that `text` names, in any case; `info` too. Raises ValueError, which names them all."""
        name = text.strip().upper()
        try:
            return cls["INFORMATIONAL" if name == "INFO" else name]
        except KeyError:
            raise ValueError(f'"{text[:64]}" is not one of {", ".join(map(str, cls))}') from None

    def __str__(self) -> str:
        """Return the name as Falco writes it."""
        return self.name.capitalize()

    def __format__(self, format_spec: str) -> str:
        """Format the name, not the number."""
        return format(str(self), format_spec)
