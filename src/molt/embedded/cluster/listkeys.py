"""Which lists of the built-in kinds merge, and by what key: the tags of the Kubernetes API types.

Two rules that differ: `patchMergeKey` (strategic merge patch) has one key, `x-kubernetes-list-map-keys` (server-side
apply) may have several. A list that is in neither is one value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from molt.embedded.cluster.resources import Kind

Path = tuple[str, ...]


class ListRule(NamedTuple):
    """How a list merges: by these keys of its items, or as a set of plain values when there are none."""

    keys: tuple[str, ...]


SET: Final = ListRule(())

_BY_NAME: Final = ListRule(("name",))
_RULES: Final = {
    "addresses": ListRule(("type",)),
    "conditions": ListRule(("type",)),
    "containers": _BY_NAME,
    "env": _BY_NAME,
    "ephemeralContainers": _BY_NAME,
    "finalizers": SET,
    "hostAliases": ListRule(("ip",)),
    "hostIPs": ListRule(("ip",)),
    "imagePullSecrets": _BY_NAME,
    "initContainers": _BY_NAME,
    "ownerReferences": ListRule(("uid",)),
    "podIPs": ListRule(("ip",)),
    "resourceClaims": _BY_NAME,
    "schedulingGates": _BY_NAME,
    "secrets": _BY_NAME,
    "topologySpreadConstraints": ListRule(("topologyKey", "whenUnsatisfiable")),
    "volumeDevices": ListRule(("devicePath",)),
    "volumeMounts": ListRule(("mountPath",)),
    "volumes": _BY_NAME,
}
_PORTS: Final = {"Service": ListRule(("port", "protocol")), "EndpointSlice": None}
_ATOMIC_MAPS: Final = frozenset(("selector", "namespaceSelector", "podSelector", "resourceFieldRef", "fieldRef"))
KEY_DEFAULTS: Final = {"protocol": "TCP"}


def built_in(kind: Kind, path: Path) -> ListRule | None:
    """Return how the list at `path` (field names, without the items' places) of a built-in kind merges."""
    if path[-1] == "ports":
        return _PORTS.get(kind.kind, ListRule(("containerPort", "protocol")))
    if path[0] in ("rules", "subjects"):
        return None
    return _RULES.get(path[-1])


def atomic_map(kind: Kind, path: Path) -> bool:
    """Tell whether server-side apply takes the map at `path` as one value."""
    if kind.crd is not None:
        return bool((schema_at(kind, path) or {}).get("x-kubernetes-map-type") == "atomic")
    return path[-1] in _ATOMIC_MAPS and path[0] == "spec"


def applied(kind: Kind, path: Path) -> ListRule | None:
    """Return how the list at `path` merges in server-side apply, by a custom resource's schema too."""
    if kind.crd is None or path[0] == "metadata":
        return built_in(kind, path)
    schema = schema_at(kind, path) or {}
    if schema.get("x-kubernetes-list-type") == "map":
        return ListRule(tuple(schema["x-kubernetes-list-map-keys"]))
    return SET if schema.get("x-kubernetes-list-type") == "set" else None


def schema_at(kind: Kind, path: Path) -> dict[str, Any] | None:
    """Return the part of a custom resource's schema at `path`, through lists and maps; None where it says nothing."""
    versions = (kind.crd or {"spec": {"versions": []}})["spec"]["versions"]
    schema: Any = next(
        (one.get("schema", {}).get("openAPIV3Schema") for one in versions if one["name"] == kind.version), None
    )
    for part in path:
        if not isinstance(schema, dict):
            return None
        schema = schema.get("items", schema)
        found = (schema.get("properties") or {}).get(part)
        schema = found if found is not None else schema.get("additionalProperties")
    return schema if isinstance(schema, dict) else None


def identity(rule: ListRule, item: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells an item of a keyed list from the others; a missing protocol is TCP."""
    return tuple(item.get(key, KEY_DEFAULTS.get(key)) for key in rule.keys)
