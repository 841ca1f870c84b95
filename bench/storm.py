"""A storm: thousands of alerts a second about one pod, for seconds, and in the middle one alert about another pod.

One process sends over kept connections (bench/volley.py), at the rate asked for or at what is taken. What must hold:
one quarantine of the pod, no delivery is given up, the memory of broker, router and quarantine does not grow, the queue
is empty in the end, and the other pod is isolated within a second of its alert.

The same storm about a third pod then goes to a forwarder, which keeps what repeats to itself. And the same requests go
to a bare Flask and waitress that answer 202 and do nothing: what the machine takes of HTTP in Python at all.

Run: `python -m bench.storm [--cluster embedded|real] [--rate N] [--seconds N] [--json FILE]`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import urllib3

from bench import report, stage
from bench.cold import BARE
from bench.forwarder import Forwarder
from bench.volley import IDENTITY, Sent, Volley

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.stage import Pod, Stage, Watcher

RATE: Final = 4000.0
SECONDS: Final = 10.0
CONNECTIONS: Final = 64
GROWTH: Final = 10.0  # MB: what counts as flat
PARTS: Final = ("broker", "detect_router", "quarantine")
_ALL_IT_TAKES = 1e6  # a second: nothing takes as much
_DRAIN = 300.0
QUIET: Final = "import logging; logging.getLogger('waitress.queue').setLevel(logging.ERROR)\n"


@dataclass(frozen=True, slots=True)
class Found:
    """What a storm did."""

    sent: Sent
    other: float  # seconds until the other pod was isolated
    drained: float  # seconds from the end of the storm until nothing was on its way
    quarantines: int
    dead: int  # deliveries that were given up
    grown: Mapping[str, float]  # MB by process
    spent: Mapping[str, float]  # processor seconds by process while it lasted


def storm(at: Stage, watcher: Watcher, victim: Pod, other: Pod, rate: float, seconds: float) -> Found:
    """Have it, and return what it did."""
    processes = at.processes()
    watcher.forget()
    before = {name: stage.busy(pid) for name, pid in processes.items()}
    headers, body = _alert(victim)
    volley = Volley(at.broker, headers | {"ce-id": IDENTITY}, body, rate=rate, seconds=seconds, connections=CONNECTIONS)
    time.sleep(seconds / 5)
    early = {name: stage.resident(processes[name]) for name in PARTS}
    time.sleep(seconds * 0.3)
    answered: list[float] = []
    thread = threading.Thread(target=_one, args=(at, watcher, other, answered))
    thread.start()
    sent = volley.end()
    spent = {name: stage.busy(pid) - before[name] for name, pid in processes.items()} | {"sender": sent.cpu}
    end = time.monotonic()
    stage.until(at.settled, every=0.5, patience=_DRAIN)
    drained = time.monotonic() - end
    thread.join()
    grown = {name: stage.resident(processes[name]) - early[name] for name in PARTS}
    return Found(sent, answered[0], drained, _quarantines(at, victim), at.status()["dead"], grown, spent)


def forwarded(at: Stage, watcher: Watcher, victim: Pod, rate: float, seconds: float) -> tuple[Sent, int, float]:
    """Have one through a forwarder; return what was taken, the quarantines of the pod, and processor seconds."""
    watcher.forget()
    with tempfile.TemporaryDirectory() as folder, Forwarder(folder, at.broker) as forwarder:
        headers, body = {"content-type": "application/json"}, _alert(victim)[1]
        url = f"http://127.0.0.1:{forwarder.port}/"
        before = forwarder.busy()
        sent = Volley(url, headers, body, rate=rate, seconds=seconds, connections=CONNECTIONS).end()
        used = forwarder.busy() - before
        watcher.wait([stage.key(victim)])
    stage.until(at.settled, every=0.1, patience=_DRAIN)
    return sent, _quarantines(at, victim), used


def bare(victim: Pod, seconds: float) -> Sent:
    """Send as much as a server takes that does nothing."""
    code = QUIET + BARE.replace("204", "202").replace("serve(", "print(flush=True); serve(")
    environment = {**os.environ, "PORT": str(_free_port())}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None  # noqa: S101 - it is a pipe
        try:
            server.stdout.readline()
            time.sleep(0.5)
            headers, body = _alert(victim)
            url = f"http://127.0.0.1:{environment['PORT']}/"
            return Volley(url, headers, body, rate=_ALL_IT_TAKES, seconds=seconds, connections=CONNECTIONS).end()
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _alert(victim: Pod) -> tuple[dict[str, str], str]:
    """Return headers and body of an alert that is another one each time it is sent."""
    headers, body = stage.alert(victim, "Bench storm")
    said: dict[str, Any] = json.loads(body)
    return headers, json.dumps(said | {"uuid": IDENTITY})


def _one(at: Stage, watcher: Watcher, other: Pod, answered: list[float]) -> None:
    start = time.monotonic()
    stage.post(urllib3.PoolManager(), at.broker, stage.alert(other))
    seen = watcher.wait([stage.key(other)], _DRAIN)
    answered.append((seen or float("inf")) - start)


def _quarantines(at: Stage, victim: Pod) -> int:
    subject = f"{victim['metadata']['namespace']}/pod/{victim['metadata']['name']}"
    return sum((line.get("subject"), line.get("outcome")) == (subject, "done") for line in at.lines("quarantine"))


def measure(cluster: str, rate: float, seconds: float) -> report.Run:
    """Return what a storm did."""
    machine = report.machine()
    with stage.staged(cluster) as at, stage.watching(at.admin) as watcher:
        at.answer_with({"quarantine": {}})
        pods = at.pods(12)
        stage.warm_up(at, watcher, pods[3:])
        floor = bare(pods[0], seconds / 4)
        found = storm(at, watcher, pods[0], pods[1], rate, seconds)
        through, again, used = forwarded(at, watcher, pods[2], rate, seconds)
    grown = max(found.grown.values())
    rows = [
        _taken("alerts taken", found.sent, floor, rate, (sum(found.spent.values()), found.spent["broker"])),
        report.Row("quarantines of the pod", found.quarantines, "", None, "1", found.quarantines == 1),
        report.Row("deliveries given up", found.dead, "", None, "0", found.dead == 0),
        report.Row("the other pod, from its alert to isolated", found.other, "s", None, "<= 1 s", found.other <= 1),
        report.Row("memory grown, of the worst process", grown, "MB", None, f"<= {GROWTH:g} MB", grown <= GROWTH),
        report.Row("until the queue was empty, after the end", found.drained, "s", None, "it is", met=True),
        _taken("through the forwarder: alerts taken", through, floor, rate, (used + through.cpu, used)),
        report.Row("through the forwarder: quarantines of the pod", again, "", None, "1", again == 1),
    ]
    shares = {name: 1e6 * seconds / max(1, found.sent.taken) for name, seconds in sorted(found.spent.items())}
    each = ", ".join(f"{name} {share:.0f}" for name, share in shares.items() if share >= 1)
    by_process = ", ".join(f"{name} {more:+.1f}" for name, more in found.grown.items())
    notes = [
        f"{found.sent.taken} alerts in {found.sent.seconds:.1f} s, every one of them settled.",
        f"Processor microseconds for each alert taken, while the storm lasted: {each}.",
        f"MB grown: {by_process}.",
    ]
    peer = "bare Flask and waitress that answer 202, alone on the machine"
    return report.Run("storm", "A storm of alerts about one pod", rows, cluster, peer, notes, machine)


def _taken(what: str, sent: Sent, floor: Sent, rate: float, spent: tuple[float, float]) -> report.Row:
    """Return the row of what was taken. `spent`: processor seconds, all of them, and those of the one process there."""
    met = sent.rate >= 0.99 * rate  # senders begin and end some hundredths of a second late
    cores = len(os.sched_getaffinity(0))
    each, there = (1e6 * seconds / max(1, sent.taken) for seconds in spent)
    most = min(1e6 * cores / each, 1e6 / there)
    why = f"each costs {each:.0f} us of processor, {there:.0f} of them in one process of Python: {most:.0f} /s at most"
    return report.Row(what, sent.rate, "/s", floor.rate, f">= {rate:g} /s", met, report.cause(why, met=met))


def main() -> None:
    """Measure, and print."""
    parser = report.options(__doc__)
    stage.add_cluster(parser)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    chosen = parser.parse_args()
    report.tell(measure(chosen.cluster, chosen.rate, chosen.seconds), chosen.json)


if __name__ == "__main__":
    main()
