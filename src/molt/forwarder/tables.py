"""The spool's file: its schema, its one writer, its reader, and the lock that keeps a second forwarder out."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
import uuid
from typing import TYPE_CHECKING, TypeVar

from molt.commits import Committer, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

T = TypeVar("T")
_VERSION = 1
REJECTED = 8
"""The priority of what the broker, or we, refused: below Falco's last (Debug, 7), so that it is the first to go."""

_SCHEMA = f"""
CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    priority INTEGER NOT NULL,
    received REAL NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    repeats INTEGER NOT NULL DEFAULT 0,   -- alerts that this one stands for, itself among them; 0: only itself
    tries INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX by_urgency ON alerts (priority, seq) WHERE priority < {REJECTED};
CREATE INDEX by_worth ON alerts (priority DESC, seq);
CREATE INDEX by_id ON alerts (id);
CREATE TABLE windows (key TEXT PRIMARY KEY, opened REAL NOT NULL, priority INTEGER NOT NULL, last INTEGER)
    WITHOUT ROWID;
CREATE INDEX by_opening ON windows (opened);
CREATE TABLE seen (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at REAL NOT NULL);
CREATE TABLE drops (
    batch INTEGER PRIMARY KEY AUTOINCREMENT,
    n INTEGER NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL,
    priorities TEXT NOT NULL,
    told INTEGER NOT NULL DEFAULT 0        -- it is being told: what is dropped from now on belongs to the next
);
CREATE TABLE positions (file TEXT PRIMARY KEY, inode INTEGER NOT NULL, head TEXT NOT NULL, offset INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE totals (
    spool TEXT NOT NULL,
    alerts INTEGER NOT NULL DEFAULT 0,     -- rows of the table, and
    bytes INTEGER NOT NULL DEFAULT 0,      -- what they take
    received INTEGER NOT NULL DEFAULT 0,
    again INTEGER NOT NULL DEFAULT 0,
    repeats INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    forgotten INTEGER NOT NULL DEFAULT 0
);
"""


class Tables:
    """The open file; made if it is not there."""

    def __init__(self, file: Path) -> None:
        """Open it. Raises StoreError when it is in use, or is no spool of this version."""
        self._file = file
        try:
            file.touch(mode=0o600)  # alerts say what ran, passwords on command lines among it
            self._lock = file.with_name(f"{file.name}.lock").open("w", encoding="ascii")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise StoreError(f"{file}: another forwarder is using it") from None
        except OSError as error:
            raise StoreError(f"{file}: {error.strerror}") from None
        try:
            with contextlib.closing(self._connect()) as connection:
                _prepare(connection)
            self._reader = self._connect()
            self._reader.execute("PRAGMA query_only=ON")
        except sqlite3.Error as error:
            self._lock.close()
            raise StoreError(f"{file}: {error}") from None
        self._reading = threading.Lock()
        self._committer = Committer(self._connect)

    def close(self) -> None:
        """Commit what was handed in, and let another have the file."""
        self._committer.close()
        with self._reading:  # SQLite's own code crashes when a connection is closed that is in use
            self._reader.close()
        self._lock.close()

    def commit(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run `change` in a transaction and return its result once it is on the disk. Raises StoreError."""
        return self._committer.commit(change)

    def submit(self, change: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Hand `change` in, without waiting for the disk; the future may have a StoreError. Raises it when closed."""
        return self._committer.submit(change)

    @contextlib.contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection that sees what is committed and cannot write. Raises StoreError."""
        with self._reading:
            try:
                yield self._reader
            except sqlite3.Error as error:
                raise StoreError(f"the spool cannot be read: {error}") from None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, timeout=30)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "journal_size_limit=16777216"):
            connection.execute(f"PRAGMA {pragma}")
        return connection


def _prepare(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        made = f"INSERT INTO totals (spool) VALUES ('{uuid.uuid4().hex}');"  # noqa: S608 - hexadecimal digits
        connection.executescript(f"BEGIN; {_SCHEMA} {made} PRAGMA user_version={_VERSION}; COMMIT;")
    elif version != _VERSION:
        raise sqlite3.DatabaseError(f"has version {version}, this is version {_VERSION}")
