"""What senders say, and what they are answered: nothing is acknowledged before it is on the disk.

POST /         an alert: Falco's http_output, Falcosidekick's webhook, a CloudEvent of Falcosidekick's     202
GET /healthz   the process lives                                                                           200
GET /readyz    it takes alerts                                         200, or 503 while it is full or drains
GET /status    the totals, as JSON; see docs/forwarder.md                                                   200
GET /metrics   the same, for Prometheus                                                                    200
GET /rejected  what was refused and is kept, as JSON, the newest first                                     200

400  no alert; it is kept among the rejected, since Falco does not look at the answer
401  the wrong token, or none, for /status, /metrics and /rejected, too
403  a web page     404, 405  another path or method     413  too large
415  packed in a way that is not gzip     429  full of what is as urgent     503  drains, or cannot write
"""

from __future__ import annotations

import hmac
import json
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from molt import events, forward, log, strict_json
from molt.alert import Alert
from molt.commits import StoreError
from molt.forwarder import metrics, tls, window
from molt.forwarder.spool import Full, Item
from molt.forwarder.tables import REJECTED
from molt.forwarder.wire import LIMIT, Response
from molt.outcome import BadEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message
    from pathlib import Path

    from molt.forwarder.outbox import Outbox
    from molt.forwarder.spool import Spool
    from molt.forwarder.wire import Request

FUNCTION = "forwarder"
_LATER = {"Retry-After": "5"}
_LISTED = 100
_EXCERPT = 1024  # bytes of what is refused and not kept, in the log: Falco does not send it again
_PRIVATE = ("/status", "/metrics", "/rejected")
_STRANGER = Response(HTTPStatus.UNAUTHORIZED, "the bearer token is wrong", {"WWW-Authenticate": "Bearer"})
_GZIP = 31  # zlib's window of 32 KiB, in a gzip wrapper


class TooLarge(BadEvent):
    """The body unpacks to more than the limit."""


class NoAlert(BadEvent):
    """The body is no alert; it is kept among the rejected."""

    def __init__(self, reason: str, letter: bytes) -> None:
        """Say why, and what it is."""
        super().__init__(reason)
        self.letter = letter.decode(errors="replace")


def item(body: bytes, content: bytes | None = None) -> Item:
    """Return what the spool keeps of an alert in JSON; what is no alert, with the reason. `content`: as it came in."""
    try:
        data = strict_json.decode(body)
        if not isinstance(data, dict):
            raise BadEvent("not a JSON object; send one alert at a time")  # noqa: TRY301 - one reason among others
        alert = Alert.parse(data)
    except (BadEvent, ValueError) as error:
        reason = error.reason if isinstance(error, BadEvent) else str(error)
        return _aside(body, reason, content)
    headers, rendered = events.render(forward.of_alert(alert, data))
    if len(rendered) > LIMIT:
        reason = f"the event has {len(rendered)} bytes, more than {LIMIT}"
        return Item(alert.id, REJECTED, headers, rendered, reason=reason)
    return Item(alert.id, int(alert.priority), headers, rendered, window.key(alert))


def _aside(body: bytes, reason: str, content: bytes | None = None) -> Item:
    """Return what is kept of what is no alert, and why. `content`: as it came in."""
    headers, rendered = events.render(forward.event_of(body))
    return Item(headers["ce-id"], REJECTED, headers, content or rendered, reason=reason)


