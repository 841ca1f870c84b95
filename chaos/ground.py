"""The clusters that the scenarios play on."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from molt.embedded.runtime import kubeconfig
from testbed.api import Api
from testbed.control_plane import ControlPlane
from tests.control_plane import binaries
from tests.embedded_cluster import running_cluster
from tests.end_to_end.conftest import of_context
from tests.fault_proxy import FaultProxy

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from tests.end_to_end.conftest import Place

_SEED = 7


@dataclass(frozen=True, slots=True)
class Ground:
    """The settings of a runtime for a cluster, and what restarts that cluster's API server."""

    place: Place
    restart: Callable[[random.Random], None]


@contextmanager
def embedded(folder: Path) -> Iterator[Ground]:
    """Run an embedded cluster behind a proxy, which breaks connections: the cluster itself has its state in memory."""
    with running_cluster() as cluster:
        inner = Api(cluster.url, cluster.token)
        with FaultProxy.running(inner, _SEED) as proxy:
            config = folder / "through-the-proxy"
            config.write_text(kubeconfig.render({"server": proxy.url}, inner.token), encoding="utf-8")

            def restart(dice: random.Random) -> None:
                proxy.down = True
                time.sleep(dice.uniform(1, 2))
                proxy.down = False

            yield Ground(of_context(config, "molt"), restart)


@contextmanager
def real(folder: Path) -> Iterator[Ground]:
    """Run a real control plane, whose API server is killed and started anew."""
    with tempfile.TemporaryDirectory() as made, ControlPlane.running(binaries(), Path(made)) as plane:
        config = plane.kubeconfig(folder / "kubeconfig")
        yield Ground(of_context(config), lambda _: plane.restart_api_server())


GROUNDS = {"embedded": embedded, "real": real}
