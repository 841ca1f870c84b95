"""waitress on one socket, made to stop between two requests: what was taken is answered."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, cast

from waitress import wasyncore
from waitress.server import create_server

if TYPE_CHECKING:
    import socket

    from _typeshed.wsgi import WSGIApplication

# Each waits for the disk most of the time; as many events as there are threads share one flush.
_THREADS = 32
_IN_MEMORY = 67_108_864
_TURN = 1.0
_FLUSH = 2.0
_FLUSH_TURN = 0.05


class Listener:
    """Serves while `run` runs; until then those who connect wait."""

    def __init__(self, app: WSGIApplication, door: socket.socket, limit: int) -> None:
        """Serve on `door`, a listening socket; requests longer than `limit` bytes are refused."""
        # waitress warns of every request that waits for a thread: under load that is the rule.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._map: dict[int, Any] = {}
        settings: dict[str, Any] = {
            "threads": _THREADS,
            "ident": "molt",
            "max_request_body_size": limit,
            # No temporary files: a full disk must not be in the way of saying that it is full.
            "inbuf_overflow": 2 * limit,
            "outbuf_overflow": _IN_MEMORY,
        }
        self._server = cast("Any", create_server(app, map=self._map, sockets=[door], **settings))
        self._stopping = threading.Event()

    def run(self) -> None:
        """Serve until stopped, then answer what was taken."""
        while not self._stopping.is_set():
            self._turn(_TURN)
        self._server.task_dispatcher.shutdown()
        until = time.monotonic() + _FLUSH
        while any(channel.total_outbufs_len for channel in self._channels()) and time.monotonic() < until:
            self._turn(_FLUSH_TURN)

    def stop(self) -> None:
        """Make `run` end; may be called by any thread and by a signal's handler, more than once."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._server.pull_trigger()

    def close(self) -> None:
        """Close every connection, after `run`."""
        self._stopping.set()
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._map)

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, use_poll=True, map=self._map, count=1)

    def _channels(self) -> list[Any]:
        return list(self._server.active_channels.values())
