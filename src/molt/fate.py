"""What became of an alert, once nothing more is to be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from molt.outcome import DeadLettered, Done, Ignored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molt.events import Event
    from molt.outcome import Outcome

Fate = Literal["acted", "skipped", "ignored", "dead-lettered"]
FATES: Final[tuple[str, ...]] = get_args(Fate)

_SLIP_TYPES = "io.molt-project."


def fate(incoming: Event, outcome: Outcome) -> tuple[Fate, str] | None:
    """Return how the alert ended and why, or None while the outcome's event has a remedy, for then it has not ended.

    It was acted on if this step or any before it acted, whatever the last one did; the reason is then that of the last
    step which acted. A rehearsal changed nothing and counts as skipped.
    """
    if isinstance(outcome, DeadLettered):
        return "dead-lettered", outcome.reason
    if isinstance(outcome, Ignored):
        return "ignored", outcome.reason
    following = outcome.event
    if following is not None and "remedy" in following.extensions:
        return None
    if isinstance(outcome, Done) and not outcome.rehearsed:
        return "acted", outcome.reason or next(_reasons(following), "")
    acted = next(_reasons(following), None) if following else None
    if acted is None:
        acted = next(_reasons(incoming), None)
    if acted is not None:
        return "acted", acted
    return "skipped", f"rehearsed: {outcome.reason}" if isinstance(outcome, Done) else outcome.reason


def _reasons(event: Event | None) -> Iterator[str]:
    """Yield the reasons of the steps that acted, the latest first; an alert, being no slip, has no trail to believe."""
    trail: Any = event.data.get("trail") if event and event.type.startswith(_SLIP_TYPES) else None
    for entry in reversed(trail if isinstance(trail, list) else []):
        if isinstance(entry, Mapping) and entry.get("outcome") == "acted":
            yield str(entry.get("reason", ""))
