"""The kinds of the Kubernetes API that molt touches, and the paths they live under."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind; `group` is "" for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """Return what objects of this kind carry as `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """Return the path of the collection, of the object, or of its subresource; each segment is quoted.

        A namespaced collection without a namespace is that of all namespaces. Raises ValueError for a segment that the
        API server would refuse too, or that would lead to another object: empty, `.`, `..`, with `/` or `%`.
        """
        segments = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace is not None:
            segments += ["namespaces", segment(namespace)]
        elif self.namespaced and name is not None:
            msg = f"{self.plural} are namespaced: {name} needs its namespace"
            raise ValueError(msg)
        segments.append(self.plural)
        if name is not None:
            segments.append(segment(name))
        if subresource:
            segments.append(subresource)
        return "/" + "/".join(segments)


def segment(name: str) -> str:
    """Return `name` quoted as one path segment; ValueError by the rules of apimachinery's IsValidPathSegmentName."""
    if name in {"", ".", ".."} or "/" in name or "%" in name:
        msg = f"{name!r} cannot be the name of an object"
        raise ValueError(msg)
    return quote(name, safe="")


PODS = Resource("", "v1", "pods", "Pod")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
SECRETS = Resource("", "v1", "secrets", "Secret")
SERVICES = Resource("", "v1", "services", "Service")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
JOBS = Resource("batch", "v1", "jobs", "Job")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
PDBS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
RESPONSE_POLICIES = Resource("molt-project.io", "v1alpha1", "responsepolicies", "ResponsePolicy", namespaced=False)
ROTATION_POLICIES = Resource("molt-project.io", "v1alpha1", "rotationpolicies", "RotationPolicy")
LEDGERS = Resource("molt-project.io", "v1alpha1", "ledgers", "Ledger", namespaced=False)
FENCES = Resource("molt-project.io", "v1alpha1", "fences", "Fence", namespaced=False)
DEAD_LETTERS = Resource("molt-project.io", "v1alpha1", "deadletters", "DeadLetter")
ADMISSION_POLICIES = Resource(
    "admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False
)
ADMISSION_BINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)
