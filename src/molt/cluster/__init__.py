"""The only place that talks to the Kubernetes API.

On urllib3, with raw paths and plain dicts. The package `kubernetes` reads kubeconfigs that are not of the plainest
kind; in a pod it is not imported, since that costs a cold start more than all the rest.
"""

from __future__ import annotations

from molt.cluster.client import Cluster
from molt.cluster.errors import (
    AlreadyExists,
    Blocked,
    Conflict,
    Expired,
    Forbidden,
    Misconfigured,
    NotFound,
    Rejected,
    Request,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from molt.cluster.options import LogLimits
from molt.cluster.resources import (
    CRDS,
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    JOBS,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PDBS,
    PODS,
    REPLICA_SETS,
    RESPONSE_POLICIES,
    ROTATION_POLICIES,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)

__all__ = [
    "CRDS",
    "DAEMON_SETS",
    "DEPLOYMENTS",
    "ENDPOINT_SLICES",
    "EVENTS",
    "JOBS",
    "NAMESPACES",
    "NETWORK_POLICIES",
    "NODES",
    "PDBS",
    "PODS",
    "REPLICA_SETS",
    "RESPONSE_POLICIES",
    "ROTATION_POLICIES",
    "SECRETS",
    "SERVICES",
    "STATEFUL_SETS",
    "AlreadyExists",
    "Blocked",
    "Cluster",
    "Conflict",
    "Expired",
    "Forbidden",
    "LogLimits",
    "Misconfigured",
    "NotFound",
    "Rejected",
    "Request",
    "Resource",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
]
