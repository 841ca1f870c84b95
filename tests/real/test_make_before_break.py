"""Make before break, proved: however often pods move, a Service never has fewer Ready endpoints than replicas."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.control_plane import ControlPlane
from tests.real.endpoints import REPLICAS, watched

pytestmark = pytest.mark.real

ROTATIONS = {"Replace": 50, "Relocate": 12, "Restart": 12, "Reconfigure": 12}  # of each


@pytest.mark.timeout(300)
@pytest.mark.parametrize("strategy", ROTATIONS)
def test_no_endpoint_is_ever_missed(
    control_plane: ControlPlane, tmp_path: Path, note: Callable[[str], None], strategy: str
) -> None:
    """However many pods of a Deployment of one, and of a Deployment of three, are replaced."""
    began = time.monotonic()
    seen = watched(control_plane, tmp_path, strategy, ROTATIONS[strategy])
    note(
        f"{strategy}: {seen.rotations} rotations in {time.monotonic() - began:.0f} s, "
        f"{seen.changes} changes of EndpointSlices; fewest Ready endpoints: "
        + ", ".join(f"{seen.least[name]} of {replicas}" for name, replicas in REPLICAS.items())
    )
    assert REPLICAS == seen.least
