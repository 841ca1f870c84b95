"""Stand-ins for the kinds of Knative that molt's manifests use: the API server takes any object of them."""

from __future__ import annotations

from tests.real.manifests import Object

_KINDS = {
    "serving.knative.dev": ("Service",),
    "eventing.knative.dev": ("Broker", "Trigger"),
    "sources.knative.dev": ("PingSource",),
}
NAMES = [f"{kind.lower()}s.{group}" for group, kinds in _KINDS.items() for kind in kinds]


def stand_ins() -> list[Object]:
    """Return a CustomResourceDefinition for each kind, without a schema of its own."""
    return [_definition(group, kind) for group, kinds in _KINDS.items() for kind in kinds]


def _definition(group: str, kind: str) -> Object:
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }
