"""The forwarder as a process: kill -9, a full disk, TLS on both sides, standard input, an orderly end."""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from molt.forwarder import process, run, tls
from molt.forwarder.settings import PREFIX, read
from tests.molt.forwarder.kit import CERTS, Broker, alert, ask, body, brokering, until

DEAD = "http://127.0.0.1:1/molt/default"


class Process:
    """A forwarder that can be killed, and started again on the same spool."""

    def __init__(self, folder: Path, broker: str, **given: str) -> None:
        """Describe it."""
        self.log = folder / "log"
        settings = {"BROKER": broker, "SPOOL": str(folder / "spool"), "LISTEN": "127.0.0.1:0", "WINDOW": "0", **given}
        self._environ = {**os.environ, **{f"{PREFIX}{name}": text for name, text in settings.items()}}
        self.running: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self, **options: Any) -> None:
        """Start it, and wait until it listens."""
        offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "molt.forwarder"]
            self.running = subprocess.Popen(command, env=self._environ, stdout=log, stderr=log, **options)
        until(lambda: b'"listening"' in self.log.read_bytes()[offset:])
        lines = [json.loads(line) for line in self.log.read_bytes()[offset:].splitlines()]
        self.port = next(line["port"] for line in lines if line.get("message") == "listening")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal; return its exit code."""
        assert self.running
        self.running.send_signal(number)
        return self.running.wait(60)

    def status(self) -> dict[str, Any]:
        """Return what it says of itself."""
        found: dict[str, Any] = json.loads(ask(self.port, "GET", "/status")[1])
        return found


@contextmanager
def forwarding(folder: Path, broker: str, **given: str) -> Iterator[Process]:
    """Run one, and end it whatever happens."""
    made = Process(folder, broker, **given)
    made.start()
    try:
        yield made
    finally:
        if made.running and made.running.poll() is None:
            made.end(signal.SIGKILL)


class Sender:
    """Sends alerts from several threads, each until it is acknowledged, whatever happens to the forwarder."""

    def __init__(self, process_: Process, count: int, threads: int = 4) -> None:
        """Start to send."""
        self._process = process_
        self.acknowledged: set[str] = set()
        self._threads = [
            threading.Thread(target=self._send, args=(range(first, count, threads),)) for first in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _send(self, numbers: range) -> None:
        for number in numbers:
            content = body(str(number), rule=f"rule {number}")
            while not self._is_taken(content):
                time.sleep(0.01)
            self.acknowledged.add(str(number))

    def _is_taken(self, content: bytes) -> bool:
        try:
            return ask(self._process.port, "POST", content=content)[0] == 202
        except (OSError, HTTPException):
            return False

    def join(self) -> None:
        """Wait until all is acknowledged."""
        for thread in self._threads:
            thread.join()


def test_the_module_is_the_process() -> None:
    """`python -m molt.forwarder` runs main."""
    assert process.main is importlib.import_module("molt.forwarder.__main__").main


def test_kill_9_while_alerts_come_in_and_go_out(tmp_path: Path) -> None:
    """Killed four times, with a broker that comes and goes: each alert arrives, and none under two ids."""
    broker = Broker(answer=lambda _: (202 if len(broker.got) % 5 else 503, {}))
    with brokering(broker=broker), forwarding(tmp_path, broker.url) as forwarder:
        sender = Sender(forwarder, 200)
        for part in range(1, 5):
            until(lambda part=part: len(sender.acknowledged) >= 40 * part)  # type: ignore[misc]
            forwarder.end(signal.SIGKILL)
            forwarder.start()
        sender.join()
        until(lambda: forwarder.status()["waiting"] == 0)
        assert 0 == forwarder.end()
    expected = {str(number) for number in range(200)}
    assert expected == sender.acknowledged
    assert expected == set(broker.ids)
    assert {(headers["ce-id"], json.loads(content)["uuid"]) for headers, content in broker.got} == {
        (name, name) for name in expected
    }


def test_what_waits_is_sent_by_the_next_process(tmp_path: Path) -> None:
    """A dead broker, a killed forwarder; then both are back, and each alert arrives once."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    broker = Broker(port)
    with forwarding(tmp_path, broker.url) as forwarder:
        for number in range(50):
            assert (202, "") == ask(forwarder.port, "POST", content=body(str(number), rule=str(number)))
        forwarder.end(signal.SIGKILL)
        forwarder.start()
        assert 50 == forwarder.status()["waiting"]
        with brokering(broker=broker):
            until(lambda: forwarder.status()["waiting"] == 0)
            assert sorted(map(str, range(50))) == sorted(broker.ids)


