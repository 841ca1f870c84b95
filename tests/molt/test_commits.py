"""Group commit: one change that fails does not take the others along."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from molt.commits import Committer, StoreError


def test_of_a_group_only_what_cannot_be_written_fails(tmp_path: Path) -> None:
    """The others are committed, each by itself: on a full disk those that free room still can."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(tmp_path / "file", isolation_level=None)
        connection.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)")
        return connection

    committer, held, go_on = Committer(connect), threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        held.set()
        go_on.wait(20)
        connection.execute("INSERT INTO t VALUES (0)")

    failures: list[int] = []

    def insert(number: int) -> None:
        try:
            committer.commit(lambda connection: connection.execute("INSERT INTO t VALUES (?)", (number,)).rowcount)
        except StoreError:
            failures.append(number)

    threads = [threading.Thread(target=committer.commit, args=(hold,))]
    threads[0].start()
    held.wait(20)
    for number in (1, 1, 2):
        threads.append(threading.Thread(target=insert, args=(number,)))
        threads[-1].start()
    while committer._queue.qsize() < 3:
        held.wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join()
    committer.close()
    with sqlite3.connect(tmp_path / "file") as connection:
        assert [(0,), (1,), (2,)] == connection.execute("SELECT n FROM t ORDER BY n").fetchall()
    connection.close()
    assert [1] == failures
    with pytest.raises(StoreError, match="closed"):
        committer.commit(lambda _: None)


@pytest.mark.parametrize("value", [2**63, "\udcff"])
def test_what_sqlite_cannot_hold_does_not_end_the_writer(value: object) -> None:
    """Everybody else would wait for it without end."""
    committer = Committer(lambda: sqlite3.connect(":memory:", isolation_level=None))
    with pytest.raises(StoreError, match="cannot write"):
        committer.commit(lambda connection: connection.execute("SELECT ?", (value,)).fetchall())
    assert [(1,)] == committer.commit(lambda connection: connection.execute("SELECT 1").fetchall())
    committer.close()


@pytest.mark.parametrize("error", [KeyError("id"), sqlite3.Warning("one statement"), MemoryError(), SystemExit(1)])
def test_whatever_a_change_raises_is_its_caller_s(error: BaseException) -> None:
    """The writer goes on, what the change had written is taken back, and who handed it in is told why."""
    committer = Committer(lambda: sqlite3.connect(":memory:", isolation_level=None))
    committer.commit(lambda connection: connection.execute("CREATE TABLE t (n INTEGER)").rowcount)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")
        raise error

    with pytest.raises(StoreError, match="cannot write") as raised:
        committer.submit(fail).result(20)
    assert error is raised.value.__cause__
    assert [(0,)] == committer.submit(lambda made: made.execute("SELECT count(*) FROM t").fetchall()).result(20)
    committer.close()


def test_what_was_handed_in_before_the_end_is_committed() -> None:
    """More than one group of it, and the end among the last."""
    held, go_on = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        held.set()
        go_on.wait(20)

    committer = Committer(lambda: sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
    holding = threading.Thread(target=committer.commit, args=(hold,))
    holding.start()
    held.wait(20)
    futures: list[Future[int]] = [Future() for _ in range(300)]
    for number, future in enumerate(futures):
        committer._queue.put((lambda _, number=number: number, future))  # type: ignore[misc]
    closing = threading.Thread(target=committer.close)
    closing.start()
    while committer._queue.qsize() < 301:
        held.wait(0.001)
    go_on.set()
    for thread in (holding, closing):
        thread.join()
    assert list(range(300)) == [future.result(0) for future in futures]
