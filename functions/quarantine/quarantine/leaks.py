"""What still leaks from a pod in quarantine: pure, from the pod, its namespace's NetworkPolicies and its node's pods.

A finding is one line: a word that says what kind it is, a colon, and the particulars. Those of the kind `Unknown` are
no leaks: they say what could not be found out. Not looked for, since the API does not tell: connections that stand
already, policies of kinds of a network plugin's own, what an attacker has taken along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt import marks
from molt.itinerary import Step
from molt.policy import selector
from molt.policy.fields import Problems, Reader
from molt.workload import controller, is_ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Object = dict[str, Any]

UNKNOWN: Final = "Unknown"
MOST: Final = 20
"""Findings that one pod's annotation has room for."""
LINE: Final = 256
"""Characters of one finding."""

# By force, since a pod that no controller has any more, or ever had, is left alone without.
_NEXT: Final = {"Terminate": Step("terminate", {"force": True}), "CordonNode": Step("cordon", {})}

# What containerd and CRI-O give without being asked: to add one of these adds nothing.
_DEFAULT_CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)

# DaemonSets whose pod on a node enforces NetworkPolicies there, and those of plugins that never do. Others depend on
# their version and settings (kindnet, aws-node), or run in no pod at all (k3s): nothing is said of them.
_ENFORCERS: Final = frozenset(
    {
        "anetd",
        "antrea-agent",
        "azure-npm",
        "calico-node",
        "canal",
        "cilium",
        "kube-network-policies",
        "kube-router",
        "ovnkube-node",
        "rke2-canal",
        "weave-net",
    }
)
_UNENFORCED: Final = frozenset({"kube-flannel", "kube-flannel-ds"})


def of_pod(pod: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the pod's own spec lets through: the host's namespaces and files, and more rights than usual."""
    spec = pod["spec"]
    if spec.get("hostNetwork"):
        yield "HostNetwork: it is on its node's network, where NetworkPolicies do not hold it"
    if spec.get("hostPID"):
        yield "HostPID: it sees the processes of its node"
    if spec.get("hostIPC"):
        yield "HostIPC: it shares the memory segments of its node"
    for volume in spec.get("volumes") or ():
        if path := (volume.get("hostPath") or {}).get("path"):
            yield f"HostPath: volume {volume['name']} is {path} of its node"
    for container in _containers(pod):
        security = container.get("securityContext") or {}
        if security.get("privileged"):
            yield f"Privileged: container {container['name']} may do on its node what root may"
        added = (security.get("capabilities") or {}).get("add") or ()
        if more := sorted({name.upper().removeprefix("CAP_") for name in added} - _DEFAULT_CAPABILITIES):
            yield f"Capabilities: container {container['name']} has {', '.join(more)}"
    for container in spec.get("ephemeralContainers") or ():
        yield f"EphemeralContainer: {container['name']} was added to the running pod, for somebody to use"


def of_policies(pod: Mapping[str, Any], policies: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield which of the NetworkPolicies of its namespace let the pod, labelled as it is now, have traffic.

    Policies add up, so each one that selects the pod and has a rule opens it. Of a pod with no label but the mark, that
    are those with an empty selector, and those that ask for the absence of a label or of a value.
    """
    labels = marks.labels_of(pod)
    for policy in policies:
        name, spec = policy["metadata"]["name"], policy["spec"]
        if not _selects(spec.get("podSelector"), labels):
            continue
        types = spec.get("policyTypes") or ("Ingress", "Egress")
        opened = [way for way in ("Ingress", "Egress") if way in types and spec.get(way.lower())]
        if opened:
            yield f"NetworkPolicy: {name} lets it have {' and '.join(opened).lower()}"


def of_network(neighbours: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what the pods on its node say of the network plugin: enforces nothing, does not work, or is not known."""
    agents = {}
    for neighbour in neighbours:
        owner = controller(neighbour) or {}
        if owner.get("kind") == "DaemonSet":
            agents[owner["name"]] = is_ready(neighbour)
    enforcing = sorted(agents.keys() & _ENFORCERS)
    if not enforcing and (idle := sorted(agents.keys() & _UNENFORCED)):
        yield f"NoEnforcement: the node's network plugin ({', '.join(idle)}) enforces no NetworkPolicy"
    elif not enforcing:
        yield f"{UNKNOWN}: whether the node's network plugin enforces NetworkPolicies"
    elif not any(agents[name] for name in enforcing):
        yield f"NoEnforcement: {', '.join(enforcing)} is not Ready on the pod's node"


def of_token(pod: Mapping[str, Any], unfenced: str) -> Iterator[str]:
    """Yield that the pod's token may still write, when it has one and the fence is not up; `unfenced` says why."""
    sources = [
        source
        for volume in pod["spec"].get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
    ]
    if unfenced and any(source.get("serviceAccountToken") for source in sources):
        yield f"Token: its token may still write to the API: {unfenced}"


def certain(findings: Sequence[str]) -> tuple[str, ...]:
    """Return the findings that are leaks."""
    return tuple(finding for finding in findings if not finding.startswith(f"{UNKNOWN}:"))


def following(findings: Sequence[str], if_leaky: object, itinerary: Sequence[Step]) -> tuple[Step, ...]:
    """Return the itinerary with what the policy wants done about leaks at its head, unless that comes next anyway."""
    step = _NEXT.get(str(if_leaky))
    if step is None or not certain(findings) or (itinerary and itinerary[0].remedy == step.remedy):
        return tuple(itinerary)
    return (step, *itinerary)


def bounded(findings: Iterable[str]) -> tuple[str, ...]:
    """Return the findings as the pod can keep them: short lines, and not more than there is room for."""
    lines = [marks.printable(finding, LINE) for finding in findings]
    return (*lines[: MOST - 1], f"More: {len(lines) - MOST + 1} others") if len(lines) > MOST else tuple(lines)


def _containers(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod["spec"].get(field) or ()


def _selects(pod_selector: object, labels: Mapping[str, str]) -> bool:
    return selector.parse(Reader(pod_selector, "spec.podSelector", Problems())).explain(labels) is None
