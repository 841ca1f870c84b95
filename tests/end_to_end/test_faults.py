"""An API server that fails, throttles, is slow, loses answers and has other writers: nothing is lost or done twice.

Every function reaches the cluster through tests/fault_proxy.py only; what the test itself looks at, it asks directly.
"""

from __future__ import annotations

from pathlib import Path

from molt.cluster import DEPLOYMENTS, STATEFUL_SETS
from tests.end_to_end.conftest import Storm
from tests.end_to_end.shop import QUARANTINE, ROTATE, request, uids, until, until_the_next_second
from tests.end_to_end.test_accounting import fates, no_traceback, post
from tests.fault_proxy import Fault
from tests.watching import Census

RATE = 0.15


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


def test_replicas_that_come_back_under_their_names(storm: Storm, folder: Path) -> None:
    """Each replica of four StatefulSets is evicted once: who has its name afterwards is not taken for it."""
    names = ("a", "b", "c", "d")
    storm.shop.enforce({"rotate": {"scope": "Workload"}})
    with (census := Census(storm.api, storm.shop.namespace)).following():
        before = {name: storm.shop.workload(STATEFUL_SETS, 3, name) for name in names}
        until_the_next_second()
        storm.proxy.rate = RATE
        expected = []
        for pods in before.values():
            identity, headers, body = request(pods[0])
            post(storm.runtime, headers, body)
            expected.append(identity)
        ends = fates(folder, expected)
        assert set(expected) == set(ends)
        assert {"acted"} == {fate for found in ends.values() for fate, _ in found}
        until(lambda: all(storm.shop.is_whole(3, name) for name in names))
        for name, pods in before.items():
            assert not uids(pods) & uids(storm.shop.pods(name))
    assert dict.fromkeys(names, 3 + 3) == {name: len(found) for name, found in census.uids.items()}
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
