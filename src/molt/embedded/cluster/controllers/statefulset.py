"""StatefulSet: one pod for each ordinal, by name, one after the other.

As k8s.io/kubernetes/pkg/controller/statefulset/stateful_set_control.go. A pod that was released keeps its name: until
it is gone its ordinal stays empty, and with OrderedReady all later ones wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt.embedded.cluster.controllers.actions import (
    Action,
    Create,
    Delete,
    Object,
    Update,
    status_change,
    without_zeros,
)
from molt.embedded.cluster.controllers.controller import itself_or_owners
from molt.embedded.cluster.controllers.history import HASH, History, history
from molt.embedded.cluster.controllers.kinds import CONTROLLER_REVISION, POD, STATEFUL_SET
from molt.embedded.cluster.controllers.ordinals import POD_NAME, identity, made, ordinal, wanted
from molt.embedded.cluster.controllers.ownership import amended, claim
from molt.embedded.cluster.controllers.pods import (
    available_in,
    is_finished,
    is_terminating,
    labels_of,
    phase,
    readiness,
)
from molt.embedded.cluster.selectors import matches, of_spec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache, Ref


class StatefulSets:
    """Keeps StatefulSets."""

    def touched(self, cache: Cache, record: Record) -> Iterable[Ref]:
        """Return the StatefulSet that changed, or whose pod did; a pod of nobody may hold a name of any."""
        return itself_or_owners(STATEFUL_SET, cache, record)

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather the namespace's pods and revisions."""
        pods = cache.objects(POD.plural, key.namespace)
        return reconcile(obj, pods, cache.objects(CONTROLLER_REVISION.plural, key.namespace), now)


Steps = tuple[list[Action], bool]  # what to do, and whether the next phase may start


@dataclass(frozen=True, slots=True)
class View:
    """A StatefulSet and its pods by ordinal at one moment, and the names taken in its namespace."""

    stateful_set: Object
    pods: dict[int, Object]
    history: History
    taken: frozenset[str]
    now: datetime

    @property
    def ordered(self) -> bool:
        """Tell whether one pod has to be available before the next is touched."""
        return bool(self.stateful_set["spec"].get("podManagementPolicy", "OrderedReady") == "OrderedReady")

    def revision_for(self, index: int) -> tuple[str, Object]:
        """Return the revision that a new pod of this ordinal gets: below the partition the current one."""
        strategy = self.stateful_set["spec"].get("updateStrategy") or {}
        low = wanted(self.stateful_set)[: _partition(self.stateful_set)]
        keeps = strategy.get("type", "RollingUpdate") == "RollingUpdate" and index in low
        name = self.history.current if keeps else self.history.update
        return name, self.history.templates[name]

    def healthy(self, pod: Object) -> bool:
        """Tell whether the pod is running, available and staying."""
        min_ready = self.stateful_set["spec"].get("minReadySeconds", 0)
        available = available_in(pod, min_ready, self.now) == 0
        return phase(pod) == "Running" and available and not is_terminating(pod)


def reconcile(stateful_set: Object, pods: Iterable[Object], revisions: Iterable[Object], now: datetime) -> list[Action]:
    """Return the next steps towards the StatefulSet's size and template, and its status."""
    pods = list(pods)
    selector = of_spec(stateful_set["spec"]["selector"])
    claimed = claim(
        STATEFUL_SET,
        stateful_set,
        POD.plural,
        pods,
        lambda pod: matches(selector, labels_of(pod)) and ordinal(stateful_set, _name(pod)) is not None,
    )
    past = history(stateful_set, revisions, claimed.owned)
    by_ordinal = {index: pod for pod in claimed.owned if (index := ordinal(stateful_set, _name(pod))) is not None}
    view = View(stateful_set, by_ordinal, past, frozenset(map(_name, pods)), now)
    actions = [*claimed.actions, *past.actions]
    if not claimed.actions and not is_terminating(stateful_set):
        for phase_of in (_fill, _condemn, _update):
            steps, settled = phase_of(view)
            actions += steps
            if not settled:
                break
    return [*actions, *_report(view)]


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])


