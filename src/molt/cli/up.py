"""`molt up`: the local runtime, until Ctrl-C."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from molt.cli.interrupt import interruptible
from molt.cli.options import ContextOption, JsonOption, StateOption, folder
from molt.cli.output import EXIT_INTERRUPTED, show_json
from molt.embedded.clock import BadSchedule, Schedule
from molt.embedded.runtime.runtime import MANIFESTS, Settings, running
from molt.embedded.runtime.state import Addresses

PORT = 8090
_LAST_PORT = 65_533  # there are two more after it


def _schedule(text: str) -> str:
    """Return the schedule, or say what is wrong with it before anything is started."""
    try:
        return Schedule.parse(text).expression if text else ""
    except BadSchedule as error:
        raise typer.BadParameter(str(error)) from None


def up(
    context: typer.Context,
    cluster: ContextOption = "",
    state: StateOption = None,
    port: Annotated[
        int,
        typer.Option(min=0, max=_LAST_PORT, help="First of three ports: Falco's door, the broker, the API; 0: any."),
    ] = PORT,
    clock: Annotated[
        str, typer.Option(callback=_schedule, help="Cron schedule of rotation's tick; 6 fields have seconds first.")
    ] = "",
    idle: Annotated[float, typer.Option(min=0, help="Seconds without an event until a function is stopped.")] = 60.0,
    manifests: Annotated[Path, typer.Option(help="The eventing manifests.")] = MANIFESTS,
    json_: JsonOption = False,
) -> None:
    """Run the broker, the clock and the functions on this machine, on a cluster of our own or on --context."""
    status = Console(stderr=True).status("starting")
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
    try:
        with interruptible(), status, running(settings) as runtime:
            with contextlib.suppress(KeyboardInterrupt):
                status.stop()
                _announce(runtime.addresses, json_=json_)
                runtime.watch(threading.Event())
            status.update("stopping")
            status.start()
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _announce(at: Addresses, *, json_: bool) -> None:
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
