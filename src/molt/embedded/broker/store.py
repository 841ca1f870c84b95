"""The broker's memory of events and deliveries: the state machine that the package names, in SQLite.

Every change is one transaction, durable when the method returns, or its future has a result; each raises StoreError
when the disk did not take it.
Each names the state that it starts from, so that nothing is settled twice.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt.embedded.broker.arrivals import Arrivals, Arriving
from molt.embedded.broker.message import Message

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from molt.embedded.broker.arrivals import Early
    from molt.embedded.broker.database import Database
    from molt.embedded.broker.routing import Arrival

_RELEASE = "UPDATE events SET open = open - 1 WHERE seq = :event"
_POSTPONE = """
    UPDATE deliveries SET tries = :tries, status = :status, reason = :reason, next_try = :next
    WHERE event = :event AND trigger = :trigger AND state = 'pending'"""
_FINISH = """
    UPDATE deliveries SET tries = :tries, status = :status, reason = :reason, state = 'done', settled = :now
    WHERE event = :event AND trigger = :trigger AND state = 'pending'"""
_BURY = """
    UPDATE deliveries
    SET tries = :tries, status = :status, reason = :reason, state = 'dead', sink = 'none', settled = :now
    WHERE event = :event AND trigger = :trigger AND state = 'pending'"""
_CONDEMN = """
    UPDATE deliveries
    SET tries = :tries, status = :status, reason = :reason, state = 'dying', extensions = :extensions, next_try = 0
    WHERE event = :event AND trigger = :trigger AND state = 'pending'"""
# What the subscriber said stays the reason: the sink's own troubles do not replace it.
_POSTPONE_SINK = """
    UPDATE deliveries SET sink_tries = :tries, next_try = :next
    WHERE event = :event AND trigger = :trigger AND state = 'dying'"""
_INTER = """
    UPDATE deliveries SET sink_tries = :tries, state = 'dead', sink = :sink, settled = :now
    WHERE event = :event AND trigger = :trigger AND state = 'dying'"""
_WAITING = """
    SELECT event, trigger, state = 'dying', CASE state WHEN 'dying' THEN sink_tries ELSE tries END, next_try
    FROM deliveries WHERE state IN ('pending', 'dying') ORDER BY event"""
_LOAD = """
    SELECT attributes, data, broker, hops, tries, sink_tries, status, reason, extensions
    FROM deliveries JOIN events ON seq = event
    WHERE event = ? AND trigger = ? AND state IN ('pending', 'dying')"""
_FORGETTABLE = """
    SELECT seq FROM events
    WHERE open = 0 AND (accepted < :since OR seq <= (SELECT max(seq) FROM events) - :keep)
    ORDER BY seq LIMIT :batch"""
_FORGET_DELIVERIES = "DELETE FROM deliveries WHERE event = ? RETURNING state"
_FORGET_EVENT = "DELETE FROM events WHERE seq = ? RETURNING cause IS NOT NULL"
_REMEMBER = "INSERT INTO forgotten VALUES (?, ?) ON CONFLICT (what) DO UPDATE SET n = n + excluded.n"


def nothing(_: int) -> None:
    """Wait for the disk."""


@dataclass(frozen=True, slots=True)
class Key:
    """A delivery: the event's number and the trigger's `namespace/name`."""

    event: int
    trigger: str

    def values(self, **more: object) -> dict[str, object]:
        """Return the parameters of a statement on this delivery."""
        return {"event": self.event, "trigger": self.trigger, "now": time.time(), **more}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that is not settled: its leg (to the sink if dying), tries on it, POSIX time of the next."""

    key: Key
    dying: bool
    tries: int
    next_try: float


