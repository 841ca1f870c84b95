"""The way to the broker."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from molt.forwarder import broker as broker_module
from molt.forwarder import tls
from molt.forwarder.broker import Address, Answer, Connection, Silence
from tests.molt.forwarder.kit import CERTS, Broker, brokering

EVENT = {"ce-id": "1", "content-type": "application/json"}


def test_an_event_goes_over_a_kept_connection_with_the_token_as_it_is(tmp_path: Path) -> None:
    """The token's file is read for each event; path and query of the address are kept."""
    token = tmp_path / "token"
    with brokering() as broker:
        connection = Connection(Address(f"{broker.url}?a=b", token=token))
        for word in ("old", "new"):
            token.write_text(word)
            assert Answer(202) == connection.post(EVENT, b"{}")
        connection.close()
    assert ["Bearer old", "Bearer new"] == [headers["authorization"] for headers, _ in broker.got]
    assert b"{}" == broker.got[0][1]


def test_what_the_broker_says_is_passed_on_in_one_short_line() -> None:
    """Status, text and Retry-After; a redirect is not followed, since it would take the token along."""
    answers = [(503, {"Retry-After": "3", "text": "later\n  please"}), (301, {"Location": "http://127.0.0.1:1/"})]
    with brokering(broker=Broker(answer=lambda _: answers.pop(0))) as broker:
        connection = Connection(Address(broker.url))
        said = connection.post(EVENT, b"{}")
        assert (Answer(503, "later please", "3"), "503: later please") == (said, str(said))
        assert "301" == str(connection.post(EVENT, b"{}"))
        connection.close()


def test_a_long_answer_is_not_read_to_its_end() -> None:
    """The connection is not used again then."""
    with brokering(broker=Broker(answer=lambda _: (400, {"text": "x" * 100_000}))) as broker:
        connection = Connection(Address(broker.url))
        for _ in range(2):
            assert Answer(400, "x" * 200) == connection.post(EVENT, b"{}")
        connection.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [("http://127.0.0.1:1/x", "127.0.0.1:1: Connection refused"), ("http://nowhere.invalid/", "nowhere.invalid: ")],
)
def test_a_broker_that_is_not_there_is_silent(url: str, why: str) -> None:
    """The reason names it."""
    said = Connection(Address(url)).post(EVENT, b"")
    assert isinstance(said, Silence)
    assert str(said).startswith(why)


def test_a_token_that_cannot_be_read_is_a_reason_to_wait(tmp_path: Path) -> None:
    """Nothing is sent without it."""
    with brokering() as broker:
        said = Connection(Address(broker.url, token=tmp_path / "none")).post(EVENT, b"")
    assert isinstance(said, Silence)
    assert ("No such file or directory" in said.why, []) == (True, broker.got)


@contextmanager
def _scripted(*answers: bytes) -> Iterator[int]:
    """Serve one request on each connection, answer these bytes, and close it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


KEPT = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


def test_a_kept_connection_that_was_closed_is_made_anew() -> None:
    """Brokers close what is idle: the event is sent once more, at once."""
    with _scripted(KEPT, KEPT) as port:
        connection = Connection(Address(f"http://127.0.0.1:{port}/"))
        assert [Answer(202), Answer(202)] == [connection.post(EVENT, b"{}") for _ in range(2)]
        connection.close()


def test_a_new_connection_that_is_closed_without_an_answer_is_silence() -> None:
    """Whether the broker has the event is not known: a later try will tell."""
    with _scripted(b"") as port:
        said = Connection(Address(f"http://127.0.0.1:{port}/")).post(EVENT, b"{}")
    assert isinstance(said, Silence)
    assert "without response" in said.why


def test_what_is_no_http_is_silence() -> None:
    """So is a status line that nobody can read."""
    with _scripted(b"SSH-2.0\r\n\r\n") as port:
        said = Connection(Address(f"http://127.0.0.1:{port}/")).post(EVENT, b"{}")
    assert isinstance(said, Silence)
    assert said.why.endswith("SSH-2.0")


def test_a_broker_that_does_not_answer_in_time_is_silent() -> None:
    """It took the event, or not."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        said = Connection(Address(f"http://127.0.0.1:{port}/", timeout=0.05)).post(EVENT, b"{}")
    assert Silence(f"127.0.0.1:{port}: timed out") == said


def test_an_old_connection_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker's name may mean another address by now."""
    monkeypatch.setattr(broker_module, "_LONGEST_LIFE", -1.0)
    with _scripted(KEPT, KEPT) as port:
        connection = Connection(Address(f"http://127.0.0.1:{port}/"))
        assert [Answer(202), Answer(202)] == [connection.post(EVENT, b"{}") for _ in range(2)]
        connection.close()


def test_mtls_with_a_certificate_that_is_renewed(tmp_path: Path) -> None:
    """The broker asks who we are; another certificate is another connection."""
    server = tls.server(tls.ServerFiles(CERTS / "server.pem", CERTS / "server.key", CERTS / "ca.pem")).get()
    for name in ("pem", "key"):
        shutil.copy(CERTS / f"client.{name}", tmp_path / name)
    files = tls.ClientFiles(CERTS / "ca.pem", tmp_path / "pem", tmp_path / "key")
    with brokering(server) as broker:
        url = f"https://127.0.0.1:{broker.port}/"
        connection = Connection(Address(url, tls.client(files)))
        assert Answer(202) == connection.post(EVENT, b"{}")
        for name in ("pem", "key"):
            shutil.copy(CERTS / f"stranger.{name}", tmp_path / name)
        assert isinstance(connection.post(EVENT, b"{}"), Silence)
        nobody = Connection(Address(url, tls.client(tls.ClientFiles(CERTS / "ca.pem"))))
        assert isinstance(nobody.post(EVENT, b"{}"), Silence)
        distrustful = Connection(Address(url, tls.client(tls.ClientFiles(CERTS / "stranger-ca.pem"))))
        said = distrustful.post(EVENT, b"{}")
        assert isinstance(said, Silence)
        assert "certificate verify failed" in said.why
    assert 1 == len(broker.got)
