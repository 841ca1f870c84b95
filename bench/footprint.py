"""What the functions take: resident memory of each after so many events, processor time an alert, and idle nothing.

Every function gets work: alerts that are answered by each remedy, one that is broken, and ticks of the clock. The
memory is the greatest seen. The processor time is that of an alert which isolates a pod, in all functions; what the
field quotes for a sensor is 1 to 8 % of a node, all the time.

Run: `python -m bench.footprint [--cluster embedded|real] [--events N] [--json FILE]`.
"""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import urllib3

from bench import report, stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.stage import Stage

GOAL: Final = 45.0  # MB
IDLE: Final = 12.0  # seconds until a function is stopped
FUNCTIONS: Final = (
    *("detect_router", "evidence", "quarantine", "rotate", "terminate", "cordon", "tag", "release", "dead_letter"),
)
# Rules of their own, by what answers them; all ask for pods of their own.
REMEDIES: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "isolate": ({"quarantine": {}},),
    "keep": ({"evidence": {}}, {"quarantine": {}}, {"rotate": {}}),
    "tag": ({"tag": {}},),
    "cordon": ({"cordon": {}},),
    "end": ({"terminate": {"force": True}},),
}
_TICK: Final = {
    "ce-specversion": "1.0",
    "ce-source": "/apis/v1/namespaces/molt/pingsources/rotation",
    "ce-type": "dev.knative.sources.ping",
    "content-type": "application/json",
}


class Scale(threading.Thread):
    """Keeps the greatest resident memory of each part, in MB."""

    def __init__(self, at: Stage) -> None:
        """Watch the processes of a stage."""
        super().__init__(daemon=True)
        self.greatest: dict[str, float] = dict.fromkeys(FUNCTIONS, 0.0)
        self._at = at
        self._over = threading.Event()

    def run(self) -> None:
        """Look at them until stopped."""
        while not self._over.wait(0.2):
            for name, pid in self._at.processes().items():
                with suppress(OSError, StopIteration):  # it has ended meanwhile
                    self.greatest[name] = max(self.greatest.get(name, 0.0), stage.resident(pid))

    def stop(self) -> None:
        """End it."""
        self._over.set()
        self.join()


def work(at: Stage, events: int) -> tuple[float, float]:
    """Have every function do something `events` times; return an alert's processor ms, of the functions and of all."""
    pods, pool = at.pods(events * len(REMEDIES)), urllib3.PoolManager()
    spent = 0.0, 0.0
    for number, kind in enumerate(REMEDIES):
        part = pods[number * events : (number + 1) * events]
        first, rest = part[:1], part[1:]
        _send(at, pool, kind, first)  # starts what is not running
        before = _busy(at)
        _send(at, pool, kind, rest)
        if kind == "isolate" and rest:
            used = {name: seconds - before.get(name, 0.0) for name, seconds in _busy(at).items()}
            functions = sum(seconds for name, seconds in used.items() if name in FUNCTIONS)
            spent = 1000 * functions / len(rest), 1000 * sum(used.values()) / len(rest)
    for _ in range(events):
        stage.post(pool, at.broker, ({**_TICK, "ce-id": str(uuid.uuid4())}, b"{}"))
        headers, _ = stage.alert(pods[0])
        stage.post(pool, at.broker, (headers, b'{"rule": 5}'))
        stage.until(at.settled, every=0.05)  # the clock's events come one at a time
    return spent


def _send(at: Stage, pool: urllib3.PoolManager, kind: str, pods: Sequence[stage.Pod]) -> None:
    for pod in pods:
        stage.post(pool, at.broker, stage.alert(pod, f"Bench {kind} {uuid.uuid4()}"))
    stage.until(at.settled, every=0.2)


def _busy(at: Stage) -> dict[str, float]:
    found = {}
    for name, pid in at.processes().items():
        with suppress(OSError):  # it has ended meanwhile
            found[name] = stage.busy(pid)
    return found


def measure(cluster: str, events: int, idle: float = IDLE) -> report.Run:
    """Return what it took; `idle`: after so many seconds without an event a function is to be gone."""
    machine = report.machine()
    with stage.staged(cluster, idle) as at:
        for kind, remedies in REMEDIES.items():
            at.answer_with(*remedies, rule=f"Bench {kind} *", name=kind)
        scale = Scale(at)
        scale.start()
        functions, whole = work(at, events)
        scale.stop()
        stage.until(lambda: not at.processes().keys() & set(FUNCTIONS), every=0.5)
        left = len(at.processes().keys() & set(FUNCTIONS))
    rows = [
        report.Row(f"{name}: resident", seen, "MB", None, f"<= {GOAL:g} MB", 0 < seen <= GOAL)  # 0: it never ran
        for name, seen in ((name, scale.greatest[name]) for name in FUNCTIONS)
    ]
    rows.append(
        report.Row(f"functions left after {idle:g} s without an event", left, "processes", None, "0", left == 0)
    )
    rows.append(report.Row("processor an isolating alert: functions", functions, "ms"))
    rows.append(report.Row("processor an isolating alert: all of the runtime", whole, "ms"))
    share = functions / 1000 * 10 / 60 * 100
    notes = [
        f"{events} events of each kind.",
        f"Ten such alerts a minute take {share:.2f} % of one core in the functions; when there are none, nothing runs.",
        "The field quotes 1 to 8 % of a node for its sensors, all the time.",
    ]
    return report.Run("footprint", "Footprint", rows, cluster, "", notes, machine)


def main() -> None:
    """Measure, and print."""
    parser = report.options(__doc__)
    stage.add_cluster(parser)
    parser.add_argument("--events", type=int, default=40)
    chosen = parser.parse_args()
    report.tell(measure(chosen.cluster, chosen.events), chosen.json)


if __name__ == "__main__":
    main()
