"""What the API server fills in in pods and pod templates (pkg/apis/core/v1/defaults.go and the stock admission)."""

from __future__ import annotations

from typing import Any, Final

TOLERATION_SECONDS: Final = 300
GRACE: Final = 30
_PROBE: Final = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_MODES: Final = ("configMap", "downwardAPI", "projected", "secret")


def fill(target: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Set what is missing."""
    for key, value in defaults.items():
        target.setdefault(key, value)


def default_spec(spec: dict[str, Any]) -> None:
    """Fill in a pod's spec, as in a pod and in a template."""
    fill(
        spec,
        {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": GRACE,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "schedulerName": "default-scheduler",
        },
    )
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        _container(container)
    for volume in spec.get("volumes") or ():
        for source in _MODES:
            if source in volume:
                volume[source].setdefault("defaultMode", 0o644)


def _container(container: dict[str, Any]) -> None:
    image = str(container.get("image", ""))
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    latest = "@" not in image and tag in ("", "latest")
    fill(
        container,
        {
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "Always" if latest else "IfNotPresent",
        },
    )
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            fill(container[name], _PROBE)
            if "httpGet" in container[name]:
                fill(container[name]["httpGet"], {"path": "/", "scheme": "HTTP"})
    for variable in container.get("env") or ():
        if "fieldRef" in variable.get("valueFrom", {}):
            variable["valueFrom"]["fieldRef"].setdefault("apiVersion", "v1")
    resources = container["resources"]
    for name, limit in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, limit)


def admit_pod(pod: dict[str, Any]) -> None:
    """Fill in what only a pod itself gets: its account, its tolerations, its priority and its first status."""
    spec = pod["spec"]
    fill(spec, {"serviceAccountName": "default", "enableServiceLinks": True})
    spec["serviceAccount"] = spec["serviceAccountName"]
    fill(spec, {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"})
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(one.get("key") in (key, None) and one.get("effect") in ("NoExecute", None) for one in tolerations):
            toleration = {"key": key, "operator": "Exists", "effect": "NoExecute"}
            tolerations.append(toleration | {"tolerationSeconds": TOLERATION_SECONDS})
    pod["status"] = {"phase": "Pending", "qosClass": quality(spec)}


def quality(spec: dict[str, Any]) -> str:
    """Return the pod's quality of service class."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    resources = [one.get("resources") or {} for one in containers]
    if not any(one.get("limits") or one.get("requests") for one in resources):
        return "BestEffort"
    for one in resources:
        limits, requests = one.get("limits") or {}, one.get("requests") or {}
        if not {"cpu", "memory"} <= limits.keys() or any(limits[key] != requests.get(key) for key in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"
