"""Whoever asks a workload that molt rotates is answered: real HTTP servers under load, and what deleting pods costs."""

from __future__ import annotations

import pytest

from bench.availability import measure

ROTATIONS = 12
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("way", ["Replace", "Restart"])
def test_no_request_fails_while_pods_are_rotated(way: str, replicas: int) -> None:
    """Each pod of four Deployments is replaced several times, and every request finds one that answers."""
    result = measure(way, replicas, ROTATIONS, deployments=4)
    assert {} == result["errors"]
    assert result["rotations"] >= ROTATIONS
    assert result["requests"] > ROTATIONS


def test_the_same_measurement_sees_what_a_plain_delete_costs() -> None:
    """Requests fail when all pods of a Deployment are deleted together, be there three."""
    assert measure("delete all", 3, ROTATIONS, deployments=4)["failed"] > 0
