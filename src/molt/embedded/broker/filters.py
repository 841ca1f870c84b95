"""Which events a Trigger wants: `filter.attributes` and the dialects of `filters`.

All attributes are strings here, extensions too. As in Knative an attribute that an event lacks never matches, and "" in
`filter.attributes` stands for any value that is not empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.embedded.manifests import Field

_ATTRIBUTE = re.compile(r"[a-z][a-z0-9]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Attributes:
    """Every attribute named has the value named; "" means any."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Exact:
    """Every attribute named is equal to the value named."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Prefix:
    """Every attribute named starts with the value named."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Suffix:
    """Every attribute named ends with the value named."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class All:
    """Every inner filter matches; so does one without inner filters."""

    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one inner filter matches."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The inner filter does not match."""

    filter: Filter


Filter = Attributes | Exact | Prefix | Suffix | All | AnyOf | Not
EVERYTHING = All()
_TESTS: dict[type[Filter], Callable[[str, str], bool]] = {
    Attributes: lambda has, wanted: has == wanted if wanted else has != "",
    Exact: str.__eq__,
    Prefix: str.startswith,
    Suffix: str.endswith,
}


def matches(filter_: Filter, attributes: Mapping[str, str]) -> bool:
    """Tell whether an event with these attributes passes the filter."""
    match filter_:
        case All(filters):
            return all(matches(inner, attributes) for inner in filters)
        case AnyOf(filters):
            return any(matches(inner, attributes) for inner in filters)
        case Not(inner):
            return not matches(inner, attributes)
        case _:
            test = _TESTS[type(filter_)]
            return all(name in attributes and test(attributes[name], text) for name, text in filter_.values.items())


def read(spec: Field) -> Filter:
    """Return the filter of a Trigger's spec: `filters` where there are any, else `filter`. Raises ManifestError."""
    dialects = spec.at("filters").items()
    if dialects:
        return All(tuple(_dialect(field) for field in dialects))
    attributes = spec.at("filter").object("attributes").at("attributes")
    return Attributes(_named(attributes)) if attributes else EVERYTHING


def _dialect(field: Field) -> Filter:
    if not isinstance(field.value, dict) or len(field.value) != 1:
        raise field.bad("must be an object with one dialect")
    name = next(iter(field.value))
    inner = field.at(name)
    match name:
        case "exact":
            return Exact(_filled(inner))
        case "prefix":
            return Prefix(_filled(inner))
        case "suffix":
            return Suffix(_filled(inner))
        case "all":
            return All(_several(inner))
        case "any":
            return AnyOf(_several(inner))
        case "not":
            return Not(_dialect(inner))
        case "cesql":
            raise inner.bad("this broker does not speak CloudEvents SQL; use exact, prefix, suffix, all, any, not")
    raise field.at(str(name)).bad("is not one of exact, prefix, suffix, all, any, not")


def _several(field: Field) -> tuple[Filter, ...]:
    inner = tuple(_dialect(item) for item in field.items())
    if not inner:
        raise field.bad("must hold at least one filter")
    return inner


def _named(field: Field) -> dict[str, str]:
    values = field.texts()
    for name in values:
        if not _ATTRIBUTE.fullmatch(name):
            raise field.at(name).bad("is no attribute name: lower-case letters and digits, a letter first")
    return values


def _filled(field: Field) -> dict[str, str]:
    values = _named(field)
    if not values:
        raise field.bad("must name an attribute")
    for name, value in values.items():
        if not value:
            raise field.at(name).bad("must not be empty")
    return values
