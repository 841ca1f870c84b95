"""Objects as the Table that kubectl asks for (`Accept: application/json;as=Table`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.columns import AGE, COLUMNS, NAME, Column, age

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from molt.embedded.cluster.resources import Kind

Object = dict[str, Any]


def wanted(accept: str) -> bool:
    """Tell whether the first acceptable answer is a Table."""
    return "as=Table" in accept.partition(",")[0]


def table(kind: Kind, objects: list[Object], metadata: Object, now: datetime) -> Object:
    """Return a Table of these objects."""
    columns = columns_of(kind)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [
            {
                "name": one.name,
                "type": one.type,
                "format": one.format,
                "description": one.name,
                "priority": int(one.wide),
            }
            for one in columns
        ],
        "rows": [
            {
                "cells": [one.value(obj, now) for one in columns],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": obj["metadata"],
                },
            }
            for obj in objects
        ],
    }


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """Return the columns of a kind; those of a custom resource stand in its definition."""
    if kind.crd is None:
        return COLUMNS.get(kind.store, (NAME, AGE))
    version = next(one for one in kind.crd["spec"]["versions"] if one["name"] == kind.version)
    declared = version.get("additionalPrinterColumns")
    return (NAME, *map(_declared, declared)) if declared else (NAME, AGE)


def _declared(column: Object) -> Column:
    path, kind = column["jsonPath"], column["type"]

    def value(obj: Object, now: datetime) -> Any:
        found = json_path(obj, path)
        if kind == "date":
            return age(found, now) if found else None
        return str(found) if kind == "string" and found is not None else found

    shown = "string" if kind == "date" else kind
    return Column(
        column["name"], value, wide=column.get("priority", 0) > 0, type=shown, format=column.get("format", "")
    )


_STEP = re.compile(r"\.([A-Za-z0-9_\0-]+)|\[\?\(@\.(\w+)==['\"]([^'\"]*)['\"]\)\]|\[(\d+|\*)\]|\['([^']+)'\]")


def json_path(obj: Any, path: str) -> Any:
    """Return the first value at a simple JSONPath (fields, [n], [*], [?(@.type=="Ready")]), None when there is none."""
    found = [obj]
    for match in _STEP.finditer(path.replace("\\.", "\0")):
        found = [value for one in found for value in _steps(match)(one)]
    return found[0] if found else None


def _steps(match: re.Match[str]) -> Callable[[Any], list[Any]]:
    name, key, wanted_value, index, quoted = match.groups()
    field = (name or quoted or "").replace("\0", ".")
    if field:
        return lambda one: [one[field]] if isinstance(one, dict) and field in one else []
    if key:
        return lambda one: [item for item in one if item.get(key) == wanted_value] if isinstance(one, list) else []
    if index == "*":
        return lambda one: list(one) if isinstance(one, list) else []
    return lambda one: one[int(index) : int(index) + 1] if isinstance(one, list) else []
