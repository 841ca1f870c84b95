"""Server-side apply reads a custom resource by its schema first; what does not fit there cannot even be merged.

The API server answers such a thing with 500, in the words of sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.problems import Refused
from molt.embedded.cluster.structural import KEPT, PRESERVE, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molt.embedded.cluster.resources import Kind

_GO: Final = {bool: "bool", int: "int64", float: "float64", str: "string"}
_NUMERIC: Final = ("integer", "number")


def check(kind: Kind, config: dict[str, Any]) -> None:
    """Raise Refused (500) unless an applied configuration has the types, and only the fields, of its schema."""
    if kind.crd is None:
        return
    body = {key: value for key, value in config.items() if key not in KEPT}
    errors = list(_errors(schema_of(kind.crd, kind.version), body, ""))
    if errors:
        metadata = config["metadata"]
        place = f"{metadata.get('namespace', '')}/{metadata['name']}; {kind.api_version}, Kind={kind.kind}"
        text = errors[0] if len(errors) == 1 else "errors:\n" + "\n".join(f"  {one}" for one in errors)
        raise Refused(500, "", f"failed to create typed patch object ({place}): {text}")


def _errors(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    wanted = schema.get("type")
    if value is None or wanted is None:
        return
    if wanted == "object":
        yield from _object(schema, value, path)
    elif wanted == "array":
        if not isinstance(value, list):
            yield f"{path}: expected list, got {_shown(value)}"
            return
        for index, item in enumerate(value):
            yield from _errors(schema.get("items") or {}, item, f"{path}[{index}]")
    elif wanted in _NUMERIC and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield f"{path}: expected numeric (int or float), got {_GO.get(type(value), 'map[string]interface {}')}"
    elif wanted == "string" and not isinstance(value, str):
        yield f"{path}: expected string, got {_shown(value)}"
    elif wanted == "boolean" and not isinstance(value, bool):
        yield f"{path}: expected boolean, got {_shown(value)}"


def _object(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: expected map, got {_shown(value)}"
        return
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    for key, item in value.items():
        if key in properties:
            yield from _errors(properties[key], item, f"{path}.{key}")
        elif isinstance(additional, dict):
            yield from _errors(additional, item, f"{path}.{key}")
        elif not additional and not schema.get(PRESERVE):
            yield f"{path}.{key}: field not declared in schema"


def _shown(value: Any) -> str:
    return json.dumps(value)
