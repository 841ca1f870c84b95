"""What reaches the terminal."""

from __future__ import annotations

import json

import pytest

from molt.cli.output import complain, say, show_json, show_table

HOSTILE = "a\x1b[31mb\x9b2Jc\r\n[bold]d[/bold]\u202ee\ud800"
HARMLESS = "a [31mb 2Jc [bold]d[/bold] e"
COLUMNS = ("Name", "Number")


def test_no_way_of_printing_obeys_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither escape codes nor markup nor line breaks; JSON keeps the text, as ASCII."""
    say(HOSTILE, "bold", indent=2)
    assert f"  {HARMLESS}\n" == capsys.readouterr().out
    complain(HOSTILE)
    assert f"molt: {HARMLESS}\n" == capsys.readouterr().err
    show_table(COLUMNS, [(HOSTILE, 1)], HOSTILE)
    title, *_, row, _end = capsys.readouterr().out.splitlines()
    assert (HARMLESS, [*HARMLESS.split(), "1"]) == (title, row.split())
    show_json([HOSTILE])
    out = capsys.readouterr().out
    assert (True, [HOSTILE]) == (out.isascii(), json.loads(out))


def test_texts_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A cell, and a line, of any length."""
    show_table(COLUMNS, [("x" * 10_000, 1)])
    assert 397 == capsys.readouterr().out.count("x")
    complain("x" * 10_000)
    assert 1997 == capsys.readouterr().err.count("x")


@pytest.mark.parametrize(("columns", "folded"), [("200", False), ("60", False), ("30", True)])
def test_names_are_folded_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str, *, folded: bool
) -> None:
    """A long text gives way to a name; where there is no room at all the name is folded, and nothing is lost."""
    monkeypatch.setenv("COLUMNS", columns)
    name, text = "catalog-6dr92dhbk9-6m8t9", "no pod lives for longer than ten seconds, and each is replaced first"
    show_table(("Pod", "Why", "Empty"), [(name, text, ""), ("", "", "")])
    lines = capsys.readouterr().out.splitlines()
    assert int(columns) >= max(map(len, lines))
    assert folded == (name not in "\n".join(lines))
    assert sorted(f"{name}{text}".replace(" ", "")) == sorted("".join(lines[2:]).replace(" ", ""))


def test_an_empty_table_and_a_very_narrow_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without rows there are the columns; without room each has one character."""
    show_table(COLUMNS, [])
    assert ["Name", "Number"] == capsys.readouterr().out.splitlines()[0].split()
    monkeypatch.setenv("COLUMNS", "6")
    show_table(COLUMNS, [("ab", 1)])
    assert "a" in capsys.readouterr().out
