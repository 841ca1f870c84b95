"""A function as an HTTP server: one event in, one outcome out, as a Knative broker understands it.

    POST /        an event                   200 + event, 204, 400, 403, 413, 422, 503, 500: see molt.outcome
    GET /healthz  the process lives          200
    GET /readyz   it wants events            200, or 503 while it drains
    any other method there                   405
    any other path                           400, since the broker would try a 404 again and again

The broker retries 404, 408, 409, 429 and 5xx, follows 3xx and takes a 2xx with a body for a reply: no answer here is
one of these by accident.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, NotFound, RequestEntityTooLarge

from molt import events, log
from molt.listener import BODY_LIMIT, Listener
from molt.listening import listen
from molt.outcome import BadEvent, Done, MoltError, PermanentError, RefusedEvent, Skipped, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock, Outcome

    Handler = Callable[[Event, Cluster, Clock], Outcome]
    Parser = Callable[[Iterable[tuple[str, str]], bytes], Event]

_DRAINING = "molt-draining"  # among the app's extensions: set once the process is to end
_INTERNAL_ERROR = "internal error: the function's log says more"


def create_app(
    function: str, handle: Handler, cluster: Cluster, clock: Clock, *, parse: Parser = events.parse
) -> Flask:
    """Return the WSGI application that hands every event to `handle`, with a cluster that counts this event's calls.

    `parse` makes the event of a request's headers and body; a function that must read everything brings its own.
    """
    app = Flask(function, static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    app.url_map.merge_slashes = app.url_map.strict_slashes = False  # each would redirect
    app.extensions[_DRAINING] = draining = threading.Event()

    def event() -> Response:
        return _receive(function, parse, handle, cluster.session(), clock)

    def healthz() -> Response:
        return _text(200, "ok")

    def readyz() -> Response:
        return _text(503, "draining") if draining.is_set() else _text(200, "ok")

    def refuse(error: HTTPException) -> Response:
        return _refuse(function, error)

    app.add_url_rule("/", view_func=event, methods=["POST"], provide_automatic_options=False)
    app.add_url_rule("/healthz", view_func=healthz, methods=["GET"], provide_automatic_options=False)
    app.add_url_rule("/readyz", view_func=readyz, methods=["GET"], provide_automatic_options=False)
    app.register_error_handler(HTTPException, refuse)
    return app


def serve(app: Flask, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun. Logs the port, which is a free one if `port` is 0.

    `host` "" stands for every address of the machine. Raises OSError when it cannot listen there.
    """
    listener = Listener(app, app.name, listen(host, port))

    def drain(*_: object) -> None:
        app.extensions[_DRAINING].set()
        listener.drain()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, drain)
    log.write("info", app.name, message="listening", port=listener.port)
    listener.run()
    log.write("info", app.name, message="drained")


def _receive(function: str, parse: Parser, handle: Handler, cluster: Cluster, clock: Clock) -> Response:
    """Answer one event and log it."""
    started = time.monotonic()
    body = request.get_data(cache=False)
    known: dict[str, object] = {"event": request.headers.get("ce-id"), "type": request.headers.get("ce-type")}
    try:
        event = parse(request.headers.items(), body)
        known = log.of_event(event)
        outcome = handle(event, cluster, clock)
        answer = _answer(outcome)
        became = log.of_outcome(event, outcome)
    except MoltError as error:
        answer, became = _error(error), log.of_error(error)
    except Exception as error:  # noqa: BLE001 - the one place where nothing may get through: the broker is owed an answer
        answer, became = _text(500, _INTERNAL_ERROR), log.of_error(error)
    members: dict[str, Any] = {
        **known,
        **became,
        "duration_ms": round((time.monotonic() - started) * 1000, 1),
        "api_calls": len(cluster.requests),
        "status": answer.status_code,
    }
    log.write(str(members.pop("level")), function, **members)
    return answer


def _answer(outcome: Outcome) -> Response:
    """Return 200 and the event that follows, or 204. Raises PermanentError when no function would take that event."""
    event = outcome.event if isinstance(outcome, Done | Skipped) else None
    if event is None:
        answer = Response(status=204)
        del answer.headers["content-type"]
        return answer
    headers, body = events.render(event)
    if len(body) > BODY_LIMIT:
        raise PermanentError(f"the event that follows has {len(body)} bytes, more than {BODY_LIMIT}")
    return Response(body, 200, headers)


def _error(error: MoltError) -> Response:
    """Return the status that makes the broker do what the error means, and the reason for the dead letter."""
    if isinstance(error, TemporaryError):
        answer = _text(503, error.reason)
        if error.retry_after is not None:
            answer.headers["retry-after"] = str(max(0, math.ceil(error.retry_after)))
        return answer
    if isinstance(error, RefusedEvent):
        return _text(403, error.reason)
    return _text(400 if isinstance(error, BadEvent) else 422, error.reason)


def _refuse(function: str, error: HTTPException) -> Response:
    """Answer, and log, a request that Flask itself refuses; its own answers are HTML."""
    status, reason = error.code or 500, " ".join((error.description or error.name).split())
    if isinstance(error, NotFound):
        status, reason = 400, "no such path: events are posted to /"
    if isinstance(error, RequestEntityTooLarge):
        reason = f"the event has more than {BODY_LIMIT} bytes"
    answer = _text(status, reason)
    answer.headers.extend((name, value) for name, value in error.get_headers() if name.lower() != "content-type")
    log.write(
        "warning", function, outcome="refused", reason=reason, method=request.method, path=request.path, status=status
    )
    return answer


def _text(status: int, line: str) -> Response:
    return Response(line[:1024] + "\n", status, mimetype="text/plain")
