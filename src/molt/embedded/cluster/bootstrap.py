"""What is there from the start: the namespaces of every cluster, and the role of its administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.authorizer import GROUP
from molt.embedded.cluster.defaults import default
from molt.embedded.cluster.resources import BY_KEY
from molt.embedded.cluster.tokens import MASTERS

if TYPE_CHECKING:
    from molt.embedded.cluster.store import Store

NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
ADMIN: Final = "cluster-admin"


def fill(store: Store) -> None:
    """Create them in an empty store."""
    for name in NAMESPACES:
        _create(store, "namespaces", {"metadata": {"name": name}})
    rules = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]
    _create(store, f"clusterroles.{GROUP}", {"metadata": {"name": ADMIN}, "rules": rules})
    binding = {
        "metadata": {"name": ADMIN},
        "roleRef": {"kind": "ClusterRole", "name": ADMIN},
        "subjects": [{"kind": "Group", "name": MASTERS}],
    }
    _create(store, f"clusterrolebindings.{GROUP}", binding)


def _create(store: Store, key: str, body: dict[str, Any]) -> None:
    kind = BY_KEY[key]
    obj = {"apiVersion": kind.api_version, "kind": kind.kind} | body
    default(kind, obj, None)
    store.create(key, obj)
