"""Where alerts wait for the broker: durable, bounded, and what is full lets go of the least urgent, the oldest first.

An alert is never dropped for one that is not more urgent: then the newcomer is refused, and its sender has it still.
Every promise here holds once the call has returned, whatever is killed afterwards.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.forwarder import room
from molt.forwarder.tables import REJECTED, Tables
from molt.forwarder.window import Window

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from molt.forwarder.room import Limits

_SEEN = 600.0  # seconds for which an identity is known: a sender that got no answer tries again sooner
_AT_ONCE = 1000
_ADD = (
    "INSERT INTO alerts (id, priority, received, headers, body, bytes, repeats, next_try, reason) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_OVERWRITE = (
    "UPDATE alerts SET id = ?, priority = min(priority, ?), headers = ?, body = ?, bytes = ?, repeats = repeats + 1 "
    "WHERE seq = ?"
)


@dataclass(frozen=True, slots=True)
class Item:
    """An alert as the broker is to get it. `key`: what its repeats share; `reason`: why it is only to be kept."""

    id: str
    priority: int
    headers: Mapping[str, str]
    body: bytes
    key: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a file has been read: which file it is (inode, a hash of how it begins) and the next byte."""

    file: str
    inode: int
    head: str
    offset: int


class Full(Exception):
    """There is no room, and nothing less urgent to make some of: nothing was taken."""


class Spool:
    """The alerts that wait; safe for use by many threads."""

    def __init__(
        self, file: Path, limits: Limits, now: Callable[[], float] = time.time, woken: Callable[[], None] = lambda: None
    ) -> None:
        """Open the file, or make it; `woken` is called when something new waits. Raises StoreError."""
        self.tables = Tables(file)
        self.limits = limits
        self.now = now
        self.woken = woken

    def close(self) -> None:
        """Commit what was handed in, and close the file."""
        self.tables.close()

    def take(self, items: Sequence[Item], position: Position | None = None) -> None:
        """Keep all of these, and how far their file has been read, or nothing. Raises Full and StoreError."""
        now = self.now()
        if not self.tables.commit(lambda connection: self._take(connection, items, position, now)):
            raise Full
        self.woken()

    def position(self, file: str) -> Position | None:
        """Return how far a file has been read, or None when it never was. Raises StoreError."""
        with self.tables.reader() as connection:
            row = connection.execute("SELECT * FROM positions WHERE file = ?", (file,)).fetchone()
        return Position(*row) if row else None

    def tidy(self) -> None:
        """End the windows that are over, and forget identities that are old. Raises StoreError."""
        while self.tables.commit(self._tidy) == _AT_ONCE:
            pass

    def end_windows(self) -> None:
        """Let the repeats that wait for the end of their windows be sent now. Raises StoreError."""
        now = self.now()

        def change(connection: sqlite3.Connection) -> None:
            last = "SELECT last FROM windows WHERE last IS NOT NULL"
            connection.execute(f"UPDATE alerts SET next_try = ? WHERE next_try > ? AND seq IN ({last})", (now, now))  # noqa: S608
            connection.execute("DELETE FROM windows")

        self.tables.commit(change)

    def _tidy(self, connection: sqlite3.Connection) -> int:
        """Do a part of it, so that no alert waits long; return how many windows it ended."""
        now, most = self.now(), self.limits.alerts
        over = connection.execute(
            "SELECT key FROM windows WHERE opened <= ? OR opened > ? LIMIT ?", (now - self.limits.window, now, _AT_ONCE)
        ).fetchall()
        for (key,) in over:
            _end(connection, key, now)
        connection.execute("DELETE FROM seen WHERE n <= (SELECT max(n) FROM seen) - ?", (most,))
        connection.execute(
            "DELETE FROM seen WHERE n IN (SELECT n FROM seen ORDER BY n LIMIT ?) AND (at < ? OR at > ?)",
            (10 * _AT_ONCE, now - _SEEN, now + _SEEN),
        )
        return len(over)

    def _take(
        self, connection: sqlite3.Connection, items: Sequence[Item], position: Position | None, now: float
    ) -> bool:
        connection.execute("SAVEPOINT taking")
        for item in items:
            if not self._one(connection, item, now):
                connection.execute("ROLLBACK TO taking")
                return False
        connection.execute("RELEASE taking")
        if position:
            connection.execute(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                (position.file, position.inode, position.head, position.offset),
            )
        return True

    def _one(self, connection: sqlite3.Connection, item: Item, now: float) -> bool:
        if item.reason:
            return self._keep_aside(connection, item, now)
        if _known(connection, item.id):
            room.count(connection, received=1, again=1)
            return True
        window = self._window(connection, item, now)
        if window and window.holds(item.priority):
            taken = self._repeat(connection, item, window, now)
        else:
            taken = self._new(connection, item, window, now)
        if taken:
            connection.execute("INSERT INTO seen (id, at) VALUES (?, ?)", (item.id, now))
        return taken

    def _window(self, connection: sqlite3.Connection, item: Item, now: float) -> Window | None:
        """Return the open window that the item belongs to; one that is over is ended."""
        if not self.limits.window:
            return None
        found = _find(connection, item.key)
        if found and found.is_over(now, self.limits.window):
            _end(connection, item.key, now)
            return _find(connection, item.key)
        return found

    def _new(self, connection: sqlite3.Connection, item: Item, window: Window | None, now: float) -> bool:
        """Keep an alert that is to be sent at once."""
        if not room.make(connection, self.limits, len_of(item), item.priority, now):
            return False
        _insert(connection, item, now)
        room.count(connection, received=1)
        if self.limits.window and item.key:
            opened, last = (window.opened, window.last) if window else (now, None)
            connection.execute(
                "INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?)", (item.key, opened, item.priority, last)
            )
        return True

    def _repeat(self, connection: sqlite3.Connection, item: Item, window: Window, now: float) -> bool:
        """Count a repeat, and keep it in the place of the one before it."""
        before = connection.execute("SELECT bytes FROM alerts WHERE seq = ?", (window.last,)).fetchone()
        if before:
            grown = len_of(item) - before[0]
            if not room.make(connection, self.limits, grown, item.priority, now, rows=0, besides=window.last):
                return False
            values = (item.id, item.priority, _headers(item), item.body, len_of(item), window.last)
            connection.execute(_OVERWRITE, values)
            room.count(connection, received=1, repeats=1, bytes=grown)
            return True
        if not room.make(connection, self.limits, len_of(item), item.priority, now):
            return False
        seq = _insert(connection, item, now, repeats=1, next_try=window.opened + self.limits.window)
        connection.execute("UPDATE windows SET last = ? WHERE key = ?", (seq, item.key))
        room.count(connection, received=1, repeats=1)
        return True

    def _keep_aside(self, connection: sqlite3.Connection, item: Item, now: float) -> bool:
        """Keep what is no alert among the rejected, if there is room: it pushes nothing out."""
        room.count(connection, rejected=1)
        kept = "SELECT 1 FROM alerts WHERE id = ? AND priority = ?"
        if connection.execute(kept, (item.id, REJECTED)).fetchone():
            return True
        if room.make(connection, self.limits, len_of(item), REJECTED, now):
            _insert(connection, item, now)
        else:
            room.count(connection, forgotten=1)
        return True


