"""What a bench or a chaos run found, as a table, as JSON, and as docs/performance.md.

A run is one script on one cluster; its rows say what molt took, what the floor or the peer took in the same run, what
the goal is, and why it was missed where it was. Each script merges its run into one JSON file (`--json FILE`).

Run: `python -m bench.report [FILE] [--into FOLDER]`: makes performance.json and performance.md of FILE (docs/).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FILE = Path(".bench.json")
FOLDER = Path("docs")
WORDS = {True: "yes", False: "NO", None: "-"}
COLUMNS = ("what", "ours", "peer", "ratio", "unit", "goal", "met")
ORDER = ("warm", "burst", "cold", "storm", "footprint", "chaos", "chaos-forwarder")
HEAD = """# Performance

Made by `python -m bench.report` of what `make bench` and `make chaos` found; do not edit. Times are wall-clock times of
whole processes over loopback, with the broker's disk flushed at each step. "Floor" and peers were measured in the same
run, in turns with ours. A goal that was missed says so, and why.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured. `peer`: what it is compared with, in the same unit. `met`: None without a goal."""

    what: str
    ours: float
    unit: str
    peer: float | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the peer's it is; None without a peer."""
        return self.ours / self.peer if self.peer else None

    def cells(self) -> tuple[str, ...]:
        """Return the table's cells, in the order of COLUMNS."""
        peer = "" if self.peer is None else number(self.peer)
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (self.what, number(self.ours), peer, ratio, self.unit, self.goal, WORDS[self.met])


@dataclass(frozen=True, slots=True)
class Run:
    """What one script found on one cluster ("": it needs none)."""

    name: str
    title: str
    rows: Sequence[Row]
    cluster: str = ""
    peer: str = ""  # what the column of that name is
    notes: Sequence[str] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name and cluster: a later run of both replaces this one."""
        return f"{self.name}/{self.cluster}" if self.cluster else self.name

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> Run:
        """Return the run that `asdict` made a JSON object of."""
        return cls(**{**found, "rows": tuple(Row(**row) for row in found["rows"]), "notes": tuple(found["notes"])})


def number(value: float) -> str:
    """Return a number with three digits that count, or all before the point."""
    if not value:
        return "0"
    magnitude = abs(value)
    digits = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2 if magnitude >= 1 else 3  # noqa: PLR2004 - powers of ten
    return f"{value:,.{digits}f}"


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest of the values that `share` (0 to 1) of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def cause(reason: str, *, met: bool | None) -> str:
    """Return the reason for a goal that was missed, nothing for one that was met."""
    return reason if met is False else ""


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 1),
        "day": f"{datetime.now(UTC):%Y-%m-%d}",
    }


def table(run: Run) -> str:
    """Return the run for a terminal."""
    rows = [COLUMNS, *(row.cells() for row in run.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    head = f"{run.title}{f' [{run.cluster}]' if run.cluster else ''}{f'; peer: {run.peer}' if run.peer else ''}"
    notes = [f"  {row.what}: {row.note}" for row in run.rows if row.note] + [f"  {note}" for note in run.notes]
    return "\n".join([head, *lines, *notes])


def markdown(runs: Iterable[Run]) -> str:
    """Return the whole page."""
    parts = [HEAD]
    for run in sorted(runs, key=_rank):
        where = f", on the {run.cluster} control plane" if run.cluster else ""
        parts.append(f"## {run.title}{where}\n")
        if run.peer:
            parts.append(f"Peer: {run.peer}.\n")
        cells = [COLUMNS, ("---",) * len(COLUMNS), *(row.cells() for row in run.rows)]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n")
        notes = [f"- {row.what}: {row.note}" for row in run.rows if row.note] + [f"- {note}" for note in run.notes]
        parts.extend(["\n".join(notes) + "\n"] if notes else [])
        had = run.machine
        parts.append(
            f"{had['cores']} cores, load {had['load']} before, Python {had['python']}, {had['system']}, {had['day']}.\n"
        )
    return "\n".join(parts)


def _rank(run: Run) -> tuple[int, str, str]:
    return (ORDER.index(run.name) if run.name in ORDER else len(ORDER), run.name, run.cluster)


def read(file: Path) -> list[Run]:
    """Return the runs of a JSON file, none where there is no file."""
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return [Run.parse(one) for one in found]


def write(file: Path, runs: Iterable[Run]) -> None:
    """Write the runs, in the order of the page."""
    text = json.dumps([asdict(run) for run in sorted(runs, key=_rank)], indent=1)
    file.write_text(text + "\n", encoding="utf-8")


def tell(run: Run, file: Path | None) -> None:
    """Print the run, and merge it into a JSON file, or print it as one line of JSON."""
    print(table(run), flush=True)
    if file is None:
        print(json.dumps(asdict(run)))
    else:
        write(file, [*(other for other in read(file) if other.key != run.key), run])


def options(about: str | None) -> argparse.ArgumentParser:
    """Return the parser with what every script takes."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="merge the run into this file")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=FILE)
    parser.add_argument("--into", type=Path, default=FOLDER)
    chosen = parser.parse_args(arguments)
    runs = read(chosen.file)
    if not runs:
        sys.exit(f"{chosen.file} has no runs: `make bench` and `make chaos` make them")
    known = chosen.into / "performance.json"
    merged = {run.key: run for run in [*read(known), *runs]}.values()
    write(known, merged)
    (chosen.into / "performance.md").write_text(markdown(merged), encoding="utf-8")
    for run in sorted(merged, key=_rank):
        print(table(run), end="\n\n")


if __name__ == "__main__":
    main()
