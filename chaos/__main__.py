"""Play the scenarios: `python -m chaos [SCENARIO ...] [--cluster NAME] [--alerts N] [--pods N] [--json FILE]`.

What must be none, of the alerts that were acknowledged and the pods that they are about:

lost        alerts that have no end
missed      pods that an alert was about and that are not in quarantine
doubled     pods that were put in quarantine twice
wrong       pods in quarantine that no alert was about
tracebacks  logs that have one
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import report, stage
from bench.report import Row, Run
from chaos.ground import GROUNDS
from chaos.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BAD = ("lost", "missed", "doubled", "wrong", "tracebacks")
_TITLE = "Chaos: lost, missed, doubled, wrong or with a traceback"


def play(name: str, cluster: str, alerts: int, pods: int) -> dict[str, Any]:
    """Return the reckoning of one scenario, and the seconds that it took."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as made, GROUNDS[cluster](Path(made)) as ground:
        reckoning = SCENARIOS[name](ground, Path(made), alerts, pods)
    return {**reckoning, "seconds": round(time.monotonic() - began)}


def row(name: str, reckoning: Mapping[str, Any]) -> Row:
    """Return the line of a scenario: how much of what must be none there was, and of what."""
    found = {bad: reckoning[bad] for bad in BAD if reckoning[bad]}
    fates = ", ".join(f"{count} {fate}" for fate, count in reckoning["fates"].items())
    said = f"{reckoning['alerts']} alerts ({fates}), {reckoning['faults']} faults, {reckoning['seconds']} s"
    bad = "".join(f"; {count} {what}" for what, count in found.items())
    return Row(name, sum(found.values()), "", goal="0", met=not found, note=said + bad)


def run(rows: Iterable[Row], names: Iterable[str], cluster: str, machine: Mapping[str, Any]) -> Run:
    """Return what was found, with what each scenario does."""
    notes = [f"{name}: {_about(name)}" for name in names]
    return Run("chaos", _TITLE, tuple(rows), cluster, notes=notes, machine=machine)


def _about(name: str) -> str:
    return (SCENARIOS[name].__doc__ or "").partition("\n")[0]


def main() -> int:
    """Play, print, and judge."""
    parser = report.options(__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--cluster", choices=GROUNDS, default="embedded")
    parser.add_argument("--alerts", type=int, default=2000)
    parser.add_argument("--pods", type=int, default=200)
    asked = parser.parse_args()
    if asked.cluster == "real" and (lacking := stage.not_built()):
        print(f"chaos on the real control plane is left out: {lacking}", flush=True)
        return 0
    names, rows, machine = asked.scenarios or [*SCENARIOS], list[Row](), report.machine()
    for name in names:
        rows.append(row(name, play(name, asked.cluster, asked.alerts, asked.pods)))
        print(f"{name}: {rows[-1].note}", file=sys.stderr, flush=True)
    report.tell(run(rows, names, asked.cluster, machine), asked.json)
    return int(not all(one.met for one in rows))


if __name__ == "__main__":
    sys.exit(main())
