"""One line per event, whatever is in it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from molt import log
from molt.events import Event
from molt.outcome import Done


def written(capsys: pytest.CaptureFixture[str], **members: object) -> dict[str, Any]:
    """Write a line, and return what a reader of stdout gets: exactly one line of ASCII JSON."""
    log.write("info", "quarantine", **members)
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.isprintable() is False
    assert 1 == len(out.splitlines())
    return dict(json.loads(out))


def test_line_opens_with_time_level_and_function(capsys: pytest.CaptureFixture[str]) -> None:
    """The first members must be the same in every line, and those that are None left out."""
    assert ["time", "level", "function", "message"] == list(written(capsys, message="x", subject=None))


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J\x00", "\u2028", "🦀", "\ud800", '"}\n{"fate":"acted"'])
def test_text_stays_in_its_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No text may begin a line, a member or a terminal command of its own."""
    assert text == written(capsys, reason=text)["reason"]


def test_long_texts_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A text over 1,024 characters must be cut with a mark, also in a list, of which the last 64 items count."""
    line = written(capsys, reason="x" * 1025, subject="y" * 1024, traceback=["z" * 5000] * 100)
    assert "x" * 1019 + "[...]" == line["reason"]
    assert "y" * 1024 == line["subject"]
    assert 64 == len(line["traceback"])
    assert {1024} == set(map(len, line["traceback"]))


def test_what_json_does_not_know_is_written_as_python_does(capsys: pytest.CaptureFixture[str]) -> None:
    """An odd value must not keep a line from being written."""
    assert "{1}" == written(capsys, reason={1})["reason"]


def test_a_closed_stdout_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that nobody reads must not fail the event."""

    class Closed:
        def write(self, _: str) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    log.write("info", "quarantine")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"alert": {"id": "a-1"}}, "a-1"),
        ({"alert": {"id": 7}}, "7"),
        ({"alert": {}}, None),
        ({"alert": "x"}, None),
        ({"rule": "R", "priority": "Notice", "uuid": "a-2"}, "a-2"),
        ({}, None),
    ],
)
def test_alert_id(data: dict[str, Any], expected: str | None) -> None:
    """The alert's identity must be found in a routing slip and in an alert, and missed elsewhere."""
    assert expected == log.alert_id(data)


def test_subject_of_what_follows_goes_before() -> None:
    """The router's event names the pod that Falco's did not."""
    incoming = Event("1", "https://falco.org", "falco.rule.output.v1", {})
    following = Event("2", "/molt/detect-router", "t", {}, subject="shop/pod/web-1")
    assert "shop/pod/web-1" == log.of_outcome(incoming, Done(following))["subject"]
    assert "subject" not in log.of_outcome(incoming, Done(Event("2", "/s", "t", {})))
