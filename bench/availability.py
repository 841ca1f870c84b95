"""How many requests fail while pods are rotated: real HTTP servers behind a load balancer, under constant load.

tests/availability.py says what stands for pod, kubelet, Service and client. Each way of rotation replaces as many pods:

    Replace, Restart    molt's, tick by tick
    delete one          kubectl delete pod, one of each Deployment at a time, the next when all are Ready again
    delete all          all pods of a Deployment together, as R6 Phoenix and Chaos Monkeys do

Run: `python -m bench.availability [--rotations N] [--way WAY ...] [--replicas N ...]`. Prints a table, and the same as
lines of JSON. Exits with 1 if a request failed during molt's.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from tests import availability
from tests.functions.installation import embedded

WAYS = ("Replace", "Restart", "delete one", "delete all")
COLUMNS = ("way", "replicas", "rotations", "requests", "failed", "failed_percent", "seconds")
DEPLOYMENTS = 8


def measure(way: str, replicas: int, rotations: int, deployments: int = DEPLOYMENTS) -> dict[str, Any]:
    """Return what became of the requests while so many pods were replaced, of as many Deployments together."""
    names = [f"web-{number}" for number in range(deployments)]
    began = time.monotonic()
    with embedded(pace=availability.PACE) as here:
        with availability.shop(here, names, replicas) as shop:
            if way.startswith("delete"):
                availability.delete(here, shop, rotations, together=way == "delete all")
            else:
                availability.rotate(here, shop, way, rotations)
        requests, failed = shop.answered + shop.failed.total(), shop.failed.total()
        return {
            "way": way,
            "replicas": replicas,
            "rotations": shop.rotations(),
            "requests": requests,
            "failed": failed,
            "failed_percent": round(100 * failed / requests, 3),
            "errors": dict(shop.failed),
            "seconds": round(time.monotonic() - began),
        }


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rotations", type=int, default=500, help="of each way and size")
    parser.add_argument("--way", choices=WAYS, nargs="+", default=WAYS)
    parser.add_argument("--replicas", type=int, nargs="+", default=(1, 3))
    asked = parser.parse_args()
    sys.stdout.write(" ".join(f"{column:>14}" for column in COLUMNS) + "\n")
    results = []
    for way in asked.way:
        for replicas in asked.replicas:
            result = measure(way, replicas, asked.rotations)
            results.append(result)
            sys.stdout.write(" ".join(f"{result[column]:>14}" for column in COLUMNS) + "\n")
            sys.stdout.flush()
    sys.stdout.writelines(json.dumps(result) + "\n" for result in results)
    return int(any(result["failed"] for result in results if not result["way"].startswith("delete")))


if __name__ == "__main__":
    sys.exit(main())
