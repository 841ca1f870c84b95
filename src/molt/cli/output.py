"""What the commands print: a table for people, JSON for programs, one line of complaint on standard error.

What is printed may come from an attacker: no control character of it reaches the terminal, and no markup is obeyed.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from molt.marks import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

EXIT_NO = 1
EXIT_USAGE = 2
EXIT_ABSENT = 3
EXIT_INTERRUPTED = 130

_CELL = 400  # characters of one cell, and
_LINE = 2000  # of a line; untrusted text may be of any length
_GAP = 3  # characters between two cells
_WIDEST = 96  # characters of a bar: a quarter of an hour each, of a day
_NAME = 28  # characters of a name that is not folded if that can be helped
_READABLE = 16  # no column of text is narrower if that can be helped
_ASSUMED = 80  # characters of a line that rich assumes of what is no terminal and
_WIDE = 200  # what we write there instead: in a file or a pipe a folded name is no longer found

_STYLES = {
    "acted": "green",
    "quarantined": "red",
    "moving": "yellow",
    "skipped": "yellow",
    "ignored": "dim",
    "dead-lettered": "red",
    "refused": "red",
    "invalid": "red",
    "yes": "green",
}


def complain(line: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write(f"molt: {printable(line, _LINE)}\n")


def say(line: str, style: str = "", *, indent: int = 0) -> None:
    """Print one line, `indent` blanks to the right."""
    _console().print(Text(" " * indent + printable(line, _LINE), style=style), soft_wrap=True)


def show_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a value as JSON, in ASCII, at once: whoever reads it from a pipe may be waiting for it."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table with an empty line after it; every cell is text, whatever it holds."""
    console = _console()
    cells = [[_cell(value) for value in row] for row in rows]
    made = Table(box=SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False)
    texts = [[column, *(row[position].plain for row in cells)] for position, column in enumerate(columns)]
    for column, width in zip(columns, _widths(texts, console.width), strict=True):
        made.add_column(column, overflow="fold", width=width)
    for row in cells:
        made.add_row(*row)
    if title:
        say(title, "bold")
    console.print(made, "")


def show_chart(labels: Sequence[str], bars: Callable[[int], Sequence[str]]) -> None:
    """Print the bars that are made for a width, one below the other; a label is text, whatever it holds."""
    console = _console()
    shown = [printable(label, _NAME) for label in labels]
    indent = max(map(len, shown)) + _GAP
    width = min(max(console.width - indent, _READABLE), _WIDEST)
    for label, bar in zip(shown, bars(width), strict=True):
        console.print(Text(label.ljust(indent) + bar), soft_wrap=True)


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return how wide each column is to be: as wide as its longest text if all fit.

    Else each has room for its longest name and a share of the rest; if the names do not fit either, the longest are
    folded. (rich shares without a look at names.)
    """
    room -= _GAP * (len(columns) - 1)
    whole = [max(map(len, texts)) for texts in columns]
    if sum(whole) <= room:
        return whole
    words = [max(len(word) for text in texts for word in text.split() or [""]) for texts in columns]
    least = [max(min(_NAME, word), min(_READABLE, width)) for word, width in zip(words, whole, strict=True)]
    while sum(least) > room and max(least) > 1:
        least[least.index(max(least))] -= 1
    wanted = sum(whole) - sum(least)
    spare = max(room - sum(least), 0)
    return [low + spare * (high - low) // wanted for low, high in zip(least, whole, strict=True)]


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal and console.width == _ASSUMED:
        console.width = _WIDE
    return console


def _cell(value: object) -> Text:
    text = printable(str(value), _CELL)
    return Text(text, style=_STYLES.get(text, ""))
