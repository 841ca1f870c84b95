"""kill -9 of any part in the middle: nothing that was taken is lost, and nothing is done twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from molt import marks
from molt.cluster.resources import PODS
from molt.embedded.runtime import ledger
from molt.embedded.runtime.runtime import Runtime
from molt.embedded.runtime.state import StateFolder
from tests.end_to_end.shop import NAMESPACE, open_shop, request, until
from tests.end_to_end.test_accounting import fates, no_traceback, post

ALERTS = 200


@pytest.mark.slow
@pytest.mark.parametrize("part", ["broker", "molt/detect-router", "molt/quarantine"])
def test_two_hundred_alerts_and_a_kill(runtime: Runtime, folder: Path, part: str) -> None:
    """After kill -9 in the middle all 200 alerts have their end, and each pod is held once, for its own alert."""
    pods = open_shop(runtime.admin, ALERTS, [{"quarantine": {}}])
    expected = {}
    for number, pod in enumerate(pods):
        identity, headers, body = request(pod)
        post(runtime, headers, body)
        expected[identity] = pod["metadata"]["uid"]
        if number == ALERTS // 2:
            _kill(runtime, part)
    ends = fates(folder, list(expected))
    assert set(expected) == set(ends)
    assert {"acted"} == {fate for found in ends.values() for fate, _ in found}
    held = runtime.admin.list(PODS, NAMESPACE, labels=f"{marks.COMPROMISED}=true")
    assert expected == {marks.annotations_of(pod)[marks.ALERT]: pod["metadata"]["uid"] for pod in held}
    no_traceback(folder)


def _kill(runtime: Runtime, part: str) -> None:
    """Kill a part once it runs, and wait for the broker to be there again; the others are started by the next event."""
    until(lambda: part in runtime.processes())
    victim = runtime.processes()[part]
    os.kill(victim, signal.SIGKILL)
    if part == "broker":
        until(lambda: runtime.processes().get(part) not in {None, victim})


def test_the_kill_hits_work_in_progress(runtime: Runtime, folder: Path) -> None:
    """A redelivered alert is known for the same: its pod stays in quarantine, and the log says so once more at most."""
    (pod,) = open_shop(runtime.admin, 1, [{"quarantine": {}}])
    identity, headers, body = request(pod)
    for _ in range(3):
        post(runtime, headers, body)
    until(lambda: len(list(_of_quarantine(folder))) == 3)
    assert {"acted"} == {fate for fate, _ in fates(folder, [identity])[identity]}
    assert len(runtime.admin.list(PODS, NAMESPACE, labels=f"{marks.COMPROMISED}=true")) == 1


def _of_quarantine(folder: Path) -> list[object]:
    return [
        line
        for line in ledger.lines(StateFolder(folder).logs)
        if line.get("function") == "quarantine" and "event" in line
    ]
