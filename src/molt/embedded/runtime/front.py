"""The runtime's own door: Falco's alerts in at /falco, the broker's deliveries on to the functions below /functions."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING
from wsgiref.util import shift_path_info

import urllib3

from molt import events, forward
from molt.listener import BODY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Falco sends an alert once and does not look at the answer: a broker that is being started anew is worth some seconds.
_RETRIES = urllib3.Retry(
    total=6, backoff_factor=0.1, allowed_methods=None, status_forcelist={503}, raise_on_status=False
)


class Gateway:
    """A WSGI application: takes Falco's http_output or Falcosidekick's webhook; the broker gets a CloudEvent."""

    def __init__(self, broker: str, retries: urllib3.Retry = _RETRIES) -> None:
        """Send to the broker's address."""
        self._broker = broker
        self._pool = urllib3.PoolManager(maxsize=16, retries=retries, timeout=10)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer 202 once the broker has the alert for good; 503 when it has not, and the sender should try again."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > BODY_LIMIT:
            return answer(start_response, http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {BODY_LIMIT} bytes")
        headers, body = events.render(forward.event_of(environ["wsgi.input"].read(length)))
        try:
            reply = self._pool.request("POST", self._broker, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            return answer(start_response, http.HTTPStatus.SERVICE_UNAVAILABLE, f"the broker: {error}")
        return answer(start_response, http.HTTPStatus(reply.status), reply.data.decode(errors="replace"))

    def close(self) -> None:
        """Close the connections to the broker."""
        self._pool.clear()


class Front:
    """A WSGI application made of others, told apart by the first part of the path."""

    def __init__(self, **parts: WSGIApplication) -> None:
        """Serve these; a part may be added later."""
        self.parts = dict(parts)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand the request to its part."""
        if environ["REQUEST_METHOD"] != "POST":
            return answer(start_response, http.HTTPStatus.METHOD_NOT_ALLOWED, "POST one alert")
        if "HTTP_ORIGIN" in environ:  # a web page, which can reach loopback, too, through the browser of whoever looks
            return answer(start_response, http.HTTPStatus.FORBIDDEN, "not from a web page")
        part = self.parts.get(shift_path_info(environ) or "")
        if part is None:
            return answer(start_response, http.HTTPStatus.BAD_REQUEST, "POST alerts to /falco")
        return part(environ, start_response)


def answer(start_response: StartResponse, status: http.HTTPStatus, line: str) -> list[bytes]:
    """Answer one line of text, or nothing at all."""
    start_response(f"{status.value} {status.phrase}", [("content-type", "text/plain; charset=utf-8")])
    text = " ".join(line.split())
    return [f"{text}\n".encode()] if text else []
