"""The CloudEvents HTTP binding, as far as a broker needs it: attributes are read, data passes as bytes.

Header values pass unchanged: like Knative this neither decodes nor adds percent encoding.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from molt.outcome import BadEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

STRUCTURED = "application/cloudevents+json"
_FORMATS = "application/cloudevents"
_BATCH = "application/cloudevents-batch"
_DATA = ("data", "data_base64")
_REQUIRED = ("id", "source", "type")
_NAME = re.compile(r"[a-z0-9]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """An event on its way: attributes and extensions as strings (datacontenttype too), data as bytes."""

    attributes: Mapping[str, str]
    data: bytes

    def with_attributes(self, more: Mapping[str, str]) -> Message:
        """Return the message with `more` attributes set."""
        return replace(self, attributes={**self.attributes, **more})

    def headers(self) -> dict[str, str]:
        """Return the headers of binary mode; values are UTF-8 read as Latin-1, as WSGI and http.client pass them."""
        return {
            "content-type" if name == "datacontenttype" else f"ce-{name}": value.encode().decode("latin-1")
            for name, value in self.attributes.items()
        }


def claims_event(headers: Mapping[str, str]) -> bool:
    """Tell whether these headers (lower-case names) announce a CloudEvent, well-formed or not."""
    return "ce-specversion" in headers or headers.get("content-type", "").lower().startswith(_FORMATS)


def parse(headers: Mapping[str, str], body: bytes) -> Message:
    """Return the event of a request or an answer with these headers (lower-case names). Raises BadEvent."""
    content_type = headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith(_BATCH):
        message = "batches of CloudEvents are not taken; send one event at a time"
        raise BadEvent(message)
    if media_type == STRUCTURED:
        return _checked(_structured(body))
    if media_type.startswith(_FORMATS):
        message = f"the event format {media_type} is not known; send {STRUCTURED} or binary mode"
        raise BadEvent(message)
    attributes = {name[3:]: _text(value) for name, value in headers.items() if name.startswith("ce-")}
    if content_type:
        attributes["datacontenttype"] = _text(content_type)
    return _checked(Message(attributes, body))


def _text(header: str) -> str:
    """Return a header's text: the bytes are UTF-8 with most senders and Latin-1 with the rest."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _structured(body: bytes) -> Message:
    try:
        event = json.loads(body, parse_constant=_refuse)
        if not isinstance(event, dict):
            message = "the body is not a JSON object"
            raise BadEvent(message)
        values = {name: value for name, value in event.items() if name not in _DATA and value is not None}
        attributes = {name: _string(name, value) for name, value in values.items()}
        if "data" in event:
            attributes.setdefault("datacontenttype", "application/json")
        return Message(attributes, _data(event, attributes.get("datacontenttype", "")))
    except (ValueError, RecursionError) as error:
        message = f"the body is not a CloudEvent in JSON: {error}"
        raise BadEvent(message) from error


def _refuse(constant: str) -> None:
    message = f"{constant} is not JSON"
    raise ValueError(message)


def _string(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | str):
        return str(value)
    message = f"the attribute {name} is no string, integer or boolean"
    raise BadEvent(message)


def _data(event: dict[str, Any], content_type: str) -> bytes:
    if "data_base64" in event:
        encoded = event["data_base64"]
        if not isinstance(encoded, str):
            message = "data_base64 is no string"
            raise BadEvent(message)
        return base64.b64decode(encoded, validate=True)
    if "data" not in event:
        return b""
    data = event["data"]
    if isinstance(data, str) and "json" not in content_type.lower():
        return data.encode()
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()


def _checked(message: Message) -> Message:
    attributes = message.attributes
    if attributes.get("specversion") != "1.0":
        found = attributes.get("specversion")
        raise BadEvent("not a CloudEvent: it has no specversion" if not found else f"specversion {found} is not 1.0")
    for name in _REQUIRED:
        if not attributes.get(name):
            problem = f"the CloudEvent has no {name}"
            raise BadEvent(problem)
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            problem = f"{json.dumps(name)} is no attribute name: lower-case letters and digits only"
            raise BadEvent(problem)
        if _CONTROL.search(value):
            problem = f"the attribute {name} holds a control character"
            raise BadEvent(problem)
    if "time" in attributes and not _is_time(attributes["time"]):
        problem = f"the time {json.dumps(attributes['time'])} is not RFC 3339"
        raise BadEvent(problem)
    return message


def _is_time(text: str) -> bool:
    found = _RFC3339.fullmatch(text)
    if not found:
        return False
    try:
        datetime.fromisoformat(found[1] + found[3].upper())
    except ValueError:
        return False
    return True
