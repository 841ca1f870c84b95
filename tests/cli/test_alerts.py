"""The input as users have it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from molt.cli.alerts import Given, UnreadableAlerts, read

CLOUD_EVENT = {"specversion": "1.0", "type": "falco.rule.output.v1", "data": {"rule": "R"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', [(1, {"a": 1})]),
        ('{"a": 1}\n{"a": 2}\n', [(1, {"a": 1}), (2, {"a": 2})]),
        ('\n{\n "a": 1\n}\n\n{"a": 2}{"a": 3}', [(2, {"a": 1}), (6, {"a": 2}), (6, {"a": 3})]),
        ('[{"a": 1}, {"a": 2}]\n[{"a": 3}]', [(1, {"a": 1}), (1, {"a": 2}), (2, {"a": 3})]),
        ('\ufeff{"a": "\u2603\\ud800"}', [(1, {"a": "\u2603\ufffd"})]),
        (json.dumps(CLOUD_EVENT), [(1, {"rule": "R"})]),
        ('{"specversion": "1.0", "data": 1}', [(1, {"specversion": "1.0", "data": 1})]),
    ],
    ids=["one", "lines", "any layout", "arrays", "BOM and half a pair", "structured CloudEvent", "its data is none"],
)
def test_objects_come_in_any_layout(tmp_path: Path, text: str, expected: list[tuple[int, object]]) -> None:
    """One after another, each with the line on which it begins."""
    (tmp_path / "f").write_text(text)
    assert [Given(line, data) for line, data in expected] == read(str(tmp_path / "f"))  # type: ignore[arg-type]


def test_standard_input_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named `-`."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 1}')))
    assert [Given(1, {"a": 1})] == read("-")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "f: No such file or directory"),
        (b"", "f: no alert in it"),
        (b" \n[]\n", "f: no alert in it"),
        (b'{"a": 1}\n{"a": \n', "f: line 3: not JSON: Expecting value"),
        (b'{"a": 1}\n\n"x"', 'f: line 3: an alert is a JSON object, not "x"'),
        (b"[1]", "f: line 1: an alert is a JSON object, not 1"),
        (b'{"a": 1}\n{"a": NaN}', "f: line 2: not JSON: NaN is no JSON value"),
        (b'{"a": 1}\n' + b"[" * 100_000, "f: line 2: nested too deep"),
        (b'{"a": 1}\n' + b"[" * 100 + b"]" * 100, "f: line 2: nested too deep"),
        (b'{"a": 1}\n\xff', "f: line 2: not UTF-8"),
    ],
    ids=["missing", "empty", "blank", "cut", "a text", "a number", "NaN", "too deep", "deep", "not UTF-8"],
)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    """One line of text."""
    if content is not None:
        (tmp_path / "f").write_bytes(content)
    with pytest.raises(UnreadableAlerts) as error:
        read(str(tmp_path / "f"))
    assert f"{tmp_path}/{complaint}" == error.value.reason
