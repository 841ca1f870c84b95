"""The other side of the spool: what is to be sent next, and what became of it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.forwarder import room
from molt.forwarder.tables import REJECTED

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from molt.forwarder.spool import Spool

_DUE = (
    f"SELECT seq FROM alerts WHERE priority < {REJECTED} AND (next_try <= :now OR next_try > :absurd) "  # noqa: S608 - a number
    "ORDER BY priority, seq LIMIT :limit"
)
_WAITING = f"FROM alerts WHERE priority < {REJECTED}"
_FURTHEST = 3600.0  # seconds; a next try that is further away was written before the clock was set back


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert in the air. `repeats`: how many it stands for; 0: it is no repeat."""

    seq: int
    id: str
    headers: Mapping[str, str]
    body: bytes
    repeats: int
    tries: int


@dataclass(frozen=True, slots=True)
class Drops:
    """Alerts that were dropped for more urgent ones: how many, of which priorities, in which time (epoch seconds)."""

    batch: int
    spool: str
    count: int
    since: float
    until: float
    priorities: Mapping[str, int]


class Outbox:
    """Hands out what waits, each to one taker at a time; safe for use by many threads."""

    def __init__(self, spool: Spool) -> None:
        """Take from this spool."""
        self._spool = spool
        self._claiming = threading.Lock()
        self._air: set[int] = set()

    def claim(self) -> Waiting | None:
        """Return the most urgent, then oldest, alert that is due and in nobody's hands. Raises StoreError."""
        now = self._spool.now()
        values = {"now": now, "absurd": now + _FURTHEST}
        with self._claiming, self._spool.tables.reader() as connection:
            due = connection.execute(_DUE, values | {"limit": len(self._air) + 1}).fetchall()
            seq = next((seq for (seq,) in due if seq not in self._air), None)
            if seq is None:
                return None
            columns = "SELECT seq, id, headers, body, repeats, tries FROM alerts WHERE seq = ?"
            row = connection.execute(columns, (seq,)).fetchone()
            if row is None:  # dropped, between the two looks, for something more urgent
                return None
            self._air.add(seq)
        return Waiting(row[0], row[1], json.loads(row[2]), row[3], row[4], row[5])

    def give_back(self, waiting: Waiting) -> None:
        """Let it be claimed again."""
        with self._claiming:
            self._air.discard(waiting.seq)

    def sent(self, waiting: Waiting, failed: Callable[[BaseException], None] | None = None) -> None:
        """Forget what the broker has; a repeat that came meanwhile has taken its place and stays. Raises StoreError.

        With `failed` it does not wait for the disk: the alert is in the air until then, and `failed` is told an error.
        Killed before, it is sent again, as it would be if the kill had come before the broker's answer.
        """

        def change(connection: sqlite3.Connection) -> None:
            row = connection.execute(
                "DELETE FROM alerts WHERE seq = ? AND repeats = ? RETURNING bytes", (waiting.seq, waiting.repeats)
            ).fetchall()
            room.count(connection, sent=1, alerts=-len(row), bytes=-sum(size for (size,) in row))

        def settled(done: Future[None]) -> None:
            self.give_back(waiting)
            if failed and (error := done.exception()):
                failed(error)

        future = self._spool.tables.submit(change)
        future.add_done_callback(settled)
        if failed is None:
            future.result()

    def failed(self, waiting: Waiting, delay: float, reason: str) -> None:
        """Try it again in `delay` seconds. Raises StoreError."""
        values = (self._spool.now() + delay, reason, waiting.seq)
        update = "UPDATE alerts SET tries = tries + 1, next_try = ?, reason = ? WHERE seq = ?"
        self._spool.tables.commit(lambda connection: connection.execute(update, values).rowcount)
        self.give_back(waiting)

    def refused(self, waiting: Waiting, reason: str) -> None:
        """Keep it aside, with the reason: it is tried again only when it is posted again. Raises StoreError."""

        def change(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                "UPDATE alerts SET priority = ?, reason = ?, tries = tries + 1 WHERE seq = ? AND repeats = ?",
                (REJECTED, reason, waiting.seq, waiting.repeats),
            )
            connection.execute("DELETE FROM seen WHERE id = ? AND ? > 0", (waiting.id, done.rowcount))
            room.count(connection, rejected=done.rowcount)

        self._spool.tables.commit(change)
        self.give_back(waiting)

    def drops(self) -> Drops | None:
        """Return the drops that are to be told next, which do not grow any more; None without. Raises StoreError."""

        def change(connection: sqlite3.Connection) -> tuple[Any, ...] | None:
            connection.execute("UPDATE drops SET told = 1 WHERE batch = (SELECT min(batch) FROM drops)")
            columns = "batch, (SELECT spool FROM totals), n, since, until, priorities"
            row = connection.execute(f"SELECT {columns} FROM drops ORDER BY batch LIMIT 1")  # noqa: S608 - ours
            found: tuple[Any, ...] | None = row.fetchone()
            return found

        with self._spool.tables.reader() as connection:
            if connection.execute("SELECT 1 FROM drops LIMIT 1").fetchone() is None:
                return None
        row = self._spool.tables.commit(change)
        if row is None:
            return None
        batch, spool, count, since, until, priorities = row
        return Drops(batch, spool, count, since, until, json.loads(priorities))

    def told(self, drops: Drops) -> None:
        """Forget drops that the broker knows of. Raises StoreError."""
        forget = "DELETE FROM drops WHERE batch = ?"
        self._spool.tables.commit(lambda connection: connection.execute(forget, (drops.batch,)).rowcount)

    def rejected(self, limit: int) -> list[dict[str, Any]]:
        """Return what was refused and is kept, the newest first. Raises StoreError."""
        columns = "SELECT id, received, tries, reason, headers, body FROM alerts WHERE priority = ?"
        with self._spool.tables.reader() as connection:
            rows = connection.execute(f"{columns} ORDER BY seq DESC LIMIT ?", (REJECTED, limit)).fetchall()
        names = ("id", "received", "tries", "reason")
        return [
            dict(zip(names, row[:4], strict=True))
            | {"headers": json.loads(row[4]), "body": row[5].decode(errors="replace")}
            for row in rows
        ]

    def waits(self) -> bool:
        """Tell whether there is something to be sent, now or later. Raises StoreError."""
        with self._spool.tables.reader() as connection:
            return connection.execute(f"SELECT 1 {_WAITING} LIMIT 1").fetchone() is not None

    def status(self) -> dict[str, Any]:
        """Return the totals since the file was made, and what waits. Raises StoreError.

        What is kept aside does not make it full: that goes for whatever comes.
        """
        names = ("received", "again", "repeats", "sent", "dropped", "rejected", "forgotten", "alerts", "bytes")
        aside = "SELECT count(*), coalesce(sum(bytes), 0) FROM alerts WHERE priority = ?"
        with self._spool.tables.reader() as connection:
            row = connection.execute(f"SELECT {', '.join(names)} FROM totals").fetchone()  # noqa: S608 - ours
            kept, kept_bytes = connection.execute(aside, (REJECTED,)).fetchone()
            oldest = connection.execute(f"SELECT received {_WAITING} ORDER BY seq LIMIT 1").fetchone()
        totals = dict(zip(names, row, strict=True))
        waiting, limits = totals.pop("alerts") - kept, self._spool.limits
        age = round(max(0.0, self._spool.now() - oldest[0]), 3) if oldest else None
        full = waiting >= limits.alerts or totals["bytes"] - kept_bytes >= limits.bytes
        return {**totals, "waiting": waiting, "keptAside": kept, "oldestWaitingSeconds": age, "full": full}
