"""What is said to those who look at a workload: an Event when it could not be moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import log, marks
from molt.cluster import EVENTS, AlreadyExists
from molt.events import deterministic_id
from molt.outcome import MoltError

if TYPE_CHECKING:
    from datetime import datetime

    from molt.cluster import Cluster
    from rotate.fleet import Fleet

UNDONE = "MoltRotationUndone"
NOTE_LIMIT = 1000  # of the 1024 bytes that an Event's note may have


def undone(cluster: Cluster, fleet: Fleet, uid: str, reason: str, now: datetime) -> None:
    """Leave an Event on the workload: the move of the pod, or the restart, of that UID was undone.

    The trail says it too, so that a failure is logged only.
    """
    try:
        cluster.create(EVENTS, _event(fleet, uid, reason, now), fleet.namespace)
    except AlreadyExists:
        return
    except MoltError as error:
        log.write("warning", "rotate", message=f"{fleet} in {fleet.namespace}: no Event: {error.reason}")


def _event(fleet: Fleet, uid: str, reason: str, now: datetime) -> dict[str, Any]:
    identity = deterministic_id(fleet.uid, uid, UNDONE, marks.stamp(now))[:16]
    return {
        "metadata": {"name": f"{fleet.name[:200].rstrip('-.')}.{identity}", "namespace": fleet.namespace},
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Warning",
        "reason": UNDONE,
        "action": "Rotate",
        "note": marks.printable(reason, NOTE_LIMIT).encode()[:NOTE_LIMIT].decode(errors="ignore"),
        "regarding": {
            "apiVersion": "apps/v1",
            "kind": fleet.kind,
            "namespace": fleet.namespace,
            "name": fleet.name,
            "uid": fleet.uid,
        },
        "reportingController": "molt-project.io/rotate",
        "reportingInstance": "rotate",
    }
