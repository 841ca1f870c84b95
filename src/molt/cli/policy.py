"""`molt policy check`: what is wrong with policies, before a cluster says so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from molt.cli.options import JsonOption
from molt.cli.output import EXIT_NO, EXIT_USAGE, complain, show_json, show_table
from molt.policy import PolicyError, ResponsePolicy, RotationPolicy
from molt.policy.load import Loaded, read


def check(
    path: Annotated[Path, typer.Argument(help="A file, or a folder of them.")],
    json_: JsonOption = False,
) -> None:
    """Read policies as a cluster would. Exit code 1: one is wrong; 2: there is none, or it cannot be read."""
    rows = [(loaded.source, *_verdict(loaded.policy)) for loaded in load(path)]
    if json_:
        keys = ("source", "kind", "name", "mode", "problems")
        show_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        shown = [(*row[:4], "; ".join(row[4]) or "none") for row in rows]
        show_table(("File", "Kind", "Name", "Mode", "Problems"), shown)
    if any(row[4] for row in rows):
        raise typer.Exit(EXIT_NO)


def load(path: Path) -> list[Loaded]:
    """Return the policies below a path; complain and end with exit code 2 when there is none, or it is not readable."""
    try:
        found = read(path)
    except OSError as error:
        complain(f"{error.filename or path}: {error.strerror}")
        raise typer.Exit(EXIT_USAGE) from None
    if not found:
        complain(f"{path}: no policy in it")
        raise typer.Exit(EXIT_USAGE)
    return found


def _verdict(policy: ResponsePolicy | RotationPolicy | PolicyError) -> tuple[str, str, str, list[str]]:
    if isinstance(policy, PolicyError):
        return "", "", "", [str(problem) for problem in policy.problems]
    if isinstance(policy, ResponsePolicy):
        return "ResponsePolicy", policy.name, policy.mode, []
    return "RotationPolicy", f"{policy.namespace}/{policy.name}", policy.mode, []
