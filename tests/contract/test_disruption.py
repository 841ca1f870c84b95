"""Evictions under a PodDisruptionBudget, and the release of a pod by its labels: what every move of molt rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.space import budget, pod, service, until, workload

if TYPE_CHECKING:
    from tests.contract.space import Object, Space

VIOLATED = "Cannot evict pod as it would violate the pod's disruption budget."


def guarded(space: Space, **limit: int | str) -> list[Object]:
    """Start three pods `app: web` under a budget, wait until it counts them, and return them."""
    space.create("deployments", workload("web")).object()
    space.create("poddisruptionbudgets", budget("web", **limit)).object()
    pods = space.ready_pods("app=web", 3)
    until(lambda: _status(space).get("currentHealthy") == 3, "the budget counts three healthy pods")
    return pods


def _status(space: Space) -> Object:
    status: Object = space.get("poddisruptionbudgets", "web").get("status", {})
    return status


def test_budget_blocks(space: Space) -> None:
    """An eviction that a budget forbids is answered 429 with the cause, also in a dry run, and the pod stays."""
    one = guarded(space, minAvailable=3)[0]
    name = one["metadata"]["name"]
    for answer in (space.evict(name), space.evict(name, dryRun="All")):
        assert (429, "TooManyRequests", VIOLATED) == (answer.status, answer.reason, answer.message)
        text = "The disruption budget web needs 3 healthy pods and has 3 currently"
        assert [{"reason": "DisruptionBudget", "message": text}] == answer.body["details"]["causes"]
    assert one["metadata"]["uid"] == space.get("pods", name)["metadata"]["uid"]


@pytest.mark.parametrize("limit", [{"minAvailable": 2}, {"maxUnavailable": 1}, {"maxUnavailable": "20%"}])
def test_budget_allows_one(space: Space, limit: dict[str, int | str]) -> None:
    """A budget of one lets one pod go (percentages round up); its status says what is left, and a replacement comes."""
    first = guarded(space, **limit)[0]["metadata"]
    until(lambda: _status(space)["disruptionsAllowed"] == 1, "one disruption is allowed")
    assert (2, 3) == (_status(space)["desiredHealthy"], _status(space)["expectedPods"])
    assert 201 == space.evict(first["name"], uid=first["uid"]).status
    until(lambda: _status(space)["disruptionsAllowed"] == 1, "the replacement is counted")
    assert first["uid"] not in {each["metadata"]["uid"] for each in space.ready_pods("app=web", 3)}


def test_budget_is_spent_at_once(space: Space) -> None:
    """Two evictions in a row under a budget of one: the second is refused before any controller looked."""
    for name in ("one", "two", "three"):  # nobody's pods, so that no replacement gives the budget back
        space.create("pods", pod(name, app="web")).object()
    space.create("poddisruptionbudgets", budget("web", minAvailable=2)).object()
    space.ready_pods("app=web", 3)
    until(lambda: _status(space).get("disruptionsAllowed") == 1, "one disruption is allowed")
    assert [201, 429] == [space.evict(name).status for name in ("one", "two")]


def test_percentage_budget(space: Space) -> None:
    """MinAvailable in percent rounds up: 50 % of three pods is two."""
    guarded(space, minAvailable="50%")
    assert (2, 1) == (_status(space)["desiredHealthy"], _status(space)["disruptionsAllowed"])


def test_eviction_of_what_is_not_there(space: Space) -> None:
    """Evicting a pod that is gone is NotFound; another pod of its name is a conflict; neither harms anyone."""
    gone = space.evict("none")
    assert (404, "NotFound", 'pods "none" not found') == (gone.status, gone.reason, gone.message)
    space.create("pods", pod("one", app="one")).object()
    uid = space.ready_pods("app=one", 1)[0]["metadata"]["uid"]
    other = space.evict("one", uid="other")
    assert (409, "Conflict") == (other.status, other.reason)
    assert (
        'Operation cannot be fulfilled on Pod "one": the UID in the precondition (other) does not match the UID in '
        f"record ({uid}). The object might have been deleted and then recreated" == other.message
    )
    assert 201 == space.evict("one", uid=uid, dryRun="All").status
    assert uid == space.get("pods", "one")["metadata"]["uid"]


def test_eviction_without_a_budget(space: Space) -> None:
    """A pod that no budget guards is evicted, and answered with a Status."""
    space.create("pods", pod("one", app="one")).object()
    space.ready_pods("app=one", 1)
    answer = space.evict("one")
    assert (201, "Success") == (answer.status, answer.body["status"])
    until(lambda: space.names("pods") == [], "the pod is gone")


def test_two_budgets(space: Space) -> None:
    """A pod under two budgets cannot be evicted at all: the server answers 500."""
    one = guarded(space, minAvailable=1)[0]
    space.create("poddisruptionbudgets", {**budget("web", maxUnavailable=1), "metadata": {"name": "web-too"}}).object()
    answer = space.evict(one["metadata"]["name"])
    text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    assert (500, text) == (answer.status, answer.message)


def test_release_and_replacement(space: Space) -> None:
    """Without pod-template-hash a pod is released, keeps running and serving, and a new one takes its place."""
    space.create("deployments", workload("web")).object()
    space.create("services", service("web")).object()
    pods = space.ready_pods("app=web", 3)
    old = pods[0]["metadata"]
    assert {"ReplicaSet"} == {owner["kind"] for owner in old["ownerReferences"]}
    space.api.patch(
        space.path("pods", old["name"]), {"metadata": {"uid": old["uid"], "labels": {"pod-template-hash": None}}}
    ).object()
    both = space.ready_pods("app=web", 4)
    until(lambda: not space.get("pods", old["name"])["metadata"].get("ownerReferences"), "the pod is released")
    assert {each["metadata"]["uid"] for each in pods} < {each["metadata"]["uid"] for each in both}
    names = {each["metadata"]["name"] for each in both}
    until(lambda: space.endpoints("web") == names, "the Service leads to old and new")
    space.api.delete(space.path("pods", old["name"])).object()
    until(lambda: space.endpoints("web") == names - {old["name"]}, "the old pod has left the Service")


def test_quarantine_by_labels(space: Space) -> None:
    """Without any of its labels a pod leaves its Service and its ReplicaSet, and keeps running."""
    space.create("deployments", workload("web", 1)).object()
    space.create("services", service("web")).object()
    old = space.ready_pods("app=web", 1)[0]["metadata"]
    until(lambda: space.endpoints("web") == {old["name"]}, "the Service leads to the pod")
    labels = dict.fromkeys(old["labels"]) | {"molt-project.io/compromised": "true"}
    space.api.patch(space.path("pods", old["name"]), {"metadata": {"uid": old["uid"], "labels": labels}}).object()
    new = space.ready_pods("app=web", 1)[0]["metadata"]
    assert old["uid"] != new["uid"]
    until(lambda: space.endpoints("web") == {new["name"]}, "the Service leads to the replacement only")
    kept = space.ready_pods("molt-project.io/compromised=true", 1)[0]["metadata"]
    assert (old["uid"], None) == (kept["uid"], kept.get("ownerReferences"))


def test_adoption(space: Space) -> None:
    """A pod that gets its labels back is adopted again, and one pod too many is deleted."""
    space.create("deployments", workload("web", 1)).object()
    old = space.ready_pods("app=web", 1)[0]["metadata"]
    path = space.path("pods", old["name"])
    space.api.patch(path, {"metadata": {"labels": {"pod-template-hash": None}}}).object()
    space.ready_pods("app=web", 2)
    until(lambda: not space.get("pods", old["name"])["metadata"].get("ownerReferences"), "the pod is released")
    back = {"pod-template-hash": old["labels"]["pod-template-hash"]}
    space.api.patch(path, {"metadata": {"labels": back}}).object()
    assert "ReplicaSet" == space.ready_pods("app=web", 1)[0]["metadata"]["ownerReferences"][0]["kind"]
