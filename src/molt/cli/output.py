"""What the commands print: a table for people, JSON for programs, one line of complaint on standard error."""

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

_CELL = 400  # characters of one cell; untrusted text may be of any length

_STYLES = {
    "acted": "green",
    "skipped": "yellow",
    "ignored": "dim",
    "dead-lettered": "red",
    "no": "red",
    "yes": "green",
}


def complain(line: str) -> None:
    """Print one line on standard error."""
    sys.stderr.write(f"molt: {printable(line, 2000)}\n")


def console() -> Console:
    """Return where tables go."""
    return Console(highlight=False)


def show_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table; every cell is text, whatever markup or control characters it holds."""
    made = Table(title=Text(title, style="bold"), title_justify="left", header_style="bold", expand=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    return made


def _cell(value: object) -> Text:
    text = printable("" if value is None else str(value), _CELL)
    return Text(text, style=_STYLES.get(text, ""))