def test_a_full_disk(tmp_path: Path) -> None:
    """Senders get 503, never an acknowledgment that is not kept; with room again all goes on."""
    limit = 400_000

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    forwarder = Process(tmp_path, DEAD)
    forwarder.start(preexec_fn=small)
    try:
        answers: dict[str, int] = {}
        for number in range(60):
            content = json.dumps({**alert(str(number), rule=str(number)), "output": "x" * 20_000}).encode()
            answers[str(number)] = ask(forwarder.port, "POST", content=content)[0]
        assert {202, 503} == set(answers.values())
        assert 503 == answers["59"]
        assert 200 == ask(forwarder.port, "GET", "/healthz")[0]
        forwarder.end(signal.SIGKILL)
    finally:
        if forwarder.running and forwarder.running.poll() is None:
            forwarder.end(signal.SIGKILL)
    taken = {name for name, code in answers.items() if code == 202}
    with brokering() as broker, forwarding(tmp_path, broker.url) as again:
        until(lambda: again.status()["waiting"] == 0)
        assert taken <= set(broker.ids)
        assert len(broker.ids) == len(set(broker.ids))
        assert (202, "") == ask(again.port, "POST", content=body("new"))


def test_a_spool_that_is_full_drops_and_tells(tmp_path: Path) -> None:
    """The least urgent go; the broker is told how many as soon as it is there, before it gets anything else."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        broker = Broker(reserved.getsockname()[1])
    with forwarding(tmp_path, broker.url, MAX_ALERTS="5", NODE="node-1", CONNECTIONS="1") as forwarder:
        for number, priority in enumerate(["Debug"] * 3 + ["Notice"] * 2 + ["Critical"] * 2 + ["Debug"]):
            content = body(str(number), rule=str(number), priority=priority)
            assert (202 if number < 7 else 429) == ask(forwarder.port, "POST", content=content)[0]
        with brokering(broker=broker):
            until(lambda: forwarder.status()["waiting"] == 0)
        told = [json.loads(content) for headers, content in broker.got if "dropped" in headers["ce-type"]]
    assert (2, 2) == (sum(one["dropped"] for one in told), sum(one["priorities"]["Debug"] for one in told))
    assert {"node-1"} == {one["node"] for one in told}
    assert ["5", "6", "3", "4", "2"] == [name for name in broker.ids if len(name) == 1]
    assert "dropped" in broker.got[0][0]["ce-type"]


def test_tls_and_tokens_on_both_sides(tmp_path: Path) -> None:
    """A certificate at the door and to the broker, a bearer token here and there."""
    (tmp_path / "in").write_text("in-secret")
    (tmp_path / "out").write_text("out-secret")
    given = {
        "CERT": str(CERTS / "server.pem"),
        "KEY": str(CERTS / "server.key"),
        "CLIENT_CA": str(CERTS / "ca.pem"),
        "TOKEN_FILE": str(tmp_path / "in"),
        "BROKER_CA": str(CERTS / "ca.pem"),
        "BROKER_CERT": str(CERTS / "client.pem"),
        "BROKER_KEY": str(CERTS / "client.key"),
        "BROKER_TOKEN_FILE": str(tmp_path / "out"),
    }
    server = tls.server(tls.ServerFiles(CERTS / "server.pem", CERTS / "server.key", CERTS / "ca.pem")).get()
    context = ssl.create_default_context(cafile=CERTS / "ca.pem")
    context.load_cert_chain(CERTS / "client.pem", CERTS / "client.key")
    with brokering(server) as broker:
        url = f"https://127.0.0.1:{broker.port}/molt/default"
        with forwarding(tmp_path, url, **given) as forwarder:
            for token, expected in (("wrong", 401), ("in-secret", 202)):
                connection = HTTPSConnection("127.0.0.1", forwarder.port, context=context)
                connection.request("POST", "/", body("1"), {"authorization": f"Bearer {token}"})
                assert expected == connection.getresponse().status
                connection.close()
            until(lambda: bool(broker.got))
            assert 0 == forwarder.end()
    assert ("1", "Bearer out-secret") == (broker.ids[0], broker.got[0][0]["authorization"])


def test_told_to_end_it_sends_what_waits(tmp_path: Path) -> None:
    """Repeats whose window is open, too: an emptyDir goes with its pod."""
    with brokering() as broker, forwarding(tmp_path, broker.url, WINDOW="3000") as forwarder:
        for number in range(3):
            ask(forwarder.port, "POST", content=body(str(number)))
        assert 0 == forwarder.end()
        assert ["0", "2"] == sorted(broker.ids)
    assert '"ended; 0 alerts wait in the spool"' in forwarder.log.read_text()


def test_told_to_end_without_a_broker_it_does_not_wait(tmp_path: Path) -> None:
    """The spool keeps what is left, and the log says how much."""
    with forwarding(tmp_path, DEAD, GRACE="3600") as forwarder:
        ask(forwarder.port, "POST", content=body("1"))
        until(lambda: bool(forwarder.status()["trouble"]))
        assert 0 == forwarder.end(signal.SIGINT)
    assert '"ended; 1 alerts wait in the spool"' in forwarder.log.read_text()


def _main(monkeypatch: pytest.MonkeyPatch, **given: str) -> int:
    """Run it in this process."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return process.main({f"{PREFIX}{name}": text for name, text in given.items()})


