"""What Falco saw, from every shape in which it arrives.

Falco's http_output, Falcosidekick's webhook and the data of its CloudEvents are the same JSON object with additions;
what `Alert.to_dict` writes into an itinerary is read back by the same parser.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from molt import timestamps
from molt.events import deterministic_id
from molt.outcome import BadEvent
from molt.priority import Priority
from molt.whereabouts import AUDIT, INTERNAL, SYSCALL, Scope, Whereabouts, locate

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Alert", "Priority"]

_MISSING = ("", "<NA>")  # besides null: how Falco prints a field that has no value
_IDENTITY_LIMIT = 128  # characters; a UUID has 36
_TIMES = ("evt.time", "evt.time.iso8601", "evt.rawtime")


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. `fields` are Falco's output fields, flat with dotted names, those without a value left out."""

    id: str
    rule: str
    priority: Priority
    output: str = ""
    source: str = SYSCALL
    tags: tuple[str, ...] = ()
    hostname: str | None = None
    time: datetime | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    whereabouts: Whereabouts = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find out, once, where the alert points."""
        found = locate(rule=self.rule, source=self.source, hostname=self.hostname, fields=self.fields)
        object.__setattr__(self, "whereabouts", found)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Return the alert in a decoded JSON object. Raises BadEvent, which names the field, when it holds none.

        Required are `rule` and a known `priority`. Any other part may be missing; one of the wrong type is refused,
        except that a time or an identity which cannot be read counts as missing: an attack is not to be missed for its
        date. The identity is Falcosidekick's `uuid`, else the `id` of `to_dict`, else a hash of hostname, time, rule,
        output (without one, of all fields) and what it points at.
        """
        rule = _text(data, "rule")
        if not rule:
            raise BadEvent(f"rule: missing{_wrapped(data)}")
        fields = dict(_flat(_object(data, "output_fields") or _object(data, "outputFields")))
        output = _text(data, "message") or _text(data, "output")  # some forwarders have `message` for `output`
        hostname = _text(data, "hostname") or None
        nanos = _time(data, fields)
        source = _source(data)
        return cls(
            id=_identity(data) or _fingerprint(hostname, nanos, rule, source, output, fields),
            rule=rule,
            priority=_priority(data),
            output=output,
            source=source,
            tags=_tags(data.get("tags")),
            hostname=hostname,
            time=None if nanos is None else timestamps.to_datetime(nanos),
            fields=fields,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the alert as JSON data; `Alert.parse` of it is this alert again."""
        return {
            "id": self.id,
            "rule": self.rule,
            "priority": str(self.priority),
            "time": timestamps.render(self.time) if self.time else None,
            "source": self.source,
            "hostname": self.hostname,
            "tags": list(self.tags),
            "output": self.output,
            "outputFields": dict(self.fields),
        }

    @property
    def scope(self) -> Scope:
        """What the alert points at."""
        return self.whereabouts.scope

    @property
    def namespace(self) -> str | None:
        """The pod's namespace, a valid name."""
        return self.whereabouts.namespace

    @property
    def pod_name(self) -> str | None:
        """The pod's name, a valid one; without a namespace it is only a hint."""
        return self.whereabouts.pod_name

    @property
    def pod_uid(self) -> str | None:
        """The pod's UID, which stock rules do not print."""
        return self.whereabouts.pod_uid

    @property
    def container_id(self) -> str | None:
        """The container's id: 64 hexadecimal digits, or the first 12 of them."""
        return self.whereabouts.container_id

    @property
    def node(self) -> str | None:
        """The name of the node where Falco saw it, as Falco knows it; None for what was not seen on a node."""
        return self.whereabouts.node


def _text(data: Mapping[str, Any], name: str) -> str:
    """Return a text, empty when it is missing."""
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadEvent(f"{name}: not a string")
    return "" if value in _MISSING else value


def _object(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadEvent(f"{name}: not an object")
    return value


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the fields with dotted names: log shippers nest them. A name given in both ways has the later value."""
    waiting = [iter(fields.items())]
    prefixes = [""]
    while waiting:
        for name, value in waiting[-1]:
            if isinstance(value, Mapping):
                waiting.append(iter(value.items()))
                prefixes.append(f"{prefixes[-1]}{name}.")
                break
            if value is not None and value not in _MISSING:
                yield f"{prefixes[-1]}{name}", value
        else:
            waiting.pop()
            prefixes.pop()


def _wrapped(data: Mapping[str, Any]) -> str:
    """Return a hint when a member of what is no alert seems to hold one, as log shippers send it; else nothing."""
    for name, value in data.items():
        inside = "rule" in value if isinstance(value, Mapping) else isinstance(value, str) and '"rule"' in value
        if inside:
            return f", but {name[:64]} seems to hold an alert: send that by itself"
    return ""


def _identity(data: Mapping[str, Any]) -> str:
    """Return the identity that the alert came with; one that is absurd for an identity counts as none.

    `id` is one only in what `to_dict` wrote: a shipper's may be that of a rule or of a host, the same for many alerts.
    """
    found = data.get("uuid") or (data.get("id") if "outputFields" in data else None)
    if not isinstance(found, str) or not found.strip():
        return ""
    return found if found.isprintable() and len(found) <= _IDENTITY_LIMIT else ""


def _fingerprint(
    hostname: str | None, nanos: int | None, rule: str, source: str, output: str, fields: Mapping[str, Any]
) -> str:
    """Return the identity of an alert that came with none: the same through every door, and another for another alert.

    The text alone would not do: two nodes may say the same in the same second, and Falco may be told to leave it out.
    """
    at = locate(rule=rule, source=source, hostname=hostname, fields=fields)
    where = (at.namespace or "", at.pod_name or "", (at.container_id or "")[:12])
    said = output or json.dumps(fields, sort_keys=True)
    return deterministic_id(hostname or "", str(nanos or ""), rule, said, *where)


def _priority(data: Mapping[str, Any]) -> Priority:
    try:
        return Priority.parse(_text(data, "priority"))
    except ValueError as error:
        raise BadEvent(f"priority: {error}") from None


def _source(data: Mapping[str, Any]) -> str:
    """Return the event source.

    Falcosidekick writes `syscalls` where Falco, before 0.31, named none; Falco's gRPC API wrote its own in capitals.
    """
    source = _text(data, "source")
    lower = source.lower()
    if lower in ("", SYSCALL, "syscalls"):
        return SYSCALL
    return lower if lower in (AUDIT, INTERNAL) else source


def _tags(value: object) -> tuple[str, ...]:
    """Return the tags, a list or a text with commas, without the empty ones that Falcosidekick's chart adds."""
    if isinstance(value, str):
        value = value.split(",")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(tag, str | None) for tag in value):
        raise BadEvent("tags: not a list of strings")
    return tuple(dict.fromkeys(tag.strip() for tag in value if tag and tag.strip()))


def _time(data: Mapping[str, Any], fields: Mapping[str, Any]) -> int | None:
    """Return the first readable time, in nanoseconds since the epoch."""
    values = (data.get("time"), *(fields.get(name) for name in _TIMES), data.get("date"))
    return next((nanos for value in values if (nanos := timestamps.nanoseconds(value)) is not None), None)
