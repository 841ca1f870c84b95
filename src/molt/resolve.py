"""Find the pod that an alert is about, with as few calls as its fields allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import target
from molt.cluster import PODS, NotFound
from molt.outcome import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from molt.alert import Alert
    from molt.cluster import Cluster

_RETRY_AFTER = 1.0  # seconds; about as long as the kubelet takes to report a container


def find(alert: Alert, cluster: Cluster, now: datetime | None = None) -> Mapping[str, Any] | str:
    """Return the pod, as it is now and surely the one that the alert saw, or the reason why there is none.

    One call for a pod named in full; one for a name without a namespace; one or two for the id of a container alone.

    With `now`, raises TemporaryError rather than return a reason that the kubelet's next report may undo: the alert is
    fresh, and no pod has its container yet. Without, nobody would try again, and what is known at present counts.
    """
    if reason := target.no_pod(alert):
        return reason
    if alert.pod_name and alert.namespace:
        return _by_full_name(alert, alert.namespace, alert.pod_name, cluster, now)
    if alert.pod_name:
        pods = cluster.list(PODS, fields=f"metadata.name={alert.pod_name}")
        found = [pod for pod in pods if not target.mismatch(alert, pod)]
        if not found:
            _raise_if_late(alert, pods, now)
        return target.only(found, f"the name {alert.pod_name}")
    return _by_container(alert, cluster, now)


def _by_full_name(
    alert: Alert, namespace: str, name: str, cluster: Cluster, now: datetime | None
) -> Mapping[str, Any] | str:
    try:
        pod = cluster.get(PODS, name, namespace)
    except NotFound:
        return f"pod {namespace}/{name} is gone"
    reason = target.mismatch(alert, pod)
    if reason:
        _raise_if_late(alert, [pod], now)
    return reason or pod


def _by_container(alert: Alert, cluster: Cluster, now: datetime | None) -> Mapping[str, Any] | str:
    """Look on the alert's node first. The host may also be Falco's own pod: then no pod is on a node of that name."""
    container_id = alert.container_id or ""
    pods = cluster.list(PODS, alert.namespace, fields=f"spec.nodeName={alert.node}") if alert.node else []
    pods = pods or cluster.list(PODS, alert.namespace)
    found = [pod for pod in pods if target.runs(pod, container_id)]
    if not found:
        _raise_if_late(alert, pods, now)
    return target.only(found, f"container {container_id[:12]}")


def _raise_if_late(alert: Alert, pods: Iterable[Mapping[str, Any]], now: datetime | None) -> None:
    """Raise TemporaryError when one of these pods, of which none is the alert's by now, may still prove to be."""
    if now is not None and any(target.is_late(alert, pod, now) for pod in pods):
        known = (alert.container_id or "")[:12]
        raise TemporaryError(f"no pod has container {known} yet: the kubelet may not have reported it", _RETRY_AFTER)
