"""Group commit: many threads' changes in one SQLite transaction, so that one flush to the disk serves them all."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from molt.outcome import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
# More would make the first of them wait long for little: a flush costs about as much as 30 changes.
_GROUP = 256


class StoreError(TemporaryError):
    """The disk did not take it: nothing of the change is there."""


class Committer:
    """The only writer of a database: runs changes one after another, and returns from each when it is on the disk."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """Start the writing thread; `connect` is called there."""
        self._queue: queue.SimpleQueue[tuple[Callable[[sqlite3.Connection], Any], Future[Any]] | None]
        self._queue = queue.SimpleQueue()
        self._open = True
        self._door = threading.Lock()
        self._thread = threading.Thread(target=self._run, args=(connect,), name="commits", daemon=True)
        self._thread.start()

    def commit(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run `change` in a transaction and return its result once it is durable. Raises StoreError."""
        return self.submit(change).result()

    def submit(self, change: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Hand `change` in, to be run after those before it; the future has its result, or a StoreError."""
        future: Future[T] = Future()
        with self._door:
            if self._open:
                self._queue.put((change, future))
                return future
        future.set_exception(StoreError("the store is closed"))
        return future

    def close(self) -> None:
        """Commit what was handed in, and stop."""
        with self._door:
            if self._open:
                self._open = False
                self._queue.put(None)
        self._thread.join()

    def _run(self, connect: Callable[[], sqlite3.Connection]) -> None:
        with contextlib.closing(connect()) as connection:
            while (job := self._queue.get()) is not None:
                group = [job]
                ended = False
                with contextlib.suppress(queue.Empty):
                    while len(group) < _GROUP and not ended:
                        more = self._queue.get_nowait()
                        ended = more is None
                        group += [more] if more else []
                _together(connection, group)
                if ended:
                    return


def _together(
    connection: sqlite3.Connection, group: list[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]]
) -> None:
    """Commit the changes of a group; if that fails, each by itself: on a full disk one that frees room still can."""
    attempt = _Attempt()
    with attempt:
        connection.execute("BEGIN IMMEDIATE")
        results = [change(connection) for change, _ in group]
        connection.execute("COMMIT")
    if attempt.error is not None:
        # A full disk may have rolled back already.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        if len(group) > 1:
            for job in group:
                _together(connection, [job])
            return
        group[0][1].set_exception(attempt.error)
        return
    for (_, future), result in zip(group, results, strict=True):
        future.set_result(result)


class _Attempt:
    """Why a transaction failed, if it did: for those who wait for it, as in any executor, and not the writer's end."""

    error: StoreError | None = None

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        """Take the error over, whatever it is: a change is its caller's code."""
        if error is not None:
            said = str(error) if isinstance(error, sqlite3.Error) else repr(error)
            self.error = StoreError(f"the store cannot write: {said}")
            self.error.__cause__ = error
        return error is not None
