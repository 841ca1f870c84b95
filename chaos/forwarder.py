"""A dead broker, a forwarder that is killed, and whether every alert is acted on once all the same.

1. The local runtime runs, with one pod for each alert, and a policy that quarantines what an alert points at.
2. The broker is killed (SIGKILL). While it is dead the alerts arrive at the forwarder, which acknowledges each.
3. The forwarder is killed (SIGKILL) and started again, still without a broker.
4. The broker comes back; the forwarder is killed and started once more, in the middle of what it sends.
5. At the end every alert was acknowledged once, is acted on once, and every pod is in quarantine for its own alert.

Run: `python -m chaos.forwarder [--alerts N] [--down SECONDS] [--json FILE]`; exit code 1 when an alert was lost or
acted on twice.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench import report
from bench.report import Row
from molt import marks
from molt.cluster import DEPLOYMENTS, NAMESPACES, PODS, RESPONSE_POLICIES
from molt.embedded.runtime import ledger
from molt.embedded.runtime.ledger import Ledger
from molt.embedded.runtime.runtime import Settings, running
from molt.embedded.runtime.state import StateFolder
from molt.workload import is_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from molt.cluster import Cluster
    from molt.embedded.runtime.runtime import Runtime

RULE = "Reverse Shell from Web Server"
_SPACES = "chaos-*"
_PODS = 50  # of one Deployment, in a namespace of its own
_NO_CLOCK = "0 0 1 1 *"
_POLL = 0.5  # seconds
_PATIENCE = 1800.0  # seconds for any one step


@dataclass(slots=True)
class Forwarder:
    """The process under test."""

    folder: Path
    broker: str
    port: int = 0
    kills: int = 0
    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, on the port that it had, and wait until it listens."""
        settings = {"BROKER": self.broker, "SPOOL": str(self.folder / "spool"), "LISTEN": f"127.0.0.1:{self.port}"}
        environ = {**os.environ, **{f"MOLT_FORWARD_{name}": value for name, value in settings.items()}}
        log = self.folder / "forwarder.jsonl"
        offset = log.stat().st_size if log.exists() else 0
        with log.open("a", encoding="utf-8") as out:
            command = [sys.executable, "-m", "molt.forwarder"]
            self._process = subprocess.Popen(command, env=environ, stdout=out, stderr=out, text=True)
        _until(lambda: b'"listening"' in log.read_bytes()[offset:])
        lines = log.read_bytes()[offset:].splitlines()
        self.port = next(json.loads(line)["port"] for line in lines if b'"listening"' in line)

    def kill(self) -> None:
        """Kill it, as the system would that has no memory left."""
        assert self._process is not None  # noqa: S101 - started
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.kills += 1

    def stop(self) -> None:
        """End it in order, if it runs."""
        if self._process:
            self._process.terminate()
            self._process.wait()


@dataclass(slots=True)
class Census:
    """Every quarantine that any pod was ever in, told by a watch: a second isolation has another alert or time."""

    admin: Cluster
    found: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow while the context lasts."""
        thread = threading.Thread(target=self._follow, name="census")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _follow(self) -> None:
        version = ""
        while not self._stop.is_set():
            for _, pod in self.admin.session().watch(PODS, resource_version=version, timeout=2):
                version = pod["metadata"]["resourceVersion"]
                if marks.is_compromised(pod):
                    said = marks.annotations_of(pod)
                    quarantine = (said[marks.ALERT], said[marks.QUARANTINED_AT])
                    self.found.setdefault(pod["metadata"]["uid"], set()).add(quarantine)


@dataclass(slots=True)
class Result:
    """What was measured; times in seconds."""

    alerts: int
    down: float
    acknowledged: int = 0
    slowest_ack_ms: float = 0.0
    kills: int = 0
    forwarded_after: float = 0.0  # from the broker's return until it has all
    recovered_after: float = 0.0  # from the broker's return until the last alert is acted on
    resent: int = 0  # events that the broker got a second time
    told: int = 0  # ends of these alerts in the functions' logs: a second one says the same of a resent event
    acted_once: int = 0  # alerts whose pod was isolated once, and for that alert
    acted_twice: int = 0  # pods that were isolated more often

    @property
    def passed(self) -> bool:
        """Tell whether every alert was acted on once."""
        return self.alerts == self.acknowledged == self.acted_once and not self.acted_twice


def experiment(folder: Path, alerts: int, down: float, progress: Callable[[str], None] = lambda _: None) -> Result:
    """Run it in an empty folder."""
    result = Result(alerts, down)
    settings = Settings(state=StateFolder(folder / "state"), environ=os.environ, schedule=_NO_CLOCK, progress=progress)
    with running(settings) as runtime, ExitStack() as undo:
        progress(f"making {alerts} pods")
        expected = _pods(runtime.admin, alerts)
        census = Census(runtime.admin)
        undo.enter_context(census.following())
        forwarder = Forwarder(folder, runtime.addresses.broker)
        undo.callback(forwarder.stop)
        forwarder.start()
        _kill_broker(runtime)
        since = time.monotonic()
        progress(f"sending {alerts} alerts while the broker is dead for {down:.0f} s")
        _send(forwarder, expected, down, result)
        forwarder.kill()
        forwarder.start()
        time.sleep(max(0.0, down - (time.monotonic() - since)))
        back = time.monotonic()
        runtime.keep()
        progress("the broker is back")
        _until(lambda: _get(forwarder.port, "/status")["sent"] >= alerts // 4)
        forwarder.kill()
        forwarder.start()
        result.kills = forwarder.kills
        _until(lambda: not _get(forwarder.port, "/status")["waiting"])
        result.forwarded_after = time.monotonic() - back
        seen = Ledger(settings.state.logs)
        _until(lambda: _all_ended(seen, expected, runtime, progress))
        result.recovered_after = time.monotonic() - back
        result.resent = _posted(runtime.addresses.broker) - alerts
        _judge(result, census, settings.state.logs, expected)
    return result


def _pods(admin: Cluster, count: int) -> dict[str, dict[str, Any]]:
    """Make pods and the policy; return one alert for each pod, by its identity."""
    limits = {"perWorkload": 10_000, "perMinute": 10_000}
    match = {"rules": [RULE], "namespaces": [_SPACES]}
    spec = {"mode": "Enforce", "order": 1, "match": match, "remedies": [{"quarantine": {}}], "limits": limits}
    admin.create(RESPONSE_POLICIES, {"metadata": {"name": "chaos"}, "spec": spec})
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]}}
    for first in range(0, count, _PODS):
        space, replicas = f"chaos-{first}", min(_PODS, count - first)
        admin.create(NAMESPACES, {"metadata": {"name": space}})
        workload = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        admin.create(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": workload}, space)

    def ready() -> list[dict[str, Any]]:
        return [pod for pod in admin.list(PODS, labels="app=web") if is_ready(pod)]

    _until(lambda: len(ready()) == count)
    return {str(uuid.uuid4()): pod for pod in ready()}


def _alert(identity: str, pod: dict[str, Any]) -> bytes:
    """Return what Falcosidekick's webhook posts about a pod."""
    container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2][:12]
    meta = pod["metadata"]
    fields = {"container.id": container, "k8s.ns.name": meta["namespace"], "k8s.pod.name": meta["name"]}
    told = {"uuid": identity, "rule": RULE, "priority": "Critical", "output": "a shell", "source": "syscall"}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({**told, "time": now, "output_fields": fields, "hostname": pod["spec"]["nodeName"]}).encode()


