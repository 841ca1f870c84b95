"""`molt send`: an alert, in by the same door as Falco's or Falcosidekick's."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

import typer
import urllib3

from molt import events, forward, log
from molt.cli import alerts
from molt.cli.options import JsonOption, StateOption, folder
from molt.cli.output import EXIT_NO, EXIT_USAGE, complain, show_json, show_table
from molt.embedded.runtime.ledger import Fate, Ledger
from molt.outcome import MoltError

PENDING = "pending"
REFUSED = "refused"
_BAD = {"dead-lettered", PENDING, REFUSED}
_POLL = 0.1  # seconds between two looks at the logs
_ACCEPTED = 202


class Sender(StrEnum):
    """Whom to act as."""

    FALCO = "falco"
    FALCOSIDEKICK = "falcosidekick"


class Unreachable(MoltError):
    """Nobody answers at the door."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An alert, and what has become of it so far."""

    alert: str
    rule: str
    fate: str = PENDING
    reason: str = ""
    subject: str = ""


def send(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="Alerts as JSON, one or many; - is standard input.")],
    as_: Annotated[Sender, typer.Option("--as", help="By whose door.")] = Sender.FALCOSIDEKICK,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for what becomes of them.")] = 20.0,
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Send alerts to the local runtime and say what became of each.

    Exit code 1: one is refused, dead-lettered or still pending.
    """
    try:
        given = alerts.read(source)
    except alerts.UnreadableAlerts as error:
        complain(error.reason)
        raise typer.Exit(EXIT_USAGE) from None
    where = folder(context, state)
    addresses, ledger = where.addresses(), Ledger.from_now(where.logs)
    door = addresses.falco if as_ is Sender.FALCO else addresses.broker
    sent = settle(ledger, [post(door, alert.data, as_) for alert in given], wait)
    if json_:
        show_json([asdict(one) for one in sent])
    else:
        columns = ("Rule", "Subject", "Fate", "Reason", "Alert")
        rows = [(one.rule, one.subject, one.fate, one.reason, one.alert) for one in sent]
        show_table(columns, rows)
    if any(one.fate in _BAD for one in sent):
        raise typer.Exit(EXIT_NO)


def post(door: str, data: Mapping[str, Any], sender: Sender) -> Sent:
    """Post one alert as `sender` would. Raises Unreachable."""
    if sender is Sender.FALCO:
        body = json.dumps(data).encode()
        headers, identity = {"content-type": "application/json"}, forward.event_of(body).id
    else:
        headers, body, identity = as_falcosidekick(data)
    try:
        answer = urllib3.request("POST", door, body=body, headers=headers, retries=False, timeout=20)
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(f"{door}: {error}") from None
    sent = Sent(alert=identity, rule=str(data.get("rule", "")))
    if answer.status == _ACCEPTED:
        return sent
    said = answer.data.decode(errors="replace").strip()
    return replace(sent, fate=REFUSED, reason=f"{answer.status}: {said}")


def as_falcosidekick(data: Mapping[str, Any]) -> tuple[dict[str, str], bytes, str]:
    """Return headers, body and identity of the CloudEvent that Falcosidekick makes: its own uuid, a random ce-id."""
    marked = {"uuid": str(uuid.uuid4()), **data}
    event = forward.event_of(json.dumps(marked).encode())
    headers, body = events.render(replace(event, id=str(uuid.uuid4())))
    return headers, body, log.alert_id(event.data) or headers["ce-id"]


def settle(ledger: Ledger, sent: list[Sent], wait: float) -> list[Sent]:
    """Return the same alerts with their fates, as far as they are known after at most `wait` seconds."""
    deadline = time.monotonic() + wait
    while True:
        fates = ledger.fates()
        settled = [_settled(one, fates.get(one.alert)) for one in sent]
        if all(one.fate != PENDING for one in settled) or time.monotonic() >= deadline:
            return settled
        time.sleep(_POLL)


def _settled(sent: Sent, end: Fate | None) -> Sent:
    if end is None or sent.fate == REFUSED:
        return sent
    return replace(sent, fate=end.fate, reason=end.reason, subject=end.subject)
