"""`molt up`: the local runtime, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from molt.cli.app import ContextOption, JsonOption, StateOption, app, folder
from molt.cli.output import show_json
from molt.embedded.runtime.runtime import MANIFESTS, Runtime, Settings, running

PORT = 8090


@app.command()
def up(
    context: typer.Context,
    cluster: ContextOption = "",
    state: StateOption = None,
    port: Annotated[int, typer.Option(help="First of three ports: Falco's door, the broker, the API; 0: any.")] = PORT,
    clock: Annotated[str, typer.Option(help="Cron schedule of rotation's tick; 6 fields have seconds first.")] = "",
    idle: Annotated[float, typer.Option(help="Seconds without an event after which a function is stopped.")] = 60.0,
    manifests: Annotated[Path, typer.Option(help="The eventing manifests.")] = MANIFESTS,
    json_: JsonOption = False,
) -> None:
    """Run the broker, the clock and the functions on this machine, on a cluster of our own or on --context."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console = Console(stderr=True)
    with console.status("starting") as status:
        settings = Settings(
            state=folder(context, state),
            environ=context.obj,
            manifests=manifests,
            context=cluster,
            port=port,
            idle=idle,
            schedule=clock,
            progress=status.update,
        )
        started = running(settings)
        runtime = started.__enter__()
    try:
        _announce(runtime, json_=json_)
        runtime.watch(stop)
    finally:
        with console.status("stopping"):
            started.__exit__(None, None, None)


def _announce(runtime: Runtime, *, json_: bool) -> None:
    at = runtime.addresses
    if json_:
        show_json({"falco": at.falco, "broker": at.broker, "kubeconfig": at.kubeconfig, "context": at.context})
        return
    where = f"the cluster of context {at.context}" if at.context else "a cluster of its own"
    typer.echo(
        f"molt runs on {where}; Ctrl-C stops it.\n"
        f"  Falco          http_output.url: {at.falco}   (Falcosidekick: webhook.address)\n"
        f"  Falcosidekick  cloudevents.address: {at.broker}\n"
        f"  kubectl        --kubeconfig {at.kubeconfig}" + (f" --context {at.context}" if at.context else "") + "\n"
        "In another terminal: molt send FILE, molt status, molt explain FILE."
    )
