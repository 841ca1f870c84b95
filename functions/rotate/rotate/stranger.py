"""Workloads of kinds that molt does not know: their pods are evicted, one at a time, if a disruption budget is theirs.

Nothing tells molt how many pods such a workload should have, whether it makes a new one, or whether its pods run to an
end of their own. Who has given it a PodDisruptionBudget has said that its pods may be evicted, and the API server's
disruption controller, which asks any kind for its scale, counts in the budget's status how many there should be. Make
before break is impossible: how the workload tells its pods is not known either. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks
from molt.due import FINISHED
from molt.policy.selector import Selector
from molt.workload import controller, is_terminating
from rotate.fleet import KINDS, UNMOVED, Fleet, selector_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Object = dict[str, Any]


def owns(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod's controller is of a kind that molt does not know."""
    owner = controller(pod)
    return owner is not None and owner["kind"] not in (*KINDS, *UNMOVED)


def fleets(pods: Iterable[Object], budgets: Iterable[Object]) -> list[Fleet]:
    """Return a namespace's fleets of unknown kinds; `budgets` are its PodDisruptionBudgets."""
    listed, known = list(pods), list(budgets)
    owners = {owner["uid"]: owner for pod in listed if owns(pod) and (owner := controller(pod))}
    return [
        _fleet(owner, [pod for pod in listed if (controller(pod) or {}).get("uid") == uid], known)
        for uid, owner in owners.items()
    ]


def _fleet(owner: Mapping[str, Any], pods: list[Object], budgets: list[Object]) -> Fleet:
    lasting = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in FINISHED]
    own = [one for one in budgets if any(_guards(one, pod) for pod in lasting)]
    expected = [int((one.get("status") or {}).get("expectedPods") or 0) for one in own]
    return Fleet(
        namespace=pods[0]["metadata"]["namespace"],
        kind=owner["kind"],
        name=owner["name"],
        uid=owner["uid"],
        desired=max([*expected, sum(not is_terminating(pod) for pod in lasting)]),
        controllers=frozenset({owner["uid"]}),
        selector=selector_of(own[0]) if own else Selector(),
        unsettled="has a disruption budget that counts an earlier state" if any(map(_is_behind, own)) else None,
        refused=_refusal(lasting, own),
        api_version=owner.get("apiVersion", ""),
    )


def _refusal(pods: list[Object], budgets: list[Object]) -> str | None:
    if any(pod["spec"].get("restartPolicy", "Always") != "Always" for pod in pods):
        return "runs its pods to an end of their own"
    return None if budgets else "is of a kind that molt does not know, and no disruption budget is for its pods"


def _guards(budget: Object, pod: Object) -> bool:
    """Tell whether the budget selects the pod; an empty selector selects every pod, and none selects none."""
    return budget["spec"].get("selector") is not None and selector_of(budget).explain(marks.labels_of(pod)) is None


def _is_behind(budget: Object) -> bool:
    observed = int((budget.get("status") or {}).get("observedGeneration") or 0)
    return observed < int(budget["metadata"].get("generation", 0))
