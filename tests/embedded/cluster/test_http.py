"""The server over real HTTP: connections, limits, watches, tokens in the path, and the process itself."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster import process
from molt.embedded.cluster.http import BODY_LIMIT, ApiServer
from tests.embedded.cluster.caller import ADMIN, DEFAULT, config_map, made_api
from tests.embedded_cluster import running_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAPS = f"{DEFAULT}/configmaps"
HEADERS = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """Run a server without controllers."""
    with ApiServer(made_api()) as running:
        yield running


@pytest.fixture
def connection(server: ApiServer) -> Iterator[http.client.HTTPConnection]:
    """Open one connection to it."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as opened:
        yield opened


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection.request(method, path, json.dumps(body) if body is not None else None, HEADERS)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_one_connection_serves_many_requests(connection: http.client.HTTPConnection) -> None:
    """Connections are kept alive through writes, reads and refusals."""
    assert 201 == ask(connection, "POST", MAPS, config_map())[0]
    opened = connection.sock
    assert 404 == ask(connection, "GET", f"{MAPS}/two?watch=")[0]
    assert (200, {"a": "1"}) == ((answer := ask(connection, "GET", f"{MAPS}/one"))[0], answer[1]["data"])
    assert opened is connection.sock


def test_health_is_plain_text(connection: http.client.HTTPConnection) -> None:
    """Health answers ok, as text, to anybody."""
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    assert ("text/plain; charset=utf-8", b"ok") == (answer.headers["Content-Type"], answer.read())


def test_a_token_in_the_path(connection: http.client.HTTPConnection) -> None:
    """A client that sends no token without TLS (kubectl) may have it in the server's address."""
    connection.request("GET", f"/as/{ADMIN}{MAPS}")
    assert (200, True) == ((answer := connection.getresponse()).status, bool(answer.read()))
    connection.request("GET", f"/as/bogus{MAPS}")
    assert 401 == connection.getresponse().status


def test_large_bodies(connection: http.client.HTTPConnection) -> None:
    """A body over the limit is refused unread."""
    connection.putrequest("POST", MAPS)
    connection.putheader("Content-Length", str(BODY_LIMIT + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert (413, "RequestEntityTooLarge") == (answer.status, json.loads(answer.read())["reason"])


def test_hints_are_headers(server: ApiServer, connection: http.client.HTTPConnection) -> None:
    """Warnings and the time to wait are headers, as clients expect them."""
    from molt.embedded.cluster.requests import Answer  # noqa: PLC0415 - what the handler is given

    answered = Answer(429, {}, ('unknown field "x"',), 7)
    server.api.handle = lambda request: answered  # type: ignore[method-assign]  # noqa: ARG005 - its name
    connection.request("GET", MAPS, headers=HEADERS)
    answer = connection.getresponse()
    assert ("7", '299 - "unknown field \\"x\\""') == (answer.headers["Retry-After"], answer.headers["Warning"])


def test_watch_streams_lines(server: ApiServer, connection: http.client.HTTPConnection) -> None:
    """A watch is a chunked stream of JSON lines that ends with its time, on a connection that lives on."""
    assert 201 == ask(connection, "POST", MAPS, config_map())[0]
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as watcher:
        watcher.request("GET", f"{MAPS}?watch=true&timeoutSeconds=1&labelSelector=", headers=HEADERS)
        answer = watcher.getresponse()
        assert "chunked" == answer.headers["Transfer-Encoding"]
        assert "ADDED" == json.loads(answer.readline())["type"]
        assert b"" == answer.readline()
        assert 200 == ask(watcher, "GET", MAPS)[0]


def _serving() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if "process_request_thread" in one.name}


def test_a_watcher_that_leaves(server: ApiServer, connection: http.client.HTTPConnection) -> None:
    """A client that goes away in the middle of a watch ends it, and nothing else."""
    others = _serving()  # connections to clusters that other tests share
    watcher = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    text = f"GET {MAPS}?watch=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n"
    watcher.sendall(text.encode())
    assert watcher.recv(12) == b"HTTP/1.1 200"
    watcher.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    watcher.close()
    threads = _serving() - others
    for number in range(3):
        assert 201 == ask(connection, "POST", MAPS, config_map(f"m{number}"))[0]
    connection.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_closing_ends_watches() -> None:
    """Closing the server ends its watches and connections."""
    server = ApiServer(made_api())
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as watcher:
        watcher.request("GET", f"{MAPS}?watch=true", headers=HEADERS)
        answer = watcher.getresponse()
        server.close()
        assert b"" == answer.read()


def test_a_running_cluster_has_clients_and_accounts() -> None:
    """The tests' cluster gives a client with all rights, and tokens of accounts that have none."""
    from molt.cluster import PODS  # noqa: PLC0415 - only here

    with running_cluster(controllers=False) as cluster:
        assert [] == cluster.admin.list(PODS)
        assert cluster.account("default", "me") != cluster.account("default", "me")
        assert 1 == len(cluster.store.list("serviceaccounts", "default"))


def test_the_process_says_where_it_listens(tmp_path: Path) -> None:
    """The module says so in one line of JSON, serves with controllers, and ends on SIGTERM with 0."""
    key = tmp_path / "token"
    key.write_text(f"{ADMIN}\n")
    command = [sys.executable, "-m", "molt.embedded.cluster", "--admin-token-file", str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = json.loads(running.stdout.readline())
        assert f"http://127.0.0.1:{said['port']}" == said["listening"]
        with closing(http.client.HTTPConnection("127.0.0.1", said["port"], timeout=10)) as opened:
            code, nodes = ask(opened, "GET", "/api/v1/nodes")
        running.send_signal(signal.SIGTERM)
        assert (200, 3, 0) == (code, len(nodes["items"]), running.wait(20))


def test_main_in_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same, without a process of its own: SIGINT ends it too."""
    key = tmp_path / "token"
    key.write_text(ADMIN)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        assert 0 == process.main(["--admin-token-file", str(key)], sys.stdout)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert "listening" in json.loads(capsys.readouterr().out)
    assert process.main is importlib.import_module("molt.embedded.cluster.__main__").main
