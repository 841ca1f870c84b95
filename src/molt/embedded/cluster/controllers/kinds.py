"""The kinds that controllers keep, as owner references and the store name them."""

from __future__ import annotations

from typing import NamedTuple

from molt.embedded.cluster.resources import BUILT_IN


class Kind(NamedTuple):
    """One kind of object; `plural` is the store's key."""

    api_version: str
    kind: str
    plural: str


POD = Kind("v1", "Pod", "pods")
NODE = Kind("v1", "Node", "nodes")
SERVICE = Kind("v1", "Service", "services")
NAMESPACE = Kind("v1", "Namespace", "namespaces")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets.apps")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments.apps")
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets.apps")
DAEMON_SET = Kind("apps/v1", "DaemonSet", "daemonsets.apps")
CONTROLLER_REVISION = Kind("apps/v1", "ControllerRevision", "controllerrevisions.apps")
JOB = Kind("batch/v1", "Job", "jobs.batch")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices.discovery.k8s.io")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets.policy")

# Every kind that the server serves, by API group and kind.
SERVED = {(kind.group, kind.kind): kind.key for kind in BUILT_IN} | {
    ("apps", CONTROLLER_REVISION.kind): CONTROLLER_REVISION.plural
}
