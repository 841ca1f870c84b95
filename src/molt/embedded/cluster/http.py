"""The API over HTTP/1.1: kept-alive connections, chunked watches, one thread a connection."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from molt.embedded.cluster.problems import Refused
from molt.embedded.cluster.requests import JSON, Answer, Request, Stream

if TYPE_CHECKING:
    from socket import socket

    from molt.embedded.cluster.api import Api

BODY_LIMIT: Final = 3 * 1024 * 1024  # the API server's own
HOST: Final = "127.0.0.1"
# kubectl sends no token without TLS, but keeps a path prefix: http://127.0.0.1:6443/as/TOKEN is a server for it.
AS: Final = "/as/"


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, asks the API, writes the answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment for head and body
    timeout = 300  # seconds that an idle connection is kept
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_LIMIT:
            self.close_connection = True
            text = f"Request entity too large: limit is {BODY_LIMIT}"
            self._answer(Answer(413, Refused(413, "RequestEntityTooLarge", text).status()))
            return
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = parts.path
        if path.startswith(AS):
            token, _, path = path.removeprefix(AS).partition("/")
            path, headers["authorization"] = f"/{path}", f"Bearer {unquote(token)}"
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        answer = self.server.api.handle(Request(self.command, path, query, headers, self.rfile.read(length)))
        if isinstance(answer, Answer):
            self._answer(answer)
        else:
            self._stream(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _answer(self, answer: Answer) -> None:
        text = isinstance(answer.body, str)
        body = str(answer.body) if text else json.dumps(answer.body, separators=(",", ":"))
        data = body.encode()
        self.send_response(answer.code)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if text else JSON)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-cache, private")
        if answer.retry_after is not None:
            self.send_header("Retry-After", str(answer.retry_after))
        for warning in answer.warnings:
            self.send_header("Warning", f"299 - {json.dumps(warning)}")
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _stream(self, stream: Stream) -> None:
        self.send_response(200)
        self.send_header("Content-Type", JSON)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for event in stream.events:
            line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def handle(self) -> None:
        """Serve the connection's requests; one that the client drops is no event."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def finish(self) -> None:
        """Close the connection, even when what is left cannot be written any more."""
        try:
            super().finish()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing: the audit keeps what was asked."""


class _Server(ThreadingHTTPServer):
    """Listens, and knows its open connections so that they can be ended."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: Api) -> None:
        super().__init__(address, _Handler)
        self.api = api
        self._open: set[socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Close every connection."""
        with self._lock:
            connections = list(self._open)
        for one in connections:
            super().shutdown_request(one)


class ApiServer:
    """A running server. `url` is where; `close()` ends its watches and connections."""

    def __init__(self, api: Api, port: int = 0) -> None:
        """Listen on `port` of the loopback (0: any) and serve until closed. Raises OSError when it is taken."""
        self.api = api
        self._server = _Server((HOST, port), api)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="api", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, end all watches and connections."""
        self.api.store.close()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Return itself: a `with` block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()
