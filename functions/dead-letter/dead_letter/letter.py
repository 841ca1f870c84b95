"""The dead letter: what a broker says about an event that it gave up on, and the event, however broken. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from molt import dead_letters, events, log, timestamps
from molt.events import Event
from molt.outcome import BadEvent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

CODE = "knativeerrorcode"
DATA = "knativeerrordata"
DEST = "knativeerrordest"
NO_ANSWER = "no answer in time, or one that is no CloudEvent"
_LONGEST = 1024
_NOT_EXTENSIONS = ("id", "source", "type", "subject", "specversion", "time", "datacontenttype", "dataschema")


def parse(headers: Iterable[tuple[str, str]], body: bytes) -> Event:
    """Return the event of a request, whatever it is: being unreadable may be why it is here.

    What molt.events refuses is read as it comes: attributes from the headers, an empty text for each that is missing,
    and as data `{"refused": why, "body": text}`.
    """
    given = list(headers)
    try:
        return events.parse(given, body)
    except BadEvent as error:
        data = {"refused": error.reason, "body": body.decode("utf-8", "replace")}
    found: dict[str, str] = {}
    for name, value in given:
        if name.lower().startswith("ce-"):
            found.setdefault(name[3:].lower(), unquote(value, errors="replace"))
    return Event(
        id=found.get("id", ""),
        source=found.get("source", ""),
        type=found.get("type", ""),
        data=data,
        subject=found.get("subject"),
        extensions={name: value for name, value in found.items() if name not in _NOT_EXTENSIONS},
    )


def reason(event: Event) -> str:
    """Return why the event is here: the status and the text of the last answer that it got, in one line."""
    code = event.extensions.get(CODE)
    if not code:
        return NO_ANSWER
    said = " ".join(_decoded(event.extensions.get(DATA, "")).split())
    return f"{code} {said[:_LONGEST] or 'without a text'}"


def letter(event: Event) -> dict[str, Any]:
    """Return all of the event, so that it can be sent again once its reason is gone."""
    return {
        "dest": event.extensions.get(DEST),
        "source": event.source,
        "time": event.time and timestamps.render(event.time),
        "extensions": dict(event.extensions),
        "data": dict(event.data),
    }


def to_keep(event: Event, now: datetime) -> dict[str, Any]:
    """Return the object that the cluster keeps of the event."""
    said = event.extensions
    return dead_letters.render(
        event,
        reason(event),
        code=said.get(CODE, ""),
        destination=said.get(DEST, ""),
        alert=log.alert_id(event.data) or "",
        now=now,
    )


def _decoded(text: str) -> str:
    """Return the text that the broker encoded, and may have cut; what is no base64 is returned as it is."""
    try:
        return base64.b64decode(text[: len(text) // 4 * 4], validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text
