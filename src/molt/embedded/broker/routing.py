"""What becomes of an event that arrives at a broker: its stamps, its hops left, and the triggers that want it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt.embedded.broker.filters import matches
from molt.embedded.broker.message import Message
from molt.outcome import BadEvent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from molt.embedded.broker.eventing import Trigger

HOPS = 255
"""How often an event may pass a broker through replies, as Knative's TTL has it."""

_TTL = "knativebrokerttl"
_ARRIVAL = "knativearrivaltime"


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event as it is stored: without the hop counter, which subscribers do not see, and with who gets it."""

    broker: str
    message: Message
    hops: int
    triggers: tuple[str, ...]


def arrive(message: Message, broker: str, triggers: Iterable[Trigger], now: datetime, hops: int | None) -> Arrival:
    """Return the event as `broker` takes it. `hops`: what the event that it answers had; None for one from outside.

    Raises BadEvent when no hop is left.
    """
    before = hops if hops is not None else _claimed(message)
    left = HOPS if before is None else before - 1
    if left <= 0:
        problem = "no hop is left: replies to replies, without end"
        raise BadEvent(problem)
    attributes = {**message.attributes, _ARRIVAL: now.isoformat().replace("+00:00", "Z")}
    attributes.pop(_TTL, None)
    wanted = tuple(
        trigger.key for trigger in triggers if trigger.broker == broker and matches(trigger.filter, attributes)
    )
    return Arrival(broker, Message(attributes, message.data), left, wanted)


def _claimed(message: Message) -> int | None:
    text = message.attributes.get(_TTL, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(HOPS)) else None


def dead_letter(message: Message, hops: int, extensions: dict[str, str]) -> Message:
    """Return the event as a dead letter sink gets it."""
    return message.with_attributes({_TTL: str(hops), **extensions})
