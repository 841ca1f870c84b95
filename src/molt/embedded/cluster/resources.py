"""The kinds that the server serves: the built-in ones, and those that CustomResourceDefinitions add."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.errors import StoreNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molt.embedded.cluster.store import Store

NAMED: Final = ("metadata.name", "metadata.namespace")
CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind in one version; `crd` is the CustomResourceDefinition behind it, if any."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    fields: tuple[str, ...] = NAMED
    categories: tuple[str, ...] = ()
    crd: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """Return the qualified plural, as the store names it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def store(self) -> str:
        """Return the key under which its objects are stored: events of both groups are the same objects."""
        return "events" if self.group == "events.k8s.io" else self.key

    @property
    def qualified_kind(self) -> str:
        """Return the kind as an Invalid message names it: `Deployment.apps`, but plain `Event` in both its groups."""
        if self.store == "events":
            return self.kind
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def api_version(self) -> str:
        """Return the apiVersion of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Tell whether status is written through /status only."""
        return "status" in self.subresources


_core = partial(Kind, "", "v1")
_apps = partial(Kind, "apps", "v1")
_rbac = partial(Kind, "rbac.authorization.k8s.io", "v1")
_admission = partial(Kind, "admissionregistration.k8s.io", "v1")

BUILT_IN: Final = (
    _core("configmaps", "ConfigMap", short=("cm",)),
    _core(
        "events",
        "Event",
        short=("ev",),
        fields=(
            *NAMED,
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.resourceVersion",
            "involvedObject.uid",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ),
    ),
    _core(
        "namespaces",
        "Namespace",
        namespaced=False,
        short=("ns",),
        subresources=("status",),
        fields=("metadata.name", "status.phase"),
    ),
    _core(
        "nodes",
        "Node",
        namespaced=False,
        short=("no",),
        subresources=("status",),
        fields=("metadata.name", "spec.unschedulable"),
    ),
    _core(
        "pods",
        "Pod",
        short=("po",),
        subresources=("status", "eviction", "binding", "log"),
        categories=("all",),
        fields=(
            *NAMED,
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
            "status.podIPs",
        ),
    ),
    _core("secrets", "Secret", fields=(*NAMED, "type")),
    _core("serviceaccounts", "ServiceAccount", short=("sa",), subresources=("token",)),
    _core(
        "services",
        "Service",
        short=("svc",),
        subresources=("status",),
        categories=("all",),
        fields=(*NAMED, "spec.clusterIP", "spec.type"),
    ),
    _apps("daemonsets", "DaemonSet", short=("ds",), subresources=("status",), categories=("all",)),
    _apps("deployments", "Deployment", short=("deploy",), subresources=("status", "scale"), categories=("all",)),
    _apps("replicasets", "ReplicaSet", short=("rs",), subresources=("status", "scale"), categories=("all",)),
    _apps("statefulsets", "StatefulSet", short=("sts",), subresources=("status", "scale"), categories=("all",)),
    Kind(
        "batch",
        "v1",
        "jobs",
        "Job",
        subresources=("status",),
        categories=("all",),
        fields=(*NAMED, "status.successful"),
    ),
    Kind("coordination.k8s.io", "v1", "leases", "Lease"),
    Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    Kind(
        "events.k8s.io",
        "v1",
        "events",
        "Event",
        short=("ev",),
        fields=(
            *NAMED,
            "reason",
            "regarding.apiVersion",
            "regarding.fieldPath",
            "regarding.kind",
            "regarding.name",
            "regarding.namespace",
            "regarding.resourceVersion",
            "regarding.uid",
            "reportingController",
            "type",
        ),
    ),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short=("netpol",)),
    Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short=("pdb",), subresources=("status",)),
    _rbac("clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _rbac("clusterroles", "ClusterRole", namespaced=False),
    _rbac("rolebindings", "RoleBinding"),
    _rbac("roles", "Role"),
    # Stored as they are, and not enforced: tokens of this server are bound to no pod.
    _admission("validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False),
    _admission("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False),
    Kind(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short=("crd", "crds"),
        subresources=("status",),
        categories=("api-extensions",),
        fields=("metadata.name",),
    ),
)
BY_KEY: Final = {kind.key: kind for kind in BUILT_IN}


def of_crd(crd: dict[str, Any]) -> Iterator[Kind]:
    """Yield the kinds that an established CustomResourceDefinition serves, one for each served version."""
    spec = crd["spec"]
    names = spec["names"]
    for version in spec["versions"]:
        if version.get("served"):
            yield Kind(
                group=spec["group"],
                version=version["name"],
                plural=names["plural"],
                kind=names["kind"],
                namespaced=spec["scope"] == "Namespaced",
                short=tuple(names.get("shortNames") or ()),
                subresources=tuple(sorted(version.get("subresources") or {}, reverse=True)),
                fields=(
                    *(NAMED if spec["scope"] == "Namespaced" else NAMED[:1]),
                    *(one["jsonPath"].removeprefix(".") for one in version.get("selectableFields") or ()),
                ),
                categories=tuple(names.get("categories") or ()),
                crd=crd,
            )


class Kinds:
    """All kinds of a store, looked up at each request: applying a CustomResourceDefinition adds one at once."""

    def __init__(self, store: Store) -> None:
        """Look CustomResourceDefinitions up in `store`."""
        self._store = store

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """Return the kind at a path of the API, None when nothing is served there."""
        built_in = BY_KEY.get(f"{plural}.{group}" if group else plural)
        if built_in is not None:
            return built_in if built_in.version == version else None
        try:
            crd = self._store.get(CRDS, None, f"{plural}.{group}")
        except StoreNotFound:
            return None
        return next((kind for kind in of_crd(crd) if kind.version == version), None)

    def custom(self) -> Iterator[Kind]:
        """Yield the kinds of CustomResourceDefinitions."""
        for crd in self._store.list(CRDS):
            yield from of_crd(crd)

    def all(self) -> list[Kind]:
        """Return every kind, built-in ones first."""
        return [*BUILT_IN, *self.custom()]
