"""A step's choice: which pods an alert asks to move, and since when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.due import FINISHED, born, stays_since
from molt.lifetime import LONG_AGO
from molt.outcome import BadEvent
from molt.workload import is_ready, is_terminating
from rotate import replace
from rotate.fleet import UNMOVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from molt.itinerary import Slip
    from rotate.fleet import Fleet

Object = dict[str, Any]

REMEDY = "rotate"
SCOPES = ("Siblings", "Workload", "Pod", "Node", "Namespace")
AREAS = ("Node", "Namespace")
"""Scopes that reach beyond the workload of the alert's pod."""
STRATEGIES = ("Replace", "Evict", "Relocate", "Restart")


@dataclass(frozen=True, slots=True)
class Order:
    """What the step says: `scope` is one of SCOPES, `strategy` one of STRATEGIES."""

    scope: str = SCOPES[0]
    strategy: str = STRATEGIES[0]

    @classmethod
    def parse(cls, parameters: Mapping[str, Any]) -> Order:
        """Return the order, the defaults filled in. Raises BadEvent for a word that is not known."""
        order = cls(parameters.get("scope", SCOPES[0]), parameters.get("strategy", STRATEGIES[0]))
        if order.scope not in SCOPES:
            raise BadEvent(f"itinerary[0].parameters.scope: not one of {', '.join(SCOPES)}")
        if order.strategy not in STRATEGIES:
            raise BadEvent(f"itinerary[0].parameters.strategy: not one of {', '.join(STRATEGIES)}")
        if order.strategy == "Restart" and order.scope != "Workload":
            raise BadEvent("itinerary[0].parameters: a Restart is of the whole Workload")
        return order


def excuse(slip: Slip, order: Order) -> str | None:
    """Return why nothing can be moved, told from the slip alone, or None."""
    target = slip.target
    if order.scope in AREAS:
        return None
    if target.workload is None:
        return "no controller would replace it"
    name = f"{target.workload.kind}/{target.workload.name}"
    if target.workload.kind in UNMOVED:
        return f"pods of {name} are not moved"
    return next((f"{name} {reason}" for reason in broken(slip).values()), None)


def broken(slip: Slip) -> dict[str, str]:
    """Return by its UID why the workload of the alert's pod cannot become whole; empty when it can."""
    workload = slip.target.workload
    isolated = any(entry.remedy == "quarantine" and entry.outcome == "acted" for entry in slip.trail)
    if workload and isolated and workload.kind == "StatefulSet":
        return {workload.uid: "cannot become whole while the pod in quarantine has its replica's name"}
    return {}


def trigger(slip: Slip, event_time: datetime | None, now: datetime) -> datetime:
    """Return the moment before which a pod must have been made to be moved: the same at every hop, in whole seconds.

    What an earlier hop went by stands in its entry; the first one goes by the quarantine, else by the alert's time,
    else by that of the event. creationTimestamp has whole seconds: a pod of that very second counts as fresh.
    """
    said = [entry.details.get("before") for entry in slip.trail if entry.remedy == REMEDY]
    said += [entry.at for entry in slip.trail if entry.remedy == "quarantine"]
    said.append(slip.alert.get("time"))
    moments = (marks.time_of(text) for text in said if isinstance(text, str))
    return min(next((moment for moment in moments if moment), event_time or now), now).replace(microsecond=0)


def candidates(slip: Slip, order: Order, fleet: Fleet, pods: Iterable[Object], before: datetime) -> list[Object]:
    """Return the fleet's pods that are to move: made before `before`, in the order's scope.

    First those that are not Ready, whom nobody misses, then the oldest. One whose move was undone since has been tried.
    """
    target = slip.target.uid

    def asked(pod: Object) -> bool:
        scope = {"Siblings": pod["metadata"]["uid"] != target, "Pod": pod["metadata"]["uid"] == target}
        return scope.get(order.scope, True) and is_from_before(pod, before)

    return sorted(
        (pod for pod in pods if movable(pod, fleet) and asked(pod)), key=lambda pod: (is_ready(pod), rank(pod))
    )


def is_from_before(pod: Object, before: datetime) -> bool:
    """Tell whether the pod was made before then, and no move of it was undone since."""
    return born(pod) < before and (stays_since(pod) or LONG_AGO) < before


def movable(pod: Object, fleet: Fleet) -> bool:
    """Tell whether the pod is one of the fleet's that runs, and is not on its way out by itself."""
    finished = (pod.get("status") or {}).get("phase") in FINISHED
    return fleet.owns(pod) and not finished and not is_terminating(pod)


def movable_as(seen: Object, fleet: Fleet, pod: Object) -> bool:
    """Tell whether the pod, read anew, may still move for the reason that it could when it was `seen`."""
    return movable(pod, fleet) and is_ready(pod) == is_ready(seen)


def retiring(fleet: Fleet, pods: Iterable[Object]) -> list[Object]:
    """Return the pods whose move out of this fleet was begun and is not finished, the oldest first."""
    return sorted((pod for pod in pods if replace.owner_of(pod) in fleet.controllers and leaves(pod)), key=rank)


def leaves(pod: Object) -> bool:
    """Tell whether the pod is retiring and was not yet evicted."""
    return marks.is_retiring(pod) and not is_terminating(pod)


def rank(pod: Object) -> tuple[datetime, str]:
    """Return what sorts pods by age, the oldest first, and always the same way."""
    return born(pod), pod["metadata"]["uid"]
