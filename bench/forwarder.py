"""How many alerts a second the forwarder takes and sends, and whether its memory stays flat when it is full.

    floor      the same door with an application that keeps nothing: what HTTP alone costs
    durable    each alert is on the disk (one fsync for many) before its 202
    through    from the first alert until the broker, which answers 202 at once, has the last
    full       the spool has all it may hold, the broker is dead: memory before, and after as many again were refused or
               pushed out the least urgent; size of the file

Run: `python -m bench.forwarder [--alerts N] [--senders N]`. Prints a table, and the same as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from bench import stage
from molt.forwarder.door import Door
from molt.forwarder.wire import Response

_DEAD = "http://127.0.0.1:1/"
_FULL = 2000  # alerts that the full spool holds


class _Broker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _alert(number: int) -> bytes:
    fields = {"container.id": f"{number:012x}", "k8s.ns.name": "shop", "k8s.pod.name": f"web-{number}"}
    told = {"uuid": str(number), "rule": "Terminal shell in container", "priority": "Notice", "output": "x" * 700}
    return json.dumps({**told, "output_fields": fields}).encode()


def _send(port: int, numbers: range) -> None:
    connection = HTTPConnection("127.0.0.1", port)
    for number in numbers:
        connection.request("POST", "/", _alert(number), {"content-type": "application/json"})
        connection.getresponse().read()
    connection.close()


def _rate(port: int, alerts: range, senders: int) -> float:
    """Send, each sender waiting for its answers; return alerts per second."""
    start = time.monotonic()
    threads = [threading.Thread(target=_send, args=(port, alerts[n::senders])) for n in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(alerts) / (time.monotonic() - start)


class Forwarder:
    """A forwarder as a process."""

    def __init__(self, folder: str, broker: str, **given: str) -> None:
        """Start it, with its spool and its log in a folder."""
        self.spool = Path(folder, "spool")
        settings = {"BROKER": broker, "SPOOL": str(self.spool), "LISTEN": "127.0.0.1:0", "GRACE": "0", **given}
        environ = {**os.environ, **{f"MOLT_FORWARD_{name}": text for name, text in settings.items()}}
        log = Path(folder, "log")
        with log.open("w", encoding="utf-8") as out:
            self.process = subprocess.Popen([sys.executable, "-m", "molt.forwarder"], env=environ, stdout=out)
        while '"listening"' not in (said := log.read_text(encoding="utf-8")):
            time.sleep(0.02)
        self.port = next(json.loads(line)["port"] for line in said.splitlines() if '"listening"' in line)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()

    def status(self) -> dict[str, Any]:
        """Return what it says of itself."""
        connection = HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/status")
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return found

    def busy(self) -> float:
        """Return the processor seconds that it has used, in threads that have ended, too."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def floor(alerts: int, senders: int) -> dict[str, float]:
    """Measure the door alone, in a process of its own as the forwarder is."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    child = os.fork()
    if child == 0:
        Door(listening, lambda _: Response(202))
        threading.Event().wait()
    try:
        return {"per_s": _rate(port, range(alerts), senders)}
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def durable(alerts: int, senders: int) -> dict[str, float]:
    """Measure what is acknowledged while no broker is there."""
    with tempfile.TemporaryDirectory() as folder, Forwarder(folder, _DEAD) as forwarder:
        return {"per_s": _rate(forwarder.port, range(alerts), senders)}


def through(alerts: int, senders: int) -> dict[str, float]:
    """Measure until the broker has all."""
    with _Server(("127.0.0.1", 0), _Broker) as server, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Forwarder(folder, f"http://127.0.0.1:{server.server_port}/") as forwarder:
            start = time.monotonic()
            taken = _rate(forwarder.port, range(alerts), senders)
            while forwarder.status()["waiting"]:
                time.sleep(0.02)
            settled = alerts / (time.monotonic() - start)
        server.shutdown()
    return {"per_s": settled, "taken_per_s": taken}


def full(senders: int) -> dict[str, float]:
    """Measure memory and file of a spool that is full."""
    with tempfile.TemporaryDirectory() as folder, Forwarder(folder, _DEAD, MAX_ALERTS=str(_FULL)) as forwarder:
        _rate(forwarder.port, range(_FULL), senders)
        before = stage.resident(forwarder.process.pid)
        rate = _rate(forwarder.port, range(_FULL, 3 * _FULL), senders)
        size = sum(file.stat().st_size for file in Path(folder).glob("spool*")) / 2**20
        return {"per_s": rate, "mb_before": before, "mb_after": stage.resident(forwarder.process.pid), "disk_mb": size}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=5000)
    parser.add_argument("--senders", type=int, default=32)
    options = parser.parse_args()
    runs = {
        "floor": floor(options.alerts, options.senders),
        "durable": durable(options.alerts, options.senders),
        "through": through(options.alerts, options.senders),
        "full": full(options.senders),
    }
    for name, found in runs.items():
        print(f"{name:8}  " + "  ".join(f"{key} {value:.1f}" for key, value in found.items()))
    rounded = {name: {key: round(value, 1) for key, value in found.items()} for name, found in runs.items()}
    print(json.dumps(rounded))


if __name__ == "__main__":
    main()
