"""The broker's door: the thread that reads events takes them, too, and answers when the disk has them.

waitress gives each request a thread. For an event that thread would do nothing but wait for the disk, and to change
threads twice costs more than all that there is to do. What is asked by GET still gets one.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from waitress.parser import HTTPRequestParser
from waitress.task import Task

from molt.listener import Channel, Listener

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from http import HTTPStatus

    from _typeshed.wsgi import WSGIApplication

    Answer = Callable[[HTTPStatus, str], None]
    Take = Callable[[str, Mapping[str, str], bytes, Answer], None]


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
        while self._answered:
            self._answered.popleft().service()

    def _begin(self, channel: Any) -> None:
        """Take the first request of a connection; the next one comes when it is answered."""
        request = channel.requests[0]
        if request.error or request.command != "POST":
            self._to_thread(channel)
            return
        headers = {name.lower().replace("_", "-"): value for name, value in request.headers.items()}
        self._take(request.path, headers, request.get_body_stream().read(), partial(self._answer, channel))

    def _answer(self, channel: Any, status: HTTPStatus, text: str) -> None:
        channel.requests[0].answer = status, text
        self._answered.append(channel)
        # Whoever adds to others is sure that they are not answered yet, and it will be with them.
        if len(self._answered) == 1:
            self._server.pull_trigger()


class _Request(HTTPRequestParser):
    """A request, and its answer if that is ready."""

    answer: tuple[HTTPStatus, str] | None = None


class _EventChannel(Channel):
    """A connection."""

    parser_class = _Request

    @staticmethod
    def task_class(channel: Any, request: Any) -> Task:
        """Return what is to answer."""
        return _Answer(channel, request) if request.answer else Channel.task_class(channel, request)


class _Answer(Task):
    """The answer to an event."""

    complete = True

    def execute(self) -> None:
        """Write it."""
        status, text = self.request.answer
        body = f"{text}\n".encode() if text else b""
        self.status = f"{status.value} {status.phrase}"
        self.content_length = len(body)
        self.response_headers = [("Content-Type", "text/plain; charset=utf-8")]
        self.write(body)
