"""Processes that the runtime starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from molt.embedded.runtime.child import Child, StartError, base_environment

LISTENS = """
import json, signal, sys, threading
if {ignore}: signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("warming up", flush=True)
print(json.dumps(dict(event="listening", port={port})), flush=True)
threading.Event().wait()
"""

REMEMBERS = """
import json, sys, threading
print(json.dumps(dict(listening="http://127.0.0.1", port=int(sys.argv[1]) + 1)), flush=True)
threading.Event().wait()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return base_environment(os.environ) | {"PYTHONPATH": str(tmp_path)}


def _module(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / f"{name}.py").write_text(text)
    return name


def _child(tmp_path: Path, environment: dict[str, str], module: str) -> Child:
    return Child("c", lambda port: [module, str(port)], lambda: environment, tmp_path / "l")


def _wait_for_end(pid: int) -> None:
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} has not ended")


def test_starts_listens_and_stops(tmp_path: Path, environment: dict[str, str]) -> None:
    """A child is there once it says where it listens, and gone after stop; twice is as good as once."""
    child = _child(tmp_path, environment, _module(tmp_path, "one", LISTENS.format(ignore=0, port=4711)))
    assert (None, False) == (child.pid, child.alive)
    child.ask_to_stop()
    child.stop()
    assert 4711 == child.start()
    pid = child.pid
    assert pid is not None
    child.ask_to_stop()
    child.stop()
    _wait_for_end(pid)
    assert (None, False) == (child.pid, child.alive)


def test_what_does_not_stop_is_killed(tmp_path: Path, environment: dict[str, str]) -> None:
    """A child that will not hear SIGTERM is killed after its grace."""
    child = _child(tmp_path, environment, _module(tmp_path, "deaf", LISTENS.format(ignore=1, port=1)))
    child.start()
    pid = child.pid
    assert pid is not None
    child.stop(grace=0.1)
    _wait_for_end(pid)


@pytest.mark.parametrize(
    ("text", "said"), [("raise SystemExit('no key')", "no key"), ("raise SystemExit(3)", "it said nothing")]
)
def test_what_ends_at_once_is_told_with_its_last_words(
    tmp_path: Path, environment: dict[str, str], text: str, said: str
) -> None:
    """A child that ends instead of listening is an error with the end of its own log, not of an earlier one's."""
    log = tmp_path / "l"
    log.write_text('{"event": "listening", "port": 1}\nof an earlier start\n')
    child = _child(tmp_path, environment, _module(tmp_path, "fails", text))
    with pytest.raises(StartError, match=f"c did not start: {said}"):
        child.start()
    assert not child.alive


def test_what_never_listens_is_given_up(tmp_path: Path, environment: dict[str, str]) -> None:
    """A child that says nothing in time is stopped."""
    child = _child(tmp_path, environment, _module(tmp_path, "mute", "import time; time.sleep(60)"))
    with pytest.raises(StartError, match="it said nothing"):
        child.start(timeout=0.3)
    assert not child.alive


def test_a_child_does_not_outlive_its_parent(tmp_path: Path, environment: dict[str, str]) -> None:
    """When the parent is killed with -9, its children stop by themselves."""
    _module(tmp_path, "orphan", LISTENS.format(ignore=0, port=1))
    parent = (
        "import os, pathlib, time\n"
        "from molt.embedded.runtime.child import Child\n"
        f"log = pathlib.Path({str(tmp_path / 'l')!r})\n"
        "child = Child('c', lambda port: ['orphan'], lambda: dict(os.environ), log)\n"
        "child.start()\nprint(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    _wait_for_end(pid)


def test_a_child_that_is_started_again_listens_where_it_was(tmp_path: Path, environment: dict[str, str]) -> None:
    """The second time it is told the port of the first, to which this one adds 1."""
    child = _child(tmp_path, environment, _module(tmp_path, "again", REMEMBERS))
    ports = []
    for _ in range(2):
        ports.append(child.start())
        child.stop()
    assert [1, 2] == ports


def test_what_lies_in_the_present_folder_is_not_imported(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file named like a module, in the folder where the user happens to be, is not run."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "runpy.py").write_text("raise SystemExit('run')")
    module = _module(tmp_path, "safe", LISTENS.format(ignore=0, port=5))
    monkeypatch.chdir(elsewhere)
    child = _child(tmp_path, environment, module)
    assert 5 == child.start()
    child.stop()


def test_what_cannot_be_run_is_said(tmp_path: Path, environment: dict[str, str]) -> None:
    """A log that cannot be written is an error as any other."""
    child = Child("c", lambda _: ["any"], lambda: environment, tmp_path / "no" / "log")
    with pytest.raises(StartError, match=r"c did not start: .*No such file"):
        child.start()


def test_the_environment_that_processes_get() -> None:
    """Credentials of the caller's environment stay with the caller."""
    kept = {"PATH": "/bin", "PYTHONPATH": "x", "COVERAGE_RUN": "1", "https_proxy": "http://p"}
    assert kept == base_environment(kept | {"AWS_SECRET_ACCESS_KEY": "s", "KUBECONFIG": "k"})
