"""Globs: `*` is any text, `?` is any one character, everything else is itself; case counts.

Not fnmatch: rule names have brackets, and a chain of `.*` lets a long name take polynomial time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def matches(pattern: str, text: str) -> bool:
    """Tell whether the whole of `text` fits `pattern`, in at most len(pattern) * len(text) steps."""
    here = there = 0
    star = resume = -1
    while there < len(text):
        # A star first: the text may have one of its own, and the pattern's is never just itself.
        if here < len(pattern) and pattern[here] == "*":
            star, resume = here, there
            here += 1
        elif here < len(pattern) and pattern[here] in ("?", text[there]):
            here += 1
            there += 1
        elif star >= 0:
            # Let the last star take one more character; earlier stars never need to change.
            resume += 1
            here, there = star + 1, resume
        else:
            return False
    return not pattern[here:].strip("*")


def any_matches(patterns: Iterable[str], text: str) -> bool:
    """Tell whether one of the patterns fits the whole of `text`."""
    return any(matches(pattern, text) for pattern in patterns)