@dataclass(frozen=True, slots=True)
class Try:
    """How the last try ended: how many there were with it, the status (None: no answer) and, if it failed, why."""

    tries: int
    status: int | None
    reason: str = ""

    def values(self) -> dict[str, object]:
        """Return the parameters of a statement."""
        return {"tries": self.tries, "status": self.status, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Load:
    """What one try of a delivery needs."""

    message: Message
    broker: str
    hops: int
    tries: int
    sink_tries: int
    status: int | None
    reason: str
    extensions: dict[str, str]
    fresh: bool = False  # the disk may not have it yet

    @property
    def tried(self) -> Try:
        """Return how the last try of the subscriber ended."""
        return Try(self.tries, self.status, self.reason)


class Store:
    """The events and deliveries of one database."""

    def __init__(self, database: Database) -> None:
        """Work on `database`, which stays the caller's to close."""
        self._database = database
        self._arrivals = Arrivals(database)

    def submit(self, arrival: Arrival, early: Early = nothing) -> Future[int]:
        """Take an event with its deliveries; the future has its number once the disk has it, `early` before."""
        return self._arrivals.take(arrival, early)

    def finish(self, key: Key, tried: Try, reply: Arrival | None = None, early: Early = nothing) -> Future[int | None]:
        """Settle a delivery as done and take the reply, both or neither; its number results. `early`: as above."""
        arriving = [Arriving(reply, early, (key.event, key.trigger))] if reply else []

        def change(connection: sqlite3.Connection) -> int | None:
            if not connection.execute(_FINISH, key.values(**tried.values())).rowcount:
                return None
            connection.execute(_RELEASE, key.values())
            if not arriving:
                return None
            self._arrivals.insert(connection, arriving)
            return arriving[0].number

        return self._database.submit(change)

    def postpone(self, key: Key, tried: Try, next_try: float) -> None:
        """Count a failed try of the subscriber; `next_try` is a POSIX time."""
        self._run(_POSTPONE, key.values(**tried.values(), next=next_try))

    def postpone_sink(self, key: Key, tries: int, next_try: float) -> None:
        """Count a failed try of the dead letter sink."""
        self._run(_POSTPONE_SINK, key.values(tries=tries, next=next_try))

    def condemn(self, key: Key, tried: Try, extensions: Mapping[str, str]) -> None:
        """Give a delivery up, for its dead letter sink; `extensions` say why to the sink."""
        self._run(_CONDEMN, key.values(**tried.values(), extensions=json.dumps(dict(extensions))))

    def bury(self, key: Key, tried: Try) -> None:
        """Settle a delivery as dead where no dead letter sink is: it stays here."""
        self._run(_BURY, key.values(**tried.values()))

    def inter(self, key: Key, tries: int, *, delivered: bool) -> None:
        """Settle a given-up delivery as dead: its sink took it, or never will and it stays here."""

        def change(connection: sqlite3.Connection) -> None:
            sink = "delivered" if delivered else "undeliverable"
            if connection.execute(_INTER, key.values(tries=tries, sink=sink)).rowcount and delivered:
                connection.execute(_RELEASE, key.values())

        self._database.commit(change)

    def waiting(self) -> Iterator[Waiting]:
        """Yield the deliveries that are not settled, oldest first."""
        with self._database.reader() as connection:
            for event, trigger, dying, tries, next_try in connection.execute(_WAITING):
                yield Waiting(Key(event, trigger), bool(dying), tries, next_try)

    def load(self, key: Key) -> Load | None:
        """Return what the next try needs; None when the delivery is settled."""
        with self._database.reader() as connection:
            row = connection.execute(_LOAD, (key.event, key.trigger)).fetchone()
        if row is None:
            return None
        attributes, data, broker, hops, tries, sink_tries, status, reason, extensions = row
        message = Message(json.loads(attributes), data)
        return Load(message, broker, hops, tries, sink_tries, status, reason, json.loads(extensions))

    def forget(self, keep: int, since: float, batch: int = 500) -> int:
        """Remove up to `batch` events that are neither among the last `keep` nor accepted after `since`.

        Their counts are kept. An event stays while a delivery of it waits, or died and no sink took it. Returns how
        many were removed.
        """
        limits = {"keep": keep, "since": since, "batch": batch}
        return self._database.commit(lambda connection: _forget(connection, limits))

    def _run(self, statement: str, values: dict[str, object]) -> None:
        self._database.commit(lambda connection: connection.execute(statement, values))


def _forget(connection: sqlite3.Connection, limits: dict[str, float]) -> int:
    events = connection.execute(_FORGETTABLE, limits).fetchall()
    counts = Counter(accepted=len(events))
    for event in events:
        counts.update(state for (state,) in connection.execute(_FORGET_DELIVERIES, event).fetchall())
        counts.update(replies=connection.execute(_FORGET_EVENT, event).fetchone()[0])
    if events:
        connection.executemany(_REMEMBER, list(counts.items()))
    return len(events)
