"""A process that the runtime starts, waits for and stops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from molt.outcome import MoltError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_POLL = 0.01  # seconds between two looks at a log that is to say "listening"
_START = 30.0  # seconds that a process may take to listen: a laptop under load, without bytecode
_GRACE = 10.0  # seconds between SIGTERM and SIGKILL: more than a function's longest drain on idle


class StartError(MoltError):
    """A process did not come to listen; the reason has the end of its log."""


class Child:
    """A module run as a process whose standard output goes to a log, one JSON object a line."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Callable[[], Mapping[str, str]], log: Path
    ) -> None:
        """Describe the process: `arguments` starts with the module; `environment` is asked for at each start."""
        self.name = name
        self.log = log
        self._arguments = arguments
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = _START) -> int:
        """Start the process, wait until it listens, and return its port. Raises StartError."""
        offset = self.log.stat().st_size if self.log.exists() else 0
        environment = self._environment()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own modules, no shell
                [sys.executable, "-m", "molt.embedded.lifeline", *self._arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(environment),
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            alive = self.alive
            if port := _listening(self.log, offset):
                return port
            if not alive:
                break
            time.sleep(_POLL)
        self.stop(grace=0)
        raise StartError(f"{self.name} did not start: {_end(self.log, offset)}")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process is not None and self.alive else None

    def ask_to_stop(self) -> None:
        """Send SIGTERM and do not wait."""
        if self._process is not None:
            self._process.terminate()

    def stop(self, grace: float = _GRACE) -> None:
        """Stop the process: SIGTERM, and SIGKILL after `grace` seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what any process needs of ours: where programs and libraries are, the locale, and what measures it."""
    keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")
    prefixes = ("PYTHON", "COVERAGE", "COV_")
    return {name: value for name, value in environ.items() if name in keep or name.startswith(prefixes)}


def _listening(log: Path, offset: int) -> int | None:
    with log.open("rb") as lines:
        lines.seek(offset, os.SEEK_SET)
        for line in lines:
            if b'"listening"' in line and line.endswith(b"\n"):
                return int(json.loads(line)["port"])
    return None


def _end(log: Path, offset: int) -> str:
    with log.open("rb") as lines:
        lines.seek(offset, os.SEEK_SET)
        text = lines.read().decode(errors="replace").strip()
    return text.splitlines()[-1] if text else "it said nothing"
