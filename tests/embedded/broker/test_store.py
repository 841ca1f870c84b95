"""The state machine in SQLite: each change, all or nothing, once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from molt.commits import StoreError
from molt.embedded.broker.audit import Audit
from molt.embedded.broker.database import Database
from molt.embedded.broker.message import Message
from molt.embedded.broker.routing import Arrival
from molt.embedded.broker.store import Key, Store, Try, Waiting

FAR = 9e12
TRIGGERS = ("ns/t", "ns/u", "ns/v")


def _arrival(id_: str = "1", *triggers: str) -> Arrival:
    attributes = {"specversion": "1.0", "id": id_, "source": "/s", "type": "t"}
    return Arrival("ns/b", Message(attributes, b"\xff{"), 255, triggers or ("ns/t",))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Return an open database."""
    made = Database(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def store(database: Database) -> Store:
    """Return a store."""
    return Store(database)


def _counts(database: Database) -> tuple[int, ...]:
    status = Audit(database).status()
    return tuple(status[name] for name in ("accepted", "replies", "pending", "done", "dead", "kept"))


def test_an_event_waits_for_each_of_its_triggers(database: Database, store: Store) -> None:
    """Its content comes back as it went in."""
    event = store.submit(_arrival("1", "ns/a", "ns/b")).result()
    assert [
        Waiting(Key(event, "ns/a"), dying=False, tries=0, next_try=0.0),
        Waiting(Key(event, "ns/b"), dying=False, tries=0, next_try=0.0),
    ] == list(store.waiting())
    load = store.load(Key(event, "ns/a"))
    assert load is not None
    assert (_arrival().message, "ns/b", 255, Try(0, None)) == (load.message, load.broker, load.hops, load.tried)
    assert (1, 0, 2, 0, 0, 0) == _counts(database)


def test_a_delivery_is_finished_once_and_its_reply_taken_once(database: Database, store: Store) -> None:
    """A second time nothing changes: no second reply."""
    event = store.submit(_arrival()).result()
    reply = store.finish(Key(event, "ns/t"), Try(1, 200), _arrival("r", "ns/u")).result()
    assert event + 1 == reply
    assert store.finish(Key(event, "ns/t"), Try(1, 200), _arrival("r", "ns/u")).result() is None
    assert store.load(Key(event, "ns/t")) is None
    assert (2, 1, 1, 1, 0, 0) == _counts(database)


def test_replies_know_where_they_come_from(database: Database, store: Store) -> None:
    """The cause is the event answered, the root the first of the chain."""
    first = store.submit(_arrival("a")).result()
    second = store.finish(Key(first, "ns/t"), Try(1, 200), _arrival("b")).result()
    assert second is not None
    store.finish(Key(second, "ns/t"), Try(1, 200), _arrival("c")).result()
    events = Audit(database).events({"root": str(first)}, 10)
    assert ["c", "b", "a"] == [event["event"]["id"] for event in events]
    assert [second, first, None] == [event["answers"] and event["answers"]["seq"] for event in events]
    assert ["b"] == [event["event"]["id"] for event in Audit(database).events({"id": "b", "type": "t"}, 10)]
    assert "/3s=" not in events[0]["event"]
    assert "/3s=" == events[0]["event"]["data_base64"]


def test_a_failed_try_is_counted_and_dated(store: Store) -> None:
    """So that a restart goes on where it was."""
    event = store.submit(_arrival()).result()
    store.postpone(Key(event, "ns/t"), Try(2, 503, "answered 503"), 17.5)
    assert [Waiting(Key(event, "ns/t"), dying=False, tries=2, next_try=17.5)] == list(store.waiting())
    load = store.load(Key(event, "ns/t"))
    assert load is not None
    assert Try(2, 503, "answered 503") == load.tried


@pytest.mark.parametrize(("delivered", "kept"), [(True, 0), (False, 1)])
def test_a_dead_delivery_goes_to_its_sink(database: Database, store: Store, *, delivered: bool, kept: int) -> None:
    """The sink's tries are counted apart; the reason stays the subscriber's."""
    key = Key(store.submit(_arrival()).result(), "ns/t")
    store.condemn(key, Try(4, 422, "answered 422"), {"knativeerrorcode": "422"})
    store.postpone_sink(key, 1, 99.0)
    assert [Waiting(key, dying=True, tries=1, next_try=99.0)] == list(store.waiting())
    load = store.load(key)
    assert load is not None
    assert ({"knativeerrorcode": "422"}, 1, Try(4, 422, "answered 422")) == (
        load.extensions,
        load.sink_tries,
        load.tried,
    )
    store.inter(key, 2, delivered=delivered)
    store.inter(key, 3, delivered=delivered)
    assert (1, 0, 0, 0, 1, kept) == _counts(database)
    (letter,) = Audit(database).dead_letters(10, 0)
    assert (4, 2, "answered 422") == (letter["tries"], letter["sinkTries"], letter["reason"])
    assert {"knativeerrorcode": "422"} == letter["extensions"]
    assert [] == Audit(database).dead_letters(10, key.event)
    assert (1 - kept) == store.forget(0, FAR)


def test_without_a_sink_the_dead_stay(database: Database, store: Store) -> None:
    """They are never forgotten."""
    key = Key(store.submit(_arrival()).result(), "ns/t")
    store.bury(key, Try(1, 400, "answered 400"))
    assert 0 == store.forget(0, FAR)
    assert (1, 0, 0, 0, 1, 1) == _counts(database)


def test_the_settled_are_forgotten_by_number_and_by_age(database: Database, store: Store) -> None:
    """Never what waits; the counts go on."""
    events = [store.submit(_arrival(str(number))).result() for number in range(5)]
    for event in events[:3]:
        store.finish(Key(event, "ns/t"), Try(1, 204)).result()
    assert 0 == store.forget(5, 0)
    assert 1 == store.forget(4, 0)
    assert 1 == store.forget(0, FAR, batch=1)
    assert 1 == store.forget(0, FAR)
    assert 0 == store.forget(0, FAR)
    assert (5, 0, 2, 3, 0, 0) == _counts(database)
    assert 2 == len(Audit(database).deliveries(10, pending=True))
    assert 2 == len(Audit(database).deliveries(10, pending=False))


def test_everything_is_there_after_closing(tmp_path: Path) -> None:
    """The file is the memory."""
    first = Database(tmp_path / "state")
    Store(first).submit(_arrival()).result()
    first.close()
    second = Database(tmp_path / "state")
    assert 1 == len(list(Store(second).waiting()))
    second.close()


@pytest.mark.parametrize("content", [b"x" * 4096, None])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """One that is no database, and one of another version."""
    file = tmp_path / "state"
    if content:
        file.write_bytes(content)
    else:
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA user_version=99")
        connection.close()
    with pytest.raises(StoreError, match="state: "):
        Database(file)


def test_a_full_disk_loses_nothing_and_acknowledges_nothing(database: Database, store: Store) -> None:
    """Every change of the group is refused; when there is room again, writing goes on."""
    store.submit(_arrival()).result()
    pages = database.commit(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    database.commit(lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchall())
    large = Arrival("ns/b", Message({"id": "2", "type": "t"}, b"x" * 1_000_000), 255, ())
    with pytest.raises(StoreError, match="the store cannot write: database or disk is full"):
        store.submit(large).result()
    database.commit(lambda connection: connection.execute("PRAGMA max_page_count=100000").fetchall())
    assert 3 == store.submit(large).result(), "the number that the disk did not take is nobody else's"
    assert 2 == _counts(database)[0]


def test_an_event_keeps_its_number_when_its_group_fails(database: Database, store: Store) -> None:
    """What is under way since its number was told is that event's delivery, and there is no second one."""
    told: list[int] = []
    entered, go = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> bool:
        entered.set()
        return go.wait(10)

    def full(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    def take() -> None:
        taken.append(store.submit(_arrival(), told.append).result())

    taken: list[int] = []
    first = database._committer.submit(hold)
    assert entered.wait(10)  # what comes from here on is one group
    sender = threading.Thread(target=take)
    sender.start()
    while not database._committer._queue.qsize():
        time.sleep(0.001)
    failing = database._committer.submit(full)
    go.set()
    sender.join()
    assert first.result()
    assert isinstance(failing.exception(), StoreError)
    assert [1] == told == taken
    assert 2 == store.submit(_arrival("2")).result()


def test_the_number_is_told_before_the_disk_has_the_event(database: Database, store: Store) -> None:
    """So that its delivery can begin; a reply's, too, and of a reply that comes twice only once."""
    early: list[tuple[int, bool]] = []

    def tell(event: int) -> None:
        early.append((event, store.load(Key(event, "ns/t")) is None))

    event = store.submit(_arrival(), tell).result()
    for _ in range(2):
        store.finish(Key(event, "ns/t"), Try(1, 200), _arrival("r"), tell).result()
    assert [(1, True), (2, True)] == early
    assert (2, 1, 1, 1) == _counts(database)[:4]


def test_changes_that_come_together_are_committed_together(database: Database) -> None:
    """While one is written the others gather, and all of them get their own result."""
    entered, go = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        entered.set()
        go.wait(10)

    transactions: list[int] = []

    def change(connection: sqlite3.Connection) -> int:
        transactions.append(connection.total_changes)
        return len(transactions)

    threads = [threading.Thread(target=database.commit, args=(hold,))]
    threads[0].start()
    entered.wait(10)
    threads += [threading.Thread(target=database.commit, args=(change,)) for _ in range(20)]
    for thread in threads[1:]:
        thread.start()
    closing = threading.Thread(target=database.close)
    while database._committer._queue.qsize() < 20:
        time.sleep(0.001)
    closing.start()
    go.set()
    for thread in [*threads, closing]:
        thread.join()
    assert 20 == len(transactions)


def test_events_that_come_together_go_to_the_disk_together(database: Database, store: Store) -> None:
    """While one is written the others gather; each has its number, its deliveries and its result."""
    entered, go = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> bool:
        entered.set()
        return go.wait(10)

    first = database.submit(hold)
    assert entered.wait(10)
    taken = [store.submit(_arrival(str(number), *TRIGGERS[: number % 3 + 1])) for number in range(100)]
    assert 1 == database._committer._queue.qsize()
    go.set()
    assert first.result()
    assert list(range(1, 101)) == [one.result() for one in taken]
    later = store.submit(_arrival("later"))
    assert 101 == later.result()
    waiting = Counter(left.key.event for left in store.waiting())
    assert {number + 1: number % 3 + 1 for number in range(100)} | {101: 1} == dict(waiting)
    assert ["99", "98"] == [event["event"]["id"] for event in Audit(database).events({}, 3)][1:]


def test_events_that_the_disk_does_not_take_are_refused_together(database: Database, store: Store) -> None:
    """Each sender is told, and what comes after them is taken."""
    pages = database.commit(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    database.commit(lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchall())
    large = Arrival("ns/b", Message({"id": "2", "type": "t"}, b"x" * 1_000_000), 255, ())
    assert ["StoreError"] * 3 == [type(store.submit(large).exception()).__name__ for _ in range(3)]
    database.commit(lambda connection: connection.execute("PRAGMA max_page_count=100000").fetchall())
    assert 4 == store.submit(large).result()


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    """It says so, instead of waiting without end; closing twice is no matter."""
    database = Database(tmp_path / "state")
    database.close()
    database.close()
    with pytest.raises(StoreError, match="the store is closed"):
        Store(database).submit(_arrival()).result()


def test_a_reader_cannot_write(database: Database) -> None:
    """And what goes wrong in reading is an error of the store."""
    with pytest.raises(StoreError, match="the store cannot be read"), database.reader() as connection:
        connection.execute("DELETE FROM events")
