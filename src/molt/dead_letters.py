"""Dead letters as the cluster keeps them: a DeadLetter object for each event that no function handled. Pure.

The function dead-letter writes them, `molt dead-letters` shows them and sends their events again. The data of an event
is kept as JSON text, not as an object: the API server would make floats of its large numbers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from molt import marks, timestamps
from molt.events import Event, deterministic_id
from molt.outcome import PermanentError
from molt.seal import refused_for

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

NAMESPACE: Final = "molt"
LONGEST_DATA: Final = 32 * 1024
"""Characters of ASCII JSON: data that is longer is not kept in the cluster, whose memory is for everybody."""
LONGEST: Final = 1024
"""Characters of an attribute, an extension or the reason."""
MOST_EXTENSIONS: Final = 32
UNREADABLE: Final = frozenset(("refused", "body"))
"""The members of the data that stands for a body which is no CloudEvent's."""

_BROKERS_OWN = "knative"  # what starts so is about one delivery: it is not of the event, and not sent again
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # in an attribute, by CloudEvents 1.0
_CODE = re.compile(r"[1-5]\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is kept of an event, and why it is here; `missing` says why it cannot be sent again, "" if it can."""

    name: str
    function: str
    code: str
    reason: str
    alert: str
    first: str
    last: str
    missing: str
    event: Mapping[str, Any]
    uid: str = ""
    version: str = ""

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> DeadLetter:
        """Return the dead letter that an object is; what it does not have is ""."""
        spec, metadata = obj.get("spec") or {}, obj["metadata"]
        event = spec.get("event")
        return cls(
            **{key: str(spec.get(key) or "") for key in ("function", "code", "reason", "alert", "missing")},
            first=str(spec.get("first") or metadata.get("creationTimestamp") or ""),
            last=str(spec.get("last") or spec.get("first") or metadata.get("creationTimestamp") or ""),
            name=metadata["name"],
            event=event if isinstance(event, Mapping) else {},
            uid=metadata.get("uid", ""),
            version=metadata.get("resourceVersion", ""),
        )

    @property
    def distrusted(self) -> str:
        """Return which of molt.seal.REASONS a function refused the signature for; "" if that is not why it is here."""
        return refused_for(self.reason)

    def to_send(self) -> Event:
        """Return the event as it came, without what the broker had added. Raises PermanentError if it is not whole."""
        if self.missing:
            raise PermanentError(f"it cannot be sent again: {self.missing}")
        kept = self.event
        try:
            data, extensions = json.loads(kept["data"]), dict(kept.get("extensions") or {})
            required = {key: str(kept[key]) for key in ("id", "source", "type")}
        except (KeyError, TypeError, ValueError):
            raise PermanentError("it cannot be sent again: somebody has changed it") from None
        if not isinstance(data, dict) or not all(required.values()):
            raise PermanentError("it cannot be sent again: somebody has changed it")
        time = timestamps.rfc3339(str(kept.get("time") or ""))
        return Event(**required, data=data, subject=kept.get("subject"), time=time, extensions=extensions)


def render(event: Event, reason: str, *, code: str, destination: str, alert: str, now: datetime) -> dict[str, Any]:
    """Return the object that keeps an event; the same event of the same function has the same name."""
    function = function_of(destination)
    data = json.dumps(dict(event.data))
    extensions = {key: value for key, value in event.extensions.items() if not key.startswith(_BROKERS_OWN)}
    digest = hashlib.sha256(data.encode()).hexdigest()
    missing = _missing(event, data, extensions)
    kept = {
        **{key: _cut(text) for key, text in (("id", event.id), ("source", event.source), ("type", event.type))},
        **({"subject": _cut(event.subject)} if event.subject else {}),
        **({"time": timestamps.render(event.time)} if event.time else {}),
        "extensions": {_cut(key): _cut(value) for key, value in sorted(extensions.items())[:MOST_EXTENSIONS]},
        "size": len(data),
        "sha256": digest,
        **({"data": data} if len(data) <= LONGEST_DATA else {}),
    }
    identity = deterministic_id(event.source, event.id, function, digest)
    spec = {
        "function": function,
        "code": code if _CODE.fullmatch(code) else "",
        "destination": _cut(destination),
        "reason": marks.printable(reason, LONGEST),
        "alert": marks.printable(alert, LONGEST),
        "first": marks.stamp(now),
        "missing": missing,
        "event": kept,
    }
    return {"metadata": {"name": f"{function or 'event'}-{identity[:20]}", "namespace": NAMESPACE}, "spec": spec}


def function_of(destination: str) -> str:
    """Return the function that refused an event, of the URL that the broker had for it; "" when that names none.

    On a cluster it is the first label of the host, in the local runtime the last part of the path.
    """
    try:
        url = urlsplit(destination)
        host = url.hostname or ""
    except ValueError:
        return ""
    last = url.path.rstrip("/").rpartition("/")[2]
    return next((name for name in (last, host.partition(".")[0]) if _LABEL.fullmatch(name)), "")


def _missing(event: Event, data: str, extensions: Mapping[str, str]) -> str:
    """Return why what is kept is not enough to send the event again, "" if it is."""
    if set(event.data) == UNREADABLE:
        return f"no function could read it: {_cut(str(event.data['refused']))}"
    if len(data) > LONGEST_DATA:
        return f"its data has {len(data)} characters, more than {LONGEST_DATA}; the log of dead-letter has all of it"
    if len(extensions) > MOST_EXTENSIONS or not all(map(_fits, _texts(event, extensions))):
        return "its attributes are too long; the log of dead-letter has all of them"
    return ""


def _texts(event: Event, extensions: Mapping[str, str]) -> Iterable[str]:
    return (event.id, event.source, event.type, event.subject or "", *extensions, *extensions.values())


def _fits(text: str) -> bool:
    return len(text) <= LONGEST


def _cut(text: str) -> str:
    """Return a text as it is, when it fits and could be an event's; else what can be printed of its beginning."""
    return text if _fits(text) and not _FORBIDDEN.search(text) else marks.printable(text, LONGEST)
