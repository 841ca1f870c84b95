"""TLS in and out, with files that may change at any time: certificates and tokens of a pod are renewed under way."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt import log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LONGEST_TOKEN = 65_536  # bytes


class BadFile(ValueError):
    """A file of a certificate, key or token cannot be used; says which, and why."""


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """PEM files: our certificate (with its chain) and key; with `client_ca` only clients that it vouches for."""

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """PEM files: whom to trust (None: the system's authorities), and who we are (None: nobody)."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


class Renewed:
    """An SSLContext that is made anew when one of its files has changed; what cannot be read leaves the old one."""

    def __init__(self, make: Callable[[], ssl.SSLContext], files: list[Path]) -> None:
        """Make it by `make` of these files. Raises BadFile."""
        self._make = make
        self._files = files
        self._lock = threading.Lock()
        self._stamps = self._look()
        self._context = self._made()

    def get(self) -> ssl.SSLContext:
        """Return the context of the files as they are."""
        with self._lock:
            stamps = self._look()
            if stamps != self._stamps:
                self._stamps = stamps
                try:
                    self._context = self._made()
                except BadFile as error:
                    log.write("error", "forwarder", message=f"the former certificate stays in use: {error}")
            return self._context

    def _made(self) -> ssl.SSLContext:
        names = ", ".join(map(str, self._files))
        try:
            return self._make()
        except ssl.SSLError as error:
            raise BadFile(f"{names}: {error.reason or error}") from None
        except OSError as error:
            raise BadFile(f"{names}: {error.strerror}") from None

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(file) for file in self._files]


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def server(files: ServerFiles) -> Renewed:
    """Return the context of our door: TLS 1.2 or later. Raises BadFile."""

    def make() -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files.cert, files.key)
        if files.client_ca:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    return Renewed(make, [file for file in (files.cert, files.key, files.client_ca) if file])


def client(files: ClientFiles) -> Renewed:
    """Return the context of our way to the broker, whose name and certificate are checked. Raises BadFile."""

    def make() -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=files.ca)
        if files.cert:
            context.load_cert_chain(files.cert, files.key)
        return context

    return Renewed(make, [file for file in (files.ca, files.cert, files.key) if file])


def token(file: Path) -> str:
    """Return the token in a file, as it is now. Raises BadFile, also when it is empty or no header could carry it."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_LONGEST_TOKEN).decode("ascii").strip()
    except OSError as error:
        raise BadFile(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadFile(f"{file}: not ASCII") from None
    if not text or not text.isprintable() or " " in text:
        raise BadFile(f"{file}: no token, which is one word")
    return text
