"""`molt dead-letters list|show|retry`: what no function could handle, why, and the same event once more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from molt.cli import signing_key
from molt.cli.options import ContextOption, JsonOption, StateOption, folder
from molt.cli.output import EXIT_ABSENT, EXIT_NO, EXIT_USAGE, complain, say, show_json, show_table
from molt.cli.reach import cluster as reach
from molt.cli.resend import Resent, resend
from molt.cluster import Cluster, NotFound
from molt.cluster.resources import DEAD_LETTERS
from molt.dead_letters import NAMESPACE, DeadLetter
from molt.outcome import PermanentError, SystemClock

BrokerOption = Annotated[
    str,
    typer.Option(
        "--broker",
        help="Where events are posted, with --context: an address of the broker that this machine reaches. For example "
        "http://localhost:8080/molt/default, with kubectl -n knative-eventing port-forward svc/broker-ingress 8080:80 "
        "(svc/kafka-broker-ingress for the Kafka broker).",
    ),
]
AllOption = Annotated[
    bool,
    typer.Option("--all", help="All that can be sent again, the oldest first, but those refused for their signature."),
]
RefusedOption = Annotated[
    bool,
    typer.Option(
        "--refused",
        help="Also those named that a function refused for their signature. One that expired may be a replay: what it "
        "could not do it does then.",
    ),
]
NamesArgument = Annotated[list[str] | None, typer.Argument(help="Names, or how they start.")]


def listing(
    context: typer.Context, cluster: ContextOption = "", state: StateOption = None, json_: JsonOption = False
) -> None:
    """Show the dead letters, the oldest first."""
    letters = _letters(reach(context.obj, folder(context, state), cluster))
    if json_:
        show_json([_described(letter) for letter in letters])
    elif letters:
        columns = ("Name", "Function", "Reason", "Alert", "Since", "Can be sent again")
        rows = [(one.name, one.function, one.reason, one.alert, one.last, _how(one)) for one in letters]
        show_table(columns, rows, "Dead letters")
    else:
        say("No dead letters are kept.")


def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The dead letter's name, or how it starts.")],
    cluster: ContextOption = "",
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Show a dead letter: why it is one, and the event as it came. Exit code 3: there is no such one."""
    api = reach(context.obj, folder(context, state), cluster)
    (letter,) = _named(_letters(api), [name])
    if json_:
        show_json(_described(letter))
        return
    say(f"Dead letter {letter.name}, since {letter.first}" + (f", again {letter.last}" * (letter.last != letter.first)))
    say(f"{letter.function or 'An unnamed function'} could not handle it: {letter.reason}")
    flag = f" --refused {letter.name}, if it was yours all the same" if letter.distrusted else ""
    say(
        f"It cannot be sent again: {letter.missing}"
        if letter.missing
        else f"It can be sent again: molt dead-letters retry{flag}"
    )
    attributes = [(key, letter.event.get(key, "")) for key in ("id", "source", "type", "subject", "time")]
    extensions = letter.event.get("extensions") or {}
    show_table(("Attribute", "Value"), [*attributes, *sorted(extensions.items())], "Event")
    for line in _pretty(letter):
        say(line)


def retry(
    context: typer.Context,
    names: NamesArgument = None,
    all_: AllOption = False,
    refused: RefusedOption = False,
    broker: BrokerOption = "",
    cluster: ContextOption = "",
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Send the event of dead letters again, with its own id, and delete each once the broker has taken it.

    Nothing is done twice for it: every step looks at the cluster first. An event that dies once more is a dead letter
    once more. Exit code 1: one was not sent; it stays.
    """
    if bool(names) == all_ or (all_ and refused):
        complain("--refused needs names" if refused and not names else "name dead letters, or say --all")
        raise typer.Exit(EXIT_USAGE)
    where = folder(context, state)
    api = reach(context.obj, where, cluster)
    if cluster and not broker:
        complain("--context needs --broker: an address of its broker that this machine reaches (see --help)")
        raise typer.Exit(EXIT_USAGE)
    found = _letters(api)
    chosen = _good(found) if all_ else _named(found, names or ())
    seal, origin = signing_key.find(api, context.obj)
    if not seal:
        complain(f"not signed anew, which functions want after an hour: {origin}")
    renew = signing_key.renewing(seal, SystemClock().now)
    sent = list(resend(api, broker or where.addresses().broker, chosen, renew, trusting=refused))
    _tell(sent, json_=json_)
    if not all(one.sent for one in sent):
        raise typer.Exit(EXIT_NO)


def count(api: Cluster) -> int:
    """Return how many dead letters are kept; none where an older molt is installed, which knows no such kind."""
    try:
        return len(api.list(DEAD_LETTERS, NAMESPACE, trim=lambda obj: {"metadata": obj["metadata"]}))
    except NotFound:
        return 0


def _tell(sent: Sequence[Resent], *, json_: bool) -> None:
    if json_:
        show_json([asdict(one) for one in sent])
    elif sent:
        rows = [(one.name, "yes" if one.sent else "no", one.reason, one.alert) for one in sent]
        show_table(("Name", "Sent", "Reason", "Alert"), rows)
    else:
        say("There is nothing to send again.")


def _letters(api: Cluster) -> list[DeadLetter]:
    """Return the dead letters, the one that came first before the others."""
    found = [DeadLetter.parse(obj) for obj in api.list(DEAD_LETTERS, NAMESPACE)]
    return sorted(found, key=lambda one: (one.last, one.name))


def _good(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """Return those that can be sent again; complain when some are left that nobody should send without a look."""
    whole = [letter for letter in letters if not letter.missing]
    good = [letter for letter in whole if not letter.distrusted]
    if left := len(whole) - len(good):
        complain(f"{left} that a function refused for their signature stay: `show` them, then name them with --refused")
    return good


def _how(letter: DeadLetter) -> str:
    """Return whether a letter can be sent again."""
    if letter.missing:
        return "no"
    return "--refused" if letter.distrusted else "yes"


def _named(letters: Iterable[DeadLetter], names: Sequence[str]) -> list[DeadLetter]:
    """Return the letters of these names, each once; complain and end with exit code 3 when one is not just one's."""
    chosen: dict[str, DeadLetter] = {}
    known = {letter.name: letter for letter in letters}
    for name in names:
        found = [name] if name in known else [one for one in known if one.startswith(name)]
        if len(found) != 1:
            complain(f"{len(found) or 'no'} dead letters have a name that starts with {name}")
            raise typer.Exit(EXIT_ABSENT)
        chosen[found[0]] = known[found[0]]
    return list(chosen.values())


def _described(letter: DeadLetter) -> dict[str, Any]:
    return {key: value for key, value in asdict(letter).items() if key not in ("uid", "version")}


def _pretty(letter: DeadLetter) -> list[str]:
    """Return the data in lines, as far as there are any."""
    try:
        return json.dumps(letter.to_send().data, indent=2).splitlines()
    except PermanentError:
        return [str(letter.event.get("data", ""))]
