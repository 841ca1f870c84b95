"""The broker's door: the thread that reads events takes them, too, and answers when the disk has them.

waitress gives each request a thread. For an event that thread would do nothing but wait for the disk, and to change
threads twice costs more than all that there is to do. What is asked by GET still gets one.
"""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from waitress import wasyncore
from waitress.parser import HTTPRequestParser
from waitress.utilities import build_http_date

from molt.listener import Channel, Listener, Task

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from _typeshed.wsgi import WSGIApplication

    Answer = Callable[[HTTPStatus, str], None]
    Take = Callable[[str, Mapping[str, str], bytes, Answer], None]

_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nDate: %s\r\nServer: broker\r\n\r\n"


class Door(Listener):
    """Hands what is sent by POST to `take`, with what it is to call, once and in any thread; the rest to `app`."""

    def __init__(self, app: WSGIApplication, take: Take, door: socket.socket, *, threads: int) -> None:
        """Serve on `door`, a listening socket; `threads` are for what `app` answers."""
        super().__init__(app, "broker", door, threads=threads)
        self._take = take
        self._to_thread = self._server.add_task
        self._server.add_task = self._begin
        self._server.channel_class = _EventChannel
        self._answered: deque[_EventChannel] = deque()

    def _turn(self, timeout: float = 1.0) -> None:
        super()._turn(timeout)
        self._server.accepted = _ACCEPTED % build_http_date(int(time.time())).encode()
        while self._answered:
            wasyncore.write(self._answered.popleft())  # which ends this connection, and no other, should it fail

    def _begin(self, channel: Any) -> None:
        """Take the first request of a connection; the next one comes when it is answered."""
        request = channel.requests[0]
        if request.error or request.command != "POST":
            self._to_thread(channel)
            return
        headers = {name.lower().replace("_", "-"): value for name, value in request.headers.items()}
        self._take(request.path, headers, request.get_body_stream().read(), partial(self._answer, channel))

    def _answer(self, channel: _EventChannel, status: HTTPStatus, text: str) -> None:
        cast("Any", channel).requests[0].answer = status, text
        self._answered.append(channel)
        # Where others wait the thread is awake, and comes to this one, too.
        if len(self._answered) == 1:
            self._server.pull_trigger()


class _Request(HTTPRequestParser):
    """A request, and its answer once that is ready."""

    answer: tuple[HTTPStatus, str] | None = None


class _Answer(Task):
    """The answer to an event, or, as long as there is none, the application's."""

    def execute(self) -> None:
        """Write it."""
        answer = cast("Any", self.request).answer
        if answer is None:
            super().execute()
            return
        status, text = answer
        body = f"{text}\n".encode(errors="replace") if text else b""
        self.status = f"{status.value} {status.phrase}"
        self.response_headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        self.content_length = len(body)
        self.complete = True
        self.write(body)


class _EventChannel(Channel):
    """A connection."""

    parser_class = _Request
    task_class = _Answer

    def handle_write_event(self) -> None:
        """Answer the first request if its answer is there, and send."""
        channel = cast("Any", self)
        request: Any = channel.requests[0] if channel.requests else _Request
        if request.answer is None:
            super().handle_write_event()
        elif request.answer[0] == HTTPStatus.ACCEPTED and _is_plain(channel, request):
            self._accept(channel, request)
        else:
            channel.service()

    @staticmethod
    def _accept(channel: Any, request: _Request) -> None:
        """Answer what nearly all are answered, without the detours of waitress."""
        channel.write_soon(channel.server.accepted)
        channel.last_activity = time.time()
        request.close()
        with channel.requests_lock:
            channel.requests.pop(0)
            if channel.requests:
                channel.server.add_task(channel)


def _is_plain(channel: Any, request: Any) -> bool:
    """Tell whether the connection goes on, and nobody on it waits for anything else."""
    return request.version == "1.1" and "CONNECTION" not in request.headers and not channel.request
