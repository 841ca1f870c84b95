"""CloudEvents 1.0 over HTTP, read with checks of our own and written in binary mode.

The cloudevents library is asked for what it does well (percent-encoding, the rules for attribute names), and is not
asked for what it would make up: a missing id, a missing specversion, a time, text in place of broken JSON.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cloudevents.core.bindings.http import to_binary
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from molt import timestamps
from molt.outcome import BadEvent
from molt.strict_json import decode

if TYPE_CHECKING:
    from datetime import datetime

_FORMAT = JSONFormat()
_STRUCTURED = "application/cloudevents"
_MEDIA_TYPE = re.compile(r'\s*([^\s;]+)\s*(?:;\s*charset\s*=\s*"?([^\s;"]+)"?\s*)?(?:;.*)?', re.IGNORECASE)
_JSON = re.compile(r"(?:application|text)/(?:[-\w.]+\+)?json", re.ASCII)
_CHARSETS = (None, "utf-8", "utf8", "us-ascii")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # CloudEvents 1.0, type String
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")  # W3C Trace Context
_OWN = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema")


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent whose data is a JSON object. `extensions` are named without `ce-`: `remedy`, `traceparent`, ..."""

    id: str
    source: str
    type: str
    data: Mapping[str, Any]
    subject: str | None = None
    time: datetime | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)


def parse(headers: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes) -> Event:
    """Return the event of an HTTP request in binary or structured mode. Raises BadEvent, one line, when it is none.

    A W3C `traceparent` header becomes the extension of that name unless the event has one. Other headers are ignored.
    Data that is absent or null is the empty object; any other data that is not a JSON object in UTF-8 is refused.
    """
    given = _headers(headers.items() if isinstance(headers, Mapping) else headers)
    content_type = given.get("content-type")
    media = _media_type(content_type)[0] if content_type else ""
    if media.startswith(_STRUCTURED):
        if media != f"{_STRUCTURED}+json":
            raise BadEvent(f"content-type: {media[:64]} is not supported, one event as {_STRUCTURED}+json is")
        attributes, data = _structured(body, content_type)
    else:
        attributes = _binary(given)
        data = _payload(body, content_type)
    if _TRACEPARENT.fullmatch(given.get("traceparent", "")):
        attributes.setdefault("traceparent", given["traceparent"])
    return _event(attributes, data)


def render(event: Event) -> tuple[dict[str, str], bytes]:
    """Return headers (lower case) and body of the event in binary mode; non-ASCII header values are percent-encoded."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "datacontenttype": "application/json",
        "subject": event.subject,
        "time": event.time,
        **event.extensions,
    }
    body = json.dumps(dict(event.data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    known = CloudEvent(
        {name: value for name, value in attributes.items() if value is not None}, body.encode("utf-8", "replace")
    )
    if event.time is None:
        del known.get_attributes()["time"]  # the library put the present time there
    message = to_binary(known, _FORMAT)
    return message.headers, message.body


def deterministic_id(*parts: str) -> str:
    """Return 32 hexadecimal digits made from the parts: the same parts, the same id."""
    text = json.dumps(parts)  # tells ("a", "bc") from ("ab", "c")
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers by lower-case name; one that an event may have once and that came twice is refused."""
    given: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        if key in given and (key.startswith("ce-") or key == "content-type"):
            raise BadEvent(f"{key[:64]}: given twice")
        given[key] = value.strip()
    return given


def _media_type(content_type: str) -> tuple[str, str | None]:
    """Return the media type and its charset, in lower case."""
    match = _MEDIA_TYPE.fullmatch(content_type)
    if match is None:
        raise BadEvent(f"content-type: {content_type[:64]} cannot be read")
    return match[1].lower(), match[2].lower() if match[2] else None


def _binary(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the attributes in the ce- headers, decoded, also raw UTF-8, which HTTP servers hand over as Latin-1."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name.startswith("ce-"):
            try:
                found[name[3:]] = unquote(value.encode("latin-1").decode())
            except UnicodeError:
                found[name[3:]] = unquote(value)
    return found


def _structured(body: bytes, content_type: str | None) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return attributes and data of an event that is all in the body."""
    envelope = _payload(body, content_type)
    attributes = {
        name: _canonical(name, value)
        for name, value in envelope.items()
        if name not in ("data", "data_base64") and value is not None
    }
    data, encoded = envelope.get("data"), envelope.get("data_base64")
    if encoded is None:
        _media_of_data(attributes.get("datacontenttype"))
        return attributes, _mapping(data)
    if data is not None:
        raise BadEvent("data: given twice, as data and as data_base64")
    try:
        return attributes, _payload(base64.b64decode(encoded, validate=True), attributes.get("datacontenttype"))
    except (TypeError, ValueError):
        raise BadEvent("data_base64: not base64") from None


def _canonical(name: str, value: object) -> str:
    """Return an attribute as the text that it would be in a header."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise BadEvent(f"{name[:64]}: not a string")


def _media_of_data(content_type: str | None) -> None:
    """Refuse data that is not JSON in UTF-8; without a content type it is (CloudEvents 1.0, datacontenttype)."""
    media, charset = _media_type(content_type) if content_type else ("application/json", None)
    if not _JSON.fullmatch(media):
        raise BadEvent(f"content-type: {media[:64]} is not JSON")
    if charset not in _CHARSETS:
        raise BadEvent(f"content-type: charset {charset[:64]} is not UTF-8")


def _payload(body: bytes, content_type: str | None) -> Mapping[str, Any]:
    """Return the JSON object in a body; no body is the empty object."""
    if not body:
        return {}
    _media_of_data(content_type)
    try:
        return _mapping(decode(body))
    except ValueError as error:
        raise BadEvent(f"data: {error}") from None


def _mapping(data: object) -> Mapping[str, Any]:
    """Return data that must be an object; none is the empty one."""
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise BadEvent("data: not a JSON object")
    return data


def _event(attributes: dict[str, Any], data: Mapping[str, Any]) -> Event:
    """Return the event of attributes that are all texts, once they have passed our checks and then the library's."""
    for name in ("specversion", "id", "source", "type"):
        if not attributes.get(name, "").strip():
            raise BadEvent(f"{name}: missing")
    if attributes["specversion"] != "1.0":
        raise BadEvent(f"specversion: {attributes['specversion'][:64]} is not 1.0")
    for name, value in attributes.items():
        if _FORBIDDEN.search(value):
            raise BadEvent(f"{name[:64]}: has a control character")
    written = attributes.pop("time", None)
    time = None if written is None else timestamps.rfc3339(written)
    if written is not None and time is None:
        raise BadEvent(f"time: {written[:64]} is not an RFC 3339 time")
    try:
        CloudEvent(dict(attributes))
    except CloudEventValidationError as error:
        name, problems = next(iter(error.errors.items()))
        raise BadEvent(f"{name[:64]}: {problems[0]}") from None
    extensions = {name: value for name, value in attributes.items() if name not in _OWN}
    return Event(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        data=data,
        subject=attributes.get("subject"),
        time=time,
        extensions=extensions,
    )
