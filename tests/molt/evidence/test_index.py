"""A line of the index is the entry it was made from, byte for byte."""

from __future__ import annotations

import json

import pytest

from molt.evidence.index import GENESIS, LONGEST, BadEntry, Entry

ENTRY = Entry(1, "b1", "0" * 64, 7, "2026-11-24T12:00:00Z", "alert-1", "shells", "shop", "web-1", "uid-1", GENESIS)


def test_a_line_is_read_as_it_was_written() -> None:
    """One line of ASCII, with its own hash."""
    line = ENTRY.line()
    assert (ENTRY, 1, b"\n") == (Entry.parse(line), line.count(b"\n"), line[-1:])
    assert ENTRY.hash == json.loads(line)["hash"]


BAD = [
    pytest.param(b"", "no entry", id="empty"),
    pytest.param(b"[]", "no entry", id="no object"),
    pytest.param(b"{}", "no entry", id="no members"),
    pytest.param(ENTRY.line().replace(b'"bundle"', b'"bungle"'), "no entry", id="another member"),
    pytest.param(ENTRY.line().replace(b'"size":7', b'"size":"7"'), "another type", id="a text for a number"),
    pytest.param(ENTRY.line().replace(b'"size":7', b'"size":true'), "another type", id="a word for a number"),
    pytest.param(ENTRY.line().replace(b'"pod":"web-1"', b'"pod":1'), "another type", id="a number for a text"),
    pytest.param(ENTRY.line().replace(b"web-1", b"web-2"), "was altered", id="a member altered"),
    pytest.param(ENTRY.line().replace(b'","', b'", "', 1), "was altered", id="a blank more"),
    pytest.param(ENTRY.line()[:-1], "was altered", id="the line's end gone"),
    pytest.param(b"[" * 200_000, "no entry: RecursionError", id="lists in lists"),
    pytest.param(b"[" * (LONGEST + 1), f"no entry: {LONGEST + 1} bytes", id="too long"),
]


@pytest.mark.parametrize(("line", "reason"), BAD)
def test_any_other_line_is_none(line: bytes, reason: str) -> None:
    """Altered, even where JSON would not mind."""
    with pytest.raises(BadEntry, match=reason):
        Entry.parse(line)
