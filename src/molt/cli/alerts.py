"""Alerts as a user hands them over: a file or standard input with one JSON object after another, in any layout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molt.outcome import MoltError


class UnreadableAlerts(MoltError):
    """The input is no sequence of JSON objects."""


@dataclass(frozen=True, slots=True)
class Given:
    """One alert of the input."""

    line: int
    data: Mapping[str, Any]


def read(source: str) -> list[Given]:
    """Return the alerts of a file, or of standard input for `-`: JSON lines, indented objects, or an array of objects.

    A structured CloudEvent is taken for its data. Raises UnreadableAlerts, with the line.
    """
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableAlerts(f"{source}: {error}") from None
    alerts = [
        Given(line, _alert(source, line, item)) for line, value in _values(source, text) for item in _items(value)
    ]
    if not alerts:
        raise UnreadableAlerts(f"{source}: no alert in it")
    return alerts


def _values(source: str, text: str) -> Iterator[tuple[int, Any]]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        line = text.count("\n", 0, at) + 1
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            raise UnreadableAlerts(f"{source}: line {line}: not JSON: {error}") from None
        yield line, value


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _alert(source: str, line: int, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnreadableAlerts(f"{source}: line {line}: an alert is a JSON object, this is {type(value).__name__}")
    data = value.get("data") if "specversion" in value else value
    return data if isinstance(data, Mapping) else value
