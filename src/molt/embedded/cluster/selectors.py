"""Label and field selectors, as strings of a query and as objects of a spec.

Grammar: k8s.io/apimachinery/pkg/labels. A selector that cannot be read raises SelectorError.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from molt.embedded.cluster.syntax import label_key_faults, label_value_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Matcher = Callable[[dict[str, Any]], bool]

TOKEN = re.compile(
    r"\s*(?:(?P<set>[^\s=!,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)"
    r"|(?P<key>[^\s=!,()]+)\s*(?P<eq>==|=|!=)\s*(?P<value>[^\s=!,()]*)"
    r"|(?P<not>!)?\s*(?P<exists>[^\s=!,()]+))\s*(?:,|$)"
)


class SelectorError(ValueError):
    """The selector cannot be read."""


class Requirement(NamedTuple):
    """One condition on a label: operator In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Tell whether `labels` fulfil it; a missing label fulfils NotIn."""
        value = labels.get(self.key)
        if self.operator == "Exists":
            return value is not None
        if self.operator == "DoesNotExist":
            return value is None
        if self.operator == "In":
            return value in self.values
        return value not in self.values


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a labelSelector string; none for "". Raises SelectorError."""
    found: list[Requirement] = []
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            message = f"unable to parse requirement: found '{text[position:].strip()}', expected: identifier"
            raise SelectorError(message)
        requirement = _requirement(match)
        _check(requirement)
        found.append(requirement)
        position = match.end()
    return tuple(found)


def _requirement(match: re.Match[str]) -> Requirement:
    if match["op"]:
        values = tuple(value.strip() for value in match["values"].split(","))
        return Requirement(match["set"], "In" if match["op"] == "in" else "NotIn", values)
    if match["eq"]:
        return Requirement(match["key"], "NotIn" if match["eq"] == "!=" else "In", (match["value"],))
    return Requirement(match["exists"], "DoesNotExist" if match["not"] else "Exists")


def _check(requirement: Requirement) -> None:
    places = [("key", requirement.key, label_key_faults(requirement.key))]
    for index, value in enumerate(requirement.values):
        places.append((f"values[{index}][{requirement.key}]", value, label_value_faults(value)))
    for place, text, faults in places:
        for fault in faults:
            message = f'unable to parse requirement: {place}: Invalid value: "{text}": {fault}'
            raise SelectorError(message)


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


def parse_fields(text: str, supported: tuple[str, ...]) -> tuple[tuple[str, str, bool], ...]:
    """Return (path, value, wanted equal) of a fieldSelector string. Raises SelectorError, for paths too."""
    found = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"\s*([^=!\s]+)\s*(!=|==|=)\s*(.*?)\s*", term)
        if match is None:
            message = f"invalid selector: '{term}'; can't understand '{term}'"
            raise SelectorError(message)
        if match[1] not in supported:
            message = f"field label not supported: {match[1]}"
            raise SelectorError(message)
        found.append((match[1], match[3], match[2] != "!="))
    return tuple(found)


def field(obj: dict[str, Any], path: str) -> str:
    """Return the field as a string, "" when it is missing."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def matcher(labels: str, fields: str, supported: tuple[str, ...]) -> Matcher:
    """Return the predicate on objects that both selector strings together make. Raises SelectorError."""
    requirements = parse_labels(labels)
    terms = parse_fields(fields, supported)

    def selects(obj: dict[str, Any]) -> bool:
        return matches(requirements, obj["metadata"].get("labels")) and all(
            (field(obj, path) == value) is wanted for path, value, wanted in terms
        )

    return selects
