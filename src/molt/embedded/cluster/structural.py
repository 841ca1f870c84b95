"""What a custom resource's schema does to an object before it is judged: prune, default, report unknown fields."""

from __future__ import annotations

from typing import Any

KEPT = ("apiVersion", "kind", "metadata")
PRESERVE = "x-kubernetes-preserve-unknown-fields"


def version_of(crd: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the part of a CustomResourceDefinition about one version."""
    found: dict[str, Any] = next(one for one in crd["spec"]["versions"] if one["name"] == version)
    return found


def schema_of(crd: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the openAPIV3Schema of one version."""
    found: dict[str, Any] = (version_of(crd, version).get("schema") or {}).get("openAPIV3Schema") or {PRESERVE: True}
    return found


def pruned(schema: dict[str, Any], obj: dict[str, Any], unknown: list[str]) -> dict[str, Any]:
    """Return `obj` without what the schema does not know; the paths of that (`spec.list[0].bar`) go into `unknown`."""
    head = {key: obj[key] for key in KEPT if key in obj}
    body = {key: value for key, value in obj.items() if key not in head}
    return head | _pruned(schema, body, "", unknown)


def _pruned(schema: dict[str, Any], value: Any, path: str, unknown: list[str]) -> Any:
    """Return `value` itself where nothing goes: what changes of a large object is small."""
    if isinstance(value, list):
        items = schema.get("items") or {PRESERVE: True}
        return [_pruned(items, item, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    found: dict[str, Any] = {}
    for key, item in value.items():
        part = properties.get(key, additional)
        if not part and not schema.get(PRESERVE) and not _embedded(schema, key) and key not in properties:
            unknown.append(f"{path}.{key}" if path else key)
        elif isinstance(part, dict) and isinstance(item, dict | list):
            found[key] = _pruned(part, item, f"{path}.{key}" if path else key, unknown)
        else:
            found[key] = item
    return value if _same(found, value) else found


def _same(found: dict[str, Any], value: dict[str, Any]) -> bool:
    return len(found) == len(value) and all(found[key] is item for key, item in value.items())


def _embedded(schema: dict[str, Any], key: str) -> bool:
    return bool(schema.get("x-kubernetes-embedded-resource")) and key in KEPT


def defaulted(schema: dict[str, Any], value: Any) -> Any:
    """Return `value` with the schema's defaults, itself where it lacks none.

    A null where none is allowed and a default exists counts as missing.
    """
    if isinstance(value, list):
        return [defaulted(schema.get("items") or {}, item) for item in value]
    if not isinstance(value, dict):
        return value
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    found = dict(value)
    for key, part in properties.items():
        if "default" in part and (key not in value or (value[key] is None and not part.get("nullable"))):
            found[key] = part["default"]
        if key in found:
            found[key] = defaulted(part, found[key])
    if isinstance(additional, dict):
        found |= {key: defaulted(additional, item) for key, item in value.items() if key not in properties}
    return value if _same(found, value) else found
