"""What the server says of itself: version, groups, resources, and an OpenAPI just large enough for kubectl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.requests import APPLY, JSON_PATCH, MERGE
from molt.embedded.cluster.resources import VERBS
from molt.embedded.cluster.structural import schema_of

if TYPE_CHECKING:
    from molt.embedded.cluster.resources import Kind, Kinds

Object = dict[str, Any]

VERSION: Final = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.3",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
HEALTH: Final = ("/healthz", "/livez", "/readyz")
OPTIONS: Final = ("dryRun", "fieldManager", "fieldValidation", "force")
_SUBRESOURCES: Final = {
    "binding": ("Binding", "", "v1", ("create",)),
    "eviction": ("Eviction", "policy", "v1", ("create",)),
    "log": ("Pod", "", "v1", ("get",)),
    "scale": ("Scale", "autoscaling", "v1", ("get", "patch", "update")),
    "token": ("TokenRequest", "authentication.k8s.io", "v1", ("create",)),
}


def answer(path: str, kinds: Kinds) -> Object | str | None:
    """Return what stands at a path that is no resource, None when nothing does."""
    parts = path.strip("/").split("/")
    if f"/{parts[0]}" in HEALTH:
        return "ok"
    if path.rstrip("/") == "/version":
        return dict(VERSION)
    if parts == ["openapi", "v2"]:
        return {"swagger": "2.0", "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]}, "paths": {}}
    if parts[:2] == ["openapi", "v3"]:
        return _open_api("/".join(parts[2:]), kinds.all())
    if parts[0] in ("api", "apis"):
        return _groups(parts, kinds.all())
    return None


def _groups(parts: list[str], kinds: list[Kind]) -> Object | None:
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    groups = {kind.group: _group(kind.group, kinds) for kind in kinds if kind.group}
    if parts == ["apis"]:
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())}
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2] if len(parts) > 2 else "")  # noqa: PLR2004
    if not version:
        return {"kind": "APIGroup", "apiVersion": "v1", **groups[group]} if group in groups else None
    served = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    if not served:
        return None
    resources = [one for kind in served for one in _resources(kind)]
    group_version = served[0].api_version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _group(name: str, kinds: list[Kind]) -> Object:
    versions = list(dict.fromkeys(kind.version for kind in kinds if kind.group == name))
    found = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": found, "preferredVersion": found[0]}


def _resources(kind: Kind) -> list[Object]:
    main: Object = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(VERBS),
    }
    main |= {"shortNames": list(kind.short)} if kind.short else {}
    main |= {"categories": list(kind.categories)} if kind.categories else {}
    found = [main]
    for name in kind.subresources:
        sub: Object = {"name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced}
        if name in _SUBRESOURCES:
            shown, group, version, verbs = _SUBRESOURCES[name]
            sub |= {"kind": shown, "verbs": list(verbs)} | ({"group": group, "version": version} if group else {})
        else:
            sub |= {"kind": kind.kind, "verbs": ["get", "patch", "update"]}
        found.append(sub)
    return found


def _open_api(wanted: str, kinds: list[Kind]) -> Object | None:
    """Return the index of OpenAPI documents, or the document of one group and version."""
    places = {_prefix(kind): kind for kind in kinds}
    if not wanted:
        return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}
    if wanted not in places:
        return None
    served = [kind for kind in kinds if _prefix(kind) == wanted]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": dict(_path(kind) for kind in served),
        "components": {"schemas": {_schema_name(kind): _schema(kind) for kind in served}},
    }


def _prefix(kind: Kind) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def _schema_name(kind: Kind) -> str:
    return ".".join([*reversed((kind.group or "core").split(".")), kind.version, kind.kind])


def _schema(kind: Kind) -> Object:
    names = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    base = {"type": "object"} if kind.crd is None else dict(schema_of(kind.crd, kind.version))
    return base | {"x-kubernetes-group-version-kind": [names]}


def _path(kind: Kind) -> tuple[str, Object]:
    """Return a path with the PATCH that kubectl looks for to learn what the server checks by itself."""
    scope = "/namespaces/{namespace}" if kind.namespaced else ""
    types = (JSON_PATCH, MERGE, APPLY)
    patch = {
        "operationId": f"patch{kind.version.capitalize()}{kind.kind}",
        "parameters": [{"name": one, "in": "query", "schema": {"type": "string"}} for one in OPTIONS],
        "requestBody": {"content": {one: {"schema": {"type": "object"}} for one in types}},
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    }
    return f"/{_prefix(kind)}{scope}/{kind.plural}/{{name}}", {"patch": patch}
