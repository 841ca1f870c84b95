"""The command, put together of its parts."""

from __future__ import annotations

import typer

from molt.cli import dead_letters
from molt.cli.audit import audit
from molt.cli.breaker import reset
from molt.cli.demo.command import demo
from molt.cli.evidence import listing, show, verify
from molt.cli.explain import explain
from molt.cli.forward import forward
from molt.cli.plan import plan
from molt.cli.policy import check
from molt.cli.release import release
from molt.cli.send import send
from molt.cli.simulate import simulate
from molt.cli.status import status
from molt.cli.up import up

_COMMANDS = (demo, up, send, explain, status, audit, plan, release, simulate, forward)  # in the order of `--help`


def build() -> typer.Typer:
    """Return the command; it expects the environment as `obj`."""
    app = typer.Typer(
        name="molt",
        help="Moving target defense and automated response for Kubernetes.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    for command in _COMMANDS:
        app.command()(command)
    policies = typer.Typer(help="Policies as files.", no_args_is_help=True)
    policies.command()(check)
    app.add_typer(policies, name="policy")
    evidence = typer.Typer(help="Bundles of evidence, and whether they are what was written.", no_args_is_help=True)
    evidence.command("list")(listing)
    evidence.command()(show)
    evidence.command()(verify)
    app.add_typer(evidence, name="evidence")
    letters = typer.Typer(help="Events that no function could handle.", no_args_is_help=True)
    letters.command("list")(dead_letters.listing)
    letters.command()(dead_letters.show)
    letters.command()(dead_letters.retry)
    app.add_typer(letters, name="dead-letters")
    breaker = typer.Typer(help="The circuit breakers of policies that did too much in a minute.", no_args_is_help=True)
    breaker.command()(reset)
    app.add_typer(breaker, name="breaker")
    return app
