"""`molt release`: the way back from quarantine."""

from __future__ import annotations

from typing import Annotated

import typer

from molt.cli.app import ContextOption, JsonOption, StateOption, app, folder
from molt.cli.output import show_json
from molt.cli.reach import cluster as reach
from molt.release import release as undo


@app.command()
def release(
    context: typer.Context,
    pod: Annotated[str, typer.Argument(help="The pod's name.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")] = "default",
    cluster: ContextOption = "",
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Give a quarantined pod its labels back. Its controller may then remove a pod that is one too many."""
    released = undo(reach(context.obj, folder(context, state), cluster), namespace, pod)
    if json_:
        show_json({"namespace": namespace, "pod": pod, "result": released})
        return
    typer.echo(f"{namespace}/{pod}: {released}")
