"""kill -9 of any part in the middle: nothing that was taken is lost, and nothing is done twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from molt import marks
from molt.cluster import DEPLOYMENTS
from molt.embedded.runtime import ledger
from molt.embedded.runtime.runtime import Runtime
from molt.embedded.runtime.state import StateFolder
from tests.end_to_end.shop import QUARANTINE, ROTATE, Shop, api_of, request, uids, until, until_the_next_second
from tests.end_to_end.test_accounting import fates, no_traceback, post
from tests.watching import Census

ALERTS = 200
PODS = {"": 200, "testbed": 40}
"""How many pods the alerts are about, by context: a real control plane on two cores needs a while for each."""


@pytest.mark.slow
@pytest.mark.parametrize("part", ["broker", "molt/detect-router", "molt/quarantine"])
def test_two_hundred_alerts_and_a_kill(runtime: Runtime, shop: Shop, folder: Path, part: str) -> None:
    """After kill -9 in the middle all 200 alerts have their end, and each pod is held once, for one of its alerts."""
    shop.enforce(QUARANTINE)
    pods = shop.workload(DEPLOYMENTS, PODS[runtime.addresses.context])
    expected = {}
    for number in range(ALERTS):
        pod = pods[number % len(pods)]
        identity, headers, body = request(pod)
        post(runtime, headers, body)
        expected[identity] = pod["metadata"]["uid"]
        if number == ALERTS // 2:
            _kill(runtime, part)
    ends = fates(folder, list(expected))
    assert set(expected) == set(ends)
    held = {marks.annotations_of(pod)[marks.ALERT]: pod["metadata"]["uid"] for pod in shop.held()}
    assert uids(pods) == set(held.values())
    assert len(pods) == len(held)
    assert held.items() <= expected.items()
    acted = {alert for alert, found in ends.items() if {"acted"} == {fate for fate, _ in found}}
    # What repeats an alert within two seconds is ignored; the next one finds the pod in quarantine.
    others = {alert for alert, found in ends.items() if {"skipped", "ignored"} >= {fate for fate, _ in found}}
    assert (set(held), set(expected) - set(held)) == (acted, others)
    no_traceback(folder)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["broker", "molt/rotate"])
def test_a_kill_while_pods_move(runtime: Runtime, shop: Shop, folder: Path, part: str) -> None:
    """After kill -9 between the release of a pod and its eviction every sibling still moves, and each of them once."""
    shop.enforce(QUARANTINE, ROTATE)
    with (census := Census(api_of(runtime.addresses.kubeconfig), shop.namespace)).following():
        target, *siblings = shop.workload(DEPLOYMENTS, 4, annotations={"testbed.molt-project.io/ready-after": "700ms"})
        until_the_next_second()
        identity, headers, body = request(target)
        post(runtime, headers, body)
        until(lambda: any(map(marks.is_retiring, shop.pods())))
        _kill(runtime, part)
        assert {"acted"} == {fate for fate, _ in fates(folder, [identity])[identity]}
        until(lambda: shop.is_whole(4))
        assert not uids(siblings) & uids(shop.pods())
        assert [target["metadata"]["uid"]] == [pod["metadata"]["uid"] for pod in shop.held()]
    assert 4 + 1 + 3 == len(census.uids["web"]), "four at first, one for the pod in quarantine, three for its siblings"
    no_traceback(folder)


def _kill(runtime: Runtime, part: str) -> None:
    """Kill a part once it runs, and wait for the broker to be there again; the others are started by the next event."""
    until(lambda: part in runtime.processes())
    victim = runtime.processes()[part]
    os.kill(victim, signal.SIGKILL)
    if part == "broker":
        until(lambda: runtime.processes().get(part) not in {None, victim})


def test_the_kill_hits_work_in_progress(runtime: Runtime, shop: Shop, folder: Path) -> None:
    """A redelivered alert is known for the same: its pod stays in quarantine, and the log says so once more at most."""
    shop.enforce(QUARANTINE)
    (pod,) = shop.workload(DEPLOYMENTS, 1)
    identity, headers, body = request(pod)
    for _ in range(3):
        post(runtime, headers, body)
    until(lambda: len(list(_of_quarantine(folder))) == 3)
    assert {"acted"} == {fate for fate, _ in fates(folder, [identity])[identity]}
    assert len(shop.held()) == 1


def _of_quarantine(folder: Path) -> list[object]:
    return [
        line
        for line in ledger.lines(StateFolder(folder).logs)
        if line.get("function") == "quarantine" and "event" in line
    ]
