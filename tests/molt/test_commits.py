"""Group commit: one change that fails does not take the others along."""

from __future__ import annotations

import sqlite3
import threading
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
