"""How many pods of one namespace may move at once, by all of its policies together. Pure.

A pod that several policies select counts in the budget of each, and moves only if all of them let it: the strictest
holds. A policy in mode DryRun holds back nobody else, and its rehearsals count for itself alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks
from molt.workload import is_ready
from rotate import plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from molt.policy import RotationPolicy

Object = dict[str, Any]

DRY_RUN = "DryRun"


class Budgets:
    """What each of a namespace's policies still allows; moves take from it as they are chosen."""

    def __init__(
        self, policies: Iterable[RotationPolicy], pods: Sequence[Object], restarting: Iterable[Mapping[str, str]] = ()
    ) -> None:
        """Count the pods that are moving; `restarting` are the labels of the pods of each workload that rolls out."""
        self._policies = list(policies)
        rolling = list(restarting)
        self._room = {
            policy.name: plan.budget(policy, pods) - sum(_selects(policy, labels) for labels in rolling)
            for policy in self._policies
        }
        self._spare = {policy.name: _ready(policy, pods) - _least(policy, pods) for policy in self._policies}

    def has_room(self, policy: RotationPolicy) -> bool:
        """Tell whether the policy itself lets one more pod move."""
        return self._room[policy.name] > 0

    def objection(self, policy: RotationPolicy, pod: Object, *, breaking: bool) -> str | None:
        """Return which policy holds the pod back, and why, or None; `breaking`: it goes before it is replaced."""
        for one in self._concerned(policy, pod):
            if self._room[one.name] <= 0:
                return f"policy {one.name}, which selects it too, has its maxMoving on the move"
            if one.min_ready and self._spare[one.name] < breaking:
                return f"policy {one.name} wants {one.min_ready.render()} of its pods Ready"
        return None

    def take(self, policy: RotationPolicy, pod: Object, *, breaking: bool) -> None:
        """Count a move."""
        for one in self._concerned(policy, pod) if policy.mode != DRY_RUN else [policy]:
            self._room[one.name] -= 1
            self._spare[one.name] -= breaking

    def _concerned(self, policy: RotationPolicy, pod: Object) -> list[RotationPolicy]:
        """Return the policy, and the others in force that select the pod."""
        labels = marks.labels_of(pod)
        others = (one for one in self._policies if one.name != policy.name and one.mode != DRY_RUN)
        return [policy, *(one for one in others if _selects(one, labels))]


def _selects(policy: RotationPolicy, labels: Mapping[str, str]) -> bool:
    return policy.selector.explain(labels) is None


def _ready(policy: RotationPolicy, pods: Iterable[Object]) -> int:
    """Return how many pods that the policy selects serve, a retiring one too."""
    return sum(_selects(policy, marks.labels_of(pod)) and is_ready(pod) for pod in pods)


def _least(policy: RotationPolicy, pods: Iterable[Object]) -> int:
    """Return how many must be Ready; a percentage is of those managed, rounded up."""
    least = policy.min_ready
    if least is None:
        return 0
    return -(-len(plan.managed(policy, pods)) * least.value // 100) if least.percent else least.value
