"""Play the scenarios: `python -m chaos [SCENARIO ...] [--cluster NAME] [--alerts N] [--pods N]`.

lost        alerts that were acknowledged and have no end
missed      pods that an alert was about and that are not in quarantine
doubled     pods that were put in quarantine twice
wrong       pods in quarantine that no alert was about
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from chaos.ground import GROUNDS
from chaos.scenarios import SCENARIOS

COLUMNS = ("scenario", "faults", "alerts", "lost", "missed", "doubled", "wrong", "tracebacks", "seconds")
BAD = ("lost", "missed", "doubled", "wrong", "tracebacks")


def main() -> int:
    """Play, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--cluster", choices=GROUNDS, default="embedded")
    parser.add_argument("--alerts", type=int, default=2000)
    parser.add_argument("--pods", type=int, default=200)
    asked = parser.parse_args()
    sys.stdout.write(" ".join(f"{column:>11}" for column in COLUMNS) + "\n")
    results = []
    for name in asked.scenarios or SCENARIOS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as made, GROUNDS[asked.cluster](Path(made)) as ground:
            reckoning = SCENARIOS[name](ground, Path(made), asked.alerts, asked.pods)
        result = {"scenario": name, "cluster": asked.cluster, **reckoning, "seconds": round(time.monotonic() - began)}
        results.append(result)
        sys.stdout.write(" ".join(f"{result[column]:>11}" for column in COLUMNS) + "\n")
        sys.stdout.flush()
    sys.stdout.writelines(json.dumps(result) + "\n" for result in results)
    return int(any(result[name] for result in results for name in BAD))


if __name__ == "__main__":
    sys.exit(main())
