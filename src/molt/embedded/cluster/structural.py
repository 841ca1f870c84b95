"""What a custom resource's schema does to an object before it is judged: prune, default, report unknown fields."""

from __future__ import annotations

from typing import Any

from molt.embedded.cluster.objects import altered

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


def pruned(schema: dict[str, Any], obj: dict[str, Any], old: Any, unknown: list[str]) -> dict[str, Any]:
    """Return `obj` without what the schema does not know; the paths of that (`spec.list[0].bar`) go into `unknown`.

    What is the very same in `old`, which has been pruned by this schema, is not looked at: of a large object little
    changes at a time.
    """
    head = {key: obj[key] for key in KEPT if key in obj}
    body = {key: value for key, value in obj.items() if key not in head}
    known: dict[str, Any] = _pruned(schema, body, old, "", unknown)
    return head | known


def _pruned(schema: dict[str, Any], value: Any, old: Any, path: str, unknown: list[str]) -> Any:
    if isinstance(value, list):
        items = schema.get("items") or {PRESERVE: True}
        return [_pruned(items, item, None, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    dropped, kept = set[str](), dict[str, Any]()
    for key in altered(value, old):
        here = f"{path}.{key}" if path else key
        if isinstance(part := properties.get(key, additional), dict):
            kept[key] = _pruned(part, value[key], old.get(key) if isinstance(old, dict) else None, here, unknown)
        elif not additional and not schema.get(PRESERVE) and not _embedded(schema, key):
            unknown.append(here)
            dropped.add(key)
    whole = {key: item for key, item in value.items() if key not in dropped} if dropped else value
    return _replaced(whole, kept)


def _replaced(value: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """Return `value` with these parts; itself, to be shared with what it was before, where they are its own."""
    return value | parts if altered(parts, value) else value


def _embedded(schema: dict[str, Any], key: str) -> bool:
    return bool(schema.get("x-kubernetes-embedded-resource")) and key in KEPT


def defaulted(schema: dict[str, Any], value: Any, old: Any) -> Any:
    """Return `value` with the schema's defaults; a null where none is allowed and a default exists counts as missing.

    What is the very same in `old`, which has had its defaults from this schema, is not looked at.
    """
    if isinstance(value, list):
        return [defaulted(schema.get("items") or {}, item, None) for item in value]
    if not isinstance(value, dict) or value is old:
        return value
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    before: dict[str, Any] = old if isinstance(old, dict) else {}
    found: dict[str, Any] = {}
    for key, part in properties.items():
        if "default" in part and (key not in value or (value[key] is None and not part.get("nullable"))):
            found[key] = defaulted(part, part["default"], None)
        elif key in value:
            found[key] = defaulted(part, value[key], before.get(key))
    if isinstance(additional, dict):
        others = [key for key in altered(value, old) if key not in properties]
        found |= {key: defaulted(additional, value[key], before.get(key)) for key in others}
    return _replaced(value, found)
