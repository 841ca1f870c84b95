"""Label and field selectors, as strings of a query and as objects of a spec. What cannot be read is a SelectorError."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster import events
from molt.embedded.cluster.labelquery import Requirement, SelectorError, parse
from molt.embedded.cluster.resources import NAMED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.embedded.cluster.resources import Kind

    Matcher = Callable[[dict[str, Any]], bool]

Term = tuple[str, str, bool]

BOOLEANS = ("spec.hostNetwork", "spec.unschedulable")
RENAMED = {"status.successful": "status.succeeded"}  # what Jobs are selected by under its name of old


def of_spec(selector: dict[str, Any] | None) -> tuple[Requirement, ...] | None:
    """Return the requirements of a LabelSelector object; None (which selects nothing) for None."""
    if selector is None:
        return None
    equal = [Requirement(key, "In", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    rest = [
        Requirement(one["key"], one["operator"], tuple(one.get("values") or ()))
        for one in selector.get("matchExpressions") or ()
    ]
    return (*equal, *rest)


def matches(requirements: tuple[Requirement, ...] | None, labels: Mapping[str, str] | None) -> bool:
    """Tell whether labels fulfil all requirements (of none: always; of None: never)."""
    return requirements is not None and all(one.holds(labels or {}) for one in requirements)


def parse_fields(text: str) -> tuple[Term, ...]:
    """Return (path, value, wanted equal) for each term of a fieldSelector string. Raises SelectorError."""
    found = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"\s*([^=!\s]+)\s*(!=|==|=)\s*(.*?)\s*", term)
        if match is None:
            message = f"invalid selector: '{text}'; can't understand '{term}'"
            raise SelectorError(message)
        found.append((match[1], match[3], match[2] != "!="))
    return tuple(found)


def exact_name(text: str) -> str | None:
    """Return the one name that a fieldSelector asks for, if it does: RBAC's resourceNames see it."""
    try:
        return next((value for path, value, equal in parse_fields(text) if path == NAMED[0] and equal), None)
    except SelectorError:
        return None


def field(obj: dict[str, Any], path: str) -> str:
    """Return the field as a string; missing, it is "false" of a boolean and "" of any other."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool) or (value is None and path in BOOLEANS):
        return str(bool(value)).lower()
    return "" if value is None else str(value)


def _unknown(kind: Kind, path: str) -> str:
    if kind.crd is None and kind.fields == NAMED:
        return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return f'field label "{path}" not supported for Job' if kind.kind == "Job" else f"field label not supported: {path}"


def matcher(labels: str, fields: str, kind: Kind) -> Matcher:
    """Return the predicate on objects of `kind` that both selector strings make. Raises SelectorError."""
    requirements = parse(labels)
    terms = parse_fields(fields)
    for path, _, _ in terms:
        if path not in kind.fields:
            raise SelectorError(_unknown(kind, path))

    places = [(RENAMED.get(path) or events.stored_field(kind, path), value, equal) for path, value, equal in terms]

    def selects(obj: dict[str, Any]) -> bool:
        return matches(requirements, obj["metadata"].get("labels")) and all(
            (field(obj, path) == value) is equal for path, value, equal in places
        )

    return selects
