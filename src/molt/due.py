"""When a pod has lived long enough by a policy, and which pods a policy has to do with. Pure.

The function that moves pods and the command that foretells it decide by this.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import haste, marks
from molt.lifetime import FAR_OFF, LONG_AGO, bounds, lifetime
from molt.workload import controller, created_at, is_terminating

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from molt.lifetime import Keys
    from molt.policy import RotationPolicy
    from molt.policy.selector import Selector

Object = dict[str, Any]

FINISHED = ("Succeeded", "Failed")
REST = timedelta(hours=1)
"""How long the clock leaves a pod or workload alone after a move or restart that was undone; then it doubles."""
LONGEST_REST = timedelta(days=1)
AHEAD = timedelta(minutes=5)
"""How far the clocks of those who write times may be apart; what claims to be from further ahead is not believed."""
_DIGITS, _DOUBLINGS = 4, 10


class Roll:
    """The pods of one namespace, found by label and by controller: many policies take no longer than one."""

    def __init__(self, pods: Iterable[Object]) -> None:
        """Enter the pods."""
        self.pods = list(pods)
        self._labelled: dict[tuple[str, str], list[Object]] = defaultdict(list)
        self._owned: dict[str, list[Object]] = defaultdict(list)
        for pod in self.pods:
            for label in marks.labels_of(pod).items():
                self._labelled[label].append(pod)
            if owner := controller(pod):
                self._owned[owner["uid"]].append(pod)

    def near(self, selector: Selector) -> Sequence[Object]:
        """Return pods among which are all that the selector selects: those with a label that it asks for, if any."""
        asked = (
            [pod for value in sorted(set(item.values)) for pod in self._labelled.get((item.key, value), ())]
            for item in selector.requirements
            if item.operator == "In"
        )
        return min(asked, key=len, default=self.pods)

    def owned(self, controllers: Collection[str]) -> list[Object]:
        """Return the pods whose controllers have these UIDs."""
        return [pod for uid in sorted(controllers) for pod in self._owned.get(uid, ())]


def born(pod: Object) -> datetime:
    """Return when the pod was made; one that does not say is older than any."""
    return created_at(pod) or LONG_AGO


def stays_since(obj: Mapping[str, Any]) -> datetime | None:
    """Return when the last move of the pod, or the last restart of the workload, was undone, or None.

    Whoever may annotate it may have written it: what no clock of ours can have said is none.
    """
    since = marks.time_of(marks.annotations_of(obj).get(marks.STAYED_SINCE))
    return since if since and since < FAR_OFF else None


def stays(obj: Mapping[str, Any]) -> int:
    """Return how many times in a row that was so; what nobody can read is none."""
    said = marks.annotations_of(obj).get(marks.STAYS, "")
    return int(said) if said.isdecimal() and len(said) < _DIGITS else 0


def rests_until(obj: Mapping[str, Any], now: datetime) -> datetime | None:
    """Return until when the clock leaves the pod or workload alone, or None.

    What claims to be undone in time to come is not believed: whoever may annotate a pod would keep it for ever by it.
    """
    since = stays_since(obj)
    if since and since > now + AHEAD:
        return None
    doubled = min(REST * 2 ** min(max(stays(obj) - 1, 0), _DOUBLINGS), LONGEST_REST)
    return since + doubled if since else None


def managed(policy: RotationPolicy, pods: Iterable[Object]) -> list[Object]:
    """Return the pods whose lifetime is the policy's concern: selected, running or to run, and not on their way out."""
    return [
        pod
        for pod in pods
        if policy.selector.matches(marks.labels_of(pod))
        and not (marks.is_compromised(pod) or marks.is_retiring(pod) or is_terminating(pod))
        and (pod.get("status") or {}).get("phase") not in FINISHED
    ]


def due_at(policy: RotationPolicy, pod: Object, keys: Keys, now: datetime) -> datetime:
    """Return when the pod has lived long enough; later when it was tried and stayed."""
    since = born(pod)
    return _at(policy, pod, lifetime(policy.lifetime, keys.of(since), pod["metadata"]["uid"]), now)


def due_between(policy: RotationPolicy, pod: Object, now: datetime) -> tuple[datetime, datetime]:
    """Return between which times `due_at` is, for those who have no key."""
    shortest, longest = bounds(policy.lifetime)
    return _at(policy, pod, shortest, now), _at(policy, pod, longest, now)


def overdue(policy: RotationPolicy, pods: Iterable[Object], keys: Keys, now: datetime) -> list[tuple[datetime, Object]]:
    """Return the pods that have lived long enough, and since when, the most overdue first.

    None while the policy's hours are closed.
    """
    if policy.hours.closed(now):
        return []
    dated = [(due_at(policy, pod, keys, now), pod["metadata"]["uid"], pod) for pod in managed(policy, pods)]
    return [(at, pod) for at, _, pod in sorted(dated, key=lambda item: item[:2]) if at <= now]


def begins(policy: RotationPolicy, at: datetime, now: datetime) -> datetime | None:
    """Return when a pod that is due at `at` may begin to move: then, or when windows and blackouts let it from now on.

    None when they never do.
    """
    earliest = max(at, now)
    return policy.hours.opens(earliest) if policy.hours.closed(earliest) else at


def _at(policy: RotationPolicy, pod: Object, length: timedelta, now: datetime) -> datetime:
    """Return the end of a lifetime: sooner in an alarm, put off by minAge and by the rest after an undone move."""
    since = born(pod)
    return max(haste.due(since, length, policy.alarm), since + policy.min_age, rests_until(pod, now) or LONG_AGO)
