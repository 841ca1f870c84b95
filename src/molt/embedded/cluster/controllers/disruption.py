"""PodDisruptionBudget: how many of its pods may be evicted now.

As k8s.io/kubernetes/pkg/controller/disruption. The eviction is the API server's: it lowers disruptionsAllowed and
notes the pod in disruptedPods; here the numbers are counted anew.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from molt.embedded.cluster.controllers import conditions
from molt.embedded.cluster.controllers.actions import Action, Object, Wake, status_change
from molt.embedded.cluster.controllers.amounts import resolve
from molt.embedded.cluster.controllers.cache import Ref, ref
from molt.embedded.cluster.controllers.kinds import DEPLOYMENT, DISRUPTION_BUDGET, POD, REPLICA_SET, STATEFUL_SET
from molt.embedded.cluster.controllers.ownership import controller_of
from molt.embedded.cluster.controllers.pods import is_ready, is_terminating, labels_of
from molt.embedded.cluster.selectors import matches, of_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache

DELETION_TIMEOUT = timedelta(minutes=2)  # how long an eviction counts that no deletion has followed
SCALED = {(kind.api_version, kind.kind): kind for kind in (REPLICA_SET, DEPLOYMENT, STATEFUL_SET)}


class Scale(NamedTuple):
    """A controller and the pods that it is asked for."""

    uid: str
    replicas: int


class DisruptionBudgets:
    """Keeps the status of PodDisruptionBudgets."""

    def touched(self, cache: Cache, record: Record) -> Iterator[Ref]:
        """Return the budget that changed, or all of the namespace in which a pod or a size did."""
        if record.plural == DISRUPTION_BUDGET.plural:
            yield ref(DISRUPTION_BUDGET.plural, record.obj)
        elif record.plural in (POD.plural, *(kind.plural for kind in SCALED.values())):
            others = cache.objects(DISRUPTION_BUDGET.plural, record.obj["metadata"]["namespace"])
            yield from (ref(DISRUPTION_BUDGET.plural, one) for one in others)

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather the budget's pods and the sizes of their controllers."""
        selector = of_spec(obj["spec"].get("selector"))
        pods = [pod for pod in cache.objects(POD.plural, key.namespace) if matches(selector, labels_of(pod))]
        scales = {pod["metadata"]["uid"]: scale for pod in pods if (scale := scale_of(cache, pod)) is not None}
        return reconcile(obj, pods, scales, now)


def scale_of(cache: Cache, obj: Object) -> Scale | None:
    """Return the size asked of the object's top controller, None when it has none that can be scaled."""
    reference = controller_of(obj)
    kind = SCALED.get((reference["apiVersion"], reference["kind"])) if reference else None
    if reference is None or kind is None:
        return None
    owner = cache.get(Ref(kind.plural, obj["metadata"]["namespace"], reference["name"]))
    if owner is None or owner["metadata"]["uid"] != reference["uid"]:
        return None
    return scale_of(cache, owner) or Scale(reference["uid"], owner["spec"].get("replicas", 1))


def reconcile(budget: Object, pods: list[Object], scales: Mapping[str, Scale], now: datetime) -> list[Action]:
    """Return the budget's status; `scales`: the controller's size by UID of each pod that has one."""
    disrupted = _disrupted(budget, pods, now)
    healthy = sum(
        is_ready(pod) and not is_terminating(pod) and pod["metadata"]["name"] not in disrupted for pod in pods
    )
    expected, desired = _expected(budget["spec"], pods, scales)
    allowed = max(healthy - desired, 0) if expected > 0 else 0
    reason = "SufficientPods" if allowed else "InsufficientPods"
    told = conditions.condition("DisruptionAllowed", status=allowed > 0, now=now, reason=reason)
    generation = budget["metadata"].get("generation", 1)
    old = (budget.get("status") or {}).get("conditions") or []
    status = {
        "expectedPods": expected,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "observedGeneration": generation,
        "conditions": conditions.merged(old, told | {"message": "", "observedGeneration": generation}),
    }
    if disrupted:
        status["disruptedPods"] = disrupted
    until = [_timeout(since) - now for since in disrupted.values()]
    wake = [Wake(max(min(until).total_seconds(), 0.0))] if until else []
    return [*status_change(DISRUPTION_BUDGET.plural, budget, status), *wake]


def _timeout(since: str) -> datetime:
    return datetime.fromisoformat(since) + DELETION_TIMEOUT


def _disrupted(budget: Object, pods: Iterable[Object], now: datetime) -> dict[str, str]:
    """Return the evictions that still count: of pods that are here, not yet being deleted, and not given up."""
    noted: dict[str, str] = (budget.get("status") or {}).get("disruptedPods") or {}
    staying = {pod["metadata"]["name"] for pod in pods if not is_terminating(pod)}
    return {name: since for name, since in noted.items() if name in staying and _timeout(since) > now}


def _expected(spec: Object, pods: list[Object], scales: Mapping[str, Scale]) -> tuple[int, int]:
    """Return how many pods there should be, and how many have to be healthy."""
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if isinstance(least, int):
        return len(pods), least
    expected = sum(scale.replicas for scale in set(scales.values()))
    if most is not None:
        return expected, max(expected - resolve(most, expected, up=True), 0)
    if least is not None:
        return expected, resolve(least, expected, up=True)
    return expected, expected
