"""A storm: thousands of alerts a second about one pod, for seconds, and in the middle one alert about another pod.

Two processes send over kept connections with pipelining (bench/volley.py), at the rate asked for or at what the broker
takes. What must hold: one quarantine of the pod, no delivery is given up, the memory of broker, router and quarantine
does not grow, the queue is empty in the end, and the other pod is isolated within a second of its alert.

Run: `python -m bench.storm [--cluster embedded|real] [--rate N] [--seconds N] [--json FILE]`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import urllib3

from bench import report, stage, volley

if TYPE_CHECKING:
    from bench.stage import Pod, Stage, Watcher

RATE: Final = 4000.0
SECONDS: Final = 10.0
PROCESSES: Final = 2
CONNECTIONS: Final = 8  # of each
GROWTH: Final = 10.0  # MB: what counts as flat
PARTS: Final = ("broker", "detect_router", "quarantine")
_DRAIN = 300.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a storm did."""

    taken: int
    seconds: float
    other: float  # seconds until the other pod was isolated
    drained: float  # seconds from the end of the storm until nothing was on its way
    quarantines: int
    dead: int  # deliveries that were given up
    grown: dict[str, float] = field(default_factory=dict)  # MB by process


def storm(at: Stage, watcher: Watcher, victim: Pod, other: Pod, rate: float, seconds: float) -> Found:
    """Have it, and return what it did."""
    processes = {name: pid for name, pid in at.processes().items() if name in PARTS}
    watcher.forget()
    senders = [_start(at, victim, rate / PROCESSES, seconds, number) for number in range(PROCESSES)]
    time.sleep(seconds / 5)
    early = {name: stage.resident(pid) for name, pid in processes.items()}
    time.sleep(seconds * 0.3)
    answered: list[float] = []
    thread = threading.Thread(target=_one, args=(at, watcher, other, answered))
    thread.start()
    sent = [json.loads(sender.communicate()[0]) for sender in senders]
    end = time.monotonic()
    stage.until(at.settled, every=0.5, patience=_DRAIN)
    drained = time.monotonic() - end
    thread.join()
    grown = {name: stage.resident(pid) - early[name] for name, pid in processes.items()}
    subject = f"{victim['metadata']['namespace']}/pod/{victim['metadata']['name']}"
    done = [line for line in at.lines("quarantine") if (line.get("subject"), line.get("outcome")) == (subject, "done")]
    taken, took = sum(said["taken"] for said in sent), max(said["seconds"] for said in sent)
    return Found(taken, took, answered[0], drained, len(done), at.status()["dead"], grown)


def _start(at: Stage, victim: Pod, rate: float, seconds: float, number: int) -> subprocess.Popen[str]:
    headers, body = stage.alert(victim, "Bench storm")
    said: dict[str, Any] = json.loads(body)
    where = urlsplit(at.broker)
    asked = {
        "host": where.hostname,
        "port": where.port,
        "path": where.path,
        "headers": headers | {"ce-id": volley.IDENTITY},
        "body": json.dumps(said | {"uuid": volley.IDENTITY}),
        "rate": rate,
        "seconds": seconds,
        "connections": CONNECTIONS,
        "process": number,
    }
    sender = subprocess.Popen(
        [sys.executable, volley.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sender.stdin is not None  # noqa: S101 - it is a pipe
    sender.stdin.write(json.dumps(asked))
    sender.stdin.close()
    sender.stdin = None  # `communicate` has nothing more to write
    return sender


def _one(at: Stage, watcher: Watcher, other: Pod, answered: list[float]) -> None:
    start = time.monotonic()
    stage.post(urllib3.PoolManager(), at.broker, stage.alert(other))
    seen = watcher.wait([stage.key(other)], _DRAIN)
    answered.append((seen or float("inf")) - start)


def measure(cluster: str, rate: float, seconds: float) -> report.Run:
    """Return what a storm did."""
    machine = report.machine()
    with stage.staged(cluster) as at, stage.watching(at.admin) as watcher:
        at.answer_with({"quarantine": {}})
        pods = at.pods(12)
        stage.warm_up(at, watcher, pods[2:])
        found = storm(at, watcher, pods[0], pods[1], rate, seconds)
    reached, grown = found.taken / found.seconds, max(found.grown.values())
    enough = reached >= 0.99 * rate  # senders start, and end, some hundredths of a second late
    why = (
        f"what the broker takes beside the senders and the functions on {machine['cores']} cores: one process of Python"
    )
    cause = report.cause(why, met=enough)
    rows = [
        report.Row("alerts taken", reached, "/s", None, f">= {rate:g} /s", enough, cause),
        report.Row("quarantines of the pod", found.quarantines, "", None, "1", found.quarantines == 1),
        report.Row("deliveries given up", found.dead, "", None, "0", found.dead == 0),
        report.Row("the other pod, from its alert to isolated", found.other, "s", None, "<= 1 s", found.other <= 1),
        report.Row("memory grown, of the worst process", grown, "MB", None, f"<= {GROWTH:g} MB", grown <= GROWTH),
        report.Row("until the queue was empty, after the end", found.drained, "s", None, "it is", met=True),
    ]
    by_process = ", ".join(f"{name} {more:+.1f}" for name, more in found.grown.items())
    notes = [f"{found.taken} alerts in {found.seconds:.1f} s, every one of them settled.", f"MB grown: {by_process}."]
    return report.Run("storm", "A storm of alerts about one pod", rows, cluster, "", notes, machine)


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
