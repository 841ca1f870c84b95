"""What the API server fills in in the other built-in kinds (pkg/apis/*/v1/defaults.go), by qualified plural."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.objects import meta
from molt.embedded.cluster.poddefaults import admit_pod, default_spec, fill

if TYPE_CHECKING:
    from collections.abc import Callable

    from molt.embedded.cluster.resources import Kind

RBAC_GROUP: Final = "rbac.authorization.k8s.io"
QUARTER: Final = "25%"


def default(kind: Kind, obj: dict[str, Any], old: dict[str, Any] | None) -> None:
    """Fill in an object of a built-in kind; `old` is what it replaces, None when it is new."""
    filler = _FILLERS.get(kind.key)
    if filler is not None:
        filler(obj, old)
    if old is None and kind.has_status and kind.key not in ("namespaces", "nodes", "pods"):
        obj["status"] = {"loadBalancer": {}} if kind.key == "services" else {}


def _pod(pod: dict[str, Any], old: dict[str, Any] | None) -> None:
    default_spec(pod.setdefault("spec", {}))
    if old is None:
        admit_pod(pod)


def _workload(obj: dict[str, Any], extra: dict[str, Any]) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, extra)
    template = spec.setdefault("template", {})
    default_spec(template.setdefault("spec", {}))
    meta(template)


def _deployment(obj: dict[str, Any], _: dict[str, Any] | None) -> None:
    _workload(obj, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "strategy": {}})
    strategy = obj["spec"]["strategy"]
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), {"maxSurge": QUARTER, "maxUnavailable": QUARTER})


def _replica_set(obj: dict[str, Any], _: dict[str, Any] | None) -> None:
    _workload(obj, {"replicas": 1})


def _stateful_set(obj: dict[str, Any], _: dict[str, Any] | None) -> None:
    retention = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    _workload(
        obj,
        {
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "podManagementPolicy": "OrderedReady",
            "persistentVolumeClaimRetentionPolicy": retention,
            "updateStrategy": {},
        },
    )
    strategy = obj["spec"]["updateStrategy"]
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), {"partition": 0})


def _daemon_set(obj: dict[str, Any], _: dict[str, Any] | None) -> None:
    _workload(obj, {"revisionHistoryLimit": 10, "updateStrategy": {}})
    strategy = obj["spec"]["updateStrategy"]
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy.setdefault("rollingUpdate", {}), {"maxSurge": 0, "maxUnavailable": 1})


def _job(obj: dict[str, Any], _: dict[str, Any] | None) -> None:
    extra = {"completions": 1, "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False}
    _workload(obj, extra | {"podReplacementPolicy": "TerminatingOrFailed"})


def _service(obj: dict[str, Any], old: dict[str, Any] | None) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"})
    for port in spec.get("ports") or ():
        fill(port, {"protocol": "TCP", "targetPort": port.get("port")})
    if spec["type"] == "ExternalName":
        return
    if old is not None:
        fill(spec, {key: old["spec"][key] for key in ("clusterIP", "clusterIPs") if key in old["spec"]})
    if not spec.get("clusterIP"):
        spec["clusterIP"] = f"10.96.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
    fill(spec, {"clusterIPs": [spec["clusterIP"]], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"})


def _network_policy(obj: dict[str, Any], _: dict[str, Any] | None) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _secret(obj: dict[str, Any], _: dict[str, Any] | None) -> None:
    obj.setdefault("type", "Opaque")
    for key, text in obj.pop("stringData", {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def _namespace(obj: dict[str, Any], old: dict[str, Any] | None) -> None:
    metadata = meta(obj)
    metadata["labels"] = metadata.get("labels", {}) | {"kubernetes.io/metadata.name": metadata.get("name", "")}
    if old is None:
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}


def _binding(obj: dict[str, Any], _: dict[str, Any] | None) -> None:
    fill(obj.setdefault("roleRef", {}), {"apiGroup": RBAC_GROUP})
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", RBAC_GROUP)


_FILLERS: Final[dict[str, Callable[[dict[str, Any], dict[str, Any] | None], None]]] = {
    "pods": _pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _daemon_set,
    "jobs.batch": _job,
    "services": _service,
    "networkpolicies.networking.k8s.io": _network_policy,
    "secrets": _secret,
    "namespaces": _namespace,
    f"rolebindings.{RBAC_GROUP}": _binding,
    f"clusterrolebindings.{RBAC_GROUP}": _binding,
}
