"""The command line of the testbed."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from testbed.build import Builder, cache_folder
from testbed.control_plane import ControlPlane
from testbed.recipe import TestbedError, recipe, supported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def main(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO) -> int:
    """Build and verify the version in TESTBED_KUBERNETES (the newest when unset); return the exit status."""
    parser = argparse.ArgumentParser(prog="testbed", description="Build the real control plane that the tests run on.")
    parser.add_argument("--optional", action="store_true", help="where Go is absent: say so and succeed")
    options = parser.parse_args(arguments)

    def report(line: str) -> None:
        print(f"testbed: {line}", file=out, flush=True)

    if options.optional and shutil.which("go") is None:
        report("Go is not there: the tests that need a real control plane will be skipped")
        return 0
    try:
        wanted = recipe(environment.get("TESTBED_KUBERNETES", ""))
        folder = cache_folder(environment, wanted)
        report(f"Kubernetes {wanted.kubernetes} of {', '.join(supported())}, into {folder}")
        Builder(wanted, folder, report).build()
        verified = folder / "verified.digest"
        if not verified.is_file() or verified.read_text(encoding="utf-8") != wanted.digest():
            report(_verify(folder))
            verified.write_text(wanted.digest(), encoding="utf-8")
    except TestbedError as error:
        report(str(error))
        return 1
    report("ready")
    return 0


def _verify(folder: Path) -> str:
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="molt-testbed-") as scratch,
        ControlPlane.running(folder, Path(scratch)) as plane,
    ):
        return f"{plane.version} started in {time.monotonic() - started:.1f} s with {len(plane.nodes)} nodes"
