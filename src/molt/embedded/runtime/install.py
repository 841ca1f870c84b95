"""Puts molt's own objects into a cluster: kinds, accounts and rights, default policies, keys."""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from molt.cluster import AlreadyExists, NotFound, Resource
from molt.cluster.resources import (
    ACCOUNTS,
    ADMISSION_BINDINGS,
    ADMISSION_POLICIES,
    CRDS,
    DEPLOYMENTS,
    NAMESPACES,
    PDBS,
    RESPONSE_POLICIES,
    ROTATION_POLICIES,
    SECRETS,
    SERVICES,
)
from molt.outcome import PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from molt.cluster import Cluster
    from molt.outcome import Clock

MANAGER = "molt-runtime"
NAMESPACE = "molt"
ROTATION_KEY = "rotation-key"
SIGNING_KEY = "signing-key"
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
    ADMISSION_POLICIES,
    ADMISSION_BINDINGS,
    RESPONSE_POLICIES,
    ROTATION_POLICIES,
    DEPLOYMENTS,
    SERVICES,
    PDBS,
)


def apply_all(cluster: Cluster, documents: Iterable[Mapping[str, Any]], clock: Clock) -> int:
    """Apply the manifests of the kinds above in their order; return how many. Eventing is the broker's to read.

    A policy that is there already stays as it is.

    Raises PermanentError for one without a name, TemporaryError when the API server does not come to serve a kind, and
    the errors of the cluster.
    """
    ranks = {(resource.api_version, resource.kind): rank for rank, resource in enumerate(KINDS)}
    ranked = [(rank, doc) for doc in documents if (rank := ranks.get(_kind(doc))) is not None]
    ranked.sort(key=itemgetter(0))
    for rank, doc in ranked:
        _apply(cluster, KINDS[rank], doc, clock)
    return len(ranked)


def _kind(doc: Mapping[str, Any]) -> tuple[str, str]:
    return str(doc.get("apiVersion")), str(doc.get("kind"))


def _apply(cluster: Cluster, resource: Resource, doc: Mapping[str, Any], clock: Clock) -> None:
    metadata = doc.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        raise PermanentError(f"a {resource.kind} of the manifests has no name")
    reason = ""
    for _ in range(_ESTABLISH):
        try:
            _put(cluster, resource, doc, metadata.get("namespace") if resource.namespaced else None)
        except NotFound as error:
            reason = error.reason
            clock.sleep(0.5)
        else:
            return
    raise TemporaryError(f"{resource.kind} {metadata['name']} cannot be applied: {reason}")


def _put(cluster: Cluster, resource: Resource, doc: Mapping[str, Any], namespace: str | None) -> None:
    """Apply the object; a policy that is there already is its owner's, who may have changed the mode that we ship."""
    if resource in {RESPONSE_POLICIES, ROTATION_POLICIES}:
        with contextlib.suppress(AlreadyExists):
            cluster.create(resource, doc, namespace)
    else:
        cluster.apply(resource, doc, namespace, manager=MANAGER)


def ensure_rotation_key(cluster: Cluster) -> None:
    """Make the key of rotation once; whoever knows it knows when each pod will move."""
    _ensure(cluster, ROTATION_KEY, {"key": secrets.token_hex(32)})


def ensure_signing_key(cluster: Cluster) -> None:
    """Make the key that events are signed with once, with the cluster's identity: the UID of kube-system, by custom."""
    identity = cluster.get(NAMESPACES, "kube-system")["metadata"]["uid"]
    _ensure(cluster, SIGNING_KEY, {"key": secrets.token_hex(32), "cluster": identity})


def _ensure(cluster: Cluster, name: str, values: Mapping[str, str]) -> None:
    metadata = {"name": name, "namespace": NAMESPACE}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(values)}
    with contextlib.suppress(AlreadyExists):
        cluster.create(SECRETS, body, NAMESPACE)


def secret_value(cluster: Cluster, namespace: str, name: str, key: str) -> str:
    """Return one value of a Secret. Raises PermanentError when it has no such key, and the errors of the cluster."""
    data = cluster.get(SECRETS, name, namespace).get("data") or {}
    if key not in data:
        raise PermanentError(f"secret {namespace}/{name} has no key {key}")
    return base64.b64decode(data[key]).decode()
