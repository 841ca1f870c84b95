"""`molt forward`: alerts of a Falco into a broker, kept on the disk on their way."""

from __future__ import annotations

import inspect
import threading
from typing import Annotated, Any

import typer

from molt.cli.interrupt import interruptible
from molt.cli.output import EXIT_USAGE, complain
from molt.forwarder import run, settings

_OPTIONS = {
    "broker": "Where events go: http(s)://HOST/NAMESPACE/BROKER.",
    "spool": "The file in which alerts wait; made if needed.",
    "listen": f'HOST:PORT of the door for alerts: {settings.LISTEN}; "" for none.',
    "file": "A file that Falco writes, followed; - is standard input.",
    "window": "Seconds in which the same rule for the same pod is a repeat: 30; 0: never.",
    "max_alerts": "How many alerts wait at most: 100000.",
    "max_bytes": "How many bytes they take at most: 268435456.",
    "connections": "Connections to the broker: 4.",
    "timeout": "Seconds to wait for the broker's answer: 30.",
    "grace": "Seconds for which, once told to end, what waits is sent: 10.",
    "node": "Our name in events about ourselves: the host's.",
    "cert": "PEM file: TLS at the door, our certificate.",
    "key": "PEM file: TLS at the door, our key.",
    "client_ca": "PEM file: let in only whom it vouches for.",
    "token_file": "Let in only who shows the bearer token in this file.",
    "broker_ca": "PEM file: whom to trust as the broker.",
    "broker_cert": "PEM file: who we are to the broker.",
    "broker_key": "PEM file: the key to it.",
    "broker_token_file": "The bearer token in this file is shown to the broker.",
}


def forward(context: typer.Context, **given: str | None) -> None:
    """Take alerts from Falco or Falcosidekick, and get each to the broker, however long that takes.

    POST alerts to the door, or let a file be followed. GET /status there tells what waits.
    """
    told = {f"{settings.PREFIX}{name.upper()}": value for name, value in given.items() if value is not None}
    try:
        with interruptible():
            run.run(settings.read({**context.obj, **told}), threading.Event())
    except KeyboardInterrupt:
        return
    except ValueError as error:
        complain(str(error))
        raise typer.Exit(EXIT_USAGE) from None


def _parameter(name: str, text: str) -> inspect.Parameter:
    """Return the option as Typer reads it: a text, since the settings' one parser says what is wrong with it."""
    variable = f"{settings.PREFIX}{name.upper()}"
    made: Any = typer.Option(f"--{name.replace('_', '-')}", help=f"{text} [env: {variable}]")
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=Annotated[str | None, made])


def _described() -> None:
    """Give the command a parameter for each option."""
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [context, *(_parameter(name, text) for name, text in _OPTIONS.items())]
    forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    forward.__annotations__ = {one.name: one.annotation for one in parameters}


_described()
