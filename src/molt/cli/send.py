"""`molt send`: an alert, in by the same door as Falco's or Falcosidekick's."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
import urllib3

from molt import events, forward, log
from molt.cli import alerts
from molt.cli.app import JsonOption, StateOption, app, folder
from molt.cli.output import EXIT_NO, EXIT_USAGE, complain, console, show_json, table
from molt.embedded.runtime import ledger
from molt.outcome import MoltError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.embedded.runtime.state import StateFolder

_POLL = 0.1  # seconds between two looks at the logs
_ACCEPTED = 202


class Sender(StrEnum):
    """Whom to act as."""

    FALCO = "falco"
    FALCOSIDEKICK = "falcosidekick"


class NotAccepted(MoltError):
    """The door did not take the alert."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An alert that was accepted, and its end so far."""

    alert: str
    rule: str
    fate: str = "pending"
    reason: str = ""
    subject: str = ""


@app.command()
def send(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="Alerts as JSON, one or many; - is standard input.")],
    as_: Annotated[Sender, typer.Option("--as", help="By whose door.")] = Sender.FALCOSIDEKICK,
    wait: Annotated[float, typer.Option(help="Seconds to wait for what becomes of them.")] = 20.0,
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Send alerts to the local runtime and say what became of each. Exit code 1: one is dead-lettered or pending."""
    where = folder(context, state)
    addresses = where.addresses()
    try:
        given = alerts.read(source)
    except alerts.UnreadableAlerts as error:
        complain(error.reason)
        raise typer.Exit(EXIT_USAGE) from None
    door = addresses.falco if as_ is Sender.FALCO else addresses.broker
    sent = [post(door, alert.data, as_) for alert in given]
    sent = settle(where, sent, wait)
    if json_:
        show_json([asdict(one) for one in sent])
    else:
        columns = ("Alert", "Rule", "Fate", "Subject", "Reason")
        rows = [(one.alert, one.rule, one.fate, one.subject, one.reason) for one in sent]
        console().print(table("What became of them", columns, rows))
    if any(one.fate in {"dead-lettered", "pending"} for one in sent):
        raise typer.Exit(EXIT_NO)


def post(door: str, data: Mapping[str, Any], sender: Sender) -> Sent:
    """Post one alert as `sender` would. Raises NotAccepted when it was not taken."""
    if sender is Sender.FALCO:
        body = json.dumps(data).encode()
        headers, identity = {"content-type": "application/json"}, forward.event_of(body).id
    else:
        headers, body, identity = as_falcosidekick(data)
    try:
        answer = urllib3.request("POST", door, body=body, headers=headers, retries=False, timeout=10)
    except urllib3.exceptions.HTTPError as error:
        raise NotAccepted(f"{door}: {error}") from None
    if answer.status != _ACCEPTED:
        raise NotAccepted(f"{door} answered {answer.status}: {answer.data.decode(errors='replace')}")
    return Sent(alert=identity, rule=str(data.get("rule", "")))


def as_falcosidekick(data: Mapping[str, Any]) -> tuple[dict[str, str], bytes, str]:
    """Return headers, body and identity of the CloudEvent that Falcosidekick makes: its own uuid, a random ce-id."""
    marked = {"uuid": str(uuid.uuid4()), **data}
    event = forward.event_of(json.dumps(marked).encode())
    headers, body = events.render(replace(event, id=str(uuid.uuid4())))
    return headers, body, log.alert_id(marked) or headers["ce-id"]


def settle(where: StateFolder, sent: list[Sent], wait: float) -> list[Sent]:
    """Return the same alerts with their fates, as far as they are known after at most `wait` seconds."""
    deadline = time.monotonic() + wait
    while True:
        fates = ledger.read(where.logs)
        if all(one.alert in fates for one in sent) or time.monotonic() > deadline:
            return [_settled(one, fates.get(one.alert)) for one in sent]
        time.sleep(_POLL)


def _settled(sent: Sent, end: ledger.Fate | None) -> Sent:
    return sent if end is None else replace(sent, fate=end.fate, reason=end.reason, subject=end.subject)
