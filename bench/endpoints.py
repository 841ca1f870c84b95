"""How many Ready endpoints a Service has while its pods are rotated, on the real control plane: every state of them.

The testbed's pods have no servers (kwok), so that endpoints are watched instead of requests sent: bench/availability.py
does that on the embedded cluster. A Deployment of one replica and one of three are rotated together.

Run: `python -m bench.endpoints [--rotations N] [--strategy STRATEGY ...]` after `make testbed`. Prints a table, and the
same as lines of JSON. Exits with 1 if a Service ever had fewer Ready endpoints than replicas.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from testbed.control_plane import ControlPlane
from tests.control_plane import binaries
from tests.real.endpoints import REPLICAS, watched

STRATEGIES = ("Replace", "Restart", "Relocate", "Reconfigure")
COLUMNS = ("strategy", "rotations", "changes", "least_of_1", "least_of_3", "seconds")


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rotations", type=int, default=250, help="of each of the two Deployments")
    parser.add_argument("--strategy", choices=STRATEGIES, nargs="+", default=STRATEGIES[:2])
    asked = parser.parse_args()
    sys.stdout.write(" ".join(f"{column:>12}" for column in COLUMNS) + "\n")
    results = []
    with tempfile.TemporaryDirectory() as made, ControlPlane.running(binaries(), Path(made)) as plane:
        for strategy in asked.strategy:
            began = time.monotonic()
            seen = watched(plane, Path(tempfile.mkdtemp(dir=made)), strategy, asked.rotations)
            took = round(time.monotonic() - began)
            values = (strategy, seen.rotations, seen.changes, seen.least["one"], seen.least["three"], took)
            results.append(dict(zip(COLUMNS, values, strict=True)))
            sys.stdout.write(" ".join(f"{value:>12}" for value in values) + "\n")
            sys.stdout.flush()
    sys.stdout.writelines(json.dumps(result) + "\n" for result in results)
    return int(any((one["least_of_1"], one["least_of_3"]) != tuple(REPLICAS.values()) for one in results))


if __name__ == "__main__":
    sys.exit(main())
