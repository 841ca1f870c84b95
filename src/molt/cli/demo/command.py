"""The command around the story: a runtime in a folder of its own, the shop in it, the table at the end."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from molt.cli.demo.stage import kept, opened
from molt.cli.demo.story import Row, tell
from molt.cli.interrupt import interruptible
from molt.cli.options import ContextOption, JsonOption
from molt.cli.output import EXIT_INTERRUPTED, EXIT_NO, complain, show_json, show_table
from molt.embedded.runtime.runtime import MANIFESTS, Settings, running
from molt.embedded.runtime.state import StateFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SHOP = MANIFESTS.parents[1] / "examples" / "shop"
TICK = "*/2 * * * * *"  # every two seconds; a cluster's own clock ticks once a minute


def demo(context: typer.Context, cluster: ContextOption = "", json_: JsonOption = False) -> None:
    """Run the main job once, from alert to rotation, and check each part. Exit code 1: something did not hold."""
    began = time.monotonic()
    status = Console(stderr=True).status("starting")
    try:
        with interruptible(), status, tempfile.TemporaryDirectory(prefix="molt-demo-") as folder:
            rows = _play(context.obj, Path(folder), cluster, status.update)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    seconds = round(time.monotonic() - began, 1)
    if json_:
        show_json({"seconds": seconds, "rows": [asdict(row) for row in rows]})
    else:
        columns = ("What", "Subject", "Outcome", "Why", "Holds")
        shown = [(row.what, row.subject, row.outcome, row.why, "yes" if row.holds else "no") for row in rows]
        show_table(columns, shown, f"One alert's way, and the clock's ({seconds} s)")
    if not all(row.holds for row in rows):
        complain("the demo did not show everything that it should")
        raise typer.Exit(EXIT_NO)


def _play(environ: Mapping[str, str], folder: Path, cluster: str, progress: Callable[[str], None]) -> list[Row]:
    where = StateFolder(folder)
    settings = Settings(state=where, environ=environ, context=cluster, schedule=TICK, progress=progress)
    with running(settings) as runtime, kept(runtime):
        progress("opening the shop")
        with opened(runtime.admin, SHOP, lasting=not cluster):
            return tell(runtime, where, progress)
