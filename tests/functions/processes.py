"""A function as a process: what its `__main__` promises."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

from molt import events, seal

SIGNING = {"MOLT_SIGNING_KEY": "a key of the tests, 32 bytes or more", "MOLT_CLUSTER": "tests"}
"""The settings of every function's process."""
SEAL = seal.of(SIGNING)


class Running:
    """A function that listens."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        """Take what `running` started."""
        self.process = process
        self._port = port

    def call(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Send a request and return status and body."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def post(self, headers: dict[str, str], body: bytes = b"") -> tuple[int, str]:
        """Send the event of a request, signed as another function would; return status and body."""
        signed = SEAL.sign(events.parse(headers, body), datetime.now(UTC))
        head, data = events.render(signed)
        return self.call("POST", "/", data, head)

    def line(self) -> dict[str, Any]:
        """Return the next line of its log."""
        assert self.process.stdout is not None
        line: dict[str, Any] = json.loads(self.process.stdout.readline())
        return line

    def end(self) -> int:
        """Have it end, as Knative does, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@contextlib.contextmanager
def running(package: str, **environ: str) -> Iterator[Running]:
    """Start the function's process and wait until it listens."""
    environ = {"MOLT_API_URL": "http://127.0.0.1:1", "PORT": "0", **SIGNING, **environ}
    with subprocess.Popen(_program(package), env=_environ(environ), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Running(process, json.loads(process.stdout.readline())["port"])
        finally:
            process.kill()


def refusal(package: str, **environ: str) -> tuple[int, list[str]]:
    """Return exit code and the lines on stderr of a process that does not start."""
    done = subprocess.run(
        _program(package), env=_environ(SIGNING | environ), check=False, capture_output=True, text=True
    )
    return done.returncode, done.stderr.splitlines()


def _program(package: str) -> list[str]:
    return [sys.executable, "-m", package]


def _environ(change: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOLT_", "KUBE"))}
    return kept | change
