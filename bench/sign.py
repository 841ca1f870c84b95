"""What it costs to sign an event and to check a signature, and to load what does it.

    hmac        HMAC-SHA256 of as many bytes: the floor
    canonical   the bytes that are signed, from an event in memory
    sign        molt.seal.Seal.sign
    check       molt.seal.Seal.check, of an event signed with the first key
    previous    the same, with the second key, as while a key is changed
    parse       molt.events.parse, which every event costs anyway, for comparison

Each is the best of several rounds, in microseconds of the processor; `import` is what molt.seal and molt.gate add to a
process that has loaded what every function has (molt.server, molt.cluster), the median of fresh processes.

Run: `python -m bench.sign [--bytes N] [--rounds N]`. Prints a table, and the same as one line of JSON.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from molt import events, seal
from molt.events import Event
from molt.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
OLD, NEW = b"o" * 64, b"n" * 64
_IMPORT = """
import time
import molt.server, molt.cluster, molt.itinerary
start = time.perf_counter()
import molt.seal, molt.gate
print((time.perf_counter() - start) * 1000)
"""


def slip(size: int) -> Event:
    """Return a routed alert whose body has about `size` bytes, most of them in Falco's fields."""
    fields = {f"proc.field{number}": f"value {number} of a shell" for number in range(max(0, (size - 601) // 37))}
    data = {
        "alert": {
            "id": "a" * 32,
            "rule": "Terminal shell in container",
            "priority": "Notice",
            "time": "2026-11-30T11:59:59Z",
            "output": "A shell was spawned in a container with an attached terminal",
            "outputFields": fields,
        },
        "target": {"namespace": "shop", "name": "web-6d4cf56db6-x2x9z", "uid": "u" * 36, "node": "node-1"},
        "policy": {"name": "web-shell", "uid": "p" * 36, "generation": 3, "limits": {"perWorkload": 1}},
        "mode": "Enforce",
        "itinerary": [{"remedy": name, "parameters": {}} for name in ("evidence", "quarantine", "rotate")],
        "trail": [],
    }
    return Event("e" * 32, "/molt/detect-router", "io.molt-project.alert.routed.v1", data, time=NOW)


def best(work: Callable[[], object], rounds: int) -> float:
    """Return the fewest microseconds of the processor that one call took, over several rounds."""
    return min(timeit.repeat(work, timer=time.process_time, number=50, repeat=rounds)) / 50 * 1e6


def measure(size: int, rounds: int) -> dict[str, float]:
    """Return the microseconds of each part."""
    event, here = slip(size), Seal((NEW, OLD), "cluster")
    signed, by_old = here.sign(event, NOW), Seal((OLD,), "cluster").sign(event, NOW)
    signed_bytes = seal.canonical(event, "cluster", "2026-11-30T13:00:00Z")
    headers, body = events.render(signed)
    works: dict[str, Callable[[], object]] = {
        "hmac": lambda: hmac.digest(NEW, signed_bytes, "sha256"),
        "canonical": lambda: seal.canonical(event, "cluster", "2026-11-30T13:00:00Z"),
        "sign": lambda: here.sign(event, NOW),
        "check": lambda: here.check(signed, NOW),
        "previous": lambda: here.check(by_old, NOW),
        "parse": lambda: events.parse(headers, body),
    }
    return {"bytes": len(body), **{name: round(best(work, rounds), 1) for name, work in works.items()}}


def load(processes: int = 15) -> float:
    """Return the milliseconds that the two modules take to load, compiled as they are in an image."""
    with tempfile.TemporaryDirectory() as cache:
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environ["PYTHONPYCACHEPREFIX"] = cache
        taken = [_load(environ) for _ in range(processes + 1)]
    return round(statistics.median(taken[1:]), 2)


def _load(environ: Mapping[str, str]) -> float:
    command = [sys.executable, "-c", _IMPORT]
    return float(subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True).stdout)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    found = measure(options.bytes, options.rounds) | {"import_ms": load()}
    for name, value in found.items():
        print(f"{name:10}{value:>10}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
