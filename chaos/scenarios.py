"""The scenarios: each sends alerts, does harm meanwhile, and returns the reckoning."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from chaos import clocks, hostile
from chaos.stage import Stage, staged
from molt.embedded.runtime import kubeconfig
from testbed.api import Api
from tests.embedded_cluster import running_cluster
from tests.end_to_end.conftest import of_context
from tests.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Object = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
SEED = 7
BETWEEN = 0.5
"""Seconds between two faults."""
LONGEST = 60.0
"""Seconds that harm goes on after the last alert was taken."""
JUMPS = (-240.0, -30.0, 0.0, 30.0, 240.0)
"""Seconds that a clock is put out by: less than a signature lives."""


def kills(folder: Path, alerts: int, pods: int) -> Object:
    """Kill -9 any process but the cluster, whichever of those that run the dice choose, every half a second."""
    killed: list[str] = []
    with staged(folder / "state", pods) as stage:

        def kill(dice: random.Random) -> None:
            parts = stage.runtime.processes()
            # A broker that cannot even start ends a runtime: it may start.
            living = parts.keys() - {"cluster"} - (set() if stage.serves() else {"broker"})
            part = dice.choice(sorted(living) or ["none"])
            with suppress(ProcessLookupError, KeyError):
                os.kill(parts[part], signal.SIGKILL)
                killed.append(part)

        return _reckoned(stage, alerts, kill) | {"faults": len(killed)}


def api(folder: Path, alerts: int, pods: int) -> Object:
    """Break every connection to the API server for a second or two, as while it is restarted, again and again."""
    down = 0
    with running_cluster() as cluster:
        inner = Api(cluster.url, cluster.token)
        with FaultProxy.running(inner, SEED) as proxy:
            config = folder / "through-the-proxy"
            config.write_text(kubeconfig.render({"server": proxy.url}, inner.token), encoding="utf-8")
            with staged(folder / "state", pods, **of_context(config, "molt")) as stage:

                def restart(dice: random.Random) -> None:
                    nonlocal down
                    proxy.down = True
                    time.sleep(dice.uniform(1, 2))
                    proxy.down = False
                    down += 1

                return _reckoned(stage, alerts, restart) | {"faults": down}


def clock(folder: Path, alerts: int, pods: int) -> Object:
    """Put the clocks of all processes but the cluster out by minutes, forward and back."""
    jumps = 0
    path = folder / "clocks"
    shutil.copytree(Path(clocks.__file__).parent, path, ignore=shutil.ignore_patterns("__pycache__", "__init__.py"))
    environ = {**os.environ, "PYTHONPATH": str(path)}
    with staged(folder / "state", pods, environ=environ) as stage:

        def jump(dice: random.Random) -> None:
            nonlocal jumps
            (path / "offset").write_text(str(dice.choice(JUMPS)), encoding="ascii")
            jumps += 1

        return _reckoned(stage, alerts, jump) | {"faults": jumps}


def disk(folder: Path, alerts: int, pods: int) -> Object:
    """Let no file of the broker grow for a second or two: what a full disk does, to its log as well."""
    full = 0
    with staged(folder / "state", pods) as stage:

        def fill(dice: random.Random) -> None:
            nonlocal full
            pid = stage.runtime.processes()["broker"]
            files = [path.stat().st_size for path in (folder / "state").rglob("*") if path.is_file()]
            before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(files), resource.RLIM_INFINITY))
            time.sleep(dice.uniform(1, 2))
            with suppress(ProcessLookupError):  # a broker that has died is started anew by the runtime
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
            full += 1

        return _reckoned(stage, alerts, fill) | {"faults": full}


def subscribers(folder: Path, alerts: int, pods: int) -> Object:
    """Subscribe seven that hang, drip, flood, speak no HTTP, break off, answer nonsense, or never take anything."""
    with hostile.subscribers() as triggers:
        manifests = folder / "manifests"
        manifests.mkdir()
        (manifests / "hostile.yaml").write_text(yaml.safe_dump_all(triggers), encoding="utf-8")
        files = [os.path.relpath(ROOT / "knative" / "base", manifests), "hostile.yaml"]
        (manifests / "kustomization.yaml").write_text(yaml.safe_dump({"resources": files}), encoding="utf-8")
        with staged(folder / "state", pods, manifests=manifests) as stage:
            stage.send(alerts)
            return stage.reckon() | {"faults": len(triggers)}


SCENARIOS: dict[str, Callable[[Path, int, int], Object]] = {
    "kills": kills,
    "api": api,
    "clock": clock,
    "disk": disk,
    "subscribers": subscribers,
}


def _reckoned(stage: Stage, alerts: int, harm: Callable[[random.Random], None]) -> Object:
    """Do harm while the alerts are sent and answered, but not for ever: what is then left must end in peace."""
    with _every(BETWEEN, harm):
        stage.send(alerts)
        stage.settle(LONGEST)
    return stage.reckon()


@contextmanager
def _every(seconds: float, harm: Callable[[random.Random], None]) -> Iterator[None]:
    """Do harm again and again while the context lasts."""
    dice, stop = random.Random(SEED), threading.Event()  # noqa: S311 - dice of a test

    def run() -> None:
        while not stop.wait(seconds):
            harm(dice)

    thread = threading.Thread(target=run, name="harm")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
