"""waitress, made to end without losing a request, and to answer what is no HTTP in one line of text.

waitress stops at SIGTERM wherever it is. Here it closes the door first and goes on until everything that came in is
answered and sent.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, cast

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask, WSGITask

from molt import log

if TYPE_CHECKING:
    import socket

    from _typeshed.wsgi import WSGIApplication

BODY_LIMIT = 2**20  # bytes of an event; Falco's alerts have 1 to 64 KiB

# Bytes read to be refused: a sender that is cut off in the middle would not read why, and try again.
READ_LIMIT = 4 * BODY_LIMIT
THREADS = 10  # the 8 events that service.yaml lets in at a time (containerConcurrency), and the probes
_LONGEST_ANSWER = 64 * BODY_LIMIT
_TICK = 1.0  # seconds; a signal or a finished request ends the wait at once
_PATIENCE = 5.0  # seconds without a byte from, or to, a client, after which draining does not wait for it


class Listener:
    """A listening socket, and the application behind it."""

    def __init__(
        self, app: WSGIApplication, name: str, door: socket.socket, *, threads: int = THREADS, limit: int = READ_LIMIT
    ) -> None:
        """Serve on `door`, a listening socket; requests of more than `limit` bytes are refused as they come in."""
        _take_logs(name)
        self._socket = door
        self._map: dict[int, Any] = {}
        # Buffers stay in memory: a function's file system is read-only, and a full disk is to be told of.
        settings: dict[str, Any] = {
            "sockets": [self._socket],
            "threads": threads,
            "ident": name,
            "max_request_body_size": limit,
            "inbuf_overflow": 2 * limit,
            "outbuf_overflow": _LONGEST_ANSWER,
        }
        self._server = cast("Any", create_server(app, map=self._map, **settings))
        self._server.channel_class = Channel
        self._draining = False
        self._asked = threading.Lock()  # whoever gets it is the only one to ask; nobody gives it back

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    def drain(self) -> None:
        """Make `run` end once all that came in is answered; any thread and signal handler may call it, repeatedly."""
        if self._asked.acquire(blocking=False):
            # In this order: once the flag is set `run` may end and the trigger's file with it. A wait that began in
            # between lasts a tick.
            self._server.pull_trigger()
            self._draining = True

    def run(self) -> None:
        """Serve until drained."""
        while not self._draining:
            self._turn()
        wasyncore.dispatcher.close(self._server)  # not the server's own close, which would take the trigger, too
        self._turn(0)
        while any(map(_is_busy, self._channels())):
            self._turn()
        for channel in self._channels():
            channel.handle_close()
        self.close()

    def close(self) -> None:
        """Let go of everything at once; `run` has done so at its end."""
        self._draining = True
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._map)

    def _turn(self, timeout: float = _TICK) -> None:
        wasyncore.loop(timeout=timeout, use_poll=True, map=self._map, count=1)

    def _channels(self) -> list[Any]:
        return list(self._server.active_channels.values())


class _RefusalTask(ErrorTask):
    """The answer to what waitress could not read: one line, logged as every refusal."""

    def execute(self) -> None:
        """Write the answer, and end the connection."""
        error = cast("Any", self.request).error
        reason = " ".join(f"{error.reason}: {error.body}".split())
        log.write("warning", self.channel.server.adj.ident, outcome="refused", reason=reason, status=error.code)
        body = reason.encode("ascii", "backslashreplace") + b"\n"
        self.status = f"{error.code} {error.reason}"
        self.response_headers = [("Content-Type", "text/plain; charset=utf-8")]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Task(WSGITask):
    """The answer of the application."""

    def write(self, data: bytes) -> None:
        """Send a body that is whole together with the head: one segment, for which who waits is woken once."""
        if self.wrote_header or not data or len(data) != self.content_length or not self.has_body:
            super().write(data)
            return
        head = self.build_response_header()
        self.wrote_header = True
        self.content_bytes_written += len(data)
        self.channel.write_soon(head + data)

    def set_close_on_finish(self) -> None:
        """End the connection after this answer, but not because of a 204: waitress takes it for one without an end."""
        asked = cast("Any", self.request).headers.get("CONNECTION", "").lower() == "close"
        if asked or self.version != "1.1" or not self.status.startswith("204"):
            super().set_close_on_finish()


class Channel(HTTPChannel):
    """A connection."""

    task_class = Task
    error_task_class = _RefusalTask


class _Lines(logging.Handler):
    """Writes what waitress has to say as our lines."""

    def __init__(self, function: str) -> None:
        super().__init__(logging.WARNING)
        self._function = function

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a traceback is a part of the message."""
        log.write(record.levelname.lower(), self._function, message=self.format(record))


def _take_logs(function: str) -> None:
    logger = logging.getLogger("waitress")
    logger.handlers[:] = [_Lines(function)]
    logger.propagate = False
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue is what a burst looks like


def _is_busy(channel: Any) -> bool:
    """Tell whether a connection has a request in work, or one on its way in or an answer on its way out that moves."""
    moving = channel.request is not None or channel.total_outbufs_len > 0
    return bool(channel.requests) or (moving and time.time() - channel.last_activity < _PATIENCE)
