"""The scenarios: each sends alerts, does harm meanwhile, and returns the reckoning."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from chaos import clocks, hostile
from chaos.stage import staged

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.ground import Ground
    from chaos.stage import Stage

Object = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
SEED = 7
BETWEEN = 0.5
"""Seconds between two faults."""
LONGEST = 20.0
"""Seconds that harm goes on after the last alert was taken."""
JUMPS = (-240.0, -30.0, 0.0, 30.0, 240.0)
"""Seconds that a clock is put out by: less than a signature lives."""


def kills(ground: Ground, folder: Path, alerts: int, pods: int) -> Object:
    """Kill -9 any process but the cluster, whichever of those that run the dice choose, every half a second."""
    with staged(folder / "state", pods, **ground.place) as stage:

        def kill(dice: random.Random) -> None:
            parts = stage.runtime.processes()
            # A broker that cannot even start ends a runtime: it may start.
            living = parts.keys() - {"cluster"} - (set() if stage.serves() else {"broker"})
            part = dice.choice(sorted(living) or ["none"])
            with suppress(ProcessLookupError, KeyError):
                os.kill(parts[part], signal.SIGKILL)

        return _reckoned(stage, alerts, kill)


def api(ground: Ground, folder: Path, alerts: int, pods: int) -> Object:
    """Restart the API server, again and again: of the embedded one, break every connection for a second or two."""
    with staged(folder / "state", pods, **ground.place) as stage:
        return _reckoned(stage, alerts, ground.restart)


def clock(ground: Ground, folder: Path, alerts: int, pods: int) -> Object:
    """Put the clocks of all processes but the cluster out by minutes, forward and back."""
    path = folder / "clocks"
    shutil.copytree(Path(clocks.__file__).parent, path, ignore=shutil.ignore_patterns("__pycache__", "__init__.py"))
    environ = {**ground.place["environ"], "PYTHONPATH": str(path)}
    with staged(folder / "state", pods, **{**ground.place, "environ": environ}) as stage:

        def jump(dice: random.Random) -> None:
            (path / "offset").write_text(str(dice.choice(JUMPS)), encoding="ascii")

        return _reckoned(stage, alerts, jump)


def disk(ground: Ground, folder: Path, alerts: int, pods: int) -> Object:
    """Let no file of the broker grow for a second or two: what a full disk does, to its log as well."""
    with staged(folder / "state", pods, **ground.place) as stage:

        def fill(dice: random.Random) -> None:
            pid = stage.runtime.processes().get("broker")
            if pid is None:
                return
            # A broker that has died is started anew by the runtime; SQLite takes files away.
            with suppress(ProcessLookupError, FileNotFoundError):
                files = [path.stat().st_size for path in (folder / "state").rglob("*") if path.is_file()]
                before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(files), resource.RLIM_INFINITY))
                time.sleep(dice.uniform(1, 2))
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

        return _reckoned(stage, alerts, fill)


def subscribers(ground: Ground, folder: Path, alerts: int, pods: int) -> Object:
    """Subscribe seven that hang, drip, flood, speak no HTTP, break off, answer nonsense, or never take anything."""
    with hostile.subscribers() as triggers:
        manifests = folder / "manifests"
        manifests.mkdir()
        (manifests / "hostile.yaml").write_text(yaml.safe_dump_all(triggers), encoding="utf-8")
        files = [os.path.relpath(ROOT / "knative" / "base", manifests), "hostile.yaml"]
        (manifests / "kustomization.yaml").write_text(yaml.safe_dump({"resources": files}), encoding="utf-8")
        with staged(folder / "state", pods, **ground.place, manifests=manifests) as stage:
            stage.send(alerts)
            return stage.reckon() | {"faults": len(triggers)}


SCENARIOS: dict[str, Callable[[Ground, Path, int, int], Object]] = {
    "kills": kills,
    "api": api,
    "clock": clock,
    "disk": disk,
    "subscribers": subscribers,
}


def _reckoned(stage: Stage, alerts: int, harm: Callable[[random.Random], None]) -> Object:
    """Do harm while the alerts are sent and answered, but not for ever: what is then left must end in peace."""
    dice, faults, end = random.Random(SEED), 0, 0.0  # noqa: S311 - dice of a test
    sender = threading.Thread(target=stage.send, args=(alerts,), name="sender")
    sender.start()
    while sender.is_alive() or (stage.waits() and time.monotonic() < end):
        time.sleep(BETWEEN)
        harm(dice)
        faults += 1
        if sender.is_alive():
            end = time.monotonic() + LONGEST
    return stage.reckon() | {"faults": faults}
