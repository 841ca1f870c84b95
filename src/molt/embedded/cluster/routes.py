"""Where a path leads: the kind, the object, the subresource and the verb, in the words of RBAC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from molt.embedded.cluster.selectors import exact_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.embedded.cluster.resources import Kind, Kinds

SINGLE = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}
MANY = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
NAMESPACE_PARTS = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Place:
    """What a request is about; `kind` is None when nothing is served there (then `resource` is what was asked for)."""

    verb: str
    group: str
    resource: str
    kind: Kind | None
    namespace: str | None = None
    name: str | None = None
    subresource: str = ""
    selected_name: str | None = None  # the one that a fieldSelector names

    @property
    def authorised_name(self) -> str | None:
        """Return the name that RBAC's resourceNames are asked about."""
        return self.name or self.selected_name

    @property
    def full_resource(self) -> str:
        """Return the resource with its subresource: `pods/eviction`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def parse(method: str, path: str, query: Mapping[str, str], kinds: Kinds) -> Place | None:
    """Return the place of a path below /api or /apis, None for all other paths (discovery, health, ...)."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:  # noqa: PLR2004 - /api/v1/pods
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:  # noqa: PLR2004 - /apis/apps/v1/deployments
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2 and not (group == "" and rest[2] in NAMESPACE_PARTS):  # noqa: PLR2004
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = rest[0], rest[1] if len(rest) > 1 else None, "/".join(rest[2:])
    kind = kinds.find(group, version, resource)
    if kind is not None and kind.namespaced is (namespace is None) and not (namespace is None and name is None):
        kind = None
    if resource == "namespaces" and group == "":
        namespace = name  # as the API server: RBAC sees a namespace as being in itself
    verb = (MANY if name is None else SINGLE).get(method, method.lower())
    if verb == "list" and query.get("watch", "") in ("true", "1"):
        verb = "watch"
    selected = exact_name(query.get("fieldSelector", "")) if verb in ("list", "watch", "deletecollection") else None
    return Place(verb, group, resource, kind, namespace, name, subresource, selected)
