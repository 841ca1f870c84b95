"""Cold start: from the start of a process until its first POST is answered, in turns.

    ours        detect-router, compiled, an alert that it ignores without a call
    bare        Flask and waitress with one route, compiled
    uncompiled  Flask, waitress, cloudevents, and kubernetes with typed API classes for what detect-router asks, without
                bytecode: as in an image without .pyc files (python:*-slim has none) and a read-only file system

Run: `python -m bench.cold [--rounds N] [--json FILE]`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from bench import report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BARE: Final = """
import os
from flask import Flask
from waitress import serve
app = Flask("bare")
@app.post("/")
def take():
    return "", 204
serve(app, host="127.0.0.1", port=int(os.environ["PORT"]))
"""
TYPED: Final = """
import os
from cloudevents.core.bindings.http import from_http_event
from flask import Flask, request
from kubernetes import client
from waitress import serve
app = Flask("typed")
reach = client.ApiClient(client.Configuration(host="http://127.0.0.1:1"))
apis = client.CoreV1Api(reach), client.CustomObjectsApi(reach)
@app.post("/")
def take():
    return "", 204
serve(app, host="127.0.0.1", port=int(os.environ["PORT"]))
"""
ALERT: Final = b'{"rule": "x", "priority": "Notice", "output_fields": {"k8s.ns.name": "kube-system"}}'
HEAD: Final = (
    b"POST / HTTP/1.1\r\nHost: x\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /bench\r\n"
    b"ce-type: falco.rule.output.v1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
)
KINDS: Final = ("ours", "bare", "uncompiled")
_PATIENCE = 120.0


def start(kind: str, nowhere: Path) -> tuple[float, float]:
    """Return the seconds, and processor seconds, that a process of this kind took; `nowhere`: without bytecode."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    command: Mapping[str, Sequence[str]] = {
        "ours": ["-m", "detect_router"],
        "bare": ["-c", BARE],
        "uncompiled": ["-c", TYPED],
    }
    environment = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1", "MOLT_API_URL": "http://127.0.0.1:1"}
    environment |= {"MOLT_SIGNING_KEY": "0" * 64, "MOLT_CLUSTER": "bench"}
    if kind == "uncompiled":
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(nowhere)}
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, *command[kind]], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            answer = _first_answer(port)
            taken = time.monotonic() - began
        finally:
            process.kill()
            used = os.wait4(process.pid, 0)[2]
    if not answer.startswith(b"HTTP/1.1 204"):
        raise RuntimeError(f"{kind} answered {answer!r}")
    return taken, used.ru_utime + used.ru_stime


def _first_answer(port: int) -> bytes:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as client:
                client.sendall(HEAD % len(ALERT) + ALERT)
                return client.recv(4096)
        except OSError:
            time.sleep(0.002)
    raise TimeoutError("it does not listen")


def measure(rounds: int) -> report.Run:
    """Return the medians of `rounds` starts of each."""
    machine = report.machine()
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as nowhere:
        for kind in KINDS[:2]:
            start(kind, Path(nowhere))  # compiles what is not compiled yet
        for _ in range(rounds):
            for kind, taken in found.items():
                taken.append(start(kind, Path(nowhere)))
    ours, bare, uncompiled = (1000 * median(wall for wall, _ in found[kind]) for kind in KINDS)
    quick, quicker = ours <= 2 * bare, 7 * ours <= uncompiled
    why = report.cause(f"Flask and waitress alone are 1/{uncompiled / bare:.1f} of it", met=quicker)
    rows = [
        report.Row("against bare Flask and waitress", ours, "ms", bare, "<= 2 x", quick),
        report.Row("against the stack uncompiled, typed", ours, "ms", uncompiled, "<= 1/7", quicker, why),
    ]
    walls = {kind: sorted(1000 * wall for wall, _ in taken) for kind, taken in found.items()}
    spread = ", ".join(f"{kind} {wall[0]:.0f} to {wall[-1]:.0f}" for kind, wall in walls.items())
    used = ", ".join(f"{kind} {1000 * median(busy for _, busy in taken):.0f}" for kind, taken in found.items())
    notes = [
        f"Medians of {rounds} starts of each, in turns; from least to most, in ms: {spread}.",
        f"Processor ms, which other processes lengthen less: {used}.",
    ]
    title = "Cold: from the start of a process to its first answer"
    return report.Run("cold", title, rows, "", "as each row says", notes, machine)


def main() -> None:
    """Measure, and print."""
    parser = report.options(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    report.tell(measure(chosen.rounds), chosen.json)


if __name__ == "__main__":
    main()
