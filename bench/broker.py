"""How many events a second the broker takes, and delivers: over loopback, on the disk that --state is on.

    ingress         senders with kept connections, each waiting for its 202 (the event is on the disk then)
    end to end      from the first send until the last delivery is settled, one trigger, a subscriber that answers 204

Run: `python -m bench.broker [--events N] [--senders N]`. Prints a table, and the same as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3
import yaml

from bench import stage

API = "eventing.knative.dev/v1"
BODY = json.dumps({"output": "x" * 700, "priority": "Notice", "rule": "Terminal shell in container"}).encode()
HEADERS = {
    "ce-specversion": "1.0",
    "ce-source": "https://falco.org",
    "ce-type": "falco.rule.output.v1",
    "content-type": "application/json",
}


class _Subscriber(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _manifests(subscriber: str | None) -> str:
    place = {"namespace": "bench"}
    broker = {"apiVersion": API, "kind": "Broker", "metadata": place | {"name": "default"}, "spec": {}}
    trigger: dict[str, Any] = {"apiVersion": API, "kind": "Trigger", "metadata": place | {"name": "t"}}
    trigger["spec"] = {"broker": "default", "subscriber": {"uri": subscriber}}
    return yaml.safe_dump_all([broker, trigger] if subscriber else [broker])


def _send(port: int, numbers: range) -> None:
    connection = HTTPConnection("127.0.0.1", port)
    for number in numbers:
        connection.request("POST", "/bench/default", body=BODY, headers=HEADERS | {"ce-id": str(number)})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 202:  # noqa: PLR2004 - Accepted
            message = f"answered {answer.status}"
            raise RuntimeError(message)
    connection.close()


def measure(events: int, senders: int, subscriber: str | None) -> dict[str, float]:
    """Return events per second (in, settled), processor time for each, and memory in MB (before, after)."""
    with tempfile.TemporaryDirectory() as folder:
        manifests = Path(folder, "m.yaml")
        manifests.write_text(_manifests(subscriber), encoding="utf-8")
        command = [sys.executable, "-m", "molt.embedded.broker", "--manifests", str(manifests)]
        command += ["--state", str(Path(folder, "state")), "--services", "http://x/"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as broker:
            assert broker.stdout is not None  # noqa: S101 - it is a pipe
            port = json.loads(broker.stdout.readline())["port"]
            threading.Thread(target=broker.stdout.read, daemon=True).start()
            before, busy, start = stage.resident(broker.pid), stage.busy(broker.pid), time.monotonic()
            threads = [threading.Thread(target=_send, args=(port, range(n, events, senders))) for n in range(senders)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            taken = time.monotonic() - start
            while urllib3.request("GET", f"http://127.0.0.1:{port}/status").json()["pending"]:
                time.sleep(0.02)
            settled = time.monotonic() - start
            memory, busy = stage.resident(broker.pid), stage.busy(broker.pid) - busy
            broker.terminate()
    rates = {"in_per_s": events / taken, "settled_per_s": events / settled, "cpu_ms_each": 1000 * busy / events}
    return {name: round(value, 2) for name, value in (rates | {"mb_before": before, "mb_after": memory}).items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--senders", type=int, default=32)
    options = parser.parse_args()
    with _Server(("127.0.0.1", 0), _Subscriber) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        runs = {
            "ingress": measure(options.events, options.senders, None),
            "end to end": measure(options.events, options.senders, f"http://127.0.0.1:{server.server_port}/"),
        }
        server.shutdown()
    columns = ("in_per_s", "settled_per_s", "cpu_ms_each", "mb_before", "mb_after")
    print(" " * 12 + "".join(f"{column:>15}" for column in columns))
    for name, run in runs.items():
        print(f"{name:12}" + "".join(f"{run[column]:>15}" for column in columns))
    print(json.dumps({"events": options.events, "senders": options.senders, **runs}))


if __name__ == "__main__":
    main()
