"""Guards: reasons not to act that no policy can lift.

Each is a pure function that returns the reason, or None. A namespace exempts what is in it, by its label; a pod cannot
exempt itself, since whoever owns a pod, its attacker included, can often label it, and few may label a namespace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.marks import EXEMPT, TRUE

if TYPE_CHECKING:
    from collections.abc import Mapping

PROTECTED_NAMESPACES = frozenset({"falco", "kube-node-lease", "kube-public", "kube-system", "molt"})
PROTECTED_PREFIX = "knative-"
_MIRROR_ANNOTATION = "kubernetes.io/config.mirror"


def first_objection(
    pod: Mapping[str, Any], namespace: Mapping[str, Any] | None, *, own_namespace: str = ""
) -> str | None:
    """Return the first reason not to touch `pod`, or None.

    `namespace` is the object of the pod's namespace. None, or that of another, is an objection too: what cannot be
    checked is not allowed. `own_namespace` is where molt runs, when that is not `molt`.
    """
    name = _metadata(pod).get("namespace") or ""
    return (
        protected_namespace(name, own_namespace=own_namespace) or static_pod(pod) or exempt_namespace(name, namespace)
    )


def protected_namespace(name: str, *, own_namespace: str = "") -> str | None:
    """Object to a namespace that the cluster, its event mesh, Falco or molt itself lives on; by name, without I/O."""
    if name in PROTECTED_NAMESPACES or name.startswith(PROTECTED_PREFIX) or (own_namespace and name == own_namespace):
        return f"namespace {name} is protected"
    return None


def static_pod(pod: Mapping[str, Any]) -> str | None:
    """Object to the mirror of a static pod: a kubelet runs it from a file, and the API has only its image.

    Told by the annotation, which the API server lets nobody add or take off later; an owner anybody may add. A kubelet
    runs no pod that somebody makes with it.
    """
    metadata = _metadata(pod)
    if _MIRROR_ANNOTATION in (metadata.get("annotations") or {}):
        return f"pod {metadata.get('name')} is static: its node runs it from a file"
    return None


def exempt_namespace(name: str, namespace: Mapping[str, Any] | None) -> str | None:
    """Object to a namespace labelled `molt-project.io/exempt: "true"`, and to one that could not be checked for it."""
    if namespace is None:
        return f"namespace {name} could not be checked for {EXEMPT}"
    metadata = _metadata(namespace)
    if metadata.get("name") != name:
        return f"namespace {name} could not be checked for {EXEMPT}: got {metadata.get('name')}"
    if (metadata.get("labels") or {}).get(EXEMPT) == TRUE:
        return f"namespace {name} is exempt by its label {EXEMPT}"
    return None


def _metadata(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object's metadata, empty when it has none."""
    return obj.get("metadata") or {}
