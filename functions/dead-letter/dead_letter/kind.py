"""Of which kind a dead letter is: who refused it, and with which status; so few that a flood finds no kind of its own.

Whoever posts here in other names than those of molt's functions, or with other statuses, makes no new kinds. Pure.
"""

from __future__ import annotations

from typing import Final

from dead_letter.refusal import GATED

Kind = tuple[str, str]
STATUSES: Final = ("400", "403", "422")
"""What molt's functions refuse an event with at once; of all others the class counts: 4, 5, or none of them."""
KINDS: Final = (len(GATED) + 1) * (len(STATUSES) + 3)
"""How many kinds there are at most."""


def kind_of(function: str, code: str) -> Kind:
    """Return the kind of a letter from what is said of it."""
    status = code if code in STATUSES else code[:1]
    return function if function in GATED else "", status if status in (*STATUSES, "4", "5") else ""
