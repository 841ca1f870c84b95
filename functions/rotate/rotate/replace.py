"""Strategy Replace, make before break: the old pod serves until its replacement is Ready.

Without the label pod-template-hash a pod is no longer its ReplicaSet's, which makes another at once; Services select
other labels, so the old one stays in their endpoints. Once the fleet is whole without it, the old pod is evicted. All
that a later event needs to go on is on the pod itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import PODS, Conflict, NotFound
from molt.outcome import TemporaryError
from molt.workload import TEMPLATE_HASH, controller, is_ready
from rotate import survey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from molt.cluster import Cluster
    from rotate.fleet import Fleet

ATTEMPTS = 4
REPLACED = "replaced by a fresh pod"


@dataclass(frozen=True, slots=True)
class Why:
    """What a retiring pod says of its move: for what reason, by which strategy, and by which policy's clock, if any."""

    reason: str
    strategy: str = "Replace"
    policy: str = ""


def hindrance(pod: Mapping[str, Any], fleet: Fleet) -> str | None:
    """Return why the pod cannot be replaced before it goes, or None."""
    if not is_ready(pod):
        return "it is not Ready, and nobody would miss it"
    owner = controller(pod)
    if owner and owner["uid"] in fleet.hashed and TEMPLATE_HASH in marks.labels_of(pod):
        return None
    return f"{fleet} does not tell its pods by {TEMPLATE_HASH}"


def owner_of(pod: Mapping[str, Any]) -> str | None:
    """Return the UID of the controller that a retiring pod was released from, None when it does not say."""
    owner = marks.owner(pod)
    return owner["uid"] if owner else None


def patch(pod: Mapping[str, Any], now: datetime, why: Why) -> dict[str, Any]:
    """Return the merge patch that releases the pod, if it is still as it was read, and says from whom."""
    metadata = pod["metadata"]
    return {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "labels": {TEMPLATE_HASH: None, marks.RETIRING: marks.TRUE},
            "annotations": {
                marks.ORIGINAL_LABELS: marks.render_labels(marks.labels_of(pod)),
                marks.OWNER: json.dumps(controller(pod), sort_keys=True),
                marks.RETIRING_SINCE: marks.stamp(now),
                marks.REASON: marks.printable(why.reason),
                **({} if why.strategy == "Replace" else {marks.STRATEGY: why.strategy}),
                **({marks.POLICY: why.policy} if why.policy else {}),
            },
        }
    }


def retire(
    cluster: Cluster, pod: Mapping[str, Any], fleet: Fleet, now: datetime, why: Why, *, dry_run: bool = False
) -> None:
    """Release the pod from its ReplicaSet; read it again as often as it changed meanwhile.

    Raises TemporaryError when it is gone, is no longer the fleet's to move, or kept changing: look again.
    """
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    latest = pod
    for _ in range(ATTEMPTS):
        try:
            cluster.merge(PODS, name, patch(latest, now, why), namespace, dry_run=dry_run)
        except (Conflict, NotFound):
            latest = _again(cluster, pod)
        else:
            return
        if not fleet.owns(latest) or hindrance(latest, fleet):
            raise TemporaryError(f"pod {namespace}/{name} is no longer one of {fleet} that can be replaced")
    raise TemporaryError(f"pod {namespace}/{name} changed under each of {ATTEMPTS} attempts")


def _again(cluster: Cluster, pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the very pod as it is now. Raises TemporaryError when it is gone."""
    latest = survey.latest(cluster, pod)
    if latest is None:
        raise TemporaryError(
            f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} is gone before it could be replaced"
        )
    return latest
