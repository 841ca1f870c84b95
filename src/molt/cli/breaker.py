"""`molt breaker`: the circuit breakers of limits.perMinute."""

from __future__ import annotations

from typing import Annotated

import typer

from molt import ledger
from molt.cli.options import ContextOption, JsonOption, StateOption, folder
from molt.cli.output import say, show_json
from molt.cli.reach import cluster as reach
from molt.outcome import SystemClock


def reset(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(help="The ResponsePolicy's name.")],
    cluster: ContextOption = "",
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Close the breaker that a policy's limits.perMinute opened, and count anew from now."""
    was_open = ledger.reset(reach(context.obj, folder(context, state), cluster), policy, SystemClock().now())
    if json_:
        show_json({"policy": policy, "reset": was_open})
        return
    say(f"The breaker of {policy} is closed." if was_open else f"The breaker of {policy} was not open.")
