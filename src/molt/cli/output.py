"""What the commands print: a table for people, JSON for programs, one line of complaint on standard error.

What is printed may come from an attacker: no control character of it reaches the terminal, and no markup is obeyed.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from molt.marks import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

EXIT_NO = 1
EXIT_USAGE = 2
EXIT_ABSENT = 3
EXIT_INTERRUPTED = 130

_CELL = 400  # characters of one cell, and
_LINE = 2000  # of a line; untrusted text may be of any length

_STYLES = {
    "acted": "green",
    "matches": "green",
    "quarantined": "red",
    "moving": "yellow",
    "skipped": "yellow",
    "ignored": "dim",
    "dead-lettered": "red",
    "refused": "red",
    "invalid": "red",
    "no": "red",
    "yes": "green",
}


def complain(line: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write(f"molt: {printable(line, _LINE)}\n")


def say(line: str, style: str = "") -> None:
    """Print one line."""
    Console(highlight=False, soft_wrap=True).print(Text(printable(line, _LINE), style=style))


def show_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a value as JSON, in ASCII, at once: whoever reads it from a pipe may be waiting for it."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table."""
    Console(highlight=False).print(table(title, columns, rows))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table; every cell is text, whatever it holds."""
    made = Table(title=Text(title, style="bold"), title_justify="left", header_style="bold", expand=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    return made


def _cell(value: object) -> Text:
    text = printable(str(value), _CELL)
    return Text(text, style=_STYLES.get(text, ""))