def len_of(item: Item) -> int:
    """Return the bytes that an item counts for: what is written, and what SQLite needs beside it."""
    return len(item.body) + len(_headers(item)) + len(item.id) + 256


def _headers(item: Item) -> str:
    return json.dumps(dict(item.headers))


def _insert(
    connection: sqlite3.Connection, item: Item, now: float, *, repeats: int = 0, next_try: float = 0.0
) -> int | None:
    priority = REJECTED if item.reason else item.priority
    values: tuple[Any, ...] = (item.id, priority, now, _headers(item), item.body, len_of(item))
    row = connection.execute(_ADD, (*values, repeats, next_try, item.reason)).lastrowid
    room.count(connection, alerts=1, bytes=len_of(item))
    return row


def _known(connection: sqlite3.Connection, identity: str) -> bool:
    found = "SELECT 1 FROM seen WHERE id = :id UNION ALL SELECT 1 FROM alerts WHERE id = :id AND priority < :rejected"
    return connection.execute(found, {"id": identity, "rejected": REJECTED}).fetchone() is not None


def _find(connection: sqlite3.Connection, key: str | None) -> Window | None:
    row = connection.execute("SELECT opened, priority, last FROM windows WHERE key = ?", (key,)).fetchone()
    return Window(*row) if row else None


def _end(connection: sqlite3.Connection, key: str | None, now: float) -> None:
    """End a window: the last repeat, which is due now, opens the next; without one there is none."""
    connection.execute(
        "UPDATE alerts SET next_try = ? WHERE next_try > ? AND seq = (SELECT last FROM windows WHERE key = ?)",
        (now, now, key),
    )
    changed = connection.execute(
        "UPDATE windows SET opened = ?, last = NULL WHERE key = ? AND last IN (SELECT seq FROM alerts)", (now, key)
    )
    if not changed.rowcount:
        connection.execute("DELETE FROM windows WHERE key = ?", (key,))
