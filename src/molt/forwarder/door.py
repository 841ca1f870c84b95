"""The HTTP door: TLS if wanted, a thread for each connection, and a limit for everything that a sender could stretch.

waitress, which serves the functions, speaks no TLS. Here each connection has some seconds for its handshake and for
every request as a whole, so that bytes that trickle in do not hold a thread; beyond `connections` a newcomer is told
503 at once, or, with TLS, is closed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

from molt import log
from molt.forwarder.wire import PATIENCE, Connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

    from molt.forwarder.tls import Renewed
    from molt.forwarder.wire import Request, Response

CONNECTIONS = 128
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TICK = 1.0  # seconds; where closing a listening socket wakes nobody, it is noticed after these


class Door:
    """Listens, and hands every request to the application."""

    def __init__(
        self,
        listening: socket.socket,
        application: Callable[[Request], Response],
        context: Renewed | None = None,
        *,
        connections: int = CONNECTIONS,
        stranger: Callable[[Message], Response | None] = lambda _: None,
    ) -> None:
        """Serve on a listening socket, with TLS if there is a context.

        `stranger` looks at the headers of a request with a body; it returns the answer when the body is not to be kept.
        """
        self.application = application
        self.stranger = stranger
        self.draining = False
        self.port = int(listening.getsockname()[1])
        self._listening = listening
        self._context = context
        self._most = connections
        self._change = threading.Condition()
        self._open: dict[socket.socket, bool] = {}  # connections, and whether each has a request in work
        self._thread = threading.Thread(target=self._accept, name="door", daemon=True)
        self._thread.start()

    def close(self, patience: float = PATIENCE) -> None:
        """Let nobody in any more, end what is silent, and wait for what is in work, at most `patience` seconds."""
        self.draining = True
        _hang_up(self._listening)
        self._thread.join()
        self._listening.close()
        with self._change:
            for connection, busy in self._open.items():
                if not busy:
                    _hang_up(connection)
            self._change.wait_for(lambda: not self._open, patience)
            for connection in self._open:
                _hang_up(connection)

    def mark(self, connection: socket.socket, *, busy: bool) -> None:
        """Write down whether a connection has a request in work."""
        with self._change:
            self._open[connection] = busy

    def _accept(self) -> None:
        self._listening.settimeout(_TICK)
        while not self.draining:
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                continue
            except OSError as error:
                if not self.draining:
                    log.write("error", "forwarder", message=f"cannot accept: {os.strerror(error.errno or 0)}")
                    time.sleep(_TICK)  # out of files, mostly: the next accept would fail at once, too
                continue
            with self._change:
                room = len(self._open) < self._most
                if room:
                    self._open[connection] = False
            if room:
                threading.Thread(target=self._serve, args=(connection,), name="sender", daemon=True).start()
            else:
                self._turn_away(connection)

    def _serve(self, connection: socket.socket) -> None:
        spoken = connection
        try:
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context:
                spoken = self._context.get().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with self._change:
                    self._open[spoken] = self._open.pop(connection)
                spoken.do_handshake()
            Connection(spoken, self)
        except ssl.SSLError as error:
            log.write("warning", "forwarder", outcome="refused", reason=f"TLS: {error.reason or error}")
        except OSError:
            return  # the sender is gone, or was silent for too long
        finally:
            with self._change:
                self._open.pop(spoken, None)
                self._change.notify_all()
            spoken.close()

    def _turn_away(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if not self._context:
                connection.settimeout(0)
                connection.send(_BUSY)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
