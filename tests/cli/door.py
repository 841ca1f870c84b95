"""A door that stands for Falco's and the broker's, and a log of what became of the alerts."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from molt.log import alert_id


class FakeDoor:
    """Keeps what is posted; the alert's `end`, if it has one, is at once in the log; its `status` is the answer."""

    def __init__(self, log: Path) -> None:
        """Write to `log`."""
        self.got: list[tuple[str, Mapping[str, str], Any]] = []
        self._log = log
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        """Open."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str) -> str:
        """Return where to post."""
        return f"http://127.0.0.1:{self._server.server_port}/{path}"

    def _take(self, path: str, headers: Mapping[str, str], data: dict[str, Any]) -> int:
        self.got.append((path, headers, data))
        if end := data.get("end"):
            name = alert_id(data)
            line = {"alert": name, "event": headers.get("ce-id"), "subject": "shop/pod/web-1", **end}
            with self._log.open("a") as log:
                log.write(json.dumps(line) + "\n")
        return int(data.get("status", 202))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            """Hands every request to the door."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                said = b"" if (status := door._take(self.path, headers, json.loads(body))) == 202 else b"no \x1b[31m"
                self.send_response(status)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler
