"""Runs every bench of speed, one after the other, into one JSON file; `python -m bench.report` makes the page of it.

On the embedded cluster, and on the real control plane where it is built.

Run: `python -m bench [--json FILE] [--small]`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from bench import report, stage

FULL: Final = (
    ("cold",),
    ("warm", "--cluster", "embedded"),
    ("burst", "--cluster", "embedded"),
    ("storm", "--cluster", "embedded"),
    ("footprint", "--cluster", "embedded"),
    ("warm", "--cluster", "real"),
    ("burst", "--cluster", "real"),
)
SMALL: Final = {
    "cold": ("--rounds", "3"),
    "warm": ("--samples", "60"),
    "burst": ("--pods", "40", "200"),
    "storm": ("--seconds", "5"),
    "footprint": ("--events", "8"),
}


def main() -> None:
    """Run them; one that fails is said, and the others run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=report.FILE)
    parser.add_argument("--small", action="store_true", help="sizes that tell little, in a few minutes")
    options = parser.parse_args()
    failed, began = list[str](), time.monotonic()
    for name, *where in FULL:
        if "real" in where and (lacking := stage.not_built()):
            print(f"{name} on the real control plane is left out: {lacking}", flush=True)
            continue
        size = SMALL[name] if options.small else ()
        command = [sys.executable, "-m", f"bench.{name}", *where, *size, "--json", str(options.json)]
        if subprocess.run(command, check=False).returncode:
            failed.append(" ".join((name, *where)))
        print(flush=True)
    print(f"{time.monotonic() - began:.0f} s; {options.json} has the numbers, `python -m bench.report` makes the page")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
