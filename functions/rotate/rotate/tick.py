"""A tick of the clock: finish the moves that are under way, then begin those that are due.

A tick says nothing but that time has passed. All that matters is read anew, so that a lost tick is made up for by the
next one, and a doubled one finds the work done.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from molt import guard, marks
from molt.cluster import PODS, ROTATION_POLICIES
from molt.due import Roll
from molt.policy import PolicyError, rotation
from rotate import outset, plan, regeneration, relocate, restart, rollout, siblings, survey
from rotate.blockage import Told
from rotate.budgets import Budgets
from rotate.diary import Diary
from rotate.journey import UNDER_WAY, Journey
from rotate.patience import Patience
from rotate.quota import Outlook, Quota
from rotate.replace import owner_of
from rotate.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.lifetime import Keys
    from molt.outcome import Clock, Outcome
    from molt.policy import RotationPolicy
    from molt.turns import Turns
    from rotate.notice import Notice
    from rotate.plan import Move, Scene

Object = dict[str, Any]

TICK = "dev.knative.sources.ping"
BEGINNING = timedelta(seconds=20)
"""How long one tick goes on beginning moves: with a slow API server, it must still end in time."""
LATE = "this tick's time is up, and a later one begins more"


class Tick:
    """The work of one tick: moves the pods whose time has come, as far as policies, budgets and workloads let them go.

    What stands in the way of one pod or policy never holds up another.
    """

    def __init__(
        self, cluster: Cluster, clock: Clock, keys: Keys, turns: Turns, cap: int, told: Told | None = None
    ) -> None:
        """Begin; nothing is read yet. `keys` draw the lifetimes; other events take `turns` with this one.

        At most `cap` moves are begun. What was `told` by an earlier tick is not told again.
        """
        self._told = told or Told()
        self._quota = Quota(cap)
        self._cluster, self._clock, self._keys, self._turns = cluster, clock, keys, turns
        self._now = clock.now()
        self._patience = Patience(clock)
        self._diary = Diary(self._now)
        self._under_way: list[Journey] = []
        self._ended: list[Notice] = []  # what is told of the moves that are through
        self._end = self._now  # of the time in which moves begin
        self._tried = False  # whether one was: each tick tries one, however late it is
        self._busy: set[str] = set()  # the UIDs of fleets with a move under way
        self._scenes: dict[str, Scene] = {}
        self._restarting: dict[str, list[Mapping[str, str]]] = {}
        self._drained = cache(partial(survey.drained, cluster))

    def run(self, event: Event) -> Outcome:
        """Do the work and return what became of it.

        Raises what the API server cannot answer now, and what it refuses when that was all there was to do.
        """
        objects = self._cluster.list(ROTATION_POLICIES)
        policies = [(obj, _read(obj)) for obj in objects]
        valid = [policy for _, policy in policies if not isinstance(policy, PolicyError)]
        left_over = self._cluster.list(PODS, labels=f"{marks.RETIRING}={marks.TRUE}")
        relocate.clear(self._cluster, {pod["metadata"]["uid"] for pod in left_over}, self._now)
        # Before the restarts: a dependant that is stuck gets its Secret's former values first, then its former pods.
        regeneration.run(self._cluster, valid, self._keys, self._clock, self._now, turns=self._turns, diary=self._diary)
        for kind, obj in rollout.under_way(self._cluster):
            with self._turns.of(f"namespace {obj['metadata']['namespace']}"):
                self._watch(kind, obj)
        places: dict[str, list[RotationPolicy]] = {pod["metadata"]["namespace"]: [] for pod in left_over}
        for one in valid:
            places.setdefault(one.namespace, []).append(one)
        outlooks = [self._outlook(namespace, places[namespace]) for namespace in sorted(places)]
        self._end = self._clock.now() + BEGINNING
        for outlook in self._quota.share(outlooks):
            if self._is_late() and not outlook.under_way:
                continue
            with self._turns.of(f"namespace {outlook.namespace}"):
                self._visit(outlook.namespace, places[outlook.namespace])
            self._quota.leave(outlook.namespace)
        self._wait()
        report = Report(self._scenes, self._diary, self._under_way, self._ended, self._told, self._keys, self._now)
        report.write(self._cluster, policies)
        return self._diary.answer(event)

    def _watch(self, kind: str, obj: Object) -> None:
        """Go on with a workload's restart."""
        namespace = obj["metadata"]["namespace"]
        self._busy.add(obj["metadata"]["uid"])
        objection = guard.protected_namespace(namespace) or guard.exempt_namespace(
            namespace, survey.namespace(self._cluster, namespace)
        )
        outcome, reason = ("skipped", objection) if objection else rollout.go_on(self._cluster, kind, obj, self._now)
        self._diary.tell(outcome, kind, obj, reason)
        if outcome in UNDER_WAY:
            self._restarting.setdefault(namespace, []).append(restart.labels_of_pods(obj))

    def _outlook(self, namespace: str, policies: list[RotationPolicy]) -> Outlook:
        """Return what there is to do in a namespace, out of turn: whether it can be done is looked at in turn."""
        scene = self._scenes[namespace] = plan.Scene(None, survey.all_pods(self._cluster, namespace))
        overdue = plan.since(plan.due(policies, scene.roll, self._keys, self._now))
        return Outlook(namespace, overdue, any(map(siblings.leaves, scene.pods)))

    def _visit(self, namespace: str, policies: list[RotationPolicy]) -> None:
        """Finish what was begun in a namespace, and begin what is due there."""
        pods = survey.all_pods(self._cluster, namespace)
        due = plan.due(policies, Roll(pods), self._keys, self._now)
        retiring = [pod for pod in pods if siblings.leaves(pod)]
        scene = self._scenes[namespace] = survey.scene(self._cluster, namespace, pods, retiring, due, self._drained)
        # Who has just left gives its place free at once.
        gone = {pod["metadata"]["uid"] for pod in retiring if self._resume(pod, scene, policies)}
        scene = replace(scene, pods=[pod for pod in pods if pod["metadata"]["uid"] not in gone])
        budgets = Budgets(policies, scene.roll, self._restarting.get(namespace, ()))
        for policy, candidates in due:
            moves, stays = plan.choose(policy, [pod for _, pod in candidates], scene, budgets, self._busy, self._now)
            for stay in stays:
                self._diary.add("skipped", stay.pod, policy, stay.reason)
            for move in moves:
                self._begin(move)

    def _resume(self, pod: Object, scene: Scene, policies: Iterable[RotationPolicy]) -> bool:
        """Go on with a move that an earlier event began; tell whether the pod has left."""
        policy = _account(pod, policies)
        owner = owner_of(pod)
        if reason := guard.first_objection(pod, scene.namespace):
            self._diary.add("skipped", pod, policy, reason)
        elif owner is None:
            self._diary.add("skipped", pod, policy, f"retiring, without a readable annotation {marks.OWNER}")
        else:
            journey = Journey(pod, scene.fleets.get(owner), policy, relocates=relocate.is_relocating(pod))
            fleet_pods = scene.of(journey.fleet) if journey.fleet else []
            outcome, reason = journey.go_on(self._cluster, self._now, [pod, *fleet_pods])
            if outcome in UNDER_WAY:
                self._set_out(journey)
                return False
            self._arrive(journey, outcome, reason)
            if journey.fleet and outcome != "acted":
                self._busy.add(journey.fleet.uid)
            return outcome == "acted"
        return False

    def _set_out(self, journey: Journey) -> None:
        self._under_way.append(journey)
        if journey.fleet:
            self._busy.add(journey.fleet.uid)

    def _arrive(self, journey: Journey, outcome: str, reason: str) -> None:
        """Note what became of a move."""
        self._diary.add(outcome, journey.pod, journey.policy, reason)
        self._ended += [journey.ended] if journey.ended else []

    def _begin(self, move: Move) -> None:
        """Begin a move if the tick's quota has a place for it; a rehearsal needs none."""
        namespace, rehearsal = move.policy.namespace, move.policy.mode == outset.DRY_RUN
        if self._is_late():
            self._diary.add("skipped", move.pod, move.policy, LATE)
            return
        if not rehearsal and not self._quota.take(namespace):
            reason = f"{self._quota.cap} moves have begun in this tick, and a later one begins more"
            self._diary.add("skipped", move.pod, move.policy, reason)
            return
        self._tried = True
        out = outset.begin(self._cluster, move, self._now, self._keys)
        if not rehearsal and not out.begun:
            self._quota.give_back()
        if out.unsettles:
            self._busy.add(move.fleet.uid)
        if out.journey:
            self._under_way.append(out.journey)
        else:
            self._diary.add(out.outcome, move.pod, move.policy, out.reason)
            self._ended += [out.ended] if out.ended else []

    def _is_late(self) -> bool:
        return self._tried and self._clock.now() > self._end

    def _wait(self) -> None:
        """Finish the moves under way as their replacements become Ready, as far as the time reaches."""
        waiting = self._under_way
        while waiting:
            looks = [(journey, *journey.go_on(self._cluster, self._clock.now())) for journey in waiting]
            under_way = [look for look in looks if look[1] in UNDER_WAY]
            waiting = [journey for journey, _, _ in under_way]
            over = bool(waiting) and not self._patience.pause()
            for journey, outcome, reason in looks if over else (look for look in looks if look not in under_way):
                self._arrive(journey, outcome, reason)
            if over:
                break
        self._under_way = waiting


def _account(pod: Object, policies: Iterable[RotationPolicy]) -> RotationPolicy | None:
    """Return the policy that a retiring pod moves by: the one that it names, else the first in force that selects it.

    What rehearses moves nothing.
    """
    named, labels = marks.annotations_of(pod).get(marks.POLICY), marks.labels_of(pod)
    found = [one for one in policies if one.mode != outset.DRY_RUN and one.selector.matches(labels)]
    return next((one for one in found if one.name == named), found[0] if found else None)


def _read(obj: Object) -> RotationPolicy | PolicyError:
    """Return the policy, or what is wrong with it."""
    try:
        return rotation.parse(obj)
    except PolicyError as error:
        return error
