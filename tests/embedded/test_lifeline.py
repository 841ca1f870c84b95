"""The thread that ends a process when its parent is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from molt.embedded import lifeline


def test_a_parent_that_is_gone_ends_the_process_even_if_it_will_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """First it is asked; after its grace it is killed."""
    did: list[object] = []
    monkeypatch.setattr(os, "kill", lambda _, number: did.append(number))
    monkeypatch.setattr("time.sleep", did.append)
    reader, writer = os.pipe()
    os.write(writer, b"a parent that says something is alive")
    os.close(writer)
    lifeline.end_with(reader)
    os.close(reader)
    assert [signal.SIGTERM, lifeline._GRACE, signal.SIGKILL] == did


def test_a_module_runs_as_if_it_had_been_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is `__main__`, and has its own arguments."""
    (tmp_path / "told.py").write_text("import sys; print(__name__, sys.argv[1:])")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lifeline"])
    reader, writer = os.pipe()
    seen = threading.Event()
    monkeypatch.setattr(lifeline, "end_with", lambda _: seen.set())
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        lifeline.run(["told", "a", "b"])
    os.close(writer)
    assert ("__main__ ['a', 'b']\n", True) == (capsys.readouterr().out, seen.wait(10))