@dataclass(slots=True)
class Intake:
    """Answers requests. `draining`: nothing is taken any more; `token`: a file whose content senders must know."""

    spool: Spool
    outbox: Outbox
    trouble: Callable[[], str]
    token: Path | None = None
    draining: bool = False

    def answer(self, request: Request) -> Response:
        """Return the answer to one request, and log a refusal."""
        letter = request.body[:_EXCERPT].decode(errors="replace")
        try:
            response = self._answer(request)
        except BadEvent as error:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if isinstance(error, TooLarge) else HTTPStatus.BAD_REQUEST
            response = Response(status, error.reason)
            letter = error.letter if isinstance(error, NoAlert) else letter
        except Full:
            response = Response(HTTPStatus.TOO_MANY_REQUESTS, "full of alerts that are as urgent", _LATER)
        except StoreError as error:
            response = Response(HTTPStatus.SERVICE_UNAVAILABLE, error.reason, _LATER)
        if request.method == "POST" and response.status >= HTTPStatus.BAD_REQUEST:
            said = {"reason": response.text, "status": int(response.status), "letter": letter}
            log.write("warning", FUNCTION, outcome="refused", **said)
        return response

    def stranger(self, headers: Message) -> Response | None:
        """Return the answer to a sender that does not know the token; it is given before the body is read."""
        try:
            return _STRANGER if self.token and not _is_told(self.token, headers) else None
        except StoreError as error:
            return Response(HTTPStatus.SERVICE_UNAVAILABLE, error.reason, _LATER)

    def _answer(self, request: Request) -> Response:
        path = request.path.partition("?")[0]
        if request.method == "POST":
            return self._post(path, request)
        if request.method != "GET" or path == "/":
            return Response(HTTPStatus.METHOD_NOT_ALLOWED, "POST one alert to /", {"Allow": "POST, GET"})
        if self.token and path in _PRIVATE and not _is_told(self.token, request.headers):
            return _STRANGER
        return self._tell(path)

    def _tell(self, path: str) -> Response:
        match path:
            case "/healthz":
                return Response(HTTPStatus.OK, "ok")
            case "/readyz":
                return self._ready()
            case "/status":
                return _json(self._status())
            case "/metrics":
                return Response(HTTPStatus.OK, metrics.render(self._status()), kind=metrics.KIND)
            case "/rejected":
                return _json(self.outbox.rejected(_LISTED))
        return Response(HTTPStatus.NOT_FOUND, "known are /, /healthz, /readyz, /status, /metrics and /rejected")

    def _status(self) -> dict[str, Any]:
        return {**self.outbox.status(), "draining": self.draining, "trouble": self.trouble() or None}

    def _ready(self) -> Response:
        if self.draining:
            return Response(HTTPStatus.SERVICE_UNAVAILABLE, "draining")
        if self.outbox.status()["full"]:
            return Response(HTTPStatus.SERVICE_UNAVAILABLE, "full")
        return Response(HTTPStatus.OK, "ok")

    def _post(self, path: str, request: Request) -> Response:
        if path != "/":
            return Response(HTTPStatus.NOT_FOUND, "POST alerts to /")
        if "origin" in request.headers:  # a web page, which can reach loopback, too, through a browser
            return Response(HTTPStatus.FORBIDDEN, "not from a web page")
        if self.draining:
            return Response(HTTPStatus.SERVICE_UNAVAILABLE, "draining", _LATER)
        if self.token and not _is_told(self.token, request.headers):
            return _STRANGER
        packed = request.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("identity", "gzip"):
            return Response(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-encoding: gzip or none")
        content = request.body
        try:
            content = _unpacked(content) if packed == "gzip" else content
            found = _read(request.headers, content)
        except TooLarge:
            raise
        except BadEvent as error:
            found = _aside(content, error.reason, content)
        self.spool.take([found])
        if found.reason:
            raise NoAlert(found.reason, content)
        return Response(HTTPStatus.ACCEPTED)


def _read(headers: Message, content: bytes) -> Item:
    """Return the item in a request; of a CloudEvent only the data counts, as the id of Falcosidekick's is random."""
    kind = headers.get("content-type", "").lower()
    if "ce-specversion" not in headers and not kind.startswith("application/cloudevents"):
        return item(content)
    event = events.parse(headers.items(), content)
    if event.type != forward.TYPE:
        raise BadEvent(f"type: {event.type[:64]} is not {forward.TYPE}")
    return item(json.dumps(event.data).encode(), content)


def _is_told(file: Path, headers: Message) -> bool:
    """Tell whether the sender knows the token. A file that cannot be read lets nobody in."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    try:
        expected = tls.token(file)
    except tls.BadFile as error:
        raise StoreError(f"the token of this door: {error}") from None
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), expected.encode())


def _unpacked(content: bytes) -> bytes:
    """Return what is in a gzip stream, without unpacking more of a bomb than the limit."""
    stream = zlib.decompressobj(_GZIP)
    try:
        found = stream.decompress(content, LIMIT + 1)
    except zlib.error:
        raise BadEvent("content-encoding: not gzip") from None
    if len(found) > LIMIT:
        raise TooLarge(f"more than {LIMIT} bytes when unpacked")
    if not stream.eof or stream.unused_data:
        raise BadEvent("content-encoding: not one whole gzip stream")
    return found


def _json(value: object) -> Response:
    return Response(HTTPStatus.OK, json.dumps(value), kind="application/json")
