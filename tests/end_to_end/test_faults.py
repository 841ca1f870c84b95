"""An API server that fails, throttles, is slow, loses answers and has other writers: nothing is lost or done twice.

Every function reaches the cluster through tests/fault_proxy.py only; what the test itself looks at, it asks directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from molt.cluster import DEPLOYMENTS, Cluster
from molt.embedded.runtime import kubeconfig
from molt.embedded.runtime.runtime import Runtime
from testbed.api import Api
from testbed.control_plane import ControlPlane
from tests.embedded_cluster import running_cluster
from tests.end_to_end.conftest import kept, of_context, without_policies
from tests.end_to_end.shop import QUARANTINE, ROTATE, Shop, request, uids, until, until_the_next_second
from tests.end_to_end.test_accounting import fates, no_traceback, post
from tests.fault_proxy import Fault, FaultProxy
from tests.watching import Census

RATE = 0.15
SEED = 20261124


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


def test_a_burst_of_alerts(storm: Storm, folder: Path) -> None:
    """Each alert acts; each pod is put into quarantine once, by its own alert."""
    storm.shop.enforce(QUARANTINE)
    with (census := Census(storm.api, storm.shop.namespace)).following():
        pods = storm.shop.workload(DEPLOYMENTS, 40)
        storm.proxy.rate = RATE
        expected = {}
        for pod in pods:
            identity, headers, body = request(pod)
            post(storm.runtime, headers, body)
            expected[identity] = pod["metadata"]["uid"]
        ends = fates(folder, list(expected))
        assert set(expected) == set(ends)
        assert {"acted"} == {fate for found in ends.values() for fate, _ in found}
        until(lambda: storm.shop.is_whole(40))
    told = {uid: {alert for alert, _ in quarantines} for uid, quarantines in census.quarantines.items()}
    assert {uid: {alert} for alert, uid in expected.items()} == told
    assert {1} == {len(quarantines) for quarantines in census.quarantines.values()}
    assert 40 + 40 == len(census.uids["web"])
    assert set(Fault) == set(storm.proxy.faults)
    no_traceback(folder)


def test_siblings_that_move(storm: Storm, folder: Path) -> None:
    """In each of four workloads at once one pod is put into quarantine, and its three siblings move once each."""
    names = ("a", "b", "c", "d")
    storm.shop.enforce(QUARANTINE, ROTATE)
    with (census := Census(storm.api, storm.shop.namespace)).following():
        targets = {name: storm.shop.workload(DEPLOYMENTS, 4, name) for name in names}
        until_the_next_second()
        storm.proxy.rate = RATE
        expected = {}
        for pods in targets.values():
            identity, headers, body = request(pods[0])
            post(storm.runtime, headers, body)
            expected[identity] = pods[0]["metadata"]["uid"]
        ends = fates(folder, list(expected))
        assert set(expected) == set(ends)
        assert {"acted"} == {fate for found in ends.values() for fate, _ in found}
        until(lambda: all(storm.shop.is_whole(4, name) for name in names))
        for name, pods in targets.items():
            assert not uids(pods) & uids(storm.shop.pods(name))
    assert set(expected.values()) == uids(storm.shop.held()) == set(census.quarantines)
    assert {1} == {len(quarantines) for quarantines in census.quarantines.values()}
    assert dict.fromkeys(names, 4 + 1 + 3) == {name: len(found) for name, found in census.uids.items()}
    no_traceback(folder)


def test_an_api_server_that_is_away(storm: Storm, folder: Path) -> None:
    """Alerts that come while it cannot be reached act when it is back: the broker and the client try again."""
    storm.shop.enforce(QUARANTINE)
    pods = storm.shop.workload(DEPLOYMENTS, 10)
    storm.proxy.down = True
    expected = {}
    for pod in pods:
        identity, headers, body = request(pod)
        post(storm.runtime, headers, body)
        expected[identity] = pod["metadata"]["uid"]
    until(lambda: storm.proxy.faults.total() >= 3 * len(pods))
    assert [] == storm.shop.held()
    storm.proxy.down = False
    ends = fates(folder, list(expected))
    assert set(expected) == set(ends)
    assert {"acted"} == {fate for found in ends.values() for fate, _ in found}
    assert set(expected.values()) == uids(storm.shop.held())
    no_traceback(folder)
