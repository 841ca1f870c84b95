"""A tick of the clock: finish the moves that are under way, then begin those that are due.

A tick says nothing but that time has passed. All that matters is read anew, so that a lost tick is made up for by the
next one, and a doubled one finds the work done.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from molt import guard, log, marks
from molt.cluster import PODS, ROTATION_POLICIES, Blocked
from molt.outcome import MoltError, Outcome, PermanentError, TemporaryError
from molt.policy import PolicyError, rotation
from molt.workload import controller
from rotate import departure, plan, relocate, restart, rollout, siblings, status, survey
from rotate.diary import FUNCTION, Diary
from rotate.evict import evict, evict_if
from rotate.fleet import by_controller
from rotate.journey import UNDER_WAY, Journey
from rotate.patience import Patience
from rotate.replace import Why, owner_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock
    from molt.policy import RotationPolicy
    from molt.turns import Turns
    from rotate.departure import Way
    from rotate.plan import Move, Scene

Object = dict[str, Any]

TICK = "dev.knative.sources.ping"
DRY_RUN = "DryRun"


class Tick:
    """The work of one tick: moves the pods whose time has come, as far as policies, budgets and workloads let them go.

    What stands in the way of one pod or policy never holds up another.
    """

    def __init__(self, cluster: Cluster, clock: Clock, key: bytes, turns: Turns) -> None:
        """Begin; nothing is read yet. `key` is the secret of the lifetimes; other events take `turns` with this one."""
        self._cluster, self._clock, self._key, self._turns = cluster, clock, key, turns
        self._now = clock.now()
        self._patience = Patience(clock)
        self._diary = Diary(self._now)
        self._under_way: list[Journey] = []
        self._busy: set[str] = set()  # the UIDs of fleets with a move under way
        self._scenes: dict[str, Scene] = {}

    def run(self, event: Event) -> Outcome:
        """Do the work and return what became of it.

        Raises what the API server cannot answer now, and what it refuses when that was all there was to do.
        """
        objects = self._cluster.list(ROTATION_POLICIES)
        policies = [(obj, _read(obj)) for obj in objects]
        valid = [policy for _, policy in policies if not isinstance(policy, PolicyError)]
        left_over = self._cluster.list(PODS, labels=f"{marks.RETIRING}={marks.TRUE}")
        relocate.clear(self._cluster, {pod["metadata"]["uid"] for pod in left_over}, self._now)
        for kind, obj in rollout.under_way(self._cluster):
            with self._turns.of(f"namespace {obj['metadata']['namespace']}"):
                self._watch(kind, obj)
        places = {policy.namespace for policy in valid} | {pod["metadata"]["namespace"] for pod in left_over}
        for namespace in sorted(places):
            with self._turns.of(f"namespace {namespace}"):
                self._visit(namespace, [policy for policy in valid if policy.namespace == namespace])
        self._wait()
        for obj, policy in policies:
            self._report(obj, policy)
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

    def _visit(self, namespace: str, policies: list[RotationPolicy]) -> None:
        """Finish what was begun in a namespace, and begin what is due there."""
        pods = self._cluster.list(PODS, namespace)
        due = [(policy, plan.due(policy, pods, self._key, self._now)) for policy in policies]
        retiring = [pod for pod in pods if siblings.leaves(pod)]
        scene = self._scenes[namespace] = self._look(namespace, pods, retiring, due)
        # Who has just left gives its place free at once.
        gone = {pod["metadata"]["uid"] for pod in retiring if self._resume(pod, scene, policies)}
        scene = replace(scene, pods=[pod for pod in pods if pod["metadata"]["uid"] not in gone])
        for policy, candidates in due:
            moves, stays = plan.choose(policy, candidates, scene, self._busy, self._now)
            for stay in stays:
                self._diary.add("skipped", stay.pod, policy, stay.reason)
            for move in moves:
                self._begin(move)

    def _look(
        self,
        namespace: str,
        pods: list[Object],
        retiring: list[Object],
        due: Iterable[tuple[RotationPolicy, list[Object]]],
    ) -> Scene:
        """Return the scene, with the fleets and the namespace itself only if there is something to do."""
        owners = [controller(pod) for _, candidates in due for pod in candidates]
        kinds = {owner["kind"] for owner in owners if owner} | ({"ReplicaSet"} if retiring else set())
        if not retiring and not owners:
            return plan.Scene(None, pods)
        fleets = survey.fleets(self._cluster, namespace, kinds)
        return plan.Scene(survey.namespace(self._cluster, namespace), pods, by_controller(fleets))

    def _resume(self, pod: Object, scene: Scene, policies: Iterable[RotationPolicy]) -> bool:
        """Go on with a move that an earlier event began; tell whether the pod has left."""
        labels = marks.labels_of(pod)
        policy = next((item for item in policies if item.selector.explain(labels) is None), None)
        owner = owner_of(pod)
        if reason := guard.first_objection(pod, scene.namespace):
            self._diary.add("skipped", pod, policy, reason)
        elif owner is None:
            self._diary.add("skipped", pod, policy, f"retiring, without a readable annotation {marks.OWNER}")
        else:
            journey = Journey(pod, scene.fleets.get(owner), policy, relocates=relocate.is_relocating(pod))
            outcome, reason = journey.go_on(self._cluster, self._now, scene.pods)
            if outcome in UNDER_WAY:
                self._set_out(journey)
                return False
            self._diary.add(outcome, pod, policy, reason)
            if journey.fleet and outcome != "acted":
                self._busy.add(journey.fleet.uid)
            return outcome == "acted"
        return False

    def _set_out(self, journey: Journey) -> None:
        self._under_way.append(journey)
        if journey.fleet:
            self._busy.add(journey.fleet.uid)

    def _begin(self, move: Move) -> None:
        """Send the first call of a move."""
        policy, pod, fleet = move.policy, move.pod, move.fleet
        way = departure.way(policy.strategy, pod, fleet)
        try:
            note = self._send(move, way)
        except Blocked as error:
            self._diary.add("blocked", pod, policy, error.reason)
        except TemporaryError as error:
            self._busy.add(fleet.uid)  # somebody else is at it: what was read of this workload holds no more
            self._diary.add("skipped", pod, policy, error.reason)
        except PermanentError as error:
            self._diary.add("refused", pod, policy, error.reason)
        else:
            if policy.mode == DRY_RUN:
                self._diary.add("rehearsed", pod, policy, way.note(note))
            elif way.is_make_before_break:
                self._set_out(Journey(pod, fleet, policy, relocates=way.strategy == "Relocate"))
            else:
                self._busy.add(fleet.uid)
                self._diary.add("moving" if way.strategy == "Restart" else "acted", pod, policy, way.note(note))

    def _send(self, move: Move, way: Way) -> str:
        if way.strategy == "Restart":
            return self._restart(move)
        return self._release(move, way) if way.is_make_before_break else self._evict(move)

    def _restart(self, move: Move) -> str:
        policy = move.policy
        notes = {marks.REASON: _why(policy), marks.POLICY: policy.name}
        restart.begin(self._cluster, move.fleet, self._now, notes, dry_run=policy.mode == DRY_RUN)
        return f"{'would be' if policy.mode == DRY_RUN else 'is'} replaced by {move.fleet}'s own rollout"

    def _release(self, move: Move, way: Way) -> str:
        why = Why(_why(move.policy), way.strategy)
        dry_run = move.policy.mode == DRY_RUN
        departure.release(self._cluster, move.pod, move.fleet, self._now, why, dry_run=dry_run)
        return "would be replaced" + (", on another node" if why.strategy == "Relocate" else "")

    def _evict(self, move: Move) -> str:
        if move.policy.mode == DRY_RUN:
            evict(self._cluster, move.pod, dry_run=True)
            return "would be evicted"
        if not evict_if(self._cluster, move.pod, partial(siblings.movable, fleet=move.fleet)):
            raise TemporaryError(f"it is no longer one of {move.fleet} that can be moved")
        return "evicted"

    def _wait(self) -> None:
        """Finish the moves under way as their replacements become Ready, as far as the time reaches."""
        waiting = self._under_way
        while waiting:
            looks = [(journey, *journey.go_on(self._cluster, self._clock.now())) for journey in waiting]
            under_way = [look for look in looks if look[1] in UNDER_WAY]
            waiting = [journey for journey, _, _ in under_way]
            over = bool(waiting) and not self._patience.pause()
            for journey, outcome, reason in looks if over else (look for look in looks if look not in under_way):
                self._diary.add(outcome, journey.pod, journey.policy, reason)
            if over:
                break
        self._under_way = waiting

    def _report(self, obj: Object, policy: RotationPolicy | PolicyError) -> None:
        """Write the policy's status if it says something new; failing that, the next tick does."""
        if isinstance(policy, PolicyError):
            latest = status.refused(obj, self._now, policy)
        else:
            latest = self._status(obj, policy)
        patch = status.news(obj, latest)
        if patch is None:
            return
        name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
        try:
            self._cluster.merge(ROTATION_POLICIES, name, patch, namespace, subresource="status")
        except MoltError as error:
            log.write("warning", FUNCTION, message=f"policy {namespace}/{name}: status not written: {error.reason}")

    def _status(self, obj: Object, policy: RotationPolicy) -> Object:
        moved = self._diary.moved(policy)
        under_way = {item.pod["metadata"]["uid"] for item in self._under_way if item.policy == policy}
        managed = plan.managed(policy, self._scenes[policy.namespace].pods)
        staying = (pod for pod in managed if pod["metadata"]["uid"] not in moved | under_way)
        return status.valid(
            obj,
            self._now,
            managed=len(managed),
            moving=len(under_way),
            last=self._now if moved else None,
            following=min((plan.due_at(policy, pod, self._key) for pod in staying), default=None),
        )


def _why(policy: RotationPolicy) -> str:
    return f"its lifetime by policy {policy.name} is over"


def _read(obj: Object) -> RotationPolicy | PolicyError:
    """Return the policy, or what is wrong with it."""
    try:
        return rotation.parse(obj)
    except PolicyError as error:
        return error
