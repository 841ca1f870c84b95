"""A WSGI application served from a thread of this process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from waitress.server import create_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"
_THREADS = 32  # events in the air at once: each may wait for a pod to become Ready


class Door:
    """Listens on loopback from the moment it is made; `close` ends it."""

    def __init__(self, application: WSGIApplication, port: int) -> None:
        """Bind `port` (0: any free one) and serve. Raises OSError when the port is taken."""
        self._server = cast("Any", create_server(application, host=HOST, port=port, threads=_THREADS))
        self._thread = threading.Thread(target=self._server.run, name="door", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.effective_port)

    def close(self) -> None:
        """Stop listening and let what is being answered end."""
        self._server.close()
        self._thread.join()
