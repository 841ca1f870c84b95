from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from molt.cluster import Cluster
from molt.cluster.connect import by_url
from molt.cluster.transport import Transport
from tests.molt.cluster.stub import Stub, running_stub


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Serve scripted answers."""
    with running_stub() as stub:
        yield stub


@dataclass
class FakeTime:
    """A time that passes only while someone sleeps."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.slept.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def passing() -> FakeTime:
    """Return the time that the client's pauses take."""
    return FakeTime()


@pytest.fixture
def transport(stub: Stub, passing: FakeTime) -> Iterator[Transport]:
    """Return a transport to the stub whose dice always show one half."""
    configuration = by_url(stub.url, "a-token")
    transport = Transport(configuration, sleep=passing.sleep, chance=lambda: 0.5, monotonic=passing.monotonic)
    yield transport
    transport.close()


@pytest.fixture
def cluster(transport: Transport) -> Cluster:
    """Return a cluster over that transport."""
    return Cluster(transport)
