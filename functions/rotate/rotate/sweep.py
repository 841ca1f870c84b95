"""One look at a node or a namespace, and the moves that begin with it: namespace by namespace, each in its turn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import guard, marks
from molt.cluster import PODS, ROTATION_POLICIES
from molt.due import Roll
from molt.outcome import PermanentError, TemporaryError
from molt.policy import PolicyError, rotation
from molt.workload import controller
from rotate import area as areas
from rotate import notice, plan, relocate, replace, siblings, stranger, successor, survey
from rotate.begin import begin, reason
from rotate.budgets import Budgets
from rotate.fleet import by_controller
from rotate.journey import UNDER_WAY, Journey
from rotate.notice import Moved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molt.policy import RotationPolicy
    from rotate.area import Area
    from rotate.fleet import Fleet
    from rotate.hop import Hop
    from rotate.patience import Patience

Object = dict[str, Any]

BEGINNING = timedelta(seconds=10)
"""How long one look goes on to further namespaces, and in one of them to begin moves: a hop must still end in time."""


@dataclass(slots=True)
class Sweep:
    """What one look at an area has found, begun and finished."""

    hop: Hop
    area: Area
    batch: int
    """How many moves this look may begin."""
    room: int
    """How many more moves the step may begin."""
    rehearsal: bool = False
    """Whether they only could."""
    left: int = 0
    """Pods that are to move, those of `begun` too."""
    begun: list[tuple[Object, Fleet]] = field(default_factory=list)
    moved: list[tuple[Object, str]] = field(default_factory=list)
    """Pods that have left, and how."""
    under_way: list[Journey] = field(default_factory=list)
    unseen: int = 0
    """Pods on the move that no look was taken at."""
    waits: list[str] = field(default_factory=list)
    """Why pods do not move now, a line a workload."""
    stays: list[str] = field(default_factory=list)
    """Why pods do not move at all."""

    def visit(self) -> None:
        """Look at each namespace of the area, and begin there what may; once time or batch are up, only count.

        The first one has its look however late it is: else with a slow API server nothing would ever move.
        """
        end = self.hop.clock.now() + BEGINNING
        policies = self._policies()
        for index, (namespace, asked, retiring) in enumerate(self._places()):
            if len(self.begun) >= self.batch or (index and self.hop.clock.now() > end):
                self.left += asked
                self.unseen += retiring
                self.waits.append(f"in {namespace}: its turn comes")
                continue
            with self.hop.turns.of(f"namespace {namespace}"):
                self._visit(namespace, [one for one in policies if one.namespace == namespace])

    def finish(self, patience: Patience) -> None:
        """Finish the moves under way as their replacements become Ready, as far as the time reaches."""
        while self.under_way:
            rolls = {place: Roll(survey.all_pods(self.hop.cluster, place)) for place in self._places_of_moves()}
            self.under_way = [one for one in self.under_way if self._goes_on(one, rolls[_namespace(one.pod)])]
            if not self.under_way or not patience.pause():
                return

    def _places_of_moves(self) -> list[str]:
        return sorted({_namespace(one.pod) for one in self.under_way})

    def _places(self) -> list[tuple[str, int, int]]:
        """Return the namespaces to look at, how many pods of each are to move, and how many are on the move.

        Protected ones are none of them. Each hop begins with another one, so that none waits for ever behind others
        that take long.
        """
        if self.area.scope == "Namespace":
            return [(self.area.name, 0, 0)]
        asked: Counter[str] = Counter()
        retiring: Counter[str] = Counter()
        for pod in self.hop.cluster.list(PODS, fields=f"spec.nodeName={self.area.name}", trim=survey.essence):
            asked[_namespace(pod)] += self.area.asks(pod)
            retiring[_namespace(pod)] += siblings.leaves(pod)
        names = sorted(name for name in asked if not guard.protected_namespace(name))
        places = [(name, asked[name], retiring[name]) for name in names if asked[name] or retiring[name]]
        first = len(self.hop.slip.trail) % max(1, len(places))
        return places[first:] + places[:first]

    def _policies(self) -> list[RotationPolicy]:
        """Return the valid policies of the area's namespaces."""
        namespace = self.area.name if self.area.scope == "Namespace" else None
        found = []
        for obj in self.hop.cluster.list(ROTATION_POLICIES, namespace):
            try:
                found.append(rotation.parse(obj))
            except PolicyError:
                continue  # the tick says so in its status
        return found

    def _visit(self, namespace: str, policies: list[RotationPolicy]) -> None:
        """Go on with what is under way in a namespace, and begin what may move."""
        # That of the alert's pod was looked at before the area was.
        if namespace != self.hop.slip.target.namespace:
            space = survey.namespace(self.hop.cluster, namespace)
            if objection := guard.exempt_namespace(namespace, space):
                self.stays.append(objection)
                return
        pods = survey.all_pods(self.hop.cluster, namespace)
        asked = [pod for pod in pods if self.area.asks(pod)]
        retiring = [pod for pod in pods if siblings.leaves(pod) and self.area.holds(pod)]
        if not asked and not retiring:
            return
        fleets = self._fleets(namespace, pods, asked, retiring=bool(retiring))
        scene = plan.Scene(None, pods, by_controller(fleets))
        if not self.rehearsal:
            self.under_way += [_journey(pod, scene) for pod in retiring]
        budgets = Budgets(policies, scene.roll, areas.restarting(fleets))
        chooser = areas.Chooser(self.area, self.hop.order.strategy, scene, budgets, self.hop.clock.now())
        room = min(self.batch, self.room) - len(self.begun)
        choice = chooser.choose(asked, room, siblings.broken(self.hop.slip))
        self.left += choice.left
        self.waits += choice.waits
        self.stays += choice.stays
        until = self.hop.clock.now() + BEGINNING
        for pod, fleet in choice.moves:
            if self.hop.clock.now() > until:
                self.waits.append(f"{name_of(pod)}: its turn comes")
            elif not self._begin(pod, fleet):
                self.left -= sum(map(fleet.owns, asked))

    def _fleets(self, namespace: str, pods: list[Object], asked: list[Object], *, retiring: bool) -> list[Fleet]:
        kinds = {owner["kind"] for pod in asked if (owner := controller(pod))} | ({"ReplicaSet"} if retiring else set())
        found = survey.fleets(self.hop.cluster, namespace, kinds)
        if any(map(stranger.owns, asked)):
            found += survey.strangers(self.hop.cluster, namespace, pods)
        return found

    def _begin(self, pod: Object, fleet: Fleet) -> bool:
        """Send the first call of a move, and tell whether the fleet can move: the API server may refuse it for good."""
        if self.rehearsal:
            self.begun.append((pod, fleet))
            return True
        try:
            way = begin(self.hop, pod, fleet)
        except TemporaryError as error:
            self.waits.append(f"{name_of(pod)}: {error.reason}")
            return True
        except PermanentError as error:
            self.stays.append(f"{name_of(pod)}: {error.reason}")
            return False
        self.begun.append((pod, fleet))
        if way.is_make_before_break:
            relocates = way.strategy == "Relocate"
            self.under_way.append(Journey(pod, fleet, None, relocates=relocates))
        else:
            self._left(pod, fleet, way.note("evicted"), ())
        return True

    def _goes_on(self, journey: Journey, roll: Roll) -> bool:
        """Go on with a move, and tell whether it is still under way."""
        own = roll.owned(journey.fleet.controllers) if journey.fleet else []
        latest = survey.among(roll.pods, journey.pod)
        outcome, how = journey.go_on(self.hop.cluster, self.hop.clock.now(), [latest, *own])
        if outcome in UNDER_WAY:
            return True
        if outcome == "acted":
            self._left(latest, journey.fleet, how, own)
        else:
            self.stays.append(f"{name_of(journey.pod)}: {how}")
        return False

    def _left(self, pod: Object, fleet: Fleet | None, how: str, pods: Sequence[Object]) -> None:
        """Note that a pod has left, and leave an Event on its workload; `pods` are the workload's, as seen last."""
        self.moved.append((pod, how))
        if fleet:
            why = marks.annotations_of(pod).get(marks.REASON) or reason(self.hop)
            told = Moved(pod, how, why, successor.name(fleet, pods, pod))
            notice.post(self.hop.cluster, notice.rotated(fleet, told, self.hop.clock.now()))


def name_of(pod: Object) -> str:
    """Return `namespace/name`."""
    return f"{_namespace(pod)}/{pod['metadata']['name']}"


def _namespace(pod: Object) -> str:
    return str(pod["metadata"]["namespace"])


def _journey(pod: Object, scene: plan.Scene) -> Journey:
    """Take up a move that an earlier event has begun."""
    owner = replace.owner_of(pod)
    fleet = scene.fleets.get(owner) if owner else None
    return Journey(pod, fleet, None, relocates=relocate.is_relocating(pod))
