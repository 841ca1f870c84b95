"""Puts molt's own objects into a cluster: kinds, accounts and their rights, default policies, the key of rotation."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

from molt.cluster import NotFound, Resource
from molt.cluster.resources import (
    ACCOUNTS,
    CRDS,
    DEPLOYMENTS,
    NAMESPACES,
    PDBS,
    RESPONSE_POLICIES,
    ROTATION_POLICIES,
    SECRETS,
    SERVICES,
)
from molt.outcome import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from molt.cluster import Cluster
    from molt.outcome import Clock

MANAGER = "molt-runtime"
NAMESPACE = "molt"
ROTATION_KEY = "rotation-key"
_ESTABLISH = 20  # tries, half a second apart: a real API server serves a new kind some moments after it took it

_ROLES = "rbac.authorization.k8s.io"

# In the order in which they must be there.
KINDS = (
    NAMESPACES,
    CRDS,
    ACCOUNTS,
    Resource(_ROLES, "v1", "clusterroles", "ClusterRole", namespaced=False),
    Resource(_ROLES, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    Resource(_ROLES, "v1", "roles", "Role"),
    Resource(_ROLES, "v1", "rolebindings", "RoleBinding"),
    RESPONSE_POLICIES,
    ROTATION_POLICIES,
    DEPLOYMENTS,
    SERVICES,
    PDBS,
)


def apply_all(cluster: Cluster, documents: Iterable[Mapping[str, Any]], clock: Clock) -> int:
    """Apply the manifests of the kinds above in their order; return how many. Eventing is the broker's to read."""
    ranks = {(resource.api_version, resource.kind): rank for rank, resource in enumerate(KINDS)}
    ours = [doc for doc in documents if (doc.get("apiVersion"), doc.get("kind")) in ranks]
    ours.sort(key=lambda doc: ranks[doc["apiVersion"], doc["kind"]])
    for doc in ours:
        _apply(cluster, KINDS[ranks[doc["apiVersion"], doc["kind"]]], doc, clock)
    return len(ours)


def _apply(cluster: Cluster, resource: Resource, doc: Mapping[str, Any], clock: Clock) -> None:
    namespace = doc["metadata"].get("namespace") if resource.namespaced else None
    for _ in range(_ESTABLISH):
        try:
            cluster.apply(resource, dict(doc), namespace, manager=MANAGER)
        except NotFound:
            clock.sleep(0.5)
        else:
            return
    raise TemporaryError(f"the API server does not serve {resource.plural}.{resource.group} yet")


def ensure_rotation_key(cluster: Cluster) -> None:
    """Make the key of rotation once; whoever knows it knows when each pod will move."""
    try:
        cluster.get(SECRETS, ROTATION_KEY, NAMESPACE)
    except NotFound:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": ROTATION_KEY, "namespace": NAMESPACE},
            "stringData": {"key": secrets.token_hex(32)},
        }
        cluster.create(SECRETS, body, NAMESPACE)


def secret_value(cluster: Cluster, namespace: str, name: str, key: str) -> str:
    """Return one value of a Secret."""
    return base64.b64decode(cluster.get(SECRETS, name, namespace)["data"][key]).decode()
