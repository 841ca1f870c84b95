"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from molt.embedded.runtime.state import StateFolder

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
StateOption = Annotated[
    Path | None,
    typer.Option("--state", help="The local runtime's folder; else $MOLT_STATE or the user's own state folder."),
]
ContextOption = Annotated[
    str, typer.Option("--context", help="Use the cluster of this kubeconfig context instead of the local runtime's.")
]


def folder(context: typer.Context, state: Path | None) -> StateFolder:
    """Return the runtime's folder that the options and the environment name."""
    return StateFolder(state.absolute()) if state else StateFolder.default(context.obj)
