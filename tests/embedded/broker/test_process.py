"""The broker as a process: its command line, what it says, how it ends."""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from molt.embedded.broker import process
from molt.embedded.broker.database import Database
from molt.embedded.broker.message import Message
from molt.embedded.broker.routing import Arrival
from molt.embedded.broker.store import Store
from tests.embedded.broker.harness import EVENT, broker, trigger, write
from tests.embedded.broker.subscriber import subscribing

TICKS: dict[str, Any] = {
    "apiVersion": "sources.knative.dev/v1",
    "kind": "PingSource",
    "metadata": {"name": "ticks", "namespace": "ns"},
    "spec": {
        "schedule": "0 0 1 1 *",
        "sink": {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}},
    },
}
SERVICE = {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "f"}}


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Start a broker process; yield it and what it said when it listened."""
    command = [sys.executable, "-m", "molt.embedded.broker", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield child, json.loads(child.stdout.readline())
        finally:
            child.kill()


def rest(child: subprocess.Popen[str]) -> str:
    """Return what it says until it has ended; `communicate` would lose what was read ahead with the first line."""
    assert child.stdout is not None
    said = child.stdout.read()
    child.wait(20)
    return said


def test_a_process_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    """One line says where it listens; SIGTERM lets it finish, with 0."""
    with subscribing() as subscriber:
        to_service = trigger("t", "")
        to_service["spec"]["subscriber"] = SERVICE
        manifests = write(tmp_path, broker(), to_service, TICKS)
        services = f"{subscriber.url}/{{namespace}}/{{name}}"
        arguments = ["--manifests", str(manifests), "--state", str(tmp_path / "s"), "--services", services]
        with started(*arguments) as (child, said):
            assert ({"listening", "port", "clocks"}, 0) == (set(said) - {"time"}, said["clocks"])
            headers = {f"ce-{name}": value for name, value in EVENT.items()}
            url = f"http://127.0.0.1:{said['port']}/ns/default"
            assert 202 == urllib3.request("POST", url, headers=headers, body=b"", retries=False).status
            assert "/ns/f" == subscriber.wait_for(1)[0].path
            child.terminate()
            out = rest(child)
            assert (0, "done") == (child.returncode, json.loads(out)["outcome"])


def _main(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    status = process.main(arguments, out, err)
    return status, out.getvalue(), err.getvalue()


def test_the_clock_ticks_in_the_brokers_process(tmp_path: Path) -> None:
    """With --clock, and with --schedule in place of each source's own."""
    with subscribing() as subscriber:
        manifests = write(tmp_path, broker(), trigger("t", subscriber.url), TICKS)

        def stop() -> None:
            subscriber.wait_for(1)
            os.kill(os.getpid(), signal.SIGTERM)

        stopping = threading.Thread(target=stop, daemon=True)
        stopping.start()
        arguments = ["--manifests", str(manifests), "--state", str(tmp_path / "s"), "--services", "http://x/"]
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        status, out, err = _main(*arguments, "--clock", "--schedule", "* * * * * *")
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
        stopping.join()
        assert (0, "", 1) == (status, err, json.loads(out.splitlines()[0])["clocks"])
        tick = subscriber.received[0].headers
        assert ("dev.knative.sources.ping", "/apis/v1/namespaces/ns/pingsources/ticks") == (
            tick["ce-type"],
            tick["ce-source"],
        )


def test_what_was_left_is_resumed(tmp_path: Path) -> None:
    """It is said how much there is; then it is delivered."""
    database = Database(tmp_path / "s")
    arrival = Arrival("ns/default", Message({**EVENT, "id": "left"}, b""), 255, ("ns/t",))
    Store(database).submit(arrival).result()
    database.close()
    with subscribing() as subscriber:
        manifests = write(tmp_path, broker(), trigger("t", subscriber.url))
        with started("--manifests", str(manifests), "--state", str(tmp_path / "s"), "--services", "x") as (child, said):
            assert 0 == said["clocks"]
            assert "left" == subscriber.wait_for(1)[0].id
            child.terminate()
            out = rest(child)
    assert [1] == [said["resumed"] for said in map(json.loads, out.splitlines()) if "resumed" in said]


@pytest.mark.parametrize(
    ("body", "more", "problem"),
    [
        (
            trigger("t", "http://x/", filters=[{"cesql": "x"}]),
            [],
            "m.yaml: Trigger ns/t: spec.filters[0].cesql: this broker",
        ),
        (
            TICKS | {"spec": TICKS["spec"] | {"schedule": "@every 5s"}},
            ["--clock"],
            'm.yaml: PingSource ns/ticks: spec.schedule: "@every 5s" is no',
        ),
        (TICKS, ["--clock", "--schedule", "x"], '"x" is no schedule'),
        (TICKS, ["--manifests", "/nowhere"], "/nowhere: No such file or directory"),
        (TICKS, ["--host", "192.0.2.1"], "Cannot assign requested address"),
    ],
)
def test_what_cannot_start_says_why(tmp_path: Path, body: dict[str, Any], more: list[str], problem: str) -> None:
    """In one line on standard error, and exits with 2."""
    manifests = write(tmp_path, broker(), body)
    arguments = ["--manifests", str(manifests), "--state", str(tmp_path / "s"), "--services", "http://x/", *more]
    status, out, err = _main(*arguments)
    assert (2, "", 1) == (status, out, err.count("\n"))
    assert problem in err


@pytest.mark.parametrize("template", ["http://x/{pod}", "http://x/{"])
def test_a_bad_template_is_refused(template: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Braces hold a namespace and a name and nothing else."""
    with pytest.raises(SystemExit, match="2"):
        _main("--manifests", "m", "--state", "s", "--services", template)
    assert "may hold {namespace} and {name}, no other braces" in capsys.readouterr().err


def test_importing_the_entry_point_starts_nothing() -> None:
    """It runs when it is run."""
    assert process.main is importlib.import_module("molt.embedded.broker.__main__").main
