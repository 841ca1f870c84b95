"""One SQLite file: its schema, its one writer, its readers."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
from typing import TYPE_CHECKING, TypeVar

from molt.commits import Committer, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

T = TypeVar("T")
_VERSION = 1
_SCHEMA = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    broker TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    attributes TEXT NOT NULL,
    data BLOB NOT NULL,
    hops INTEGER NOT NULL,
    accepted REAL NOT NULL,
    root INTEGER,             -- the event from outside that this one follows from; NULL: it is from outside itself
    cause INTEGER,            -- the event that this one answers
    answerer TEXT,            -- the trigger whose subscriber answered
    open INTEGER NOT NULL     -- deliveries for whose sake the event must not be forgotten
);
CREATE INDEX forgettable ON events (seq) WHERE open = 0;
CREATE INDEX by_root ON events (root) WHERE root IS NOT NULL;
CREATE TABLE deliveries (
    event INTEGER NOT NULL,
    trigger TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'dying', 'done', 'dead')),
    tries INTEGER NOT NULL DEFAULT 0,
    sink_tries INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL DEFAULT 0,
    status INTEGER,           -- of the last answer
    reason TEXT NOT NULL DEFAULT '',
    extensions TEXT NOT NULL DEFAULT '{}',
    sink TEXT CHECK (sink IN ('none', 'delivered', 'undeliverable')),
    settled REAL,
    PRIMARY KEY (event, trigger)
) WITHOUT ROWID;
CREATE INDEX unsettled ON deliveries (event) WHERE state IN ('pending', 'dying');
CREATE INDEX dead ON deliveries (event) WHERE state = 'dead';
CREATE TABLE forgotten (what TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
"""


class Database:
    """The state file of one broker; made if it is not there."""

    def __init__(self, file: Path) -> None:
        """Open the file. Raises StoreError when it is not a state file of this version."""
        self._file = file
        try:
            with contextlib.closing(self._connect()) as connection:
                _prepare(connection)
        except sqlite3.Error as error:
            message = f"{file}: {error}"
            raise StoreError(message) from error
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._committer = Committer(self._connect)

    def close(self) -> None:
        """Commit what was handed in and close the file."""
        self._committer.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._readers.get_nowait().close()

    def commit(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run `change` in a transaction and return its result once it is on the disk. Raises StoreError."""
        return self._committer.commit(change)

    def submit(self, change: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Hand `change` in, to be run in a transaction; the future has its result once it is on the disk."""
        return self._committer.submit(change)

    @contextlib.contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that sees what is committed and cannot write. Raises StoreError."""
        try:
            connection = self._borrow()
            try:
                yield connection
            finally:
                self._readers.put(connection)
        except sqlite3.Error as error:
            message = f"the store cannot be read: {error}"
            raise StoreError(message) from error

    def _borrow(self) -> sqlite3.Connection:
        try:
            return self._readers.get_nowait()
        except queue.Empty:
            connection = self._connect()
            # One row by its key at a time: the pages are the system's to cache, not each reader's.
            connection.execute("PRAGMA cache_size=-128")
            connection.execute("PRAGMA query_only=ON")
            return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, timeout=30)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "journal_size_limit=67108864"):
            connection.execute(f"PRAGMA {pragma}")
        return connection


def _prepare(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")
    elif version != _VERSION:
        message = f"has version {version}, this is version {_VERSION}"
        raise sqlite3.DatabaseError(message)
