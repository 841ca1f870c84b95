"""One connection to the broker, kept open: HTTP by the standard library, with our certificate and token."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from molt.forwarder import tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from pathlib import Path

    from molt.forwarder.tls import Renewed

_READ = 4096  # bytes of an answer that are read; of a longer one the connection is not used again
_SHOWN = 200  # characters
_LONGEST_LIFE = 300.0  # seconds of a connection: a Service's endpoints and names change
_CONNECT = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What the broker said."""

    status: int
    text: str = ""
    retry_after: str | None = None

    def __str__(self) -> str:
        """Return it for the log."""
        return f"{self.status}{': ' if self.text else ''}{self.text}"


@dataclass(frozen=True, slots=True)
class Silence:
    """The broker did not answer, and why."""

    why: str

    def __str__(self) -> str:
        """Return it for the log."""
        return self.why


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, and how to speak to it; `timeout`: seconds to wait for each part of an answer."""

    url: str
    context: Renewed | None = None
    token: Path | None = None
    timeout: float = 30.0


class Connection:
    """For one thread."""

    def __init__(self, address: Address) -> None:
        """Connect when there is something to send."""
        self._address = address
        self._parts = urlsplit(address.url)
        self._target = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        self._open: http.client.HTTPConnection | None = None
        self._made = 0.0
        self._context: ssl.SSLContext | None = None

    def close(self) -> None:
        """Let go of the connection."""
        if self._open:
            self._open.close()
            self._open = None

    def post(self, headers: Mapping[str, str], body: bytes) -> Answer | Silence:
        """Send an event and return the answer. On a kept connection that the broker has closed it is sent once more."""
        try:
            given = dict(headers)
            if self._address.token:
                given["authorization"] = f"Bearer {tls.token(self._address.token)}"
            kept = self._is_usable()
            try:
                return self._ask(given, body)
            except (http.client.RemoteDisconnected, ConnectionError):
                self.close()
                if not kept:
                    raise
                return self._ask(given, body)
        except (OSError, http.client.HTTPException, tls.BadFile) as error:
            self.close()
            return Silence(f"{self._parts.netloc.rpartition('@')[2]}: {_why(error)}")

    def _is_usable(self) -> bool:
        """Close a connection that is old, or of a former certificate; tell whether there is one."""
        context = self._address.context.get() if self._address.context else None
        if self._open and (time.monotonic() - self._made > _LONGEST_LIFE or context is not self._context):
            self.close()
        self._context = context
        return self._open is not None

    def _ask(self, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._open is None:
            self._open = self._connected()
        self._open.request("POST", self._target, body, dict(headers))
        answer = self._open.getresponse()
        text = answer.read(_READ)
        if not answer.isclosed():
            self.close()
        shown = " ".join(text.decode(errors="replace").split())[:_SHOWN]
        return Answer(answer.status, shown, answer.getheader("retry-after"))

    def _connected(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        made = (
            http.client.HTTPSConnection(host, port, timeout=_CONNECT, context=self._context)
            if self._context
            else http.client.HTTPConnection(host, port, timeout=_CONNECT)
        )
        made.connect()
        made.sock.settimeout(self._address.timeout)
        self._made = time.monotonic()
        return made


def _why(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split()) or type(error).__name__
