"""What a custom resource's schema does to an object before it is judged: prune, default, report unknown fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.objects import copied

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def prune(schema: dict[str, Any], obj: dict[str, Any]) -> list[str]:
    """Take out of `obj` what the schema does not know, and return the paths of it: `spec.foo`, `spec.list[0].bar`."""
    body = {key: value for key, value in obj.items() if key not in KEPT}
    unknown = list(_prune(schema, body, ""))
    for key in [key for key in obj if key not in KEPT and key not in body]:
        del obj[key]
    return unknown


def _prune(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _prune(schema.get("items") or {PRESERVE: True}, item, f"{path}[{index}]")
    elif isinstance(value, dict):
        properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
        for key in list(value):
            here = f"{path}.{key}" if path else key
            if key in properties:
                yield from _prune(properties[key], value[key], here)
            elif isinstance(additional, dict):
                yield from _prune(additional, value[key], here)
            elif not additional and not schema.get(PRESERVE) and not _embedded(schema, key):
                del value[key]
                yield here


def _embedded(schema: dict[str, Any], key: str) -> bool:
    return bool(schema.get("x-kubernetes-embedded-resource")) and key in KEPT


def default(schema: dict[str, Any], value: Any) -> None:
    """Fill in the schema's defaults; a null where none is allowed and a default exists counts as missing."""
    if isinstance(value, list):
        for item in value:
            default(schema.get("items") or {}, item)
    elif isinstance(value, dict):
        properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
        for key, part in properties.items():
            if "default" in part and (key not in value or (value[key] is None and not part.get("nullable"))):
                value[key] = copied(part["default"])
            if key in value:
                default(part, value[key])
        if isinstance(additional, dict):
            for key in value.keys() - properties.keys():
                default(additional, value[key])
