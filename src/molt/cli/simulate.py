"""`molt simulate`: does a policy's rotation help, against which attacker, and how much."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from molt.cli import span
from molt.cli.options import JsonOption
from molt.cli.output import EXIT_ABSENT, EXIT_NO, EXIT_USAGE, complain, say
from molt.cli.policy import load
from molt.policy import PolicyError, RotationPolicy


class Who(StrEnum):
    """Attackers by the names that a user gives them."""

    MEMORYLESS = "memoryless"
    KILL_CHAIN = "kill-chain"
    CLOCK_SEEING = "clock-seeing"
    PERSISTENT = "persistent"
    ALL = "all"

    @property
    def chosen(self) -> list[Who]:
        """Return the attackers that this names."""
        return [who for who in Who if who is not Who.ALL and self in {who, Who.ALL}]


def _drawable(path: Path | None) -> Path | None:
    if path and path.suffix not in {".png", ".svg"}:
        raise typer.BadParameter(f"{path.name!r} ends neither in .png nor in .svg")
    return path


def simulate(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file with RotationPolicies, or a folder of them.")],
    attacker: Annotated[Who, typer.Option(help="Who attacks.")] = Who.ALL,
    mean: Annotated[
        str, typer.Option(callback=span.checked, help="How long an attack takes on average where no pod moves.")
    ] = "2h",
    stages: Annotated[
        int, typer.Option(min=1, max=1000, help="Steps of the kill chain and of the persistent attacker.")
    ] = 4,
    keep: Annotated[
        float, typer.Option(min=0, max=0.99, help="Chance that a move takes nothing from the persistent attacker.")
    ] = 0.5,
    epochs: Annotated[
        int, typer.Option(min=10_000, max=10_000_000, help="Lives of pods to simulate for each line of a table.")
    ] = 1_000_000,
    horizon: Annotated[str, typer.Option(callback=span.checked, help="The time that curves and chances cover.")] = "1d",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 1,
    plot: Annotated[
        Path | None, typer.Option(callback=_drawable, help="Draw it as well: FILE.png or FILE.svg.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Simulate attackers against the lifetimes of RotationPolicies, and against what else could be done.

    docs/simulation.md explains models and figures. Exit code 1: a policy is wrong; 3: numpy or matplotlib is missing.
    """
    _require("numpy", *(("matplotlib",) if plot else ()))
    policies = _policies(path)
    from molt.cli import simulation  # noqa: PLC0415 - numpy is an extra, and 0.1 s: only who asks for it pays

    attackers = simulation.attackers(attacker.chosen, span.seconds(mean), stages, keep)
    settings = simulation.Settings(epochs, span.seconds(horizon), seed)
    studies = [simulation.Study.of(source, policy, attackers, settings) for source, policy in policies]
    if plot:
        simulation.draw(studies, settings, plot)
    simulation.show(studies, settings, json_=json_)
    if plot and not json_:
        say(f"drawn: {plot}")


def _require(*modules: str) -> None:
    """End with exit code 3 and the way to it when a module is not there."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        complain(f"this needs {' and '.join(missing)}: pip install 'molt-mtd[simulate]'")
        raise typer.Exit(EXIT_ABSENT)


def _policies(path: Path) -> list[tuple[str, RotationPolicy]]:
    """Return the RotationPolicies below a path with their sources; end with one line for each that is wrong."""
    loaded = load(path)
    wrong = [(one.source, one.policy) for one in loaded if isinstance(one.policy, PolicyError)]
    for source, error in wrong:
        complain(f"{source}: {error.reason}")
    if wrong:
        raise typer.Exit(EXIT_NO)
    found = [(one.source, one.policy) for one in loaded if isinstance(one.policy, RotationPolicy)]
    if not found:
        complain(f"{path}: no RotationPolicy in it")
        raise typer.Exit(EXIT_USAGE)
    return found
