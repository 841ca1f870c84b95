"""What evidence does for a living on a real API server; what it was refused is missing in the bundle, which says so."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from evidence.handler import handler
from molt.cluster import JOBS, PODS
from molt.evidence.bundle import unpack
from molt.itinerary import Step
from molt.outcome import Done, SystemClock
from tests.contract.space import until
from tests.functions.evidence.world import ACCOUNT, Memory, step
from tests.functions.slips import event_of, slip_for
from tests.real.scenarios import KINDS

if TYPE_CHECKING:
    from tests.real.rights import Account
    from tests.real.scenarios import Play, Stage

_NUMBERS = itertools.count()


def _keeps(account: Account, pod: dict[str, Any], wanted: Step) -> None:
    """Keep a bundle in which nothing but what kwok has not is missing: logs."""
    store = Memory()
    slip = slip_for(pod, wanted, alert={"id": f"alert-{next(_NUMBERS)}"})
    assert isinstance(handler(store, ACCOUNT)(event_of(slip), account, SystemClock()), Done)
    (data,) = (data for key, data in store.files.items() if key.startswith("bundles/"))
    missing = {one.what: one.why for one in unpack(data).missing}
    assert {f"logs/{each['name']}.log" for each in pod["spec"]["containers"]} == set(missing), missing
    assert all("connection refused" in why for why in missing.values()), missing


def of_a_pod(name: str) -> Play:
    """Return the scenario for a workload's pod."""

    def play(stage: Stage, account: Account) -> None:
        _keeps(account, stage.pods(name)[0], step())

    return play


def of_a_jobs_pod(stage: Stage, account: Account) -> None:
    """Keep evidence of a Job's pod, which is Running until somebody ends it."""
    space, name = stage.here.namespace, f"job-{next(_NUMBERS)}"
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "job:1"}]}}
    stage.admin.create(JOBS, {"metadata": {"name": name}, "spec": {"template": template}}, space)
    try:
        pod = until(lambda: _running(stage, name), f"a pod of {name} runs")
        _keeps(account, pod, step())
    finally:
        stage.admin.delete(JOBS, name, space)


def _running(stage: Stage, job: str) -> dict[str, Any] | None:
    pods = stage.admin.list(PODS, stage.here.namespace, labels=f"job-name={job}")
    return next((pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"), None)


PLAYS: dict[str, dict[str, Play]] = {
    "evidence": {
        **{f"of a pod of a {kind}": of_a_pod(name) for name, kind in KINDS.items()},
        "of a Job's pod": of_a_jobs_pod,
    }
}