def _fill(view: View) -> Steps:
    """Return what the wanted ordinals lack: one at a time where they are ordered."""
    actions: list[Action] = []
    for index in wanted(view.stateful_set):
        pod = view.pods.get(index)
        actions += _replica(view, index, pod)
        if view.ordered and (pod is None or not view.healthy(pod)):
            return actions, False
    return actions, True


def _replica(view: View, index: int, pod: Object | None) -> list[Action]:
    """Return what one ordinal lacks: its pod, a living one, its identity."""
    if pod is None:
        new = made(view.stateful_set, index, *view.revision_for(index))
        return [] if _name(new) in view.taken else [Create(POD.plural, new)]
    if is_terminating(pod):
        return []
    if is_finished(pod):
        return [Delete(POD.plural, pod)]
    if labels_of(pod).get(POD_NAME) != _name(pod):
        return [Update(POD.plural, amended(pod, labels=labels_of(pod) | identity(_name(pod), index)))]
    return []


def _condemn(view: View) -> Steps:
    """Return the deletion of ordinals that are not wanted, the highest first."""
    surplus = sorted(view.pods.keys() - set(wanted(view.stateful_set)), reverse=True)
    if not view.ordered:
        return [Delete(POD.plural, view.pods[index]) for index in surplus if not is_terminating(view.pods[index])], True
    if not surplus:
        return [], True
    last = view.pods[surplus[0]]
    unhealthy = [index for index in surplus if not view.healthy(view.pods[index])]
    waiting = bool(unhealthy) and surplus[0] in unhealthy and surplus[0] != unhealthy[-1]
    if is_terminating(last) or waiting:
        return [], False
    return [Delete(POD.plural, last)], False


def _update(view: View) -> Steps:
    """Return the deletion of the highest ordinal of an old revision, once all above it are available again."""
    strategy = view.stateful_set["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return [], True
    for index in reversed(wanted(view.stateful_set)[_partition(view.stateful_set) :]):
        pod = view.pods.get(index)
        if pod is not None and not is_terminating(pod) and labels_of(pod).get(HASH) != view.history.update:
            return [Delete(POD.plural, pod)], False
        if pod is None or not view.healthy(pod):
            return [], False
    return [], True


def _partition(stateful_set: Object) -> int:
    """Return how many of the lowest ordinals keep the old revision."""
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    return int((strategy.get("rollingUpdate") or {}).get("partition") or 0)


def _report(view: View) -> list[Action]:
    """Return the status; a finished rolling update makes the new revision the current one."""
    spec, pods = view.stateful_set["spec"], list(view.pods.values())
    running = [pod for pod in pods if phase(pod) == "Running"]
    ready = readiness(running, spec.get("minReadySeconds", 0), view.now)
    staying = [labels_of(pod).get(HASH) for pod in pods if not is_terminating(pod)]
    status = {
        "observedGeneration": view.stateful_set["metadata"].get("generation", 1),
        "replicas": len(pods),
        "readyReplicas": ready.ready,
        "availableReplicas": ready.available,
        "currentReplicas": staying.count(view.history.current),
        "updatedReplicas": staying.count(view.history.update),
        "currentRevision": view.history.current,
        "updateRevision": view.history.update,
        "collisionCount": 0,
    }
    rolling = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
    if rolling and spec.get("replicas", 1) == status["updatedReplicas"] == status["readyReplicas"] == len(pods):
        status |= {"currentReplicas": status["updatedReplicas"], "currentRevision": view.history.update}
    status = without_zeros(status, "readyReplicas", "currentReplicas", "updatedReplicas")
    return [*status_change(STATEFUL_SET.plural, view.stateful_set, status), *ready.wake]
