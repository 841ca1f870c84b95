"""Which pod goes when a release leaves its ReplicaSet one too many: pure.

A ReplicaSet ends, of pods that are Ready, the one with the lowest deletion cost first. Pods that are not Ready go
before all others; that no annotation changes. Beside the mark stands for which release it was made, and the cost
that the pod had before.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from molt import marks
from molt.policy.selector import Requirement, Selector
from molt.whereabouts import NAME
from molt.workload import TEMPLATE_HASH, controller, is_terminating

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RELEASED: Final = "Released"
REPLACEMENT: Final = "Replacement"
COST: Final = "controller.kubernetes.io/pod-deletion-cost"
CHEAPEST: Final = str(-(2**31))
"""The lowest cost there is."""


def is_ranked(workload: str | None) -> bool:
    """Tell whether the workload (`Kind/name`) has a ReplicaSet, which ends pods by their cost."""
    return workload is not None and workload.startswith(("Deployment/", "ReplicaSet/"))


def replica_set(workload: str, labels: Mapping[str, str]) -> str | None:
    """Return the name of the ReplicaSet of a ranked workload that takes a pod of these labels; None: there is none.

    A Deployment names them after its pods' `pod-template-hash`, and each selects only pods that have it.
    """
    kind, _, name = workload.partition("/")
    if kind == "Deployment":
        name = f"{name}-{labels.get(TEMPLATE_HASH, '')}"
    return name if NAME.fullmatch(name) else None


def selector(replica_set: Mapping[str, Any]) -> str:
    """Return the labelSelector of the pods that the ReplicaSet owns, or is about to take."""
    raw = replica_set["spec"]["selector"]
    wanted = [Requirement(key, "In", (value,)) for key, value in (raw.get("matchLabels") or {}).items()]
    wanted += [
        Requirement(item["key"], item["operator"], tuple(item.get("values") or ()))
        for item in raw.get("matchExpressions") or ()
    ]
    return Selector(tuple(wanted)).query()


def siblings(pods: Iterable[dict[str, Any]], replica_set: Mapping[str, Any], released: str) -> list[dict[str, Any]]:
    """Return those of the selected pods that the ReplicaSet counts, but for the one of the UID `released`.

    Also those that nobody owns: one that was just released is taken back in a moment.
    """
    own = (None, replica_set["metadata"]["uid"])
    return [
        pod
        for pod in pods
        if pod["metadata"]["uid"] != released and (controller(pod) or {}).get("uid") in own and not _is_over(pod)
    ]


def to_mark(pods: Iterable[dict[str, Any]], wanted: int) -> dict[str, Any] | None:
    """Return which of these siblings to mark when one more pod is to stay with them, of `wanted`; None: no more.

    The youngest of those that are not marked, which go anyway: each surplus pod needs a mark of its own, and one alone.
    """
    unmarked = [pod for pod in pods if not _is_marked(pod)]
    return max(unmarked, key=_age, default=None) if len(unmarked) >= wanted else None


def mark(pod: Mapping[str, Any], released: str) -> dict[str, str | None]:
    """Return the annotations by which the pod goes first; the cost that it had is kept beside."""
    notes = marks.annotations_of(pod)
    own = notes.get(marks.OWN_COST if marks.SURPLUS_FOR in notes else COST)
    return {COST: CHEAPEST, marks.SURPLUS_FOR: released, marks.OWN_COST: own}


def unmark(pod: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the annotations by which the pod costs what it did before any mark; none when it has no mark."""
    notes = marks.annotations_of(pod)
    if marks.SURPLUS_FOR not in notes:
        return {}
    own = notes.get(marks.OWN_COST, "")
    return {COST: own if _is_cost(own) else None, marks.SURPLUS_FOR: None, marks.OWN_COST: None}


def _is_marked(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod goes first, on a release's account."""
    notes = marks.annotations_of(pod)
    return marks.SURPLUS_FOR in notes and notes.get(COST) == CHEAPEST


def _is_cost(text: str) -> bool:
    """Tell whether the API takes the text as a cost: whoever may change the pod may have written it."""
    return bool(re.fullmatch(r"0|-?[1-9]\d{0,9}", text, re.ASCII)) and -(2**31) <= int(text) < 2**31


def _is_over(pod: Mapping[str, Any]) -> bool:
    """Tell whether no controller counts the pod any more."""
    return is_terminating(pod) or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _age(pod: Mapping[str, Any]) -> tuple[str, str]:
    metadata = pod["metadata"]
    return str(metadata.get("creationTimestamp")), metadata["name"]
