"""A clock that stands still, and a cluster that has the ledger and nothing else."""

from __future__ import annotations

import pytest

from molt import ledger as ledgers
from molt.cluster.resources import LEDGERS
from tests.functions.fake_cluster import FakeClock, FakeCluster


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock."""
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster in which nobody has a place."""
    cluster = FakeCluster(clock)
    cluster.put(LEDGERS, {"metadata": {"name": ledgers.NAME}})
    return cluster
