"""What a custom resource's schema does to an object before it is judged: prune, default, report unknown fields."""

from __future__ import annotations

from typing import Any

KEPT = ("apiVersion", "kind", "metadata")
PRESERVE = "x-kubernetes-preserve-unknown-fields"
ABSENT = object()


def version_of(crd: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the part of a CustomResourceDefinition about one version."""
    found: dict[str, Any] = next(one for one in crd["spec"]["versions"] if one["name"] == version)
    return found


def schema_of(crd: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the openAPIV3Schema of one version."""
    found: dict[str, Any] = (version_of(crd, version).get("schema") or {}).get("openAPIV3Schema") or {PRESERVE: True}
    return found


def pruned(schema: dict[str, Any], obj: dict[str, Any], old: Any, unknown: list[str]) -> dict[str, Any]:
    """Return `obj` without what the schema does not know; the paths of that (`spec.list[0].bar`) go into `unknown`.

    What is the very same in `old`, which has been pruned by this schema, is not looked at: of a large object little
    changes at a time.
    """
    head = {key: obj[key] for key in KEPT if key in obj}
    body = {key: value for key, value in obj.items() if key not in head}
    return head | _pruned(schema, body, old, "", unknown)


def _pruned(schema: dict[str, Any], value: Any, old: Any, path: str, unknown: list[str]) -> Any:
    if isinstance(value, list):
        items = schema.get("items") or {PRESERVE: True}
        return [_pruned(items, item, ABSENT, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    before: dict[str, Any] = old if isinstance(old, dict) else {}
    found: dict[str, Any] = {}
    for key, item in value.items():
        if before.get(key, ABSENT) is item:
            found[key] = item
        elif isinstance(part := properties.get(key, additional), dict):
            found[key] = _pruned(part, item, before.get(key), f"{path}.{key}" if path else key, unknown)
        elif additional or schema.get(PRESERVE) or _embedded(schema, key):
            found[key] = item
        else:
            unknown.append(f"{path}.{key}" if path else key)
    return value if _same(found, value) else found


def _same(found: dict[str, Any], value: dict[str, Any]) -> bool:
    """Tell whether nothing has changed: then the value itself is kept, and shared with what it was before."""
    return len(found) == len(value) and all(found[key] is item for key, item in value.items())


def _embedded(schema: dict[str, Any], key: str) -> bool:
    return bool(schema.get("x-kubernetes-embedded-resource")) and key in KEPT


def defaulted(schema: dict[str, Any], value: Any, old: Any) -> Any:
    """Return `value` with the schema's defaults; a null where none is allowed and a default exists counts as missing.

    What is the very same in `old`, which has had its defaults from this schema, is not looked at.
    """
    if isinstance(value, list):
        return [defaulted(schema.get("items") or {}, item, ABSENT) for item in value]
    if not isinstance(value, dict) or value is old:
        return value
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    before: dict[str, Any] = old if isinstance(old, dict) else {}
    found = dict(value)
    for key, part in properties.items():
        if "default" in part and (key not in value or (value[key] is None and not part.get("nullable"))):
            found[key] = part["default"]
        if key in found:
            found[key] = defaulted(part, found[key], before.get(key, ABSENT))
    if isinstance(additional, dict):
        for key, item in value.items():
            if key not in properties and before.get(key, ABSENT) is not item:
                found[key] = defaulted(additional, item, before.get(key, ABSENT))
    return value if _same(found, value) else found
