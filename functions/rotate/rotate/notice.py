"""What is said to those who look at a workload or a policy: Events, when something moved, could not, or did in vain.

An Event is a courtesy: the trail and the status say the same. So one that is refused is logged, and no move fails for
it. Names are made from what an Event is about, so that a doubled tick or a redelivery says nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import log, marks
from molt.cluster import EVENTS, AlreadyExists
from molt.events import deterministic_id
from molt.outcome import MoltError, TemporaryError
from molt.policy.manifest import API_VERSION
from molt.policy.rotation import KIND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.policy import RotationPolicy
    from rotate.fleet import Fleet

ROTATED = "Rotated"
BLOCKED = "RotationBlocked"
UNDONE = "MoltRotationUndone"
REGENERATED = "MoltSecretRegenerated"
PUT_BACK = "MoltRegenerationUndone"


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said of a workload; `about` tells it from all others of its reason there; `pod` is the one concerned."""

    fleet: Fleet
    reason: str
    about: tuple[str, ...]
    note: str
    at: datetime
    pod: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """Return the Event's name: that of the workload, and a digest of what it is about."""
        identity = deterministic_id(self.fleet.uid, *self.about, self.reason)[:16]
        return f"{self.fleet.name[:200].rstrip('-.')}.{identity}"


@dataclass(frozen=True, slots=True)
class Moved:
    """A pod that has left its workload: how and why, and the name of the new one, "" when it is not known."""

    pod: Mapping[str, Any]
    how: str
    why: str
    fresh: str = ""


def rotated(fleet: Fleet, moved: Moved, now: datetime) -> Notice:
    """Return that the pod has left its workload."""
    metadata, fresh = moved.pod["metadata"], f"; the new pod is {moved.fresh}" if moved.fresh else ""
    note = f"pod {metadata['name']}: {moved.how}{fresh}; {moved.why}"
    return Notice(fleet, ROTATED, (metadata["uid"],), note, now, moved.pod)


def restarted(fleet: Fleet, at: str, now: datetime) -> Notice:
    """Return that the restart of the time `at` is done; why stands on the workload."""
    why = marks.annotations_of(fleet.top).get(marks.REASON, "")
    return Notice(fleet, ROTATED, (at,), f"restarted, all of its pods are fresh; {why}", now)


def undone(cluster: Cluster, fleet: Fleet, uid: str, reason: str, now: datetime) -> None:
    """Tell that the move of the pod, or the restart, of that UID was undone."""
    post(cluster, Notice(fleet, UNDONE, (uid, marks.stamp(now)), reason, now))


def post_all(cluster: Cluster, notices: Sequence[Notice]) -> list[Notice]:
    """Leave Events on workloads, as long as the API server takes them; return those that are settled.

    One that it cannot take now is the last: each may take seconds, and nobody waits for an Event.
    """
    for number, notice in enumerate(notices):
        if not post(cluster, notice):
            if left := len(notices) - number - 1:
                log.write("warning", "rotate", message=f"{left} more Events are left out in this tick")
            return list(notices[:number])
    return list(notices)


def regenerated(
    cluster: Cluster, policy: RotationPolicy, secret: Mapping[str, Any], reason: str, text: str, now: datetime
) -> None:
    """Leave an Event on the policy about its Secret; `reason` is REGENERATED, or PUT_BACK, which is a warning."""
    own = {"namespace": policy.namespace, "name": policy.name, "uid": policy.uid}
    identity = deterministic_id(policy.uid, secret["metadata"]["uid"], reason, marks.stamp(now))[:16]
    name = f"{policy.name[:200].rstrip('-.')}.{identity}"
    _create(cluster, _event(name, _reference(API_VERSION, KIND, own), reason, text, now))


def post(cluster: Cluster, notice: Notice) -> bool:
    """Leave an Event on the workload; tell whether that is settled: said, said before, or refused for good."""
    fleet = notice.fleet
    own = {"namespace": fleet.namespace, "name": fleet.name, "uid": fleet.uid}
    body = _event(notice.name, _reference(fleet.api_version, fleet.kind, own), notice.reason, notice.note, notice.at)
    if notice.pod:
        body["related"] = _reference("v1", "Pod", notice.pod["metadata"])
    return _create(cluster, body)


def _create(cluster: Cluster, body: Mapping[str, Any]) -> bool:
    about = body["regarding"]
    try:
        cluster.create(EVENTS, body, about["namespace"])
    except AlreadyExists:
        return True
    except MoltError as error:
        name, namespace = f"{about['kind']}/{about['name']}", about["namespace"]
        log.write("warning", "rotate", message=f"{name} in {namespace}: no Event: {error.reason}")
        return not isinstance(error, TemporaryError)
    return True


def _event(name: str, about: Mapping[str, str], reason: str, text: str, at: datetime) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": about["namespace"]},
        "eventTime": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Normal" if reason in {ROTATED, REGENERATED} else "Warning",
        "reason": reason,
        "action": "Rotate",
        "note": marks.note(text),
        "regarding": dict(about),
        "reportingController": "molt-project.io/rotate",
        "reportingInstance": "rotate",
    }


def _reference(version: str, kind: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, **{name: metadata[name] for name in ("namespace", "name", "uid")}}
