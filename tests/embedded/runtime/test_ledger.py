"""The fates of alerts, out of the logs."""

from __future__ import annotations

import json
from pathlib import Path

from molt.embedded.runtime.ledger import Fate, Ledger, lines, read


def _line(**fields: str) -> str:
    return json.dumps(fields) + "\n"


def test_each_alert_has_its_end(tmp_path: Path) -> None:
    """The line with a fate is the end; lines of the way, of ticks, and half-written ones are passed over."""
    (tmp_path / "detect-router.jsonl").write_text(
        _line(alert="a", outcome="routed") + _line(alert="b", fate="ignored", reason="why", function="detect-router")
    )
    (tmp_path / "rotate.jsonl").write_text(
        _line(fate="skipped", reason="a tick") + _line(alert="a", fate="acted", subject="n/pod/p") + '[1]\n{"alert": "c'
    )
    expected = {
        "a": Fate("a", "acted", "", "", "n/pod/p"),
        "b": Fate("b", "ignored", "why", "detect-router", ""),
    }
    assert expected == read(tmp_path)


def test_a_redelivery_does_not_undo_an_act(tmp_path: Path) -> None:
    """Of two ends the one that acted counts, else the later."""
    (tmp_path / "f.jsonl").write_text(
        _line(alert="a", fate="acted")
        + _line(alert="a", fate="skipped", reason="again")
        + _line(alert="b", fate="skipped", reason="first")
        + _line(alert="b", fate="dead-lettered", reason="second")
    )
    assert [("acted", ""), ("dead-lettered", "second")] == [(end.fate, end.reason) for end in read(tmp_path).values()]


def test_what_is_written_meanwhile_is_read_once_it_is_whole(tmp_path: Path) -> None:
    """A ledger from now on knows nothing of before, new logs and half-written lines are found later."""
    log, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    log.write_text(_line(alert="old", fate="acted"))
    ledger = Ledger.from_now(tmp_path)
    whole = _line(alert="a", fate="skipped", reason="r")
    with log.open("a") as file:
        file.write(whole[:20])
    assert {} == ledger.fates()
    with log.open("a") as file:
        file.write(whole[20:])
    assert ["a"] == list(ledger.fates())
    other.write_text(_line(event="e", fate="dead-lettered"))
    assert {"a", "e"} == set(ledger.fates())


def test_lines_are_what_is_json(tmp_path: Path) -> None:
    """A traceback between the lines is passed over."""
    (tmp_path / "f.jsonl").write_bytes(b'Traceback:\n\xff\n[1]\n{"a": 1}\n')
    assert [{"a": 1}] == list(lines(tmp_path))
