"""From an alert to the isolated pod, every process warm, one alert at a time: ours against the floor, in turns.

The time runs from before the alert is sent to the broker until a watch shows the pod in quarantine; the floor
(bench/floor.py) is timed by the same watch. The next alert is sent when nothing is on its way any more. What the rest
is spent on is told by the processor time of each process and by what the functions' own logs say. The broker flushes
the disk while a delivery is on its way.

Run: `python -m bench.warm [--cluster embedded|real] [--samples N] [--json FILE]`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

import urllib3

from bench import floor, report, stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.stage import Pod, Stage, Watcher

GOAL = 1.5


def sample(at: Stage, watcher: Watcher, pool: urllib3.PoolManager, pod: Pod) -> float:
    """Return the milliseconds from the alert until the pod is seen isolated; it is restored when all is settled."""
    message = stage.alert(pod)
    watcher.forget()
    start = time.monotonic()
    stage.post(pool, at.broker, message)
    end = watcher.wait([stage.key(pod)])
    if end is None:
        raise TimeoutError(f"{stage.key(pod)} was not isolated")
    stage.until(at.settled, every=0.03)
    at.restore(pod)
    return 1000 * (end - start)


def flush() -> float:
    """Return the milliseconds that the disk takes to flush 8 KB, as the broker's log of a commit."""
    found = []
    with tempfile.TemporaryFile() as file:
        for _ in range(50):
            file.write(b"x" * 8192)
            file.flush()
            start = time.monotonic()
            os.fdatasync(file.fileno())
            found.append(time.monotonic() - start)
    return 1000 * median(found)


def measure(cluster: str, samples: int) -> report.Run:
    """Return what `samples` alerts of each kind took."""
    machine = report.machine()
    ours, bare, used, pool = [], [], Counter[str](), urllib3.PoolManager()
    with stage.staged(cluster) as at, stage.watching(at.admin) as watcher:
        at.answer_with({"quarantine": {}})
        pods = at.pods(10)
        stage.warm_up(at, watcher, pods)
        processes = at.processes()
        with floor.floored(at, pods[0]) as under:
            for number in range(samples):
                pod = pods[number % len(pods)]
                before = {name: stage.busy(pid) for name, pid in processes.items()}
                ours.append(sample(at, watcher, pool, pod))
                used.update({name: stage.busy(pid) - before[name] for name, pid in processes.items()})
                bare.append(floor.sample(at, under, watcher, pod))
            title = f"Warm: alert to isolated, one at a time ({under.api_calls} API calls, {sum(floor.HOPS)} hops)"
        logged = {name: [line["duration_ms"] for line in at.lines(name) if "duration_ms" in line] for name in FUNCTIONS}
    rows = [_row(share, ours, bare) for share in (0.5, 0.99)]
    return report.Run(
        "warm",
        title,
        rows,
        cluster,
        "the floor: the same API calls and bare hops",
        _notes(samples, used, logged),
        machine,
    )


FUNCTIONS = ("detect-router", "quarantine")
_WHY = (
    "beyond the floor are four processes of Python that parse, decide, log and answer (their processor time is below), "
    "each with a thread that reads and one that works; on a busy machine each of these changes waits for its turn"
)


def _row(share: float, ours: list[float], bare: list[float]) -> report.Row:
    mine, least = report.percentile(ours, share), report.percentile(bare, share)
    met = mine <= GOAL * least
    why = report.cause(_WHY, met=met)
    return report.Row(f"p{round(100 * share)}", mine, "ms", least, f"<= {GOAL} x", met, why)


def _notes(samples: int, used: Mapping[str, float], logged: Mapping[str, list[float]]) -> list[str]:
    spent = ", ".join(f"{name} {1000 * seconds / samples:.1f}" for name, seconds in sorted(used.items()))
    said = ", ".join(f"{name} {median(durations):.1f}" for name, durations in logged.items() if durations)
    return [
        f"{samples} samples of each.",
        f"Processor ms an alert until all is settled, by process: {spent}.",
        f"Median ms in the handlers, API calls and what follows the isolation among them: {said}.",
        f"The broker flushes the disk {flush():.2f} ms long, twice, while the deliveries are on their way.",
    ]


def main() -> None:
    """Measure, and print."""
    parser = report.options(__doc__)
    stage.add_cluster(parser)
    parser.add_argument("--samples", type=int, default=250)
    chosen = parser.parse_args()
    report.tell(measure(chosen.cluster, chosen.samples), chosen.json)


if __name__ == "__main__":
    main()
