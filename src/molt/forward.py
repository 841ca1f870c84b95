"""Turns what Falco (http_output) or Falcosidekick (webhook) says into the CloudEvent that Falcosidekick would send.

Falco ignores the answer to what it posts, so a refusal would lose the alert. Therefore everything becomes an event:
what is no alert is sent on as it is, the router refuses it with the reason, and the dead letter keeps both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from molt import strict_json
from molt.alert import Alert
from molt.events import Event, deterministic_id
from molt.marks import printable
from molt.outcome import BadEvent

TYPE = "falco.rule.output.v1"
SOURCE = "https://falco.org"
DROPPED = "io.molt-project.alerts.dropped.v1"
"""The type of what the forwarder says when alerts were lost on the way (molt.forwarder.notice)."""
_LONGEST = 100_000  # characters of what is no alert: as JSON it still is an event that the broker takes


def event_of(body: bytes) -> Event:
    """Return the event for what was posted; the same bytes give the same id, so that a repeat is known for one."""
    data = _object(body)
    try:
        alert = Alert.parse(data)
    except BadEvent:
        return Event(id=deterministic_id(json.dumps(data, sort_keys=True)), source=SOURCE, type=TYPE, data=data)
    return of_alert(alert, data)


def of_alert(alert: Alert, data: Mapping[str, Any]) -> Event:
    """Return the event for an alert that was read from `data`."""
    return Event(id=alert.id, source=SOURCE, type=TYPE, data=data, time=alert.time, extensions=_extensions(alert))


def _object(body: bytes) -> Mapping[str, Any]:
    """Return the JSON object that was posted; anything else as the text it was, in an object that is no alert."""
    try:
        data = strict_json.decode(body)
    except ValueError:
        data = None
    return data if isinstance(data, Mapping) else {"unreadable": body.decode(errors="replace")[:_LONGEST]}


def _extensions(alert: Alert) -> dict[str, str]:
    """Return what Falcosidekick puts beside the data, for Triggers to filter by; an attribute is one line of text."""
    found = {
        "priority": str(alert.priority),
        "rule": alert.rule,
        "eventsource": alert.source,
        "hostname": alert.hostname or "",
    }
    return {name: line for name, value in found.items() if (line := printable(value))}
