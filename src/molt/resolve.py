"""Find the pod that an alert is about, with as few calls as its fields allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import target
from molt.cluster import PODS, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.alert import Alert
    from molt.cluster import Cluster


def find(alert: Alert, cluster: Cluster) -> Mapping[str, Any] | str:
    """Return the pod, as it is now and surely the one that the alert saw, or the reason why there is none.

    One call for a pod named in full; one for a name without a namespace; one or two for the id of a container alone.
    """
    if reason := target.no_pod(alert):
        return reason
    if alert.pod_name and alert.namespace:
        return _by_full_name(alert, alert.namespace, alert.pod_name, cluster)
    if alert.pod_name:
        pods = cluster.list(PODS, fields=f"metadata.name={alert.pod_name}")
        return target.only((pod for pod in pods if not target.mismatch(alert, pod)), f"the name {alert.pod_name}")
    return _by_container(alert, cluster)


def _by_full_name(alert: Alert, namespace: str, name: str, cluster: Cluster) -> Mapping[str, Any] | str:
    try:
        pod = cluster.get(PODS, name, namespace)
    except NotFound:
        return f"pod {namespace}/{name} is gone"
    return target.mismatch(alert, pod) or pod


def _by_container(alert: Alert, cluster: Cluster) -> Mapping[str, Any] | str:
    """Look on the alert's node first. The host may also be Falco's own pod: then no pod is on a node of that name."""
    container_id = alert.container_id or ""
    pods = cluster.list(PODS, alert.namespace, fields=f"spec.nodeName={alert.node}") if alert.node else []
    pods = pods or cluster.list(PODS, alert.namespace)
    return target.only((pod for pod in pods if target.runs(pod, container_id)), f"container {container_id[:12]}")
