"""A forwarder, put together of its parts, from start to end."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from molt import log
from molt.commits import StoreError
from molt.forwarder import room, tls
from molt.forwarder.broker import Address, Connection
from molt.forwarder.door import Door
from molt.forwarder.intake import Intake, item
from molt.forwarder.lines import Reader, stream
from molt.forwarder.outbox import Outbox
from molt.forwarder.sender import FUNCTION, Sender
from molt.forwarder.settings import STDIN
from molt.forwarder.spool import Spool
from molt.forwarder.tail import Tail
from molt.listening import listen

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader

    from molt.forwarder.settings import Settings
    from molt.forwarder.tls import Renewed

_TIDY = 1.0  # seconds
_LOOK = 0.05  # seconds between two looks at whether all is sent


class CannotStart(ValueError):
    """What the settings ask for cannot be had; says what."""


@dataclass(slots=True)
class Forwarder:
    """The running parts. Made by `start`."""

    settings: Settings
    spool: Spool
    outbox: Outbox
    sender: Sender
    intake: Intake
    door: Door | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    reading: threading.Thread | None = None
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Tell whether there is nothing left to do: standard input is at its end, there is no door, all is sent."""
        read = self.reading is not None and not self.reading.is_alive()
        if not read or self.door:
            return False
        self.spool.end_windows()
        return not self.outbox.waits()

    def finish(self) -> None:
        """Take nothing any more, send what waits while the grace lasts, and close the spool, which keeps the rest."""
        self.intake.draining = True
        self.stop.set()
        if self.door:
            self.door.close()
        if self.reading and self.settings.file != STDIN:  # what waits for standard input cannot be woken
            self.reading.join()
        with contextlib.suppress(StoreError):
            self.spool.end_windows()
        self.sender.wake()
        until = time.monotonic() + self.settings.grace
        while time.monotonic() < until and not self.sender.trouble and self._waits():
            time.sleep(_LOOK)
        self.sender.stop()
        for thread in self._threads:
            thread.join()
        with contextlib.suppress(StoreError):
            self.spool.tidy()  # after it all that was handed in is on the disk
            left = self.outbox.status()["waiting"]
            log.write("info", FUNCTION, message=f"ended; {left} alerts wait in the spool")
        self.spool.close()

    def _waits(self) -> bool:
        with contextlib.suppress(StoreError):
            return self.outbox.waits()
        return False

    def run_in_thread(self, name: str, target: Callable[[], None]) -> None:
        """Start a thread that `finish` waits for."""
        self._threads.append(threading.Thread(target=target, name=name, daemon=True))
        self._threads[-1].start()


def start(settings: Settings) -> Forwarder:
    """Start a forwarder; from now on it takes alerts. Raises CannotStart, and leaves nothing running then."""
    try:
        inward = tls.server(settings.server) if settings.server else None
        outward = tls.client(settings.client) if settings.broker.startswith("https:") else None
        listening = listen(*settings.listen) if settings.listen else None
    except (tls.BadFile, OSError) as error:
        raise CannotStart(str(error)) from None
    try:
        spool = Spool(settings.spool, settings.limits)
    except StoreError as error:
        if listening:
            listening.close()
        raise CannotStart(error.reason) from None
    outbox = Outbox(spool)
    sender = Sender(outbox, settings.node)
    spool.woken = sender.wake
    made = Forwarder(settings, spool, outbox, sender, Intake(spool, outbox, lambda: sender.trouble, settings.token))
    _send(made, outward)
    made.run_in_thread("tidy", lambda: _tidy(made))
    if settings.file:
        made.reading = threading.Thread(target=lambda: _read(made), name="reader", daemon=True)
        made.reading.start()
    if listening:
        made.door = Door(listening, made.intake.answer, inward, stranger=made.intake.stranger)
        _announce(settings, made.door)
    return made


def run(settings: Settings, stop: threading.Event) -> None:
    """Forward until `stop` is set, or there is nothing left to do. Raises CannotStart."""
    forwarder = start(settings)
    try:
        while not stop.wait(_LOOK if forwarder.door is None else _TIDY):
            with contextlib.suppress(StoreError):
                if forwarder.is_done:
                    break
    finally:
        forwarder.finish()


def _send(made: Forwarder, context: Renewed | None) -> None:
    settings = made.settings
    address = Address(settings.broker, context, settings.broker_token, settings.timeout)

    def send() -> None:
        connection = Connection(address)
        made.sender.run(connection.post)
        connection.close()

    for _ in range(settings.connections):
        made.run_in_thread("sender", send)


def _tidy(made: Forwarder) -> None:
    while not made.stop.wait(_TIDY):
        try:
            made.spool.tidy()
        except StoreError as error:
            log.write("error", FUNCTION, message=f"the spool: {error.reason}")


def _read(made: Forwarder) -> None:
    spool = made.spool

    def lost() -> None:
        spool.tables.commit(lambda connection: room.unread(connection, spool.now()))

    reader = Reader(spool.take, item, made.stop, lost)
    if made.settings.file == STDIN:
        stream(cast("BufferedReader", sys.stdin.buffer), reader)
        return
    path = Path(os.path.abspath(made.settings.file))  # noqa: PTH100 - a link is followed anew each time
    Tail(path, spool.position(str(path)), reader).run()


def _announce(settings: Settings, door: Door) -> None:
    log.write("info", FUNCTION, message="listening", port=door.port)
    host = settings.listen[0] if settings.listen else ""
    if not settings.server and not settings.token and host not in ("127.0.0.1", "::1", "localhost"):
        message = "whoever reaches this door can make alerts up: give it a certificate with a client CA, or a token"
        log.write("warning", FUNCTION, message=message)
