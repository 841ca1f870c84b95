"""How many pods of one namespace may move at once, by all of its policies together. Pure.

A pod that several policies select counts in the budget of each, and moves only if all of them let it: the strictest
holds. A policy in mode DryRun holds back nobody else, and its rehearsals count for itself alone.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.due import managed
from molt.workload import is_ready
from rotate import plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from molt.due import Roll
    from molt.policy import RotationPolicy
    from molt.policy.amount import Amount

Object = dict[str, Any]

DRY_RUN = "DryRun"


class Budgets:
    """What each of a namespace's policies still allows; moves take from it as they are chosen."""

    def __init__(
        self, policies: Iterable[RotationPolicy], roll: Roll, restarting: Iterable[Mapping[str, str]] = ()
    ) -> None:
        """Count the pods that are moving; `restarting` are the labels of the pods of each workload that rolls out."""
        self._room: dict[str, int] = {}
        self._spare: dict[str, int] = {}
        self._selecting: dict[str, list[RotationPolicy]] = defaultdict(list)
        rolling = list(restarting)
        for policy in policies:
            pods = [pod for pod in roll.near(policy.selector) if policy.selector.matches(marks.labels_of(pod))]
            self._room[policy.name] = plan.budget(policy, pods) - sum(map(policy.selector.matches, rolling))
            self._spare[policy.name] = _spare(policy, pods)
            for pod in pods:
                self._selecting[pod["metadata"]["uid"]].append(policy)

    def has_room(self, policy: RotationPolicy) -> bool:
        """Tell whether the policy itself lets one more pod move."""
        return self._room[policy.name] > 0

    def objection(self, policy: RotationPolicy | None, pod: Object, *, breaking: bool) -> str | None:
        """Return which policy holds the pod back, and why, or None; `breaking`: it goes before it is replaced.

        `policy` is the one on whose account it would move; None: on an alert's.
        """
        for one in self._concerned(policy, pod):
            if self._room[one.name] <= 0:
                too = ", which selects it too," if policy else ""
                return f"policy {one.name}{too} has its maxMoving on the move"
            if one.min_ready and self._spare[one.name] < breaking:
                return f"policy {one.name} wants {one.min_ready.render()} of its pods Ready"
        return None

    def take(self, policy: RotationPolicy | None, pod: Object, *, breaking: bool) -> None:
        """Count a move on the policy's account, None: on an alert's."""
        for one in [policy] if policy and policy.mode == DRY_RUN else self._concerned(policy, pod):
            self._room[one.name] -= 1
            self._spare[one.name] -= breaking

    def _concerned(self, policy: RotationPolicy | None, pod: Object) -> list[RotationPolicy]:
        """Return the policy, if there is one, and the others in force that select the pod."""
        found = [one for one in self._selecting[pod["metadata"]["uid"]] if one.mode != DRY_RUN]
        return [policy, *(one for one in found if one.name != policy.name)] if policy else found


def _spare(policy: RotationPolicy, pods: Sequence[Object]) -> int:
    """Return how many more of the policy's pods serve, a retiring one too, than must."""
    least = policy.min_ready
    return sum(map(is_ready, pods)) - _count(least, len(managed(policy, pods))) if least else 0


def _count(least: Amount, pods: int) -> int:
    """Return how many must be Ready; a percentage is rounded up."""
    return -(-pods * least.value // 100) if least.percent else least.value
