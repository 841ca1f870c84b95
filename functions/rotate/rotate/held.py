"""Which pods are due and stay, and for what reason: a tick's trail, counted. Pure.

The trail tells of one pod of a workload; its reason holds for all pods of the workload that are due.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.due import rests_until
from molt.workload import controller, top
from rotate import reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from rotate.fleet import Fleet

Object = dict[str, Any]

MOST = 8
"""Reasons that a status names."""
LONGEST = 256
LONGEST_EXAMPLE = 253
"""Characters of an example: a name with its kind before it may have more."""
_KIND = "Secret/"


@dataclass(frozen=True, slots=True)
class Held:
    """Pods of one workload that stay for one reason; `fleet` None when the workload was not read."""

    reason: str
    message: str
    example: str
    """The name of the pod, or workload, that the message is about."""
    pods: int
    fleet: Fleet | None = None

    @property
    def is_secret(self) -> bool:
        """Tell whether it is a Secret that stays, and no pod."""
        return self.example.startswith(_KIND)


def held(
    entries: Iterable[Mapping[str, Any]], due: Sequence[Object], fleets: Mapping[str, Fleet], now: datetime
) -> list[Held]:
    """Return who is held up, by a policy's entries in the trail; `due` are its pods that are due or rest.

    Every pod counts once, and so does a Secret that is not regenerated.
    """
    waiting: dict[str, dict[str, Object]] = defaultdict(dict)
    places = {pod["metadata"]["uid"]: _place(pod, fleets) for pod in due}
    for pod in due:
        waiting[places[pod["metadata"]["uid"]]][pod["metadata"]["uid"]] = pod
    by_uid = {fleet.uid: fleet for fleet in fleets.values()} if places else {}
    found = []
    for entry in entries:
        reason, place = reasons.name(entry["outcome"], entry["reason"]), places.get(entry.get("uid", ""))
        if reason is None or (place is not None and place not in waiting):
            continue
        count = len(waiting.pop(place)) if place else 1
        example = entry.get("pod") or entry.get("workload") or f"{_KIND}{entry['secret']}"
        found.append(Held(reason, entry["reason"], example, count, by_uid.get(place or "")))
    return found + [_resting(pods, now) for group in waiting.values() if (pods := _tried(group.values(), now))]


def is_resting(pod: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether the pod's move was undone, and is tried again later."""
    until = rests_until(pod, now)
    return until is not None and until > now


def grouped(found: Iterable[Held], earlier: Mapping[str, Any], now: datetime) -> Object:
    """Return `status.blocked`: how many pods and Secrets are held up, and by which reasons, the most frequent first.

    `earlier` is the status as it is: a reason that it names keeps its time, and the API server's words about the same
    pod, which may be others each time, stay as they were first.
    """
    groups: dict[str, list[Held]] = defaultdict(list)
    for one in found:
        groups[one.reason].append(one)
    known = {each.get("reason"): each for each in (earlier.get("blocked") or {}).get("reasons") or ()}
    told = [_told(reason, group, known.get(reason) or {}, now) for reason, group in groups.items()]
    told.sort(key=lambda each: (-each["count"], each["reason"]))
    return {"count": sum(each["count"] for each in told), "reasons": told[:MOST]}


def _told(reason: str, group: Sequence[Held], earlier: Mapping[str, Any], now: datetime) -> Object:
    first = min(group, key=lambda one: (one.example, one.message))
    message, example = marks.printable(first.message, LONGEST), marks.printable(first.example, LONGEST_EXAMPLE)
    if reason in reasons.FOREIGN and earlier.get("example") == example:
        message = earlier.get("message") or message
    return {
        "reason": reason,
        "count": sum(one.pods for one in group),
        "example": example,
        "message": message,
        "since": earlier.get("since") or marks.stamp(now),
    }


def _place(pod: Object, fleets: Mapping[str, Fleet]) -> str:
    """Return the UID of the pod's workload, as far as it is known, or its own."""
    owner = controller(pod) or pod["metadata"]
    return fleets[owner["uid"]].uid if owner["uid"] in fleets else str(owner["uid"])


def _tried(pods: Iterable[Object], now: datetime) -> list[Object]:
    return [pod for pod in pods if is_resting(pod, now)]


def _resting(pods: list[Object], now: datetime) -> Held:
    last = max(pods, key=lambda pod: (rests_until(pod, now) or now, pod["metadata"]["name"]))
    workload, until = top(last), rests_until(last, now) or now
    name = f"{workload.kind}/{workload.name}" if workload else f"Pod/{last['metadata']['name']}"
    message = f"a replacement of {name} did not become Ready: tried again from {marks.stamp(until)} on"
    return Held(reasons.STUCK, message, last["metadata"]["name"], len(pods))
