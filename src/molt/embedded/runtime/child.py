"""A process that the runtime starts, waits for and stops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, cast

from molt.outcome import MoltError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_POLL = 0.01  # seconds between two looks at a log that is to say "listening"
_START = 30.0  # seconds that a process may take to listen: a laptop under load, without bytecode
_GRACE = 10.0  # seconds between SIGTERM and SIGKILL: more than a function's longest drain on idle

# What a process of ours may need of the caller's environment; credentials stay with the caller.
_KEPT = frozenset(
    {
        *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"),  # the way to a context's cluster
    }
)
_KEPT_PREFIXES = ("PYTHON", "COVERAGE", "COV_")


class StartError(MoltError):
    """A process did not come to listen; the reason has the end of its log."""


class Child:
    """A module run as a process whose standard output goes to a log, one JSON object a line.

    Not for several threads, except for `ask_to_stop`, `alive` and `pid`.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[int], Sequence[str]],
        environment: Callable[[], Mapping[str, str]],
        log: Path,
        port: int = 0,
    ) -> None:
        """Describe the process.

        `command` is given the port to listen on (0: any free one) and returns the module and its arguments. Started
        again, the process is given the port that it had. `environment` is asked for at each start.
        """
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = _START) -> int:
        """Start the process, wait until it listens, and return its port. Raises StartError, or what `environment` does.

        It gets a process group of its own: Ctrl-C is for the runtime alone, which stops its parts in order. `-P`: what
        lies in the folder where the user happens to be is not imported.
        """
        try:
            offset = self.log.stat().st_size if self.log.exists() else 0
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own modules, no shell
                    [sys.executable, "-P", "-m", "molt.embedded.lifeline", *self._command(self._port)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=dict(self._environment()),
                    process_group=0,
                )
        except OSError as error:
            raise StartError(f"{self.name} did not start: {error}") from None
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            alive = self.alive  # before the look, which then sees the last words of a process that has ended
            if port := _listening(self.log, offset):
                self._port = port
                return port
            if not alive:
                break
            time.sleep(_POLL)
        self.stop(grace=0)
        raise StartError(f"{self.name} did not start: {_end(self.log, offset)}")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def ask_to_stop(self) -> None:
        """Send SIGTERM and do not wait."""
        process = self._process
        if process is not None:
            process.terminate()

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
        cast("IO[bytes]", process.stdin).close()


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what any process needs of ours: where programs and libraries are, the locale, and what measures it."""
    return {name: value for name, value in environ.items() if name.upper() in _KEPT or name.startswith(_KEPT_PREFIXES)}


def _listening(log: Path, offset: int) -> int | None:
    """Return the port of the line that says so: `{"listening": URL, "port": N}` or `{"message": "listening", ...}`."""
    for line in _lines(log, offset):
        if b'"listening"' in line and line.endswith(b"\n"):
            return int(json.loads(line)["port"])
    return None


def _end(log: Path, offset: int) -> str:
    said = [text for line in _lines(log, offset) if (text := line.decode(errors="replace").strip())]
    return said[-1] if said else "it said nothing"


def _lines(log: Path, offset: int) -> list[bytes]:
    with log.open("rb") as file:
        file.seek(offset, os.SEEK_SET)
        return file.readlines()
