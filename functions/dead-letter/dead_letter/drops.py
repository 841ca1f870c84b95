"""What the forwarder says of alerts that never came: it had no room for them, or their file was gone. Pure.

It is for people, and no function acts on it. Whoever may post to the broker may say so, so that it is one Event in a
while, whatever is said; the log has them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from dead_letter.notice import Notice
from molt import marks
from molt.forward import DROPPED

if TYPE_CHECKING:
    from molt.events import Event

TOLD: Final = "MoltAlertsDropped"
_FUNCTION: Final = "dead-letter"
_LONGEST: Final = 900


def reason(event: Event) -> str | None:
    """Return how many alerts were lost, where, since when, and of which priorities; None for another event."""
    if event.type != DROPPED:
        return None
    data = event.data
    priorities = data.get("priorities")
    kinds = priorities.items() if isinstance(priorities, Mapping) else ()
    of = ", ".join(f"{count} {name}" for name, count in kinds)
    what = f"{data.get('dropped')} alerts were lost on node {data.get('node')} since {data.get('since')}: {of}"
    return marks.printable(what, _LONGEST)


def notice(event: Event) -> Notice | None:
    """Return what is to be told of lost alerts; None for another event."""
    if (what := reason(event)) is None:
        return None
    return Notice(_FUNCTION, TOLD, "Tell", what, (TOLD,), "alerts were lost")
