"""An API server that fails, throttles, is slow, loses answers and has other writers: nothing is lost or done twice.

Every function reaches the cluster through tests/fault_proxy.py only; what the test itself looks at, it asks directly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from molt import marks
from molt.cluster import DEPLOYMENTS, STATEFUL_SETS
from tests.end_to_end.conftest import Storm
from tests.end_to_end.shop import QUARANTINE, ROTATE, Shop, request, uids, until, until_the_next_second
from tests.end_to_end.test_accounting import fates, no_traceback, post
from tests.fault_proxy import EVICTION, POD, TOUCHED, Fault
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
    _once_by_its_own_alert(storm.shop, census, expected)
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


EITHER = pytest.mark.parametrize("fault", [Fault.UNHEARD, Fault.CONTENDED], ids=lambda fault: fault.name.lower())


@EITHER
def test_every_move_meets_a_fault(storm: Storm, folder: Path, fault: Fault) -> None:
    """A release and an eviction that were not heard of are done once; a label that came meanwhile is not forgotten."""
    shop, replicas = storm.shop, {"web": 3, "db": 3}
    shop.enforce({"rotate": {"scope": "Workload"}})
    with (census := Census(storm.api, shop.namespace)).following():
        before = shop.workload(DEPLOYMENTS, 3, "web") + shop.workload(STATEFUL_SETS, 3, "db")
        until_the_next_second()
        storm.proxy.aimed = {POD: fault, EVICTION: fault}
        for pod in before[::3]:
            identity, headers, body = request(pod)
            post(storm.runtime, headers, body)
            assert {"acted"} == {fate for fate, _ in fates(folder, [identity])[identity]}
        until(lambda: all(shop.is_whole(count, name) for name, count in replicas.items()))
        assert not uids(before) & uids(shop.pods("web") + shop.pods("db"))
    assert {name: 2 * count for name, count in replicas.items()} == {name: len(it) for name, it in census.uids.items()}
    assert dict.fromkeys(uids(before[:3]), 0) == {uid: len(labels) for uid, labels in census.forgotten.items()}
    assert {fault: 3 + 3 + 3} == storm.proxy.faults, "the release of three pods, and the eviction of six"
    no_traceback(folder)


@EITHER
def test_every_isolation_meets_a_fault(storm: Storm, folder: Path, fault: Fault) -> None:
    """An isolation that was not heard of is known for the own one; a label that came meanwhile goes, and is kept."""
    storm.shop.enforce(QUARANTINE)
    with (census := Census(storm.api, storm.shop.namespace)).following():
        pods = storm.shop.workload(DEPLOYMENTS, 5)
        storm.proxy.aimed = {POD: fault}
        expected = {}
        for pod in pods:
            identity, headers, body = request(pod)
            post(storm.runtime, headers, body)
            expected[identity] = pod["metadata"]["uid"]
        ends = fates(folder, list(expected))
        assert set(expected) == set(ends)
        assert {"acted"} == {fate for found in ends.values() for fate, _ in found}
        until(lambda: storm.shop.is_whole(5))
    _once_by_its_own_alert(storm.shop, census, expected)
    kept = [TOUCHED in (marks.original_labels(pod) or {}) for pod in storm.shop.held()]
    assert [fault is Fault.CONTENDED] * 5 == kept
    assert {fault: 5} == storm.proxy.faults
    no_traceback(folder)


def _once_by_its_own_alert(shop: Shop, census: Census, expected: Mapping[str, str]) -> None:
    """Fail unless each pod is in quarantine by the alert that is expected, was put there once, and without a label."""
    told = {uid: {alert for alert, _ in quarantines} for uid, quarantines in census.quarantines.items()}
    assert {uid: {alert} for alert, uid in expected.items()} == told
    assert {1} == {len(quarantines) for quarantines in census.quarantines.values()}
    assert {uid: {marks.COMPROMISED} for uid in expected.values()} == census.worn
    assert set(expected.values()) == uids(shop.held())


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
