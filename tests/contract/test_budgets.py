"""The corners of a disruption budget: fresh, of unhealthy pods, of pods that are done, of pods that nobody owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.api import STRATEGIC
from tests.contract.space import as_now, budget, is_ready, pod, until, workload

if TYPE_CHECKING:
    from testbed.api import Answer
    from tests.contract.space import Object, Space


def _cause(answer: Answer) -> str:
    [cause] = answer.body["details"]["causes"]
    assert (429, "DisruptionBudget") == (answer.status, cause["reason"])
    return as_now(cause["message"])


def _status(space: Space, name: str) -> Object:
    status: Object = space.get("poddisruptionbudgets", name).get("status", {})
    return status


def _unready(space: Space, name: str) -> None:
    """Make a running pod unready, as a kubelet does whose probe fails."""
    patch = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    space.api.patch(space.path("pods", name, "status"), patch, STRATEGIC).object()
    assert not is_ready(space.get("pods", name))


def test_unready_pod_under_a_spent_budget(space: Space) -> None:
    """With fewer healthy pods than the budget wants, nobody is evicted, not even the unhealthy one."""
    space.create("deployments", workload("web", 2)).object()
    sick, well = (each["metadata"]["name"] for each in space.ready_pods("app=web", 2))
    space.create("poddisruptionbudgets", budget("web", minAvailable=2)).object()
    until(lambda: _status(space, "web").get("currentHealthy") == 2, "the budget counts both")
    _unready(space, sick)
    until(lambda: _status(space, "web")["currentHealthy"] == 1, "the budget sees the unhealthy pod")
    for name in (sick, well):
        assert "The disruption budget web needs 2 healthy pods and has 1 currently" == _cause(space.evict(name))


def test_unready_pod_under_a_healthy_budget(space: Space) -> None:
    """An unhealthy pod may go as soon as enough others are healthy, and costs the budget nothing."""
    space.create("deployments", workload("web", 2)).object()
    sick = space.ready_pods("app=web", 2)[0]["metadata"]["name"]
    space.create("poddisruptionbudgets", budget("web", minAvailable=1)).object()
    until(lambda: _status(space, "web").get("currentHealthy") == 2, "the budget counts both")
    _unready(space, sick)
    until(lambda: _status(space, "web")["currentHealthy"] == 1, "the budget sees the unhealthy pod")
    assert 0 == _status(space, "web")["disruptionsAllowed"]
    assert 201 == space.evict(sick).status


def test_done_pod(space: Space) -> None:
    """A pod that has succeeded is evicted whatever the budget says."""
    body = pod("done", app="done")
    body["spec"]["restartPolicy"] = "Never"
    space.create("pods", body).object()
    space.ready_pods("app=done", 1)
    space.create("poddisruptionbudgets", budget("done", minAvailable=1)).object()
    space.api.patch(space.path("pods", "done", "status"), {"status": {"phase": "Succeeded"}}).object()
    assert 201 == space.evict("done").status


def test_pod_that_nobody_owns(space: Space) -> None:
    """MaxUnavailable cannot be counted for pods without a controller, so that budget lets none of them go."""
    space.create("pods", pod("bare", app="bare")).object()
    space.ready_pods("app=bare", 1)
    space.create("poddisruptionbudgets", budget("bare", maxUnavailable=1)).object()
    until(lambda: _status(space, "bare").get("conditions"), "the budget was looked at")
    assert 0 == _status(space, "bare")["disruptionsAllowed"]
    assert "The disruption budget bare does not allow evicting pods currently" == _cause(space.evict("bare"))


def test_condition_says_whether_pods_may_go(space: Space) -> None:
    """The budget's condition follows what it allows."""
    space.create("deployments", workload("web", 2)).object()
    space.ready_pods("app=web", 2)
    space.create("poddisruptionbudgets", budget("web", minAvailable=1)).object()

    def condition() -> tuple[str, str]:
        held = {each["type"]: each for each in _status(space, "web").get("conditions") or ()}
        said = held.get("DisruptionAllowed", {})
        return said.get("status", ""), said.get("reason", "")

    until(lambda: condition() == ("True", "SufficientPods"), "pods may go")
    space.api.patch(space.path("poddisruptionbudgets", "web"), {"spec": {"minAvailable": 2}}).object()
    until(lambda: condition() == ("False", "InsufficientPods"), "no pod may go")
