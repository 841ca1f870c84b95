"""Every contract test runs twice: against the embedded API server, and against the real one."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from testbed.api import Api
from tests.contract.space import Object, Space, config_map, until
from tests.embedded_cluster import running_cluster

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session", params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    """Return one of both API servers, as its administrator."""
    if request.param == "real":
        yield request.getfixturevalue("control_plane").api
        return
    with running_cluster(controllers=True) as cluster:
        yield Api(cluster.url, cluster.token)


@pytest.fixture
def space(api: Api) -> Iterator[Space]:
    """Make a namespace for one test, complete with its default ServiceAccount, and delete it afterwards."""
    name = f"contract-{os.getpid()}-{next(_NUMBERS)}"
    api.post("/api/v1/namespaces", {"metadata": {"name": name}}).object()
    made = Space(api, name)
    until(lambda: made.names("serviceaccounts") == ["default"], "the default ServiceAccount")
    yield made
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def one(space: Space) -> Object:
    """Create the ConfigMap `one` and return it."""
    return space.create("configmaps", config_map("one", {"a": "1", "b": "2"}, app="x")).object()
