"""`molt release`: the way back from quarantine."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from typing import Annotated

import typer

from molt.cli.options import ContextOption, JsonOption, StateOption, folder
from molt.cli.output import say, show_json
from molt.cli.reach import cluster as reach
from molt.release import release as undo


class Keep(Enum):
    """Which of two pods stays."""

    RELEASED = "released"
    REPLACEMENT = "replacement"


def release(
    context: typer.Context,
    pod: Annotated[str, typer.Argument(help="The pod's name.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")] = "default",
    cluster: ContextOption = "",
    state: StateOption = None,
    keep: Annotated[
        Keep | None, typer.Option("--keep", help="Which pod stays if one is too many. Default: as the policy said.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Let the API server check it, and change nothing.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Give a quarantined pod its labels back. Its controller may then remove a pod that is one too many."""
    api = reach(context.obj, folder(context, state), cluster)
    released = undo(api, namespace, pod, keep=keep and keep.value.capitalize(), dry_run=dry_run)
    if json_:
        show_json({**asdict(released), "dryRun": dry_run})
        return
    labels = ", ".join(f"{key}={value}" for key, value in sorted(released.labels.items())) or "none"
    done = "would be released" if dry_run else "released"
    say(f"{namespace}/{pod} {done}: {released.consequence} (labels: {labels})")
