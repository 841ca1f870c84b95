"""A LabelSelector, with the API server's meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt.policy.fields import Reader, quote, text

if TYPE_CHECKING:
    from collections.abc import Mapping

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_NAME = r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)"
_PREFIX = r"([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?"
KEY = (re.compile(_PREFIX + _NAME), "a label key")
_VALUE = re.compile(_NAME + "?")
LONGEST_KEY = 317
_LONGEST_VALUE = 63
_MOST = 32


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label; `values` is empty for Exists and DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def explain(self, labels: Mapping[str, str]) -> str | None:
        """Return why `labels` do not meet this, or None when they do. A missing key meets NotIn and DoesNotExist."""
        if self.met(labels):
            return None
        value = labels.get(self.key)
        found = "is not there" if value is None else f"is {quote(value)}"
        return f"label {self.key} {found}, wanted: {self}"

    def met(self, labels: Mapping[str, str]) -> bool:
        """Tell whether `labels` meet this."""
        value = labels.get(self.key)
        match self.operator:
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "In":
                return value in self.values
            case _:
                return value not in self.values

    def __str__(self) -> str:
        """Return the requirement in the syntax of a `labelSelector` query."""
        listed = f"({','.join(self.values)})"
        return {
            "Exists": self.key,
            "DoesNotExist": f"!{self.key}",
            "In": f"{self.key} in {listed}",
        }.get(self.operator, f"{self.key} notin {listed}")


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all be met; none at all selects every pod."""

    requirements: tuple[Requirement, ...] = ()

    def explain(self, labels: Mapping[str, str]) -> str | None:
        """Return the first reason why `labels` are not selected, or None when they are."""
        return next((reason for item in self.requirements if (reason := item.explain(labels))), None)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether `labels` meet every requirement: `explain` without the words, for those who ask a lot."""
        return all(requirement.met(labels) for requirement in self.requirements)

    def query(self) -> str:
        """Return the value of a `labelSelector` query parameter, not yet URL-quoted."""
        return ",".join(map(str, self.requirements))


def parse(reader: Reader) -> Selector:
    """Return the selector that an object field holds; what is wrong is noted."""
    requirements = [*_labels(reader), *_expressions(reader)]
    reader.close()
    return Selector(tuple(requirements))


def _labels(reader: Reader) -> list[Requirement]:
    """Read matchLabels: each pair is a requirement `key in (value)`."""
    found = []
    for key, value in reader.object("matchLabels").pairs(most=_MOST):
        path = f"{reader.at('matchLabels')}[{quote(key)}]"
        text(key, path, reader.problems, longest=LONGEST_KEY, pattern=KEY)
        found.append(Requirement(key, "In", (_value(value, path, reader),)))
    return found


def _expressions(reader: Reader) -> list[Requirement]:
    """Read matchExpressions."""
    found = []
    for expression in reader.objects("matchExpressions", most=_MOST):
        key = expression.text("key", required=True, longest=LONGEST_KEY, pattern=KEY)
        operator = expression.choice("operator", OPERATORS, required=True)
        values = [_value(value, where, reader) for where, value in expression.items("values", most=_MOST)]
        if operator in ("In", "NotIn") and not values:
            reader.problems.note(expression.path, f"{operator} needs values")
        elif operator in ("Exists", "DoesNotExist") and values:
            reader.problems.note(expression.path, f"{operator} takes no values")
        expression.close()
        found.append(Requirement(key, operator, tuple(values)))
    return found


def _value(value: object, path: str, reader: Reader) -> str:
    """Return a label value, which may be empty; what is none is noted and read as ""."""
    if value == "":
        return ""
    return text(value, path, reader.problems, longest=_LONGEST_VALUE, pattern=(_VALUE, "a label value"))
