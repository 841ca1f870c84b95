"""Combinations: which variant a workload's pods have of each dimension that its policy lets change. Pure.

What the pods have is read from the template. Who chose it, and when, is told by an annotation on the workload:

    molt-project.io/combination: {"at":"...","policy":"web","variants":{"build":"web@sha256:...","port":"9090"}}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from molt import marks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from molt.policy.reconfigure import Dimension, Field

Object = dict[str, Any]
Combination = dict[str, str]
"""Variants by the names of their dimensions."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the annotation tells: the combination that was chosen last, by which policy, and when."""

    variants: Combination
    policy: str
    at: str

    def render(self) -> str:
        """Return the text of the annotation."""
        return _render({"at": self.at, "policy": self.policy, "variants": self.variants})


def chosen(obj: Mapping[str, Any]) -> Chosen | None:
    """Return what the workload's annotation tells, or None when there is none that can be read."""
    told = _object(marks.annotations_of(obj).get(marks.COMBINATION))
    variants, policy, at = told.get("variants"), told.get("policy"), told.get("at")
    if isinstance(policy, str) and isinstance(at, str) and _is_combination(variants):
        return Chosen(variants, policy, at)
    return None


def undone(obj: Mapping[str, Any]) -> Combination | None:
    """Return the combination that was taken back last, or None."""
    told = _object(marks.annotations_of(obj).get(marks.UNDONE_COMBINATION))
    return told if told and _is_combination(told) else None


def render(combination: Combination) -> str:
    """Return a combination as the text that `undone` reads."""
    return _render(combination)


def current(template: Mapping[str, Any], dimensions: Iterable[Dimension]) -> dict[str, str | None]:
    """Return what the template has of each dimension; None where it has no such field with a plain value."""
    return {one.name: value_of(template, one.field) for one in dimensions}


def value_of(template: Mapping[str, Any], field: Field) -> str | None:
    """Return what the template has of a field, as a text, or None."""
    spec = template.get("spec") or {}
    match field.kind:
        case "label":
            return ((template.get("metadata") or {}).get("labels") or {}).get(field.key)
        case "nodeSelector":
            return (spec.get("nodeSelector") or {}).get(field.key)
        case "image" | "port" | "environment":
            return _of_container(container(template, field.container) or {}, field)
        case _:
            return spec.get(field.kind)


def container(template: Mapping[str, Any], name: str) -> Object | None:
    """Return the container of that name; init containers have none of the fields that change."""
    found: Iterable[Object] = (template.get("spec") or {}).get("containers") or ()
    return next((one for one in found if one["name"] == name), None)


def variable(of: Mapping[str, Any], name: str) -> Object | None:
    """Return a container's variable if it has a plain value; "" is one."""
    found: Iterable[Object] = of.get("env") or ()
    return next((one for one in found if one["name"] == name and "valueFrom" not in one), None)


def port(of: Mapping[str, Any], name: str) -> Object | None:
    """Return a container's port of that name."""
    found: Iterable[Object] = of.get("ports") or ()
    return next((one for one in found if one.get("name") == name), None)


def _of_container(of: Mapping[str, Any], field: Field) -> str | None:
    if field.kind == "image":
        return of.get("image")
    if field.kind == "port":
        number = (port(of, field.key) or {}).get("containerPort")
        return None if number is None else str(number)
    found = variable(of, field.key)
    return None if found is None else found.get("value") or ""


def _is_combination(value: Any) -> TypeGuard[Combination]:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _object(text: str | None) -> Object:
    """Return the JSON object that a text is, empty when it is none: others than molt may have written it."""
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _render(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
