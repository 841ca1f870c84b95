"""What release does, for the suite of least privilege."""

from __future__ import annotations

from typing import Any

from molt import marks
from molt.cluster import PODS
from molt.cluster.resources import FENCES, LEDGERS
from molt.itinerary import Step
from molt.outcome import Done, SystemClock
from molt.workload import is_terminating
from quarantine.handler import handler
from release.handler import handle
from tests.functions.rotate.test_on_clusters import TICK, LaterClock
from tests.functions.slips import event_of, slip_for
from tests.real.rights import Account
from tests.real.scenarios import Play, Stage


def ends(then: str) -> Play:
    """Return the scenario in which the time of a pod in quarantine is over."""

    def play(stage: Stage, account: Account) -> None:
        pod = stage.pods("web")[0]
        step = Step("quarantine", {"retention": {"after": "1s", "then": then}})
        slip = slip_for(pod, step, limits={"perWorkload": 3}, alert={"id": pod["metadata"]["uid"]})
        assert isinstance(handler()(event_of(slip), stage.admin, SystemClock()), Done)
        stage.here.until(lambda: stage.pods("web"), lambda pods: len(pods) == 3)
        assert isinstance(handle(TICK, account, LaterClock()), Done)
        assert all(map(is_terminating, _held(stage)))
        if then == "Release":
            lists = [*stage.admin.list(FENCES), *stage.admin.list(LEDGERS)]
            assert not any(pod["metadata"]["uid"] in each["spec"].get("pods", {}) for each in lists)

    return play


def _held(stage: Stage) -> list[dict[str, Any]]:
    return stage.admin.list(PODS, stage.here.namespace, labels=f"{marks.COMPROMISED}={marks.TRUE}")


PLAYS: dict[str, dict[str, Play]] = {
    "release": {"a pod that is let out": ends("Release"), "a pod that is ended": ends("Terminate")}
}
