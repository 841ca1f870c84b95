"""The choice of a step whose scope is a node or a namespace: which pods are to move, and which of them now. Pure.

Of each workload one pod moves at a time, and only while it is whole; but pods of many workloads move at once, as far as
the RotationPolicies in force let them. Who is not Ready goes whatever these say: it serves nobody, and an attacker in
it must not hold up the others by having its probe fail.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from molt import guard, marks
from molt.due import FINISHED, stays_since
from molt.lifetime import LONG_AGO
from molt.workload import controller, is_ready, is_terminating
from rotate import departure, replace, restart, siblings
from rotate.fleet import UNMOVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from rotate.budgets import Budgets
    from rotate.fleet import Fleet
    from rotate.plan import Scene

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Area:
    """A node or a namespace, and since when its pods must have been there to be moved."""

    scope: str
    name: str
    before: datetime

    def __str__(self) -> str:
        """Return e.g. `node node-1`."""
        return f"{self.scope.lower()} {self.name}"

    def holds(self, pod: Object) -> bool:
        """Tell whether the pod is here."""
        here = pod["spec"].get("nodeName") if self.scope == "Node" else pod["metadata"]["namespace"]
        return bool(here == self.name)

    def asks(self, pod: Object) -> bool:
        """Tell whether the pod is to move: a workload keeps it, it runs, is from before, and was not tried since."""
        owner = controller(pod)
        marked = marks.is_retiring(pod) or marks.is_compromised(pod) or guard.static_pod(pod)
        finished = (pod.get("status") or {}).get("phase") in FINISHED
        if not self.holds(pod) or owner is None or owner["kind"] in UNMOVED:
            return False
        return not (marked or finished or is_terminating(pod)) and siblings.is_from_before(pod, self.before)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who moves now; how many are to move, these too; and why others wait, or stay for good, a line a workload."""

    moves: list[tuple[Object, Fleet]] = field(default_factory=list)
    left: int = 0
    waits: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chooser:
    """What a choice is made by: a step's area and strategy, and a namespace as it is now."""

    area: Area
    strategy: str
    scene: Scene
    budgets: Budgets
    now: datetime

    def choose(self, pods: Iterable[Object], room: int, broken: Mapping[str, str]) -> Choice:
        """Return who of the pods that are asked to move does so now: at most `room`, and one of a workload.

        `broken` says by their UIDs which workloads cannot be whole, and why.
        """
        found = Choice()
        retiring = {replace.owner_of(pod) for pod in self.scene.pods if siblings.leaves(pod)}
        left = 0
        for fleet, own in self._by_fleet(pods, found.stays):
            if reason := fleet.refused or broken.get(fleet.uid) or self._bound(fleet) or self._undone(fleet):
                found.stays.append(f"{fleet} in {fleet.namespace} {reason}")
                continue
            left += len(own)
            reason = self._lack(fleet, own[0], under_way=not fleet.controllers.isdisjoint(retiring))
            if reason:
                found.waits.append(f"in {fleet.namespace}: {reason}")
            elif len(found.moves) < room:
                self._take(fleet, own[0])
                found.moves.append((own[0], fleet))
            else:
                found.waits.append(f"in {fleet.namespace}: the turn of {fleet} comes")
        return Choice(found.moves, left, found.waits, found.stays)

    def _bound(self, fleet: Fleet) -> str | None:
        """Return that the fleet's pods cannot leave their node, or None; a drain ignores them, too."""
        leaves = self.area.scope == "Node" and self.strategy == "Relocate"
        return "keeps a pod on every node: none can go to another" if leaves and fleet.kind == "DaemonSet" else None

    def _undone(self, fleet: Fleet) -> str | None:
        """Return that a move was undone since the alert, or None: another pod of the fleet would fare no better."""
        tried = any((stays_since(pod) or LONG_AGO) >= self.area.before for pod in self.scene.of(fleet))
        return "has a replacement that did not become Ready" if tried else None

    def _by_fleet(self, pods: Iterable[Object], stays: list[str]) -> list[tuple[Fleet, list[Object]]]:
        """Return the pods by their fleets: first who is not Ready, then the oldest; the fleets in the same order."""
        owned: dict[str, list[Object]] = defaultdict(list)
        fleets: dict[str, Fleet] = {}
        for pod in sorted(pods, key=lambda pod: (is_ready(pod), siblings.rank(pod))):
            owner = controller(pod)
            fleet = self.scene.fleets.get(owner["uid"]) if owner else None
            if fleet is None:
                metadata = pod["metadata"]
                stays.append(f"pod {metadata['name']} in {metadata['namespace']}: its workload is not there")
                continue
            fleets[fleet.uid] = fleet
            owned[fleet.uid].append(pod)
        return [(fleets[uid], own) for uid, own in owned.items()]

    def _lack(self, fleet: Fleet, pod: Object, *, under_way: bool) -> str | None:
        """Return why the pod, the first of its fleet, does not move now, or None."""
        if not is_ready(pod):
            return fleet.restless()
        if under_way:
            return f"{fleet} has a move under way"
        lack = fleet.lacks(self.scene.of(fleet), self.now)
        return lack or self.budgets.objection(None, pod, breaking=self._breaks(pod, fleet))

    def _take(self, fleet: Fleet, pod: Object) -> None:
        if is_ready(pod):
            self.budgets.take(None, pod, breaking=self._breaks(pod, fleet))

    def _breaks(self, pod: Object, fleet: Fleet) -> bool:
        return departure.way(self.strategy, pod, fleet).strategy == "Evict"


def restarting(fleets: Iterable[Fleet]) -> list[Mapping[str, str]]:
    """Return the labels of the pods of each fleet that restarts."""
    tops = [fleet.top for fleet in fleets if fleet.top]
    return [restart.labels_of_pods(top) for top in tops if marks.labels_of(top).get(marks.RESTARTING) == marks.TRUE]
