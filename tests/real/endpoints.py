"""Every state of every EndpointSlice of Services on the real control plane, while `rotate` moves their pods.

A watch sees every state that the API server ever had; a poll would see some.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt import marks
from molt.cluster import DEPLOYMENTS, PODS, ROTATION_POLICIES, SERVICES
from molt.lifetime import Keys
from molt.outcome import Done, Skipped, SystemClock
from molt.workload import is_ready
from rotate.handler import handler
from rotate.restart import STRATEGIES
from tests.contract.space import until
from tests.functions.installation import Installation, real
from tests.functions.rotate.test_on_clusters import TICK, LaterClock
from tests.watching import Census, Endpoints

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.control_plane import ControlPlane

REPLICAS = {"one": 1, "three": 3}
PORT = {"container": "main", "name": "http", "env": "PORT", "variants": [8080, 9090, 7070]}
SPEC = {"mode": "Enforce", "selector": {}, "lifetime": {"every": "30m"}, "maxMoving": 2}

handle = handler(Keys(b"sixteen bytes or more"))


@dataclass(frozen=True, slots=True)
class Seen:
    """What the watch saw: pods that replaced others, changes of slices, and the fewest Ready endpoints at any time."""

    rotations: int
    changes: int
    least: dict[str, int]


def watched(plane: ControlPlane, folder: Path, strategy: str, rotations: int) -> Seen:
    """Rotate a Deployment of one and a Deployment of three, each so many times, and return what was seen."""
    with real(plane, folder) as here, here.account("rotate") as rotate:
        census = Census(plane.api, here.namespace)
        services = Endpoints(plane.api, here.namespace, REPLICAS)
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
            while min(_rotations(census).values()) < rotations:
                assert isinstance(handle(TICK, rotate, clock), Done | Skipped)
            until(lambda: all(_is_whole(here, services, name) for name in REPLICAS), "the Services are whole again")
        return Seen(sum(_rotations(census).values()), services.changes, services.least)


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
