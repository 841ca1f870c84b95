"""Sends the events of dead letters again: at least once, so that being killed half-way loses none."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import urllib3

from molt import events
from molt.cluster import Conflict, NotFound
from molt.cluster.resources import DEAD_LETTERS
from molt.dead_letters import NAMESPACE
from molt.outcome import PermanentError, RefusedEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from molt.cluster import Cluster
    from molt.dead_letters import DeadLetter
    from molt.events import Event

_TIMEOUT = 20  # seconds; the in-memory broker answers only after all tries of the subscriber
_LONGEST = 300  # characters of an answer


@dataclass(frozen=True, slots=True)
class Resent:
    """A dead letter, whether the broker took its event, and what came of it."""

    name: str
    alert: str
    sent: bool
    reason: str


def resend(
    api: Cluster,
    broker: str,
    letters: Iterable[DeadLetter],
    renew: Callable[[Event], Event],
    *,
    trusting: bool = False,
) -> Iterator[Resent]:
    """Send each event, and delete its dead letter when the broker has taken it. Raises the errors of the cluster.

    `renew` signs an event anew: functions refuse a signature that is too old (molt.seal). What it raises PermanentError
    or RefusedEvent for stays. So does, unless `trusting`, what a function refused for its signature: to sign a replay
    anew does what the replay could not.

    Only as it was read: one whose event died again meanwhile stays.
    """
    for letter in letters:
        try:
            refused = post(broker, renew(_event(letter, trusting=trusting)))
        except (PermanentError, RefusedEvent) as error:
            refused = error.reason
        reason = refused or _delete(api, letter)
        yield Resent(letter.name, letter.alert, not refused, reason)


def _event(letter: DeadLetter, *, trusting: bool) -> Event:
    if letter.distrusted and not trusting:
        raise RefusedEvent(f"{letter.distrusted}: if it was yours all the same, name it and say --refused")
    return letter.to_send()


def post(broker: str, event: Event) -> str:
    """Post an event as it is; return why the broker did not take it, "" if it did."""
    headers, body = events.render(event)
    try:
        answer = urllib3.request("POST", broker, body=body, headers=headers, retries=False, timeout=_TIMEOUT)
    except urllib3.exceptions.HTTPError as error:
        return f"{broker}: {error}"
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return ""
    said = answer.data.decode(errors="replace").strip()
    return f"the broker answered {answer.status}: {said[:_LONGEST]}"


def _delete(api: Cluster, letter: DeadLetter) -> str:
    try:
        api.delete(DEAD_LETTERS, letter.name, NAMESPACE, uid=letter.uid, resource_version=letter.version)
    except NotFound:
        return "somebody else had sent it, too"
    except Conflict:
        return "it is back already: the event died again"
    return ""
