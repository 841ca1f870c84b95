"""How long a million lives of pods take, and how far the simulation is from the closed form.

Every attacker against every kind of lifetimes, one process, one thread.

Run: `python bench/simulate.py [--epochs N] [--every 1h]`. Prints a table, and the same as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np

from molt.lifetime import SPREAD
from molt.policy import duration
from molt.simulate import report
from molt.simulate.attackers import Attacker, ClockSeeing, Stepwise
from molt.simulate.lifetimes import Bounded

ATTACKERS: dict[str, Attacker] = {
    "memoryless": Stepwise(7200.0),
    "kill-chain": Stepwise(7200.0, 4),
    "clock-seeing": ClockSeeing(7200.0),
    "persistent": Stepwise(7200.0, 4, 0.5),
}


def measure(attacker: Attacker, every: float, settings: report.Settings) -> dict[str, float]:
    """Return the seconds for all kinds of lifetimes, lives a second, and the worst error (%) of a mean time."""
    compared = report.compared(Bounded(every * (1 - SPREAD), every))
    start = time.perf_counter()
    made = [report.measure(attacker, lives, settings, np.random.default_rng(1)) for lives in compared.values()]
    taken = time.perf_counter() - start
    errors = [100 * abs(one.time.mean / one.exact.time - 1) for one in made]
    return {
        "seconds": round(taken, 3),
        "lives_per_s": round(settings.epochs * len(compared) / taken),
        "worst_error_%": round(max(errors), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1_000_000)
    parser.add_argument("--every", default="1h")
    options = parser.parse_args()
    every = duration.parse(options.every)
    if every is None:
        parser.error("--every is a duration such as 1h")
    settings = report.Settings(options.epochs, 86_400.0, 1)
    runs = {name: measure(attacker, every.total_seconds(), settings) for name, attacker in ATTACKERS.items()}
    memory = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    columns = ("seconds", "lives_per_s", "worst_error_%")
    print(" " * 14 + "".join(f"{column:>15}" for column in columns))
    for name, run in runs.items():
        print(f"{name:14}" + "".join(f"{run[column]:>15}" for column in columns))
    print(json.dumps({"epochs": options.epochs, "peak_mb": memory, **runs}))


if __name__ == "__main__":
    main()
