"""What is said to those who look at a workload or a policy: Events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import log, marks
from molt.cluster import EVENTS, AlreadyExists
from molt.events import deterministic_id
from molt.outcome import MoltError
from molt.policy.manifest import API_VERSION
from molt.policy.rotation import KIND

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.policy import RotationPolicy
    from rotate.fleet import Fleet

UNDONE = "MoltRotationUndone"
REGENERATED = "MoltSecretRegenerated"
PUT_BACK = "MoltRegenerationUndone"
NOTE_LIMIT = 1000  # of the 1024 bytes that an Event's note may have


def undone(cluster: Cluster, fleet: Fleet, uid: str, reason: str, now: datetime) -> None:
    """Leave an Event on the workload: the move of the pod, or the restart, of that UID was undone.

    The trail says it too, so that a failure is logged only.
    """
    about = {
        "apiVersion": "apps/v1",
        "kind": fleet.kind,
        "namespace": fleet.namespace,
        "name": fleet.name,
        "uid": fleet.uid,
    }
    _tell(cluster, about, uid, UNDONE, reason, now)


def regenerated(
    cluster: Cluster, policy: RotationPolicy, secret: Mapping[str, Any], reason: str, text: str, now: datetime
) -> None:
    """Leave an Event on the policy about its Secret; `reason` is REGENERATED, or PUT_BACK, which is a warning."""
    about = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "namespace": policy.namespace,
        "name": policy.name,
        "uid": policy.uid,
    }
    _tell(cluster, about, secret["metadata"]["uid"], reason, text, now)


def _tell(cluster: Cluster, about: Mapping[str, str], uid: str, reason: str, text: str, now: datetime) -> None:
    try:
        cluster.create(EVENTS, _event(about, uid, reason, text, now), about["namespace"])
    except AlreadyExists:
        return
    except MoltError as error:
        name, namespace = f"{about['kind']}/{about['name']}", about["namespace"]
        log.write("warning", "rotate", message=f"{name} in {namespace}: no Event: {error.reason}")


def _event(about: Mapping[str, str], uid: str, reason: str, text: str, now: datetime) -> dict[str, Any]:
    identity = deterministic_id(about["uid"], uid, reason, marks.stamp(now))[:16]
    return {
        "metadata": {"name": f"{about['name'][:200].rstrip('-.')}.{identity}", "namespace": about["namespace"]},
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Normal" if reason == REGENERATED else "Warning",
        "reason": reason,
        "action": "Rotate",
        "note": marks.printable(text, NOTE_LIMIT).encode()[:NOTE_LIMIT].decode(errors="ignore"),
        "regarding": dict(about),
        "reportingController": "molt-project.io/rotate",
        "reportingInstance": "rotate",
    }
