"""What isolates a pod, and when not to: pure, from the pod as read and the slip as received."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from molt import guard, marks
from molt.events import deterministic_id
from molt.workload import is_terminating
from quarantine import retention

if TYPE_CHECKING:
    from datetime import datetime

    from molt.itinerary import Slip, Target

Pod = dict[str, Any]

FUNCTION = "quarantine"
MANAGER = "molt-quarantine"
"""Who has the fields of the deny-all policy, for server-side apply."""

NOTE_LIMIT = 256
"""Characters of an Event's note: the API takes 1024 bytes, and a character has at most 4."""


_OURS = frozenset((*marks.QUARANTINE_ANNOTATIONS, *marks.RETIRING_ANNOTATIONS))


class Next(Enum):
    """What becomes of the itinerary when this pod is not to be isolated."""

    CARRY_ON = "carry on"  # the pod is no danger any more; its siblings may still move
    STOP = "stop"  # nothing more may happen on this alert's account
    REPEAT = "repeat"  # this very alert has isolated it before: give the same answer


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why the pod is not isolated (again), and what becomes of the itinerary."""

    reason: str
    then: Next


def excuse(pod: Pod | None, slip: Slip) -> Excuse | None:
    """Return why not to isolate `pod`, what its name stands for now (None: nothing), or None to go ahead."""
    target = slip.target
    if pod is None:
        return Excuse("the pod is gone", Next.CARRY_ON)
    if pod["metadata"]["uid"] != target.uid:
        return Excuse("the pod is gone: another one has its name", Next.CARRY_ON)
    # With any label more it is not as this function leaves a pod: a Service may select it.
    if marks.is_quarantined(pod) and len(marks.labels_of(pod)) == 1:
        by = marks.annotations_of(pod).get(marks.ALERT)
        if by == marks.printable(slip.alert["id"]):
            return Excuse("isolated before, on this very alert", Next.REPEAT)
        return Excuse(f"already in quarantine, by {f'alert {marks.printable(by)}' if by else 'hand'}", Next.STOP)
    if is_terminating(pod):
        return Excuse("the pod is terminating", Next.CARRY_ON)
    forbidden = guard.protected_namespace(target.namespace) or guard.static_pod(pod)
    return Excuse(forbidden, Next.STOP) if forbidden else None


def workload_of(target: Target) -> str:
    """Return `Kind/name` of what the pod is a replica of; a bare pod stands for itself."""
    return f"{target.workload.kind}/{target.workload.name}" if target.workload else f"Pod/{target.name}"


def account(target: Target) -> str:
    """Return what isolating the pod means to its workload, in words."""
    if target.workload is None:
        return "isolated; no controller owns it, so nothing replaces it"
    owner = workload_of(target)
    if target.workload.kind == "StatefulSet":
        return f"isolated; {owner} cannot replace it while a pod of this name exists"
    if target.workload.kind == "DaemonSet":
        return f"isolated; {owner} replaces it on its node, once it holds no host port that the other needs"
    return f"isolated; {owner} replaces it"


def deny_all(namespace: str) -> dict[str, Any]:
    """Return the NetworkPolicy that cuts every quarantined pod of the namespace off, both ways."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": marks.ISOLATION,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "molt", "app.kubernetes.io/managed-by": "molt"},
        },
        "spec": {
            "podSelector": {"matchLabels": {marks.COMPROMISED: marks.TRUE}},
            "policyTypes": ["Ingress", "Egress"],
            # Empty lists, not none: what an apply does not name, it leaves as somebody else has made it.
            "ingress": [],
            "egress": [],
        },
    }


def patch(pod: Pod, slip: Slip, now: datetime) -> dict[str, Any]:
    """Return the one merge patch that isolates `pod` as it was read.

    Every label goes, so that no selector of a Service, ReplicaSet, PodDisruptionBudget or NetworkPolicy matches any
    more. A pod caught while it was retiring, or labelled since it was in quarantine, has its first labels in an
    annotation: those must a release bring back.
    """
    metadata = pod["metadata"]
    marked = marks.is_retiring(pod) or marks.is_compromised(pod)
    own = (marks.COMPROMISED, marks.RETIRING)
    worn = {name: value for name, value in marks.labels_of(pod).items() if name not in own}
    originals = worn | ((marks.original_labels(pod) or {}) if marked else {})
    return {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "labels": {**dict.fromkeys(marks.labels_of(pod)), marks.COMPROMISED: marks.TRUE},
            "annotations": {
                # None that the pod brought along counts: whoever has written it may be the attacker.
                **dict.fromkeys(_OURS & set(marks.annotations_of(pod))),
                **_annotations(slip, _since(pod, slip, now)),
                marks.ORIGINAL_LABELS: marks.render_labels(originals),
            },
        }
    }


def _since(pod: Pod, slip: Slip, now: datetime) -> datetime:
    """Return when this alert put the pod in quarantine: before now, where somebody has labelled it since."""
    first = marks.quarantined_at(pod)
    by = marks.annotations_of(pod).get(marks.ALERT)
    is_ours = marks.is_compromised(pod) and by == marks.printable(slip.alert["id"])
    return first if is_ours and first and first <= now else now


def _annotations(slip: Slip, since: datetime) -> dict[str, str]:
    """Return what the pod itself says about its quarantine."""
    return {
        marks.WORKLOAD: workload_of(slip.target),
        marks.QUARANTINED_AT: marks.stamp(since),
        marks.REASON: marks.printable(str(slip.alert.get("output") or "no output")),
        marks.RULE: marks.printable(str(slip.alert.get("rule") or "")),
        marks.ALERT: marks.printable(slip.alert["id"]),
        marks.POLICY: slip.policy.name,
        **retention.written(slip.current(FUNCTION).parameters, since),
    }


def replicas_of(workload: dict[str, Any] | None) -> int:
    """Return how many pods the workload's object asks for; 1, the API's default, for one unknown."""
    if workload is None:
        return 1
    asked = workload["spec"].get("replicas", workload.get("status", {}).get("desiredNumberScheduled"))
    return 1 if asked is None else int(asked)


def notice(slip: Slip, now: datetime) -> dict[str, Any]:
    """Return the Event that `kubectl describe pod` shows; named after alert and pod, so that there is one for each."""
    target = slip.target
    rule = marks.printable(str(slip.alert.get("rule") or "unknown"))
    return {
        "metadata": {
            "name": f"{target.name[:200].rstrip('-.')}.{deterministic_id(slip.alert['id'], target.uid)[:16]}",
            "namespace": target.namespace,
        },
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Warning",
        "reason": "Quarantined",
        "action": "Quarantine",
        "note": marks.printable(f"{account(target)}. Policy: {slip.policy.name}. Rule: {rule}", NOTE_LIMIT),
        "regarding": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": target.namespace,
            "name": target.name,
            "uid": target.uid,
        },
        "reportingController": "molt-project.io/quarantine",
        "reportingInstance": "quarantine",
    }
