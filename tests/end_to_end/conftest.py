"""A whole local runtime, as `molt up` starts it, with every part a process of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from molt.embedded.runtime.runtime import Runtime, Settings, running
from molt.embedded.runtime.state import StateFolder


@contextmanager
def kept(folder: Path, **settings: object) -> Iterator[Runtime]:
    """Run a runtime in `folder`, and keep it running from a thread as the command does."""
    made = Settings(state=StateFolder(folder), environ=os.environ, **settings)  # type: ignore[arg-type]
    with running(made) as runtime:
        stop = threading.Event()
        keeper = threading.Thread(target=runtime.watch, args=(stop, 0.1), name="keeper")
        keeper.start()
        try:
            yield runtime
        finally:
            stop.set()
            keeper.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the runtime's folder."""
    return tmp_path / "state"


@pytest.fixture
def runtime(folder: Path) -> Iterator[Runtime]:
    """Run a runtime whose clock stands still: it ticks once a year."""
    with kept(folder, schedule="0 0 1 1 *") as started:
        yield started
