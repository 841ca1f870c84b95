"""What a forwarder is told: the same names for `python -m molt.forwarder` (environment) and `molt forward` (options).

MOLT_FORWARD_BROKER             where events go: http(s)://HOST[:PORT]/NAMESPACE/BROKER (required)
MOLT_FORWARD_SPOOL              the file in which alerts wait (required)
MOLT_FORWARD_LISTEN             HOST:PORT of the door, 127.0.0.1:2802; "" for no door, port 0 for a free one
MOLT_FORWARD_FILE               a file that Falco writes, to be followed; - for standard input
MOLT_FORWARD_MAX_ALERTS         how many alerts wait at most: 100000
MOLT_FORWARD_MAX_BYTES          how many bytes they take at most: 268435456
MOLT_FORWARD_WINDOW             seconds in which the same rule for the same pod is a repeat: 30; 0 for never
MOLT_FORWARD_CONNECTIONS        connections to the broker: 4
MOLT_FORWARD_TIMEOUT            seconds to wait for the broker's answer: 30
MOLT_FORWARD_GRACE              seconds for which, once told to end, what waits is still sent: 10
MOLT_FORWARD_NODE               our name in events about ourselves: the host's
MOLT_FORWARD_CERT, _KEY         PEM files: TLS at the door
MOLT_FORWARD_CLIENT_CA          PEM file: only clients that it vouches for (mTLS)
MOLT_FORWARD_TOKEN_FILE         only senders that show this bearer token
MOLT_FORWARD_BROKER_CA          PEM file: whom to trust as the broker; without it the system's authorities
MOLT_FORWARD_BROKER_CERT, _KEY  PEM files: who we are to the broker (mTLS)
MOLT_FORWARD_BROKER_TOKEN_FILE  the bearer token that the broker gets
"""

from __future__ import annotations

import math
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from molt.forwarder.room import Limits
from molt.forwarder.tls import ClientFiles, ServerFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "MOLT_FORWARD_"
LISTEN = "127.0.0.1:2802"
STDIN = "-"
_LEAST_BYTES = 8 * 2**20  # a few of the largest alerts must fit


@dataclass(frozen=True, slots=True)
class Settings:
    """A forwarder's settings; times in seconds."""

    broker: str
    spool: Path
    listen: tuple[str, int] | None = ("127.0.0.1", 2802)
    file: str = ""
    limits: Limits = field(default_factory=Limits)
    connections: int = 4
    timeout: float = 30.0
    grace: float = 10.0
    node: str = ""
    server: ServerFiles | None = None
    token: Path | None = None
    client: ClientFiles = field(default_factory=ClientFiles)
    broker_token: Path | None = None


def read(environ: Mapping[str, str]) -> Settings:
    """Return the settings in an environment. Raises ValueError, which names the one that is wrong."""
    given = _Given({name.removeprefix(PREFIX): text.strip() for name, text in environ.items()})
    listen = _address(given.text("LISTEN", LISTEN))
    file = given.text("FILE")
    if not listen and not file:
        raise ValueError(f"{PREFIX}LISTEN and {PREFIX}FILE are both empty: where are alerts to come from?")
    limits = Limits(
        alerts=int(given.number("MAX_ALERTS", 100_000, 1, 10_000_000)),
        bytes=int(given.number("MAX_BYTES", 256 * 2**20, _LEAST_BYTES, 2**40)),
        window=given.number("WINDOW", 30, 0, 3600),
    )
    return Settings(
        broker=_url(given.required("BROKER")),
        spool=Path(given.required("SPOOL")),
        listen=listen,
        file=file,
        limits=limits,
        connections=int(given.number("CONNECTIONS", 4, 1, 64)),
        timeout=given.number("TIMEOUT", 30, 0.1, 600),
        grace=given.number("GRACE", 10, 0, 3600),
        node=given.text("NODE") or socket.gethostname(),
        server=_server(given),
        token=given.path("TOKEN_FILE"),
        client=_client(given),
        broker_token=given.path("BROKER_TOKEN_FILE"),
    )


@dataclass(frozen=True, slots=True)
class _Given:
    values: Mapping[str, str]

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def required(self, name: str) -> str:
        if not self.text(name):
            raise ValueError(f"{PREFIX}{name} is missing")
        return self.values[name]

    def path(self, name: str) -> Path | None:
        return Path(self.values[name]) if self.text(name) else None

    def number(self, name: str, default: float, least: float, most: float) -> float:
        text = self.text(name)
        try:
            number = float(text) if text else default
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise ValueError(f"{PREFIX}{name} is {text!r}, and must be a number from {least} to {most}")
        return number


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isascii() or not text.isprintable() or " " in text or parts.username is not None:
        raise ValueError(f"{PREFIX}BROKER is {text!r}, and must be http(s)://HOST[:PORT]/PATH without a password")
    return text


def _address(text: str) -> tuple[str, int] | None:
    """Return host and port; `[::1]:2802` is one of IPv6, `:2802` every address of the machine."""
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and int(port) <= 65_535) or (":" in host and host[0] != "["):  # noqa: PLR2004
        raise ValueError(f"{PREFIX}LISTEN is {text!r}, and must be HOST:PORT")
    return host.strip("[]"), int(port)


def _server(given: _Given) -> ServerFiles | None:
    cert, key, authority = given.path("CERT"), given.path("KEY"), given.path("CLIENT_CA")
    if cert and key:
        return ServerFiles(cert, key, authority)
    if cert or key or authority:
        raise ValueError(f"{PREFIX}CERT and {PREFIX}KEY go together, and {PREFIX}CLIENT_CA only with them")
    return None


def _client(given: _Given) -> ClientFiles:
    cert, key = given.path("BROKER_CERT"), given.path("BROKER_KEY")
    if (cert is None) != (key is None):
        raise ValueError(f"{PREFIX}BROKER_CERT and {PREFIX}BROKER_KEY go together")
    return ClientFiles(given.path("BROKER_CA"), cert, key)
