"""`molt up` as a process: what it says, how it ends, what it leaves."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from molt.cli import interrupt
from molt.cli.interrupt import interruptible
from tests.cli.conftest import Molt
from tests.embedded_cluster import RunningCluster

COMMAND = [sys.executable, "-c", "from molt.cli import main; main()", "up", "--port", "0"]
ALERT = {"rule": "R", "priority": "Notice", "output": "o", "output_fields": {"container.id": "host"}}


@contextmanager
def _up(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [*COMMAND, "--state", str(folder), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _read_json(process: subprocess.Popen[str]) -> Any:
    """Return the first JSON value that it prints; it goes on."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        with contextlib.suppress(ValueError):
            return json.loads(text)
    pytest.fail(process.stderr.read() if process.stderr else "")


def _processes_that_name(folder: Path) -> list[str]:
    """Return the command lines of the processes in which the folder is named, ours left out."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder) in line:
                found.append(line)
    return found


def _wait_for_none(folder: Path) -> None:
    deadline = time.monotonic() + 30
    while left := _processes_that_name(folder):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_it_runs_until_it_is_stopped(molt: Molt, tmp_path: Path) -> None:
    """It says where it is, other commands find it, a second one is refused, SIGTERM ends it well, nothing is left."""
    folder = tmp_path / "state"
    with _up(folder, "--json", "--idle", "5", "--clock", "0 0 1 1 *") as process:
        at = _read_json(process)
        assert {"falco", "broker", "kubeconfig", "context"} == set(at)
        assert (str(folder / "kubeconfig"), "") == (at["kubeconfig"], at["context"])
        result = molt("send", "-", "--as", "falco", "--json", stdin=json.dumps(ALERT).encode())
        assert (0, ["ignored"]) == (result.code, [one["fate"] for one in result.json])
        assert 0 == molt("status").code
        second = molt("up", "--port", "0")
        assert (3, "", 1) == (second.code, second.out, second.err.count("\n"))
        assert f"a local runtime uses {folder} already" in second.err
        process.send_signal(signal.SIGTERM)
        assert (0, "") == (process.wait(60), process.stderr.read() if process.stderr else None)
    assert [] == _processes_that_name(folder)
    assert "no local runtime" in molt("status").err


def test_a_kill_leaves_no_orphan_and_the_next_one_starts(molt: Molt, tmp_path: Path) -> None:
    """Kill -9 of the supervisor ends its parts, and what it left does not stop the next one."""
    folder = tmp_path / "state"
    with _up(folder, "--json") as process:
        assert _read_json(process)
        process.kill()
    assert "no local runtime" in molt("status").err
    _wait_for_none(folder)
    with _up(folder, "--json") as process:
        assert _read_json(process)
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(60)
    assert [] == _processes_that_name(folder)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Interrupt the command at the step of its start that is named, as Ctrl-C would."""
    at: list[str] = []

    def progress(_: object, text: str) -> None:
        if at and text.startswith(at[0]):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("rich.status.Status.update", progress)
    return iter([at]).__next__()  # type: ignore[return-value]


@pytest.mark.parametrize("step", ["starting the embedded", "installing", "starting the broker"])
@pytest.mark.parametrize("command", ["up", "demo"])
def test_it_can_be_interrupted_while_it_starts(
    molt: Molt, tmp_path: Path, interrupted: list[str], command: str, step: str
) -> None:
    """Exit code 130, no word, nothing is left running."""
    interrupted.append(step)
    before = signal.getsignal(signal.SIGINT)
    result = molt(command, *(["--port", "0"] if command == "up" else []))
    assert (130, "", "") == (result.code, result.out, result.err)
    assert before == signal.getsignal(signal.SIGINT)
    assert [] == _processes_that_name(tmp_path)


def test_it_says_where_everything_is(
    molt: Molt, monkeypatch: pytest.MonkeyPatch, context: str, cluster: RunningCluster
) -> None:
    """For people: the two addresses for Falco's side, and kubectl's options; with a context, that one."""
    monkeypatch.setattr("molt.embedded.runtime.runtime.Runtime.watch", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    own = molt("up", "--port", "0")
    assert (0, "") == (own.code, own.err)
    for words in (
        "molt runs on a cluster of its own",
        "http_output.url: http://127.0.0.1:",
        "/molt/default",
        "/kubeconfig\n",
    ):
        assert words in own.out
    other = molt("up", "--port", "0", "--context", context)
    assert (0, "") == (other.code, other.err)
    assert f"molt runs on the cluster of context {context}" in other.out
    assert f"--context {context}\n" in other.out
    assert cluster.url not in other.out


def test_only_the_first_interrupt_counts() -> None:
    """What is being stopped is not interrupted by the impatient; afterwards all is as it was."""
    before = [signal.getsignal(number) for number in interrupt._SIGNALS]
    with interruptible():
        for number in interrupt._SIGNALS:
            expected = pytest.raises(KeyboardInterrupt) if number == signal.SIGINT else contextlib.nullcontext()
            with expected:
                os.kill(os.getpid(), number)
    assert before == [signal.getsignal(number) for number in interrupt._SIGNALS]
