"""A burst: alerts about so many pods, each of its own, at once; from the first alert sent until the last pod isolated.

The alerts are sent by eight senders with kept connections; a watch tells when each pod is in quarantine. Every process
is warm. Falco Talon's number is what was measured of it elsewhere on 40 pods.

Run: `python -m bench.burst [--cluster embedded|real] [--pods N ...] [--json FILE]`.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import urllib3

from bench import report, stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.stage import Pod, Stage, Watcher

GOALS: Final[Mapping[int, float]] = {40: 0.9, 1000: 25.0}
TALON: Final[Mapping[int, float]] = {40: 45.0}
NAMESPACES: Final = 4
ALL: Final = "all"
_SENDERS: Final = 8
_PATIENCE = 300.0


def burst(at: Stage, watcher: Watcher, pods: Sequence[Pod]) -> tuple[list[float], dict[str, float]]:
    """Send an alert about each pod; return the seconds until each was isolated, and the processor time by process.

    Under ALL it has that of everything on the machine.
    """
    processes = at.processes()
    before = {ALL: stage.all_busy(), **{name: stage.busy(pid) for name, pid in processes.items()}}
    messages = [stage.alert(pod) for pod in pods]
    watcher.forget()
    start = time.monotonic()
    senders = [
        threading.Thread(target=_send, args=(at.broker, messages[number::_SENDERS])) for number in range(_SENDERS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if watcher.wait(map(stage.key, pods), _PATIENCE) is None:
        raise TimeoutError(f"{len(watcher.seen)} of {len(pods)} pods were isolated")
    taken = sorted(seen - start for seen in watcher.seen.values())
    used = {name: stage.busy(pid) - before[name] for name, pid in processes.items()}
    used[ALL] = stage.all_busy() - before[ALL]
    stage.until(at.settled, every=0.2, patience=_PATIENCE)
    return taken, used


def _send(broker: str, messages: Sequence[tuple[dict[str, str], bytes]]) -> None:
    pool = urllib3.PoolManager()
    for message in messages:
        stage.post(pool, broker, message)


def measure(cluster: str, sizes: Sequence[int]) -> report.Run:
    """Return what bursts of these sizes took."""
    machine = report.machine()
    rows, notes = [], []
    with stage.staged(cluster) as at, stage.watching(at.admin) as watcher:
        at.answer_with({"quarantine": {}})
        pods = at.pods(sum(sizes) + 10, NAMESPACES)
        stage.warm_up(at, watcher, pods[-10:])
        for size in sizes:
            part, pods = pods[:size], pods[size:]
            taken, used = burst(at, watcher, part)
            everything = used.pop(ALL)
            rows.append(_row(size, taken[-1], GOALS.get(size), _why(everything, sum(used.values()), size)))
            rows.append(report.Row(f"{size} pods: the median one", report.percentile(taken, 0.5), "s"))
            spent = ", ".join(f"{name} {seconds:.1f}" for name, seconds in sorted(used.items()))
            notes.append(f"{size} pods, processor seconds by process until the last was isolated: {spent}.")
    return report.Run("burst", "A burst of alerts", rows, cluster, "Falco Talon", notes, machine)


def _why(everything: float, ours: float, size: int) -> str:
    """Return where the time goes, from the processor seconds of all there is and of molt's processes."""
    return (
        f"{everything:.1f} s of processor until then, {1000 * everything / size:.0f} ms a pod, on the cores below: "
        f"{ours:.1f} s in the processes below, the rest in the senders and, where it is real, the control plane"
    )


def _row(size: int, last: float, goal: float | None, why: str) -> report.Row:
    said, met = (f"<= {goal:g} s", last <= goal) if goal else ("", None)
    note = report.cause(why, met=met)
    return report.Row(f"{size} pods: the last one isolated", last, "s", TALON.get(size), said, met, note)


def main() -> None:
    """Measure, and print."""
    parser = report.options(__doc__)
    stage.add_cluster(parser)
    parser.add_argument("--pods", type=int, nargs="+", default=list(GOALS))
    chosen = parser.parse_args()
    report.tell(measure(chosen.cluster, chosen.pods), chosen.json)


if __name__ == "__main__":
    main()
