"""Requests to subscribers, against a real server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from molt.embedded.broker.transport import Answer, Silence, Transport
from tests.embedded.broker.subscriber import Said, subscribing


@pytest.fixture
def transport() -> Iterator[Transport]:
    """Return a transport for answers of up to 1,000 bytes."""
    made = Transport(connections=2, limit=1000)
    yield made
    made.close()


def test_an_event_is_posted(transport: Transport) -> None:
    """Headers and body arrive, the answer comes back with lower-case names, and the connection is kept."""
    with subscribing(lambda _: Said(200, {"Ce-Id": "r"}, b"body")) as subscriber:
        for _ in range(2):
            answer = transport.post(f"{subscriber.url}/p", {"ce-id": "1"}, b"x", None)
            assert isinstance(answer, Answer)
            assert (200, "r", b"body") == (answer.status, answer.headers["ce-id"], answer.body)
        first, _ = subscriber.received
        assert ("POST", "/p", "1", b"x") == (first.method, first.path, first.id, first.body)
        assert 1 == next(iter(transport._pool.pools._container.values())).num_connections


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"x"), (308, "POST", b"x")],
)
def test_redirects_are_followed(transport: Transport, status: int, method: str, body: bytes) -> None:
    """A 301 as a GET without a body, a 307 as it was; the headers go along."""
    with subscribing(lambda it: Said(status, {"location": "/b"}) if it.path == "/a" else Said(204)) as subscriber:
        answer = transport.post(f"{subscriber.url}/a", {"ce-id": "1"}, b"x", 10)
        assert isinstance(answer, Answer)
        assert 204 == answer.status
        last = subscriber.received[-1]
        assert (method, "/b", "1", body) == (last.method, last.path, last.id, last.body)


def test_a_redirect_to_nowhere_is_an_answer(transport: Transport) -> None:
    """Without a location there is nothing to follow."""
    with subscribing(lambda _: Said(301)) as subscriber:
        answer = transport.post(f"{subscriber.url}/a", {}, b"", 10)
        assert isinstance(answer, Answer)
        assert 301 == answer.status


def test_a_circle_of_redirects_ends(transport: Transport) -> None:
    """After ten, as Go's client does it."""
    with subscribing(lambda _: Said(307, {"location": "/a"})) as subscriber:
        answer = transport.post(f"{subscriber.url}/a", {}, b"", 10)
        assert Silence(f'Post "{subscriber.url}/a": stopped after 10 redirects') == answer
        assert 10 == len(subscriber.received)


@pytest.mark.parametrize("location", ["http://[", "ftp://x/", "http://127.0.0.1:99999/"])
def test_a_redirect_that_is_no_url_is_no_answer(transport: Transport, location: str) -> None:
    """It cannot be followed."""
    with subscribing(lambda _: Said(307, {"location": location})) as subscriber:
        answer = transport.post(f"{subscriber.url}/a", {}, b"", 10)
        assert isinstance(answer, Silence)
        assert not answer.timed_out


def test_a_closed_connection_is_no_answer(transport: Transport) -> None:
    """In the words of Go's client."""
    with subscribing(lambda _: Said(0)) as subscriber:
        assert Silence(f'Post "{subscriber.url}/a": EOF') == transport.post(f"{subscriber.url}/a", {}, b"", None)


def test_nobody_there_is_no_answer(transport: Transport) -> None:
    """Refused connections and unknown names are told apart."""
    refused = transport.post("http://127.0.0.1:1/", {}, b"", None)
    assert Silence('Post "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused') == refused
    unknown = transport.post("http://nobody.invalid/", {}, b"", None)
    assert Silence('Post "http://nobody.invalid/": dial tcp: lookup nobody.invalid: no such host') == unknown


def test_a_hanging_subscriber_times_out(transport: Transport) -> None:
    """After the time given, and it is said to be that."""
    with subscribing(lambda _: Said(204, wait=30)) as subscriber:
        answer = transport.post(f"{subscriber.url}/a", {}, b"", 0.1)
        assert isinstance(answer, Silence)
        assert answer.timed_out


def test_the_time_is_for_all_redirects_together(transport: Transport) -> None:
    """Each hop gets what is left."""
    with subscribing(lambda _: Said(307, {"location": "/a"}, wait=0.06)) as subscriber:
        answer = transport.post(f"{subscriber.url}/a", {}, b"", 0.1)
        assert isinstance(answer, Silence)
        assert answer.timed_out


def test_an_endless_answer_is_cut(transport: Transport) -> None:
    """It is no answer, and not kept in memory."""
    with subscribing(lambda _: Said(200, {}, b"x" * 1001)) as subscriber:
        answer = transport.post(f"{subscriber.url}/a", {}, b"", None)
        assert Silence(f'Post "{subscriber.url}/a": the answer is longer than 1000 bytes') == answer


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nx",
        b"no HTTP at all\r\n\r\n",
    ],
)
def test_half_an_answer_is_none(transport: Transport, answer: bytes) -> None:
    """A connection that ends in the middle of a body leaves no answer."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            connection, _ = door.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{door.getsockname()[1]}/"
        assert Silence(f'Post "{url}": EOF') == transport.post(url, {}, b"", 10)
        thread.join()


def test_a_chunked_answer_is_read(transport: Transport) -> None:
    """Without a length, to its end."""
    chunks = b"4\r\nbody\r\n0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            connection, _ = door.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)

        thread = threading.Thread(target=serve)
        thread.start()
        answer = transport.post(f"http://127.0.0.1:{door.getsockname()[1]}/", {}, b"", 10)
        assert isinstance(answer, Answer)
        assert b"body" == answer.body
        thread.join()


@contextmanager
def _trickling() -> Iterator[str]:
    """Run a server that sends a byte at a time, without end."""

    def serve() -> None:
        connection, _ = door.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")
            try:
                while not ended.wait(0.02):
                    connection.sendall(b"x")
            except OSError:
                """The transport has hung up."""

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}/"
        ended.set()
        thread.join()


def test_a_trickling_answer_is_cut(transport: Transport) -> None:
    """The time limit holds for the whole answer, not from byte to byte."""
    with _trickling() as url:
        answer = transport.post(url, {}, b"", 0.2)
        assert isinstance(answer, Silence)
        assert answer.timed_out
