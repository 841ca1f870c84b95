"""Make before break, proved: however often pods move, a Service never has fewer Ready endpoints than replicas.

A watch sees every state of every EndpointSlice that the API server ever had; a poll would see some.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from molt import marks
from molt.cluster import DEPLOYMENTS, PODS, ROTATION_POLICIES, SERVICES
from molt.lifetime import Keys
from molt.outcome import Done, Skipped, SystemClock
from molt.workload import is_ready
from rotate.handler import handler
from rotate.restart import STRATEGIES
from testbed.control_plane import ControlPlane
from tests.contract.space import until
from tests.functions.installation import Installation, real
from tests.functions.rotate.test_on_clusters import TICK, LaterClock
from tests.watching import Census, Endpoints

pytestmark = pytest.mark.real

REPLICAS = {"one": 1, "three": 3}
ROTATIONS = {"Replace": 50, "Relocate": 12, "Restart": 12, "Reconfigure": 12}  # of each
PORT = {"container": "main", "name": "http", "env": "PORT", "variants": [8080, 9090, 7070]}
SPEC = {"mode": "Enforce", "selector": {}, "lifetime": {"every": "30m"}, "maxMoving": 2}

handle = handler(Keys(b"sixteen bytes or more"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("strategy", ROTATIONS)
def test_no_endpoint_is_ever_missed(
    control_plane: ControlPlane, tmp_path: Path, note: Callable[[str], None], strategy: str
) -> None:
    """However many pods of a Deployment of one, and of a Deployment of three, are replaced."""
    began = time.monotonic()
    with real(control_plane, tmp_path) as here, here.account("rotate") as rotate:
        census = Census(control_plane.api, here.namespace)
        services = Endpoints(control_plane.api, here.namespace, REPLICAS)
        with census.following(), services.following():
            for name, replicas in REPLICAS.items():
                _open(here, name, replicas)
            until(lambda: {name: len(services.ready(name)) for name in REPLICAS} == REPLICAS, "the Services are whole")
            spec: dict[str, object] = SPEC | {"strategy": strategy}
            clock: SystemClock = LaterClock()
            if strategy in STRATEGIES:  # a rollout is judged by the age of its pods: an hour ahead it would be stuck
                spec, clock = spec | {"lifetime": {"every": "1s"}}, SystemClock()
            spec |= {"reconfigure": [{"name": "port", "port": PORT}]} if strategy == "Reconfigure" else {}
            here.admin.create(ROTATION_POLICIES, {"metadata": {"name": "all"}, "spec": spec}, here.namespace)
            while min(_rotations(census).values()) < ROTATIONS[strategy]:
                assert isinstance(handle(TICK, rotate, clock), Done | Skipped)
            until(lambda: all(_is_whole(here, services, name) for name in REPLICAS), "the Services are whole again")
        note(
            f"{strategy}: {sum(_rotations(census).values())} rotations in {time.monotonic() - began:.0f} s, "
            f"{services.changes} changes of EndpointSlices; fewest Ready endpoints: "
            + ", ".join(f"{services.least[name]} of {replicas}" for name, replicas in REPLICAS.items())
        )
    assert REPLICAS == services.least


def _open(here: Installation, name: str, replicas: int) -> None:
    """Make a Deployment of pods that take a while to become Ready, and its Service; no budget does rotate's work."""
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": {"testbed.molt-project.io/ready-after": "150ms"}},
        "spec": {
            "containers": [
                {
                    "name": "main",
                    "image": "web:1",
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "env": [{"name": "PORT", "value": "8080"}],
                }
            ]
        },
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    service = {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]}
    for resource, body in ((SERVICES, service), (DEPLOYMENTS, spec)):
        metadata = {"name": name, "labels": {marks.RECONFIGURABLE: "true"}}
        here.admin.create(resource, {"metadata": metadata, "spec": body}, here.namespace)


def _rotations(census: Census) -> dict[str, int]:
    """Return how many pods have replaced others."""
    return {name: len(census.uids.get(name, ())) - replicas for name, replicas in REPLICAS.items()}


def _is_whole(here: Installation, services: Endpoints, name: str) -> bool:
    pods = here.admin.list(PODS, here.namespace, labels=f"app={name}")
    return all(map(is_ready, pods)) and services.ready(name) == {pod["metadata"]["uid"] for pod in pods}
