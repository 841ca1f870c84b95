"""A whole local runtime, as `molt up` starts it, with every part a process of its own.

On the embedded cluster, and, as with `molt up --context`, on the real control plane.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from molt.cluster import RESPONSE_POLICIES, Cluster
from molt.embedded.runtime.runtime import Runtime, Settings, running
from molt.embedded.runtime.state import StateFolder
from testbed.control_plane import ControlPlane
from tests.end_to_end.shop import Shop

NEVER = "0 0 1 1 *"
"""The schedule of a clock that stands still: it ticks once a year."""

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


def of_context(kubeconfig: Path, context: str = "testbed") -> Place:
    """Return the settings for the cluster of a kubeconfig."""
    return {"context": context, "environ": {**os.environ, "KUBECONFIG": str(kubeconfig)}}


@contextmanager
def without_policies(plane: ControlPlane, kubeconfig: Path) -> Iterator[None]:
    """Leave a control plane that others use, too, without the policies that a runtime brings."""
    yield
    admin = Cluster.connect(kubeconfig=str(plane.kubeconfig(kubeconfig)))
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
    kubeconfig = plane.kubeconfig(tmp_path / "kubeconfig")
    with without_policies(plane, kubeconfig):
        yield of_context(kubeconfig)


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
