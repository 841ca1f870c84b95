"""The broker's HTTP side, a WSGI callable: events come in by POST, the audit is read by GET."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from molt.commits import StoreError
from molt.embedded.broker import message
from molt.listener import BODY_LIMIT
from molt.outcome import BadEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from concurrent.futures import Future
    from wsgiref.types import StartResponse, WSGIEnvironment

    from molt.embedded.broker.audit import Audit
    from molt.embedded.broker.door import Answer

_METHODS = "GET, POST, OPTIONS"
_ROWS = 1_000
_MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Ingress:
    """POST /<namespace>/<broker> takes one event; GET /status, /events, /deliveries, /dead-letters and /healthz tell.

    202 means that the event is on the disk. `brokers`: those there are, as `namespace/name`.
    """

    brokers: Collection[str]
    submit: Callable[[str, message.Message], Future[int]]
    audit: Audit

    def take(self, path: str, headers: Mapping[str, str], body: bytes, answer: Answer) -> None:
        """Take what was sent by POST; header names are lower-case. `answer` is called once, by any thread."""
        broker = path.strip("/")
        if broker not in self.brokers:
            answer(HTTPStatus.NOT_FOUND, "there is no such broker; the path is /<namespace>/<broker>")
        elif len(body) > BODY_LIMIT:
            answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {BODY_LIMIT} bytes")
        else:
            try:
                taken = self.submit(broker, message.parse(headers, body))
            except BadEvent as error:
                answer(HTTPStatus.BAD_REQUEST, error.reason)
            else:
                taken.add_done_callback(lambda done: answer(*_became(done)))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            status, said = self._answer(environ)
        except BadEvent as error:
            status, said = HTTPStatus.BAD_REQUEST, error.reason
        except StoreError as error:
            status, said = HTTPStatus.SERVICE_UNAVAILABLE, error.reason
        text = said if isinstance(said, str) else json.dumps(said)
        content = f"{text}\n".encode(errors="replace") if text else b""
        kind = "text/plain; charset=utf-8" if isinstance(said, str) else "application/json"
        headers = [("Content-Length", str(len(content))), ("Content-Type", kind), ("Allow", _METHODS)]
        if environ["REQUEST_METHOD"] == "OPTIONS":
            # The CloudEvents webhook handshake, answered as Knative's ingress does.
            headers += [("WebHook-Allowed-Origin", "*"), ("WebHook-Allowed-Rate", "*")]
        start_response(f"{status.value} {status.phrase}", headers)
        return [content]

    def _answer(self, environ: WSGIEnvironment) -> tuple[HTTPStatus, Any]:
        path = environ.get("PATH_INFO", "").strip("/")
        match environ["REQUEST_METHOD"]:
            case "OPTIONS":
                return HTTPStatus.OK, ""
            case "GET":
                return self._tell(path, dict(parse_qsl(environ.get("QUERY_STRING", ""))))
        return HTTPStatus.METHOD_NOT_ALLOWED, f"events are sent by POST; known are {_METHODS}"

    def _tell(self, path: str, query: dict[str, str]) -> tuple[HTTPStatus, Any]:
        limit, after = _number(query, "limit", _ROWS), _number(query, "after", 0)
        rows = min(limit, _MOST_ROWS)
        match path:
            case "healthz":
                return HTTPStatus.OK, "ok"
            case "status":
                return HTTPStatus.OK, self.audit.status()
            case "events":
                return HTTPStatus.OK, self.audit.events(query, rows)
            case "deliveries":
                return HTTPStatus.OK, self.audit.deliveries(rows, pending=query.get("pending") == "1")
            case "dead-letters":
                return HTTPStatus.OK, self.audit.dead_letters(rows, after)
        status = HTTPStatus.METHOD_NOT_ALLOWED if path in self.brokers else HTTPStatus.NOT_FOUND
        return status, "known are /status, /events, /deliveries, /dead-letters, /healthz"


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):  # noqa: PLR2004 - what SQLite takes
        problem = f"{name} is no whole number"
        raise BadEvent(problem)
    return int(text)


def _became(taken: Future[int]) -> tuple[HTTPStatus, str]:
    match taken.exception():
        case None:
            return HTTPStatus.ACCEPTED, ""
        case error:
            return HTTPStatus.SERVICE_UNAVAILABLE, getattr(error, "reason", str(error))
