"""A whole local runtime, as `molt up` starts it, with every part a process of its own.

On the embedded cluster, and, as with `molt up --context`, on the real control plane.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from molt.cluster import RESPONSE_POLICIES, Cluster
from molt.embedded.runtime import kubeconfig
from molt.embedded.runtime.runtime import Runtime, Settings, running
from molt.embedded.runtime.state import StateFolder
from testbed.api import Api
from testbed.control_plane import ControlPlane
from tests.embedded_cluster import running_cluster
from tests.end_to_end.shop import Shop
from tests.fault_proxy import FaultProxy

NEVER = "0 0 1 1 *"
"""The schedule of a clock that stands still: it ticks once a year."""

SEED = 20261124
"""Of the dice of all faults."""

Place = Mapping[str, Any]
"""The settings that say which cluster a runtime works on."""


@contextmanager
def kept(folder: Path, **settings: Any) -> Iterator[Runtime]:
    """Run a runtime in `folder`, and keep it running from a thread as the command does."""
    made = Settings(**{"state": StateFolder(folder), "environ": os.environ, "schedule": NEVER, **settings})
    with running(made) as runtime:
        stop = threading.Event()
        keeper = threading.Thread(target=runtime.watch, args=(stop, 0.1), name="keeper")
        keeper.start()
        try:
            yield runtime
        finally:
            stop.set()
            keeper.join()


def of_context(config: Path, context: str = "testbed") -> Place:
    """Return the settings for the cluster of a kubeconfig."""
    return {"context": context, "environ": {**os.environ, "KUBECONFIG": str(config)}}


@contextmanager
def without_policies(plane: ControlPlane, config: Path) -> Iterator[None]:
    """Leave a control plane that others use, too, without the policies that a runtime brings."""
    yield
    admin = Cluster.connect(kubeconfig=str(plane.kubeconfig(config)))
    for policy in admin.list(RESPONSE_POLICIES):
        admin.delete(RESPONSE_POLICIES, policy["metadata"]["name"])
    admin.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the runtime's folder."""
    return tmp_path / "state"


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Return the settings of a runtime on the embedded cluster, and of one on the real control plane."""
    if request.param == "embedded":
        yield {}
        return
    plane: ControlPlane = request.getfixturevalue("control_plane")
    config = plane.kubeconfig(tmp_path / "kubeconfig")
    with without_policies(plane, config):
        yield of_context(config)


@pytest.fixture
def runtime(place: Place, folder: Path) -> Iterator[Runtime]:
    """Run a runtime whose clock stands still."""
    with kept(folder, **place) as started:
        yield started


@pytest.fixture
def shop(runtime: Runtime) -> Iterator[Shop]:
    """Open a shop in the runtime's cluster."""
    with Shop.opened(runtime.admin) as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class Storm:
    """A runtime behind a proxy, and the same cluster without one."""

    runtime: Runtime
    proxy: FaultProxy
    api: Api
    shop: Shop


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def storm(request: pytest.FixtureRequest, tmp_path: Path, folder: Path, note: Callable[[str], None]) -> Iterator[Storm]:
    """Run a runtime that reaches either cluster through the proxy, which does no harm yet."""
    with ExitStack() as stack:
        if request.param == "embedded":
            cluster = stack.enter_context(running_cluster())
            api, admin = Api(cluster.url, cluster.token), cluster.admin
        else:
            plane: ControlPlane = request.getfixturevalue("control_plane")
            api = plane.api
            admin = Cluster.connect(kubeconfig=str(plane.kubeconfig(tmp_path / "direct")))
            stack.callback(admin.close)
            stack.enter_context(without_policies(plane, tmp_path / "cleaner"))
        proxy = stack.enter_context(FaultProxy.running(api, SEED))
        config = tmp_path / "through-the-proxy"
        config.write_text(kubeconfig.render({"server": proxy.url}, api.token), encoding="utf-8")
        runtime = stack.enter_context(kept(folder, **of_context(config, "molt")))
        shop = stack.enter_context(Shop.opened(admin))
        yield Storm(runtime, proxy, api, shop)
        proxy.rate, proxy.down = 0.0, False
        befell = ", ".join(f"{fault.name.lower()} {count}" for fault, count in proxy.faults.items())
        requests = proxy.passed + proxy.faults.total()
        note(f"API faults ({request.param}): {proxy.faults.total()} of {requests} requests: {befell}")
