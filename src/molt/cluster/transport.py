"""One request over HTTP, tried again where that is safe."""

from __future__ import annotations

import json
import random
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

from urllib3 import Timeout
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from molt.cluster.backoff import Backoff
from molt.cluster.errors import TooLarge, Unavailable, refusal
from molt.cluster.window import Flights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from urllib3 import BaseHTTPResponse

    from molt.cluster.access import Access
    from molt.cluster.errors import Request

T = TypeVar("T")

JSON: Final = "application/json"
CONNECT_TIMEOUT: Final = 3.0
READ_TIMEOUT: Final = 10.0  # longest silence, in seconds; an API server answers slow requests within its own limits
HINT: Final = 2.0  # Retry-After for our own caller when the server named none


@dataclass(frozen=True, slots=True)
class Call:
    """A request to send. `repeatable`: doing it twice has the effect of doing it once."""

    method: str
    path: str
    asked: Request
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    content_type: str = JSON
    repeatable: bool = True
    read_timeout: float = READ_TIMEOUT
    accept: str = JSON


class Transport:
    """The connection pool of one cluster; safe to share between threads."""

    def __init__(
        self,
        access: Access,
        backoff: Backoff | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect lazily; the time and the dice are arguments so that tests need neither."""
        self._access = access
        self._pool = access.pool()
        self._backoff = backoff or Backoff()
        self._sleep, self._chance, self._monotonic = sleep, chance, monotonic
        self._flights = Flights()

    def send(self, call: Call, log: list[Request]) -> dict[str, Any]:
        """Return the JSON object that is the answer; every try is appended to `log`. Raises molt.cluster.errors."""
        return self._patiently(call, log, lambda: json_object(call.asked, self._once(call).data))

    def read(self, call: Call, log: list[Request], most: int) -> bytes:
        """Return the first `most` bytes of an answer that another may have written. Tries and raises as `send`.

        A kubelet, whose node may be lost, could hold us with a byte now and then: all has to be here in time.
        """

        def attempt() -> bytes:
            end = self._monotonic() + CONNECT_TIMEOUT + call.read_timeout
            with closing(self._once(call)) as response:
                found = bytearray()
                while len(found) < most:
                    left = end - self._monotonic()
                    if left <= 0:
                        reason = f"{call.asked}: the answer did not end in time"
                        raise Unavailable(reason)
                    chunk = _some(response, most - len(found), left)
                    if not chunk:
                        break
                    found += chunk
                return bytes(found)

        return self._patiently(call, log, attempt)

    def open(self, call: Call, log: list[Request]) -> BaseHTTPResponse:
        """Return an answer with its body unread; the caller reads and closes it. Tries and raises as `send`."""
        return self._patiently(call, log, lambda: self._once(call))

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    def _patiently(self, call: Call, log: list[Request], attempt: Callable[[], T]) -> T:
        """Return what `attempt` returns, as often as it takes and is safe, within the backoff's limits."""
        deadline = self._monotonic() + self._backoff.total
        tries = 0
        while True:
            log.append(call.asked)
            tries += 1
            try:
                return self._in_flight(call, attempt, deadline - self._monotonic())
            except Unavailable as error:
                pause = self._backoff.pause(tries, self._chance(), error.retry_after)
                over = tries >= self._backoff.tries or self._monotonic() + pause > deadline
                if over or not (call.repeatable or error.untouched):
                    error.retry_after = error.retry_after or HINT
                    raise
            self._sleep(pause)

    def _in_flight(self, call: Call, attempt: Callable[[], T], patience: float) -> T:
        """Return what `attempt` returns; it takes one place of those that the API server has for us.

        Raises Unavailable when none is free for `patience` seconds: those who have them hang.
        """
        sent, refused = self._flights.begin(patience), False
        if sent is None:
            reason = f"{call.asked}: not sent: all requests that the API server takes at once wait for an answer"
            raise Unavailable(reason, untouched=True)
        try:
            with _lost_answers(call.asked):
                return attempt()
        except Unavailable as error:
            refused = error.throttled
            raise
        finally:
            self._flights.end(sent, refused=refused)

    def _once(self, call: Call) -> BaseHTTPResponse:
        """Send the request once and return a 2xx answer with its body unread, or raise what the answer means."""
        headers = {"User-Agent": "molt", "Accept": call.accept}
        if bearer := self._access.bearer():
            headers["Authorization"] = bearer
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        response = self._pool.request(
            call.method,
            self._access.host + call.path + (f"?{urlencode(call.query)}" if call.query else ""),
            headers=headers,
            body=None if call.body is None else json.dumps(call.body),
            timeout=Timeout(connect=CONNECT_TIMEOUT, read=call.read_timeout),
            retries=False,  # ours: they are counted, bounded in time, and know which requests may be repeated
            redirect=False,
            preload_content=False,
        )
        if not 200 <= response.status < 300:  # noqa: PLR2004 - the class of success
            raise refusal(call.asked, response.status, response.data, _seconds(response.headers.get("Retry-After")))
        return response


@contextmanager
def _lost_answers(asked: Request) -> Iterator[None]:
    """Turn a connection that failed or broke into Unavailable."""
    try:
        yield
    except (NewConnectionError, ConnectTimeoutError) as error:
        reason = f"{asked}: no connection: {error}"
        raise Unavailable(reason, untouched=True) from error
    except HTTPError as error:
        reason = f"{asked}: no answer: {error}"
        raise Unavailable(reason) from error


def _some(response: BaseHTTPResponse, most: int, seconds: float) -> bytes:
    """Return what is there of an answer, b"" at its end; nothing is waited for longer than that."""
    if sock := getattr(response.connection, "sock", None):
        sock.settimeout(seconds)
    return response.read1(most)


def json_object(asked: Request, body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`, or raise Unavailable: no API server answers otherwise, but a proxy may."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        reason = f"{asked}: the answer is not a JSON object"
        raise Unavailable(reason)
    return answer


def items(asked: Request, body: bytes, most: int) -> list[dict[str, Any]]:
    """Return the objects of the list in `body`. Raises TooLarge when it has more than `most` bytes, and Unavailable."""
    if len(body) > most:
        reason = f"{asked}: the answer has more than {most} bytes"
        raise TooLarge(reason)
    found: list[dict[str, Any]] = json_object(asked, body).get("items") or []
    return found


def _seconds(retry_after: str | None) -> float | None:
    """Return a Retry-After header in seconds; the form with a date, which no API server sends, counts as none."""
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
