"""After the isolation: the fence goes up, and what still leaks is found and told.

Nothing here undoes or fails the isolation: a call that fails becomes a finding.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from molt import fence, marks
from molt.cluster import EVENTS, PODS
from molt.events import deterministic_id
from molt.outcome import MoltError
from quarantine import leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.itinerary import Slip
    from quarantine.recent import Recent

LEAKY = "MoltQuarantineLeaky"


def report(cluster: Cluster, recent: Recent, slip: Slip, pod: dict[str, Any], now: datetime) -> tuple[str, ...]:
    """Fence the token of the isolated `pod`, as it is now; return what leaks, and leave it on the pod and as an Event.

    A pod that says already what leaks was reported before: it costs no call. A rehearsal asks the same and leaves
    nothing. Raises nothing but what is no MoltError.
    """
    told = marks.leaks_of(pod)
    if told is not None:
        return told
    dry_run = slip.mode == "DryRun"
    found = (
        *leaks.of_pod(pod),
        *leaks.of_token(pod, _fenced(cluster, recent, slip, now)),
        *_asked("other NetworkPolicies", lambda: recent.policies(cluster, pod, now)),
        *_asked("the network plugin", lambda: recent.network(cluster, pod, now)),
    )
    findings = leaks.bounded(found)
    findings += _annotated(cluster, slip, findings, dry_run=dry_run)
    if leaks.certain(findings) and not dry_run:
        with suppress(MoltError):  # the annotation and the outcome say it too
            cluster.create(EVENTS, _event(slip, findings, now), slip.target.namespace)
    return findings


def _fenced(cluster: Cluster, recent: Recent, slip: Slip, now: datetime) -> str:
    """Put the fence up; return why it does not hold, "" when it does."""
    target = slip.target
    try:
        fence.put_up(cluster, target.uid, f"{target.namespace}/{target.name}", dry_run=slip.mode == "DryRun")
        return recent.fence(cluster, now)
    except MoltError as error:
        return error.reason


def _asked(what: str, find: Callable[[], Iterable[str]]) -> Iterator[str]:
    """Yield what `find` finds, or that it could not be found out."""
    try:
        yield from find()
    except MoltError as error:
        yield f"{leaks.UNKNOWN}: {what}: {error.reason}"


def _annotated(cluster: Cluster, slip: Slip, findings: Iterable[str], *, dry_run: bool) -> tuple[str, ...]:
    """Leave the findings on the pod; return one more when that fails, and a redelivery asks anew."""
    target = slip.target
    patch = {"metadata": {"uid": target.uid, "annotations": {marks.LEAKS: marks.render_leaks(findings)}}}
    try:
        cluster.merge(PODS, target.name, patch, target.namespace, dry_run=dry_run)
    except MoltError as error:
        return (f"{leaks.UNKNOWN}: the pod does not say what leaks: {error.reason}",)
    return ()


def _event(slip: Slip, findings: Iterable[str], now: datetime) -> dict[str, Any]:
    """Return the Event that warns of the leaks; one for each alert and pod."""
    target = slip.target
    return {
        "metadata": {
            "name": f"{target.name[:200].rstrip('-.')}.{deterministic_id(slip.alert['id'], target.uid, LEAKY)[:16]}",
            "namespace": target.namespace,
        },
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Warning",
        "reason": LEAKY,
        "action": "Quarantine",
        "note": marks.note("; ".join(findings)),
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
