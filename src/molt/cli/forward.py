"""`molt forward`: alerts of a Falco into a broker, kept on the disk on their way."""
# ruff: noqa: ARG001 - what was given is read from the context: one parser for options and environment

from __future__ import annotations

import threading
from typing import Annotated

import typer

from molt.cli.interrupt import interruptible
from molt.cli.output import EXIT_USAGE, complain
from molt.forwarder import run, settings


def _option(text: str, *names: str) -> typer.models.OptionInfo:
    variable = names[0].removeprefix("--").replace("-", "_").upper()
    made: typer.models.OptionInfo = typer.Option(*names, help=f"{text} [env: {settings.PREFIX}{variable}]")
    return made


def forward(
    context: typer.Context,
    broker: Annotated[str | None, _option("Where events go: http(s)://HOST/NAMESPACE/BROKER.", "--broker")] = None,
    spool: Annotated[str | None, _option("The file in which alerts wait; made if needed.", "--spool")] = None,
    listen: Annotated[
        str | None, _option(f'HOST:PORT of the door for alerts, {settings.LISTEN}; "" for none.', "--listen")
    ] = None,
    file: Annotated[str | None, _option("A file that Falco writes, followed; - is standard input.", "--file")] = None,
    window: Annotated[
        str | None, _option("Seconds in which the same rule for the same pod is a repeat: 30; 0: never.", "--window")
    ] = None,
    max_alerts: Annotated[str | None, _option("How many alerts wait at most: 100000.", "--max-alerts")] = None,
    max_bytes: Annotated[str | None, _option("How many bytes they take at most: 268435456.", "--max-bytes")] = None,
    connections: Annotated[str | None, _option("Connections to the broker: 4.", "--connections")] = None,
    timeout: Annotated[str | None, _option("Seconds to wait for the broker's answer: 30.", "--timeout")] = None,
    grace: Annotated[
        str | None, _option("Seconds for which, once told to end, what waits is sent: 10.", "--grace")
    ] = None,
    node: Annotated[str | None, _option("Our name in events about ourselves: the host's.", "--node")] = None,
    cert: Annotated[str | None, _option("PEM file: TLS at the door, our certificate.", "--cert")] = None,
    key: Annotated[str | None, _option("PEM file: TLS at the door, our key.", "--key")] = None,
    client_ca: Annotated[str | None, _option("PEM file: let in only whom it vouches for.", "--client-ca")] = None,
    token_file: Annotated[str | None, _option("Let in only who shows this bearer token.", "--token-file")] = None,
    broker_ca: Annotated[str | None, _option("PEM file: whom to trust as the broker.", "--broker-ca")] = None,
    broker_cert: Annotated[str | None, _option("PEM file: who we are to the broker.", "--broker-cert")] = None,
    broker_key: Annotated[str | None, _option("PEM file: the key to it.", "--broker-key")] = None,
    broker_token_file: Annotated[
        str | None, _option("The bearer token that the broker gets.", "--broker-token-file")
    ] = None,
) -> None:
    """Take alerts from Falco or Falcosidekick, and get each to the broker, however long that takes.

    POST alerts to the door, or let a file be followed. GET /status there tells what waits.
    """
    given = {name: value for name, value in context.params.items() if value is not None}
    environ = {**context.obj, **{f"{settings.PREFIX}{name.upper()}": value for name, value in given.items()}}
    try:
        with interruptible():
            run.run(settings.read(environ), threading.Event())
    except KeyboardInterrupt:
        return
    except ValueError as error:
        complain(str(error))
        raise typer.Exit(EXIT_USAGE) from None