def _kill_broker(runtime: Runtime) -> None:
    pid = runtime.broker.pid
    assert pid is not None  # noqa: S101 - it runs
    os.kill(pid, signal.SIGKILL)
    _until(lambda: not runtime.broker.alive)


def _send(forwarder: Forwarder, expected: dict[str, dict[str, Any]], seconds: float, result: Result) -> None:
    """Send every alert once, evenly over most of the time; count what is acknowledged."""
    connection = http.client.HTTPConnection("127.0.0.1", forwarder.port, timeout=30)
    start, pause = time.monotonic(), 0.8 * seconds / len(expected)
    for number, (identity, pod) in enumerate(expected.items()):
        time.sleep(max(0.0, start + number * pause - time.monotonic()))
        before = time.monotonic()
        connection.request("POST", "/", _alert(identity, pod), {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        result.acknowledged += answer.status == http.HTTPStatus.ACCEPTED
        result.slowest_ack_ms = max(result.slowest_ack_ms, 1000 * (time.monotonic() - before))
    connection.close()


def _all_ended(
    seen: Ledger, expected: dict[str, dict[str, Any]], runtime: Runtime, progress: Callable[[str], None]
) -> bool:
    runtime.keep()
    ended = len(expected.keys() & seen.fates().keys())
    progress(f"{ended} of {len(expected)} alerts have their end")
    return ended == len(expected)


def _judge(result: Result, census: Census, logs: Path, expected: dict[str, dict[str, Any]]) -> None:
    """Compare what was sent with what the functions' logs and the cluster's watch say."""
    result.told = sum(bool(line.get("fate")) and str(line.get("alert")) in expected for line in ledger.lines(logs))
    for alert, pod in expected.items():
        found = census.found.get(pod["metadata"]["uid"], set())
        result.acted_once += [alert] == [by for by, _ in found]
    result.acted_twice = sum(len(found) > 1 for found in census.found.values())


def _posted(broker: str) -> int:
    """Return how many events the broker was sent from outside."""
    said = _get(urlsplit(broker).port or 80, "/status")
    return int(said["accepted"] - said["replies"])


def _get(port: int, path: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come true in time")
        time.sleep(_POLL)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def run(result: Result, machine: dict[str, Any]) -> report.Run:
    """Return the result as a run: what must be none, and how long it took."""
    unheard, lost = result.alerts - result.acknowledged, result.alerts - result.acted_once
    rows = (
        Row("alerts not acknowledged", unheard, "", goal="0", met=not unheard),
        Row("alerts not acted on, once, for their own sake", lost, "", goal="0", met=not lost),
        Row("pods isolated more than once", result.acted_twice, "", goal="0", met=not result.acted_twice),
        Row("the slowest acknowledgement", result.slowest_ack_ms, "ms"),
        Row("from the broker's return until it has every alert", result.forwarded_after, "s"),
        Row("from the broker's return until every alert is acted on", result.recovered_after, "s"),
    )
    title = f"A broker dead for {result.down:.0f} s, and a forwarder killed {result.kills} times"
    notes = (f"{result.alerts} alerts about as many pods; {result.resent} were sent to the broker a second time.",)
    return report.Run("chaos-forwarder", title, rows, "embedded", notes=notes, machine=machine)


def main() -> int:
    """Run the experiment and print what it found."""
    parser = report.options(__doc__)
    parser.add_argument("--alerts", type=int, default=1000)
    parser.add_argument("--down", type=float, default=60.0, help="seconds for which the broker is dead")
    options = parser.parse_args()
    machine = report.machine()
    with tempfile.TemporaryDirectory() as folder:
        result = experiment(Path(folder), options.alerts, options.down, _say)
    report.tell(run(result, machine), options.json)
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
