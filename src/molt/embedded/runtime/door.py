"""A WSGI application served from a thread of this process."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

from molt.embedded.runtime.child import StartError
from molt.listener import Listener

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"
_THREADS = 32  # events in the air at once: each may wait for a pod to become Ready


class Door:
    """Listens on loopback from the moment it is made; `close` ends it."""

    def __init__(self, application: WSGIApplication, port: int) -> None:
        """Bind `port` (0: any free one) and serve. Raises StartError when the port cannot be had."""
        try:
            listening = socket.create_server((HOST, port))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise StartError(f"port {port} of {HOST}: {reason}") from None
        self.port = int(listening.getsockname()[1])
        self._listener = Listener(application, "runtime", listening, threads=_THREADS)
        self._thread = threading.Thread(target=self._listener.run, name="door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and let what is being answered end."""
        self._listener.drain()
        self._thread.join()
