"""One HTTP request to a subscriber, over connections that are kept, with redirects followed as Go's client does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    TimeoutError,  # noqa: A004 - urllib3's own is the one meant here
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK = 65_536
_REDIRECTS = 10
# A time limit that has passed still needs to be one that sockets take.
_SHORTEST = 0.001
# As Go: these become a GET without a body; 307 and 308 repeat the request as it was.
_BECOME_GET = {301, 302, 303}
_REPEAT = {307, 308}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a subscriber said; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer: `error` in the words of Go's client, which a Knative broker puts into the dead letter."""

    error: str
    timed_out: bool = False


class Transport:
    """Sends events; safe for use by many threads."""

    def __init__(self, *, connections: int, limit: int) -> None:
        """Keep up to `connections` open per host; refuse answers longer than `limit` bytes."""
        self._pool = urllib3.PoolManager(num_pools=64, maxsize=connections, retries=False)
        self._limit = limit

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.clear()

    def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout: float | None) -> Answer | Silence:
        """Return the answer after redirects, or why there is none within `timeout` seconds (None: wait without end)."""
        deadline = None if timeout is None else time.monotonic() + timeout
        method, target, content = "POST", url, body
        try:
            for _ in range(_REDIRECTS):
                answer = self._request(method, target, headers, content, deadline)
                location = answer.headers.get("location")
                if not location or answer.status not in _BECOME_GET | _REPEAT:
                    return answer
                target = urljoin(target, location)
                if answer.status in _BECOME_GET:
                    method, content = "GET", b""
        except (HTTPError, ValueError) as error:
            return _silence(method, target, error)
        return Silence(f'{method.title()} "{target}": stopped after {_REDIRECTS} redirects')

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, deadline: float | None
    ) -> Answer:
        response = self._pool.request(
            method,
            url,
            headers=dict(headers),
            body=body or None,
            timeout=urllib3.Timeout(total=None if deadline is None else max(_SHORTEST, deadline - time.monotonic())),
            preload_content=False,
            decode_content=False,
            redirect=False,
        )
        try:
            content = self._read(response, deadline)
        except HTTPError:
            response.close()
            raise
        response.release_conn()
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, content)

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float | None) -> bytes:
        content = bytearray()
        # read1 returns what is there, so that the time limit is looked at whenever something comes.
        while chunk := response.read1(_CHUNK, decode_content=False):
            content += chunk
            if len(content) > self._limit:
                message = f"the answer is longer than {self._limit} bytes"
                raise HTTPError(message)
            if deadline is not None and time.monotonic() > deadline:
                message = "the answer trickles"
                raise TimeoutError(message)
        return bytes(content)


def _silence(method: str, url: str, error: HTTPError | ValueError) -> Silence:
    said = f'{method.title()} "{url}"'
    match error:
        case NameResolutionError():
            return Silence(f"{said}: dial tcp: lookup {urlsplit(url).hostname}: no such host")
        case NewConnectionError():
            where = urlsplit(url)
            return Silence(f"{said}: dial tcp {where.hostname}:{where.port or 80}: connect: connection refused")
        case TimeoutError():
            return Silence(f"{said}: context deadline exceeded", timed_out=True)
        case ProtocolError():
            return Silence(f"{said}: EOF")
    return Silence(f"{said}: {' '.join(str(error).split())}")