def test_standard_input_is_read_sent_and_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a door there is nothing more to come; repeats do not hold it up."""
    reading, writing = os.pipe()
    os.write(writing, b"\n".join(body(name) for name in ("1", "2", "3")))
    os.close(writing)
    with brokering() as broker, os.fdopen(reading) as source:
        monkeypatch.setattr(sys, "stdin", source)
        given = {"BROKER": broker.url, "SPOOL": str(tmp_path / "spool"), "LISTEN": "", "FILE": "-"}
        assert 0 == _main(monkeypatch, **given)
    assert ["1", "3"] == sorted(broker.ids)


def test_a_file_is_followed_by_a_process(tmp_path: Path) -> None:
    """Killed and started again it goes on where it was: each line arrives once."""
    file = tmp_path / "events.log"
    with brokering() as broker, forwarding(tmp_path, broker.url, FILE=str(file)) as forwarder:
        for part in range(3):
            with file.open("ab") as out:
                out.writelines(
                    body(str(number), rule=str(number)) + b"\n" for number in range(part * 10, part * 10 + 10)
                )
            until(lambda part=part: len(broker.got) == part * 10 + 10)  # type: ignore[misc]
            until(lambda: forwarder.status()["waiting"] == 0)
            forwarder.end(signal.SIGKILL)
            forwarder.start()
        assert 0 == forwarder.end()
    assert sorted(map(str, range(30))) == sorted(broker.ids)


def test_what_is_gone_of_a_file_is_counted_and_told(tmp_path: Path) -> None:
    """Truncated: the broker hears of it, as of alerts that were dropped."""
    file = tmp_path / "events.log"
    file.write_bytes(body("1") + b"\n")
    with brokering() as broker, forwarding(tmp_path, broker.url, FILE=str(file)) as forwarder:
        until(lambda: broker.ids == ["1"])
        os.truncate(file, 0)
        until(lambda: len(broker.got) == 2)
        assert {"unread files": 1} == json.loads(broker.got[1][1])["priorities"]
        assert 1 == forwarder.status()["dropped"]
        assert 0 == forwarder.end()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"BROKER": ""}, "MOLT_FORWARD_BROKER is missing"),
        ({"SPOOL": "/nowhere/spool"}, "No such file or directory"),
        ({"CERT": "/nowhere/c", "KEY": "/nowhere/k"}, "/nowhere/c, /nowhere/k: No such file or directory"),
        ({"BROKER": "https://b/", "BROKER_CA": "/nowhere/ca"}, "/nowhere/ca: No such file or directory"),
        ({"LISTEN": "192.0.2.1:1"}, "192.0.2.1"),
        ({"LISTEN": "", "FILE": "-", "SPOOL": "/nowhere/spool"}, "No such file or directory"),
    ],
)
def test_what_cannot_be_had_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: dict[str, str],
    message: str,
) -> None:
    """In one line, with exit code 2; nothing is left running."""
    least = {"BROKER": DEAD, "SPOOL": str(tmp_path / "spool"), "LISTEN": "127.0.0.1:0"}
    before = threading.active_count()
    assert 2 == _main(monkeypatch, **{**least, **given})
    (line,) = capsys.readouterr().err.splitlines()
    assert (True, True) == (line.startswith("forwarder: "), message in line)
    assert before == threading.active_count()


def test_an_open_door_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On every address of the machine, and nobody is asked who they are."""
    least = {"BROKER": DEAD, "SPOOL": str(tmp_path / "spool"), "LISTEN": ":0", "GRACE": "0"}
    settings = read({f"{PREFIX}{name}": text for name, text in least.items()})
    stop = threading.Event()
    stop.set()
    run.run(settings, stop)
    assert "whoever reaches this door can make alerts up" in capsys.readouterr().out


def test_a_spool_that_fails_does_not_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tidying and ending say what is wrong, and the rest goes on."""
    monkeypatch.setattr(run, "_TIDY", 0.01)
    least = {"BROKER": DEAD, "SPOOL": str(tmp_path / "spool"), "LISTEN": "127.0.0.1:0", "GRACE": "0.1"}
    forwarder = run.start(read({f"{PREFIX}{name}": text for name, text in least.items()}))
    forwarder.spool.tables.close()
    said = ""
    while "the spool: the store is closed" not in said:
        said += capsys.readouterr().out
    forwarder.finish()
    assert not forwarder._waits()
