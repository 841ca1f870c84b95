"""`molt audit`: does every alert have a fate, and which one has none."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO
from urllib.parse import urljoin

import typer
import urllib3

from molt import log, marks
from molt.cli.accounting import Account, Open, Record
from molt.cli.options import JsonOption, StateOption, folder
from molt.cli.output import EXIT_NO, EXIT_USAGE, complain, say, show_json, show_table
from molt.embedded.runtime.state import NotRunning, StateFolder
from molt.forward import TYPE as ALERT
from molt.outcome import MoltError, SystemClock
from molt.policy import duration

_TIMEOUT = 20  # seconds
_MOST = 10_000  # events that the local runtime's broker tells of, the newest


class UnreadableRecord(MoltError):
    """A log cannot be read."""


def audit(
    context: typer.Context,
    logs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|FOLDER|-]...",
            help="Logs of the functions; - is standard input. Default: the local runtime's, and its broker's record.",
        ),
    ] = None,
    patience: Annotated[
        str, typer.Option(help="How long an alert may be under way after its last line before it counts as missing.")
    ] = "30m",
    at: Annotated[str, typer.Option(help="As of when (RFC 3339): of an old record, its end. Default: now.")] = "",
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Prove that every alert received was acted on, skipped, ignored or dead-lettered, and name those that were not.

    On a cluster, whose log store has the lines of pods that are gone, too: kubectl logs -n molt -c function --tail=-1
    --max-log-requests=50 -l app.kubernetes.io/part-of=molt | molt audit -

    Exit code 1: alerts are missing.
    """
    allowed, now = duration.parse(patience), _time(at)
    if allowed is None or now is None:
        complain("--patience is a duration as 30m, --at a time as 2026-11-24T12:00:00Z")
        raise typer.Exit(EXIT_USAGE)
    record = Record()
    for source in logs or ():
        _read(record, source)
    if not logs:
        _read_runtime(record, folder(context, state))
    account = record.account(now, allowed)
    if json_:
        show_json(_described(account))
    else:
        _tell(account)
    if not account.whole:
        raise typer.Exit(EXIT_NO)


def _time(text: str) -> datetime | None:
    return marks.time_of(text) if text else SystemClock().now()


def _read(record: Record, source: str) -> None:
    """Read a log, every log in a folder, or standard input. Raises UnreadableRecord."""
    try:
        for path in _files(source):
            with _opened(path) as file:
                record.read(file)
    except OSError as error:
        raise UnreadableRecord(f"{source}: {error.strerror}") from None


def _files(source: str) -> list[str]:
    found = Path(source)
    return sorted(str(path) for path in found.iterdir() if path.is_file()) if found.is_dir() else [source]


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
        return
    with Path(path).open("rb") as file:
        yield file


def _read_runtime(record: Record, where: StateFolder) -> None:
    """Read the local runtime's logs, and what its broker took, if it runs. Raises UnreadableRecord."""
    if where.logs.is_dir():
        _read(record, str(where.logs))
    try:
        broker = where.addresses().broker
    except NotRunning:
        complain("no local runtime runs: only what its functions logged is looked at, not what its broker took")
        return
    for taken in _taken(urljoin(broker, f"/events?type={ALERT}&limit={_MOST}")):
        event = taken["event"]
        data = event.get("data")
        alert = log.alert_id(data) if isinstance(data, dict) else None
        record.taken(alert or event["id"], marks.time_of(taken["accepted"]))


def _taken(url: str) -> list[dict[str, Any]]:
    try:
        answer = urllib3.request("GET", url, retries=False, timeout=_TIMEOUT)
        events: list[dict[str, Any]] = json.loads(answer.data)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise UnreadableRecord(f"{url}: {error}") from None
    return events


def _described(account: Account) -> dict[str, Any]:
    return {
        "whole": account.whole,
        "received": account.received,
        "fates": dict(account.fates),
        "underWay": [_member(one) for one in account.under_way],
        "missing": [_member(one) for one in account.missing],
        "twice": {alert: list(ends) for alert, ends in account.twice.items()},
        "unannounced": list(account.unannounced),
        "lines": dict(account.lines),
    }


def _member(one: Open) -> dict[str, str]:
    return {"alert": one.alert, "where": one.where, "since": one.since}


def _tell(account: Account) -> None:
    terms = [f"{count} {word}" for word, count in account.fates.items()]
    terms += [f"{len(account.under_way)} under way"] if account.under_way else []
    terms += [f"{len(account.missing)} MISSING"] if account.missing else []
    say(f"{account.received} received = {' + '.join(terms)}", "bold")
    for title, found in (("Missing", account.missing), ("Under way", account.under_way)):
        if found:
            show_table(("Alert", "Seen last", "Since"), [(one.alert, one.where, one.since) for one in found], title)
    if account.twice:
        rows = [(alert, ", then ".join(ends)) for alert, ends in account.twice.items()]
        show_table(("Alert", "Ends"), rows, "Came to more than one end; that it was acted on counts, else the last")
    if account.unannounced:
        say(f"Of {len(account.unannounced)} the arrival is not in the record: does it have all of detect-router's log?")
    if odd := account.lines["foreign"] + account.lines["unreadable"]:
        say(f"{odd} of {account.lines['read']} lines are not of molt's functions, or cut off.")
