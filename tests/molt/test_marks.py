"""The marks that molt leaves on pods."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt import marks

DEEP = "[" * 100_000
"""As long as an annotation may be: nested deeper than a reader of JSON can go."""

_zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11))])
_seconds = st.integers(86_400, 250_000_000_000)  # 1970 to 9892
_times = st.builds(
    lambda seconds, micros, zone: datetime.fromtimestamp(seconds, zone) + timedelta(microseconds=micros),
    _seconds,
    st.integers(0, 999_999),
    _zones,
)


def _pod(**metadata: Any) -> dict[str, Any]:
    return {"metadata": metadata}


@given(st.text(), st.integers(3, 600))
def test_printable_text_is_one_bounded_line(text: str, limit: int) -> None:
    """Whatever comes in, one line of printable characters comes out, and a cut shows."""
    line = marks.printable(text, limit)
    assert line.isprintable()
    assert len(line) <= limit
    assert line == marks.printable(line, limit)


def test_printable_text_keeps_what_can_be_read() -> None:
    """Control characters and line breaks become blanks, umlauts and the like stay."""
    assert "a b ü 漢 [31m" == marks.printable("  a\n\tb \x00ü 漢\u202e \x1b[31m")
    assert "abcde..." == marks.printable("abcdefghij", 8)


@given(_times)
def test_a_stamp_is_read_back(time: datetime) -> None:
    """A time from an annotation is exactly the time that was written: a redelivery depends on it."""
    assert time == marks.time_of(marks.stamp(time))


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-11-24"])
def test_what_is_no_time_is_none(text: str | None) -> None:
    """Annotations may be edited by anybody."""
    assert marks.time_of(text) is None


@given(st.dictionaries(st.text(), st.text()))
def test_labels_are_read_back(labels: dict[str, str]) -> None:
    """What a release brings back is what was there."""
    assert labels == marks.original_labels(_pod(annotations={marks.ORIGINAL_LABELS: marks.render_labels(labels)}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1}', DEEP])
def test_labels_that_cannot_be_read_are_none(text: str) -> None:
    """No guess at labels."""
    assert marks.original_labels(_pod(annotations={marks.ORIGINAL_LABELS: text})) is None


@pytest.mark.parametrize("labels", [None, {}, {marks.COMPROMISED: "false", marks.RETIRING: "yes"}])
def test_a_pod_without_marks_is_neither(labels: dict[str, str] | None) -> None:
    """Only the value `true` counts."""
    assert (False, False) == (marks.is_compromised(_pod(labels=labels)), marks.is_retiring(_pod(labels=labels)))
    assert {} == marks.annotations_of(_pod())


@pytest.mark.parametrize(
    ("labels", "owned", "left"),
    [({}, False, True), ({}, True, True), ({"app": "web"}, False, True), ({"app": "web"}, True, False)],
)
def test_marks_make_no_quarantine(labels: dict[str, str], owned: bool, left: bool) -> None:  # noqa: FBT001 - a table
    """A pod that still has a label and a controller is where it was; others the controller lets go in its own time."""
    worn, notes = {marks.COMPROMISED: "true", **labels}, {marks.ORIGINAL_LABELS: "{}"}
    owners = [{"kind": "ReplicaSet", "controller": owned}]
    assert left == marks.is_quarantined(_pod(labels=worn, annotations=notes, ownerReferences=owners))
    assert not marks.is_quarantined(_pod(labels=worn, ownerReferences=owners))
    assert not marks.is_quarantined(_pod(labels=labels, annotations=notes))


@given(st.lists(st.text()))
def test_leaks_are_read_back(lines: list[str]) -> None:
    """A redelivery tells what the first delivery told."""
    assert tuple(lines) == marks.leaks_of(_pod(annotations={marks.LEAKS: marks.render_leaks(lines)}))


@pytest.mark.parametrize("text", ["", "[", "{}", "null", "[1]", DEEP])
def test_leaks_that_cannot_be_read_are_none(text: str) -> None:
    """Then they are looked for anew."""
    assert marks.leaks_of(_pod(annotations={marks.LEAKS: text})) is None


OWNER = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "name": "web-5d9c7b",
    "uid": "7d9f5c2e-0000-4000-8000-000000000001",
}


def test_the_controller_that_released_a_pod_is_read_back() -> None:
    """What else an ownerReference has is left out."""
    text = json.dumps({**OWNER, "controller": True, "blockOwnerDeletion": True})
    assert OWNER == marks.owner(_pod(annotations={marks.OWNER: text}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        json.dumps({name: part for name, part in OWNER.items() if name != "uid"}),
        json.dumps({**OWNER, "uid": 5}),
        json.dumps({**OWNER, "kind": "Replica Set"}),
        json.dumps({**OWNER, "name": "../secrets/x"}),
        json.dumps({**OWNER, "apiVersion": "x" * 254}),
        DEEP,
    ],
)
def test_what_could_be_no_controller_is_none(text: str) -> None:
    """An attacker who writes the annotation gets nothing into a slip, a path or a log that could not be there."""
    assert marks.owner(_pod(annotations={marks.OWNER: text})) is None
