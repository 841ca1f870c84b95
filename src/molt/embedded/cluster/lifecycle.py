"""How an object lives: what no writer may change, what a deletion waits for, which preconditions hold."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.errors import StoreConflict
from molt.embedded.cluster.objects import rfc3339

if TYPE_CHECKING:
    from datetime import datetime

Object = dict[str, Any]

DEFAULT_GRACE = 30
FIXED = (
    *("uid", "creationTimestamp", "resourceVersion", "generation"),
    *("deletionTimestamp", "deletionGracePeriodSeconds"),
)
MODIFIED_TEXT = "the object has been modified; please apply your changes to the latest version and try again"

# The kinds whose strategy keeps no metadata.generation.
UNVERSIONED = frozenset(
    (
        "configmaps",
        "endpoints",
        "events",
        "leases.coordination.k8s.io",
        "namespaces",
        "nodes",
        "secrets",
        "serviceaccounts",
        "services",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
    )
)


def check(plural: str, stored: Object, *, uid: str | None, resource_version: str | None) -> None:
    """Raise StoreConflict unless `stored` has the UID and resourceVersion that were named, if any were."""
    metadata = stored["metadata"]
    if uid and uid != metadata["uid"]:
        reason = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata['uid']}"
        raise StoreConflict(plural, metadata["name"], reason)
    if resource_version and resource_version != metadata["resourceVersion"]:
        raise StoreConflict(plural, metadata["name"], MODIFIED_TEXT)


def kept(new: Object, old: Object) -> Object:
    """Return `new`, with metadata of its own in which what no writer may change is as in `old`."""
    metadata = {key: value for key, value in new["metadata"].items() if key not in FIXED}
    return new | {"metadata": metadata | {key: old["metadata"][key] for key in FIXED if key in old["metadata"]}}


def held(plural: str, obj: Object) -> bool:
    """Tell whether an object that is to be deleted still has to wait: for finalizers, or for its grace period."""
    metadata = obj["metadata"]
    if plural == "namespaces" and obj.get("spec", {}).get("finalizers"):
        return True
    return bool(metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"))


def grace(pod: Object, asked: int | None) -> int:
    """Return how long the pod may take to go, as the API server's pod strategy decides."""
    if not pod.get("spec", {}).get("nodeName") or pod.get("status", {}).get("phase") in ("Failed", "Succeeded"):
        return 0
    if asked is not None:
        return asked if asked >= 0 else 1  # as the API server reads a negative one
    return int(pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE))


def marked(plural: str, old: Object, now: datetime, grace: int) -> Object:
    """Return `old` as it is once its deletion has begun; a deletion under way can only be shortened."""
    metadata = dict(old["metadata"])
    under_way = metadata.get("deletionGracePeriodSeconds")
    if under_way is not None and grace >= under_way:
        return old
    metadata["deletionTimestamp"] = rfc3339(now + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace
    if under_way is None and "generation" in metadata:
        metadata["generation"] += 1
    new = old | {"metadata": metadata}
    if plural == "namespaces":
        new["status"] = old.get("status", {}) | {"phase": "Terminating"}
    return new
