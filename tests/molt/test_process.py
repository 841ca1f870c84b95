"""A function as a process: settings, and what is said of wrong ones."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from molt import process
from molt.outcome import Done
from tests.functions.processes import SIGNING

if TYPE_CHECKING:
    from flask import Flask

    from molt.server import Handler

API = {"MOLT_API_URL": "http://127.0.0.1:1", **SIGNING}


def wire(environ: Mapping[str, str]) -> Handler:
    """Return a handler, if the environment has what it needs."""
    if "BAD" in environ:
        raise ValueError("BAD is bad")
    return lambda *_: Done()


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"BAD": "1"}, "f: BAD is bad"),
        ({"MOLT_API_URL": "nowhere"}, "f: 'nowhere' is not the address of an API server: http(s)://host[:port]"),
        ({"PORT": "http"}, "f: PORT is 'http', and must be a number from 0 to 65535"),
        ({"PORT": "65536"}, "f: PORT is '65536', and must be a number from 0 to 65535"),
        ({"PORT": "-1"}, "f: PORT is '-1', and must be a number from 0 to 65535"),
        ({"PORT": "²"}, "f: PORT is '²', and must be a number from 0 to 65535"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(
    environ: dict[str, str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever installs it reads what to set."""
    assert 2 == process.run("f", wire, API | environ)
    assert f"{line}\n" == capsys.readouterr().err


def test_without_a_signing_key_it_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    """It could neither tell an order from a forgery nor sign its answer: one line, and exit code 2."""
    environ = {name: value for name, value in API.items() if name != "MOLT_SIGNING_KEY"}
    assert 2 == process.run("f", wire, environ)
    assert "f: MOLT_SIGNING_KEY has 0 bytes, and must have 32 at least\n" == capsys.readouterr().err


def test_the_served_function_is_behind_its_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed events alone, unless types are named; None opens the gate, and needs no key."""
    asked: list[int] = []

    def serve(app: Flask, *_: object) -> None:
        for kind in ("x", "tick"):
            headers = {"ce-id": "1", "ce-source": "/s", "ce-type": kind, "ce-specversion": "1.0"}
            asked.append(app.test_client().post("/", headers=headers).status_code)

    monkeypatch.setattr(process, "serve", serve)
    assert 0 == process.run("f", wire, API)
    assert 0 == process.run("f", wire, API, unsigned={"tick"})
    assert 0 == process.run("f", wire, {"MOLT_API_URL": "http://127.0.0.1:1"}, unsigned=None)
    assert [403, 403, 403, 204, 204, 204] == asked


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A second process on the same port ends with a line."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = str(door.getsockname()[1])
        assert 2 == process.run("f", wire, API | {"HOST": "127.0.0.1", "PORT": port})
    assert "Address already in use" in capsys.readouterr().err


def test_it_serves_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """HOST and PORT say where; without them it is port 8080 of every address."""
    served: list[tuple[str, str, int]] = []

    def serve(app: Flask, host: str, port: int) -> None:
        served.append((app.name, host, port))

    monkeypatch.setattr(process, "serve", serve)
    assert [0, 0] == [process.run("f", wire, API | more) for more in ({}, {"HOST": "::1", "PORT": "0"})]
    assert [("f", "", 8080), ("f", "::1", 0)] == served
