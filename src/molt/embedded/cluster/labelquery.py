"""Reads a labelSelector string, with the API server's grammar and its words for what cannot be read.

A port of the parser in k8s.io/apimachinery v0.36.3, pkg/labels/selector.go: clients see its messages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from molt.embedded.cluster.syntax import label_key_faults, label_value_faults

if TYPE_CHECKING:
    from collections.abc import Mapping

END: Final = ""
NAME: Final = "name"
SPECIAL: Final = ("==", "!=", "=", "!", "(", ")", ",", ">", "<")
OPERATORS: Final = {"in": "In", "notin": "NotIn", "=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt"}
_TOKEN: Final = re.compile(r"[ \t\r\n]*(==|!=|[=!(),<>]|[^ \t\r\n=!(),<>]+|$)")


class SelectorError(ValueError):
    """The selector cannot be read."""


class Requirement(NamedTuple):
    """One condition on a label: operator In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Tell whether `labels` fulfil it; a missing label fulfils NotIn and DoesNotExist."""
        value = labels.get(self.key)
        if self.operator in ("NotIn", "DoesNotExist"):
            return value is None or (self.operator == "NotIn" and value not in self.values)
        if value is None or self.operator == "Exists":
            return value is not None
        if self.operator == "In":
            return value in self.values
        if not re.fullmatch("-?[0-9]+", value):
            return False
        limit = int(self.values[0])
        return int(value) > limit if self.operator == "Gt" else int(value) < limit


class _Tokens:
    """The tokens of a selector, one ahead. Words are names; `in` and `notin` are operators only after a key."""

    def __init__(self, text: str) -> None:
        self._tokens = [match[1] for match in _TOKEN.finditer(text)]
        self._position = 0

    def peek(self) -> str:
        return self._tokens[min(self._position, len(self._tokens) - 1)]

    def take(self) -> str:
        token = self.peek()
        self._position += 1
        return token


def _is_name(token: str) -> bool:
    return token != END and token not in SPECIAL


def parse(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a labelSelector; none for "". Raises SelectorError."""
    tokens = _Tokens(text)
    found: list[Requirement] = []
    while tokens.peek() != END:
        if not _is_name(tokens.peek()) and tokens.peek() != "!":
            message = f"found '{tokens.peek()}', expected: !, identifier, or 'end of string'"
            raise SelectorError(message)
        try:
            found.append(_requirement(tokens))
        except SelectorError as error:
            message = f"unable to parse requirement: {error}"
            raise SelectorError(message) from None
        mark = tokens.take()
        if mark == END:
            break
        if mark != ",":
            message = f"found '{mark}', expected: ',' or 'end of string'"
            raise SelectorError(message)
        if not _is_name(tokens.peek()) and tokens.peek() != "!":
            message = f"found '{tokens.peek()}', expected: identifier after ','"
            raise SelectorError(message)
    return tuple(found)


def _requirement(tokens: _Tokens) -> Requirement:
    key = tokens.take()
    absent = key == "!"
    if absent:
        key = tokens.take()
    if not _is_name(key):
        message = f"found '{key}', expected: identifier"
        raise SelectorError(message)
    _refuse("<nil>", key, label_key_faults(key))
    if absent:
        return Requirement(key, "DoesNotExist")
    if tokens.peek() in (END, ","):
        return Requirement(key, "Exists")
    token = tokens.take()
    if token not in OPERATORS:
        message = f"found '{token}', expected: in, notin, =, ==, !=, gt, lt"
        raise SelectorError(message)
    values = _values(tokens) if token in ("in", "notin") else (_value(tokens),)
    for index, value in enumerate(values):
        place = f"values[{index}]"
        if token in ("<", ">") and not re.fullmatch("[+-]?[0-9]+", value):
            _refuse(place, value, ["for 'Gt', 'Lt' operators, the value must be an integer"])
        _refuse(f"{place}[{key}]", value, label_value_faults(value))
    return Requirement(key, OPERATORS[token], values)


def _refuse(place: str, value: str, faults: list[str]) -> None:
    for fault in faults:
        message = f'{place}: Invalid value: "{value}": {fault}'
        raise SelectorError(message)


def _value(tokens: _Tokens) -> str:
    """Return the one value after =, ==, !=, < or >; nothing is the empty value."""
    if tokens.peek() in (END, ","):
        return ""
    token = tokens.take()
    if not _is_name(token):
        message = f"found '{token}', expected: identifier"
        raise SelectorError(message)
    return token


def _values(tokens: _Tokens) -> tuple[str, ...]:
    """Return the sorted values of a list in parentheses; a missing one between commas is the empty value."""
    mark = tokens.take()
    if mark != "(":
        message = f"found '{mark}' expected: '('"
        raise SelectorError(message)
    if not _is_name(tokens.peek()) and tokens.peek() not in (",", ")"):
        message = f"found '{tokens.peek()}', expected: ',', ')' or identifier"
        raise SelectorError(message)
    values: set[str] = set()
    while True:
        values.add(tokens.take() if _is_name(tokens.peek()) else "")
        mark = tokens.take()
        if mark == ")":
            return tuple(sorted(values))
        if mark != ",":
            message = f"found '{mark}', expected: ',' or ')'"
            raise SelectorError(message)
