"""A tick's choice: which pods have lived long enough, and which of them move now. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from molt import guard, marks
from molt.workload import controller, is_terminating
from rotate import departure, restart, undo
from rotate.fleet import FINISHED
from rotate.lifetime import lifetime
from rotate.siblings import born

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from molt.policy import RotationPolicy
    from rotate.budgets import Budgets
    from rotate.fleet import Fleet

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """One namespace as a tick found it; `fleets`, by each of their controllers' UIDs, only as far as they matter."""

    namespace: Object | None
    pods: list[Object]
    fleets: Mapping[str, Fleet] = field(default_factory=dict)
    drained: frozenset[str] = frozenset()
    """The names of nodes that somebody drains."""


@dataclass(frozen=True, slots=True)
class Move:
    """A pod to move now."""

    policy: RotationPolicy
    pod: Object
    fleet: Fleet


@dataclass(frozen=True, slots=True)
class Stay:
    """A pod that is due and stays for a reason that someone may want to know."""

    policy: RotationPolicy
    pod: Object
    reason: str


def managed(policy: RotationPolicy, pods: Iterable[Object]) -> list[Object]:
    """Return the pods whose lifetime is the policy's concern: selected, running or to run, and not on their way out."""
    return [
        pod
        for pod in pods
        if policy.selector.explain(marks.labels_of(pod)) is None
        and not (marks.is_compromised(pod) or marks.is_retiring(pod) or is_terminating(pod))
        and (pod.get("status") or {}).get("phase") not in FINISHED
    ]


def due_at(policy: RotationPolicy, pod: Object, key: bytes) -> datetime:
    """Return when the pod has lived long enough; later when it was tried and stayed."""
    at = born(pod) + max(lifetime(policy.lifetime, key, pod["metadata"]["uid"]), policy.min_age)
    rests = undo.rests_until(pod)
    return max(at, rests) if rests else at


def due(policy: RotationPolicy, pods: Iterable[Object], key: bytes, now: datetime) -> list[Object]:
    """Return the pods that have lived long enough, the most overdue first."""
    dated = [(due_at(policy, pod, key), pod["metadata"]["uid"], pod) for pod in managed(policy, pods)]
    return [pod for at, _, pod in sorted(dated, key=lambda item: item[:2]) if at <= now]


def budget(policy: RotationPolicy, pods: Iterable[Object]) -> int:
    """Return how many more pods the policy lets move now: maxMoving of those it manages, less those that are moving."""
    listed = list(pods)
    return policy.max_moving.of(len(managed(policy, listed))) - moving(policy, listed)


def moving(policy: RotationPolicy, pods: Iterable[Object]) -> int:
    """Return how many pods that the policy selects are retiring."""
    return sum(
        marks.is_retiring(pod) and not is_terminating(pod) and policy.selector.explain(marks.labels_of(pod)) is None
        for pod in pods
    )


def choose(
    policy: RotationPolicy, pods: Iterable[Object], scene: Scene, budgets: Budgets, busy: set[str], now: datetime
) -> tuple[list[Move], list[Stay]]:
    """Return which of the due pods move now, in their order, and which stay for what reason.

    At most as many as all budgets allow, from which they are taken, at most one of a fleet, none of a fleet in `busy`
    (UIDs of those with a move under way) and none while the fleet is not whole. Of a fleet's pods only the first is
    told of: the others wait their turn, or are restarted with it.
    """
    moves: list[Move] = []
    stays: list[Stay] = []
    told: set[str] = set(busy)
    untouched: dict[str, Stay] = {}
    for pod in pods:
        owner = controller(pod)
        fleet = scene.fleets.get(owner["uid"]) if owner else None
        identity = fleet.uid if fleet else pod["metadata"]["uid"]
        if identity in told:
            continue
        if policy.strategy == "Restart" and fleet and (reason := restart.untouched(fleet, pod)):
            untouched.setdefault(identity, Stay(policy, pod, reason))
            continue
        told.add(identity)
        reason = guard.first_objection(pod, scene.namespace) or _unmoved(owner, fleet, scene, now)
        if fleet is None or reason:
            stays.append(Stay(policy, pod, reason or "no controller would replace it"))
            continue
        breaking = departure.way(policy.strategy, pod, fleet).strategy == "Evict"
        reason = _restless(policy, pod, fleet, scene, now)
        if reason is None and not budgets.has_room(policy):
            continue  # its turn comes
        if reason := reason or budgets.objection(policy, pod, breaking=breaking):
            stays.append(Stay(policy, pod, reason))
            continue
        budgets.take(policy, pod, breaking=breaking)
        moves.append(Move(policy, pod, fleet))
    stays += [stay for identity, stay in untouched.items() if identity not in told]
    return moves, stays


def _unmoved(owner: Mapping[str, Any] | None, fleet: Fleet | None, scene: Scene, now: datetime) -> str | None:
    """Return why the pod's workload cannot spare it now, or None."""
    if owner is None:
        return "no controller would replace it"
    if fleet is None:
        return f"pods of {owner['kind']}/{owner['name']} are not moved"
    if fleet.refused:
        return f"{fleet} {fleet.refused}"
    return fleet.lacks(scene.pods, now) or undo.tired(fleet, scene.pods, now)


def _restless(policy: RotationPolicy, pod: Object, fleet: Fleet, scene: Scene, now: datetime) -> str | None:
    """Return why the pod of a whole fleet stays for now, or None."""
    node = pod["spec"].get("nodeName")
    if node in scene.drained:
        return f"its node {node} is cordoned: a drain would move it, and a replacement might not fit"
    if policy.strategy == "Restart":
        return restart.lack(fleet, scene.pods, policy.min_age, now)
    return None
