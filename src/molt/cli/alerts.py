"""Alerts as a user hands them over: a file or standard input with one JSON object after another, in any layout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molt import strict_json
from molt.outcome import MoltError


class UnreadableAlerts(MoltError):
    """The input is no sequence of JSON objects."""


@dataclass(frozen=True, slots=True)
class Given:
    """One alert of the input, and the line on which it, or the array that it is in, begins."""

    line: int
    data: Mapping[str, Any]


def read(source: str) -> list[Given]:
    """Return the alerts of a file, or of standard input for `-`: JSON lines, indented objects, or arrays of objects.

    A structured CloudEvent is taken for its data. Raises UnreadableAlerts, with the line.
    """
    text = _text(source)
    alerts = [
        Given(line, _alert(source, line, item)) for line, value in _values(source, text) for item in _items(value)
    ]
    if not alerts:
        raise UnreadableAlerts(f"{source}: no alert in it")
    return alerts


def _text(source: str) -> str:
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise UnreadableAlerts(f"{source}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UnreadableAlerts(f"{source}: line {line}: not UTF-8") from None


def _values(source: str, text: str) -> Iterator[tuple[int, Any]]:
    """Yield every JSON value and its line. A value must be what a function would read, and no more than that."""
    decoder, at, line = json.JSONDecoder(), 0, 1
    while at < len(text):
        if text[at].isspace():
            line += text[at] == "\n"
            at += 1
            continue
        try:
            _, end = decoder.raw_decode(text, at)
            value = strict_json.decode(text[at:end].encode())
        except json.JSONDecodeError as error:
            raise UnreadableAlerts(f"{source}: line {error.lineno}: not JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            reason = "nested too deep" if isinstance(error, RecursionError) else error
            raise UnreadableAlerts(f"{source}: line {line}: {reason}") from None
        yield line, value
        line += text.count("\n", at, end)
        at = end


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _alert(source: str, line: int, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnreadableAlerts(f"{source}: line {line}: an alert is a JSON object, not {json.dumps(value)[:40]}")
    data = value.get("data") if "specversion" in value else value
    return data if isinstance(data, Mapping) else value
