"""Events on their way to the disk: those that come while it takes others go there together, in one statement."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from molt.embedded.broker.database import Database
    from molt.embedded.broker.routing import Arrival

Early = Callable[[int], None]

_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"
_EVENT = "(?, ?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(root, seq) FROM events WHERE seq = ?), ?, ?, ?)"
_EVENTS = (
    "INSERT INTO events (seq, broker, id, type, attributes, data, hops, accepted, root, cause, answerer, open) VALUES"
)
_DELIVERIES, _DELIVERY = "INSERT INTO deliveries (event, trigger) VALUES", "(?, ?)"
_MOST = 64  # rows of one statement; more make none of them cheaper


@dataclass(slots=True)
class Arriving:
    """An event on its way in. `early` is told its number before the disk has it; `cause`: the delivery it answers.

    A change that is run again, outside its group, leaves it the number that it was told to have.
    """

    arrival: Arrival
    early: Early
    cause: tuple[int, str] | None = None
    number: int = 0
    taken: Future[int] = field(default_factory=Future)

    def values(self) -> tuple[object, ...]:
        """Return its row."""
        arrival, cause = self.arrival, self.cause or (None, None)
        attributes = arrival.message.attributes
        names = (self.number, arrival.broker, attributes["id"], attributes["type"])
        content = (json.dumps(dict(attributes)), arrival.message.data, arrival.hops, time.time())
        return (*names, *content, cause[0], *cause, len(arrival.triggers))


class Arrivals:
    """Takes events in; for many threads."""

    def __init__(self, database: Database) -> None:
        """Put them into a database."""
        self._database = database
        self._last = 0  # only the writing thread uses it
        self._door = threading.Lock()
        self._gathering: list[Arriving] = []  # what the writing thread has not come to

    def take(self, arrival: Arrival, early: Early) -> Future[int]:
        """Take an event; the future has its number once the disk has it, or a StoreError."""
        one = Arriving(arrival, early)
        with self._door:
            self._gathering.append(one)
            group = self._gathering
        if group[0] is one:
            self._database.submit(partial(self._insert_all, group)).add_done_callback(partial(self._settle, group))
        return one.taken

    def insert(self, connection: sqlite3.Connection, group: Sequence[Arriving]) -> None:
        """Insert events. Their numbers were never given before, not even to those that the disk did not take."""
        last = max(self._last, int(connection.execute(_LAST).fetchone()[0]))
        new = [one for one in group if not one.number]
        for one in new:
            one.number = last = last + 1
        self._last = last
        _insert(connection, _EVENTS, _EVENT, [one.values() for one in group])
        _insert(
            connection, _DELIVERIES, _DELIVERY, [(one.number, name) for one in group for name in one.arrival.triggers]
        )
        for one in new:
            one.early(one.number)

    def _insert_all(self, group: Sequence[Arriving], connection: sqlite3.Connection) -> None:
        self._leave(group)
        self.insert(connection, group)

    def _settle(self, group: Sequence[Arriving], done: Future[None]) -> None:
        self._leave(group)
        error = done.exception()
        for one in group:
            if error:
                one.taken.set_exception(error)
            else:
                one.taken.set_result(one.number)

    def _leave(self, group: Sequence[Arriving]) -> None:
        """Have what comes from here on gather anew."""
        with self._door:
            if self._gathering is group:
                self._gathering = []


def _insert(connection: sqlite3.Connection, statement: str, row: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows, many in one statement: each statement lets other threads in, and waits for them.

    As many as a power of two: each number makes a statement of its own, which is kept.
    """
    while rows:
        count = min(_MOST, 1 << (len(rows).bit_length() - 1))
        values = [value for one in rows[:count] for value in one]
        connection.execute(f"{statement} {', '.join([row] * count)}", values)
        rows = rows[count:]
