"""Where an alert points: at a pod, a container of unknown pod, a node, the cluster, or Falco itself.

    internal   Falco speaks of itself (drops, metrics)
    pod        namespace and name are known; perhaps the UID too
    container  only the container's id is known; the node is where to look for its pod
    node       a process outside every container, or in one that nothing names
    cluster    an API object that is no pod (k8s_audit), or something outside the cluster (cloud and other plugins)

A name that Kubernetes would refuse names nothing: it is left out here, so that it can reach neither a URL nor a label,
and the alert points at the next best thing. It stays among the alert's fields, for the policies and the log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Scope = Literal["pod", "container", "node", "cluster", "internal"]

SYSCALL = "syscall"
AUDIT = "k8s_audit"
INTERNAL = "internal"

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
NAMESPACE = re.compile(_LABEL)  # RFC 1123 label
NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")  # RFC 1123 subdomain: pods and nodes
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CONTAINER_ID = re.compile(r"(?:[a-z][-a-z0-9.]*://)?([0-9a-f]{64}|[0-9a-f]{12})")
_KUBELET_NAME = re.compile(r"k8s_([^_]+)_([^_]+)_([^_]+)_([^_]+)_\d+")  # what the kubelet calls a Docker container

_PAUSE = re.compile(r"(?:.*[-/])?pause(?:-[a-z0-9]+)?")  # registry.k8s.io/pause, rancher/mirrored-pause, pause-amd64
_OF_PODS_ONLY = ("attach", "ephemeralcontainers", "exec", "portforward")  # subresources that no other resource has
_OF_CREATED_PODS = ("ka.req.pod.", "ka.req.container.")  # the latter before Falco 0.20


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where an alert points; every name in it is one that Kubernetes accepts."""

    scope: Scope
    namespace: str | None = None
    pod_name: str | None = None
    pod_uid: str | None = None
    container_id: str | None = None
    node: str | None = None


def locate(*, rule: str, source: str, hostname: str | None, fields: Mapping[str, Any]) -> Whereabouts:
    """Return where the alert of this rule, source, host and fields (flat, without missing values) points."""
    if source == INTERNAL or rule.startswith("Falco internal:"):
        return Whereabouts("internal")
    if source == AUDIT or any(
        key.startswith("ka.") for key in fields
    ):  # before Falco 0.31 alerts did not name their source
        return _from_audit(fields)
    if source != SYSCALL:
        return Whereabouts("cluster")
    return _from_syscall(hostname, fields)


def _from_audit(fields: Mapping[str, Any]) -> Whereabouts:
    """Point at the pod for an API call on it or on its subresource (exec, attach); for any other, at the cluster.

    Not every rule prints the resource: then the subresource tells (port-forward), or what the pod asked for, beside the
    created name (`ka.resp.name`). A Deployment asks for pods, too, but is no pod.
    """
    namespace = _match(NAMESPACE, fields.get("ka.target.namespace"))
    resource, subresource = fields.get("ka.target.resource"), fields.get("ka.target.subresource")
    if resource == "pods" or (resource is None and subresource in _OF_PODS_ONLY):
        name = _first(NAME, fields, "ka.target.pod.name", "ka.target.name", "ka.resp.name")
    elif resource is None and any(key.startswith(_OF_CREATED_PODS) for key in fields):
        name = _first(NAME, fields, "ka.resp.name", "ka.target.name")
    else:
        name = None
    return Whereabouts("pod", namespace, name) if namespace and name else Whereabouts("cluster")


def _from_syscall(hostname: str | None, fields: Mapping[str, Any]) -> Whereabouts:
    """Point at the pod, else the container, else the node; a process outside every container (`host`) is in no pod."""
    node = _first(NAME, fields, "k8s.node.name", "k8smeta.node.name", "evt.hostname") or _match(NAME, hostname)
    if fields.get("container.id") == "host":
        return Whereabouts("node", node=node)
    container_id = _id(fields, "container.full_id", "container.id")
    namespace, name, uid = _pod(fields)
    if namespace and name:
        known = None if _is_sandbox(fields) else container_id
        return Whereabouts("pod", namespace, name, uid, known, node)
    scope: Scope = "container" if container_id else "node"
    return Whereabouts(scope, namespace, name, uid, container_id, node)


def _pod(fields: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Return namespace, name and UID of the pod from the first of three tellers that names one.

    They are the container engine's labels (`k8s.*`), the k8smeta plugin, and the kubelet's name for a Docker container;
    one teller's name is never completed by another's namespace, and the UID is another's only for the same pod.
    """
    kubelet = _KUBELET_NAME.fullmatch(str(fields.get("container.name", "")))
    _, pod, namespace, uid = kubelet.groups() if kubelet else (None, None, None, None)
    tellers = [
        (_match(NAMESPACE, space), _match(NAME, name), _match(_UID, uid))
        for space, name, uid in (
            (
                fields.get("k8s.ns.name"),
                fields.get("k8s.pod.name"),
                fields.get("k8s.pod.uid", fields.get("k8s.pod.id")),
            ),
            (fields.get("k8smeta.ns.name"), fields.get("k8smeta.pod.name"), fields.get("k8smeta.pod.uid")),
            (namespace, pod, uid),
        )
    ]
    namespace, name, _ = next((teller for teller in tellers if teller[0] and teller[1]), tellers[0])
    uids = (uid for space, pod, uid in tellers if uid and (space, pod) == (namespace, name))
    return namespace, name, next(uids, None)


def _is_sandbox(fields: Mapping[str, Any]) -> bool:
    """Tell whether the container is the pod's sandbox (`pause`), the one whose id no pod's status has.

    It says nothing against the pod that is named, then. An image may be called so by anybody, who gains nothing.
    """
    kubelet = _KUBELET_NAME.fullmatch(str(fields.get("container.name", "")))
    if kubelet and kubelet[1] == "POD":
        return True
    if _PAUSE.fullmatch(str(fields.get("container.image.repository", ""))):
        return True
    own = _id(fields, "container.full_id", "container.id")
    sandbox = _id(fields, "k8s.pod.full_sandbox_id", "k8s.pod.sandbox_id")
    return own is not None and sandbox is not None and own[:12] == sandbox[:12]


def _id(fields: Mapping[str, Any], *keys: str) -> str | None:
    """Return the first id of a container: 64 or 12 hexadecimal digits, without the runtime's prefix (`containerd://`)."""
    for key in keys:
        value = fields.get(key)
        match = _CONTAINER_ID.fullmatch(value.lower()) if isinstance(value, str) else None
        if match:
            return match[1]
    return None


def _first(pattern: re.Pattern[str], fields: Mapping[str, Any], *keys: str) -> str | None:
    return next((found for key in keys if (found := _match(pattern, fields.get(key)))), None)


def _match(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
