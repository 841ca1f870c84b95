"""A tick's choice: which pods have lived long enough, and which of them move now. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from molt import guard, marks, pause
from molt.due import Roll, managed, overdue
from molt.workload import controller, is_terminating
from rotate import departure, restart, safety, undo
from rotate.safety import Around

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from molt.lifetime import Keys
    from molt.policy import RotationPolicy
    from rotate.budgets import Budgets
    from rotate.fleet import Fleet

Object = dict[str, Any]
Due = tuple["RotationPolicy", list[tuple["datetime", Object]]]
"""A policy, and the pods that have lived long enough by it, each with since when."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One namespace as a tick found it; `fleets`, by each of their controllers' UIDs, only as far as they matter."""

    namespace: Object | None
    pods: list[Object]
    fleets: Mapping[str, Fleet] = field(default_factory=dict)
    roll: Roll = field(init=False)

    def __post_init__(self) -> None:
        """Enter the pods into the roll."""
        object.__setattr__(self, "roll", Roll(self.pods))

    def of(self, fleet: Fleet) -> list[Object]:
        """Return the pods of the fleet's controllers: all that `Fleet.lacks` and `Fleet.short` count."""
        return self.roll.owned(fleet.controllers)

    drained: frozenset[str] = frozenset()
    """The names of nodes that somebody drains."""
    around: Around = field(default_factory=Around)
    """What may select the pods of a workload that is due to be reconfigured."""


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


def due(policies: Iterable[RotationPolicy], roll: Roll, keys: Keys, now: datetime) -> list[Due]:
    """Return which pods of a namespace have lived long enough by each policy and since when, the most overdue first."""
    found = [(one, overdue(one, roll.near(one.selector), keys, now)) for one in policies]
    return sorted(found, key=lambda item: item[1][0][0] if item[1] else now)


def since(due: Iterable[Due]) -> list[datetime]:
    """Return since when the first pod of each workload has been due, by any policy, in order."""
    first: dict[str, datetime] = {}
    for _, pods in due:
        for at, pod in pods:
            owner = (controller(pod) or pod["metadata"])["uid"]
            first[owner] = min(first.get(owner, at), at)
    return sorted(first.values())


def budget(policy: RotationPolicy, pods: Iterable[Object]) -> int:
    """Return how many more pods the policy lets move now: maxMoving of those it manages, less those that are moving."""
    listed = list(pods)
    return policy.max_moving.of(len(managed(policy, listed))) - moving(policy, listed)


def moving(policy: RotationPolicy, pods: Iterable[Object]) -> int:
    """Return how many pods that the policy selects are retiring."""
    return sum(
        marks.is_retiring(pod) and not is_terminating(pod) and policy.selector.matches(marks.labels_of(pod))
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
        if policy.strategy in restart.STRATEGIES and fleet and (reason := restart.untouched(fleet, pod)):
            untouched.setdefault(identity, Stay(policy, pod, reason))
            continue
        told.add(identity)
        reason = guard.first_objection(pod, scene.namespace) or _paused(fleet, scene, now)
        reason = reason or _unmoved(owner, fleet, scene, now)
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
    pods = scene.of(fleet)
    return fleet.lacks(pods, now) or undo.tired(fleet, pods, now)


def _paused(fleet: Fleet | None, scene: Scene, now: datetime) -> str | None:
    """Return who has paused the pod's workload, or all of the namespace; None when nobody has."""
    space = scene.namespace and pause.reason(pause.of(scene.namespace), f"namespace {_name(scene.namespace)}", now)
    return space or (pause.reason(fleet.pause, str(fleet), now) if fleet else None)


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _restless(policy: RotationPolicy, pod: Object, fleet: Fleet, scene: Scene, now: datetime) -> str | None:
    """Return why the pod of a whole fleet stays for now, or None."""
    node = pod["spec"].get("nodeName")
    if node in scene.drained:
        return f"its node {node} is cordoned: a drain would move it, and a replacement might not fit"
    if policy.strategy not in restart.STRATEGIES:
        return None
    reason = restart.lack(fleet, scene.of(fleet), policy.min_age, now)
    return reason or (safety.obstacle(policy, fleet, scene.around) if policy.dimensions else None)
