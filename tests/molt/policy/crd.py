"""An API server's verdict by a CRD of knative/base/crds, without the server: defaults, schema, strict fields, rules."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from cel_expr_python import cel

CRDS = Path(__file__).resolve().parents[3] / "knative" / "base" / "crds"


@cache
def crd(kind: str) -> dict[str, Any]:
    """Return the CRD of a kind."""
    loaded: dict[str, Any] = yaml.safe_load((CRDS / f"{kind.lower().removesuffix('y')}ies.yaml").read_text())
    return loaded


def schema(kind: str) -> dict[str, Any]:
    """Return the schema of a kind's one version."""
    (version,) = crd(kind)["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


def refusals(kind: str, manifest: dict[str, Any]) -> list[str]:
    """Return why an API server with strict field validation refuses a manifest; none: it takes it."""
    root = schema(kind)
    obj = _defaulted(_without_nulls(copy.deepcopy(manifest), root), root)
    unknown = list(_unknown(manifest, root, ""))
    found = [error.message for error in jsonschema.Draft7Validator(root).iter_errors(obj)] or list(
        _broken_rules(obj, root, "")
    )
    return unknown + found


def _children(obj: Any, node: dict[str, Any]) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    """Yield key, value and schema of what is inside an object or a list, as far as the schema knows it."""
    if isinstance(obj, dict):
        for key, value in list(obj.items()):
            inner = node.get("properties", {}).get(key, node.get("additionalProperties"))
            if inner is not None:
                yield key, value, inner
    elif isinstance(obj, list) and "items" in node:
        yield from ((index, value, node["items"]) for index, value in enumerate(obj))


def _without_nulls(obj: Any, node: dict[str, Any]) -> Any:
    for key, value, inner in _children(obj, node):
        if value is None and isinstance(obj, dict):
            del obj[key]
        else:
            _without_nulls(value, inner)
    return obj


def _defaulted(obj: Any, node: dict[str, Any]) -> Any:
    if isinstance(obj, dict):
        for key, inner in node.get("properties", {}).items():
            if "default" in inner:
                obj.setdefault(key, copy.deepcopy(inner["default"]))
    for _, value, inner in _children(obj, node):
        _defaulted(value, inner)
    return obj


def _unknown(obj: Any, node: dict[str, Any], path: str) -> Iterator[str]:
    """Yield unknown fields, and the doubles of a list that is a set or a map."""
    if isinstance(obj, dict) and path != ".metadata" and "additionalProperties" not in node and "type" in node:
        yield from (f"unknown field {path}.{key}" for key in obj if key not in node.get("properties", {}))
    if isinstance(obj, list) and node.get("x-kubernetes-list-type") == "set":
        yield from (f"{path}: duplicate" for index, value in enumerate(obj) if value in obj[:index])
    if isinstance(obj, list) and node.get("x-kubernetes-list-type") == "map":
        keys = [[item.get(key) for key in node["x-kubernetes-list-map-keys"]] for item in obj if isinstance(item, dict)]
        yield from (f"{path}: duplicate" for index, key in enumerate(keys) if key in keys[:index])
    for key, value, inner in _children(obj, node):
        yield from _unknown(value, inner, f"{path}.{key}")


def _broken_rules(obj: Any, node: dict[str, Any], path: str) -> Iterator[str]:
    for rule in node.get("x-kubernetes-validations", []):
        verdict = _compiled(rule["rule"]).eval(data={"self": _typed(obj, node)})
        if verdict.type().name() != "BOOL" or not verdict.value():
            yield f"{path}: {rule['message']}"
    for key, value, inner in _children(obj, node):
        yield from _broken_rules(value, inner, f"{path}.{key}")


def _typed(obj: Any, node: dict[str, Any]) -> Any:
    """Return the value as rules see it: a float is no integer, be it whole, and no rule holds that looks at one."""
    if isinstance(obj, float) and node.get("type") == "integer":
        return math.nan
    inner = {key: _typed(value, below) for key, value, below in _children(obj, node)}
    if isinstance(obj, list):
        return [inner.get(index, value) for index, value in enumerate(obj)]
    return {**obj, **inner} if isinstance(obj, dict) else obj


@cache
def _compiled(rule: str) -> Any:
    return cel.NewEnv(variables={"self": cel.Type.DYN}).compile(rule)
