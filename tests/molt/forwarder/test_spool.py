"""The spool: bounded, and what it says is on the disk is there."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from molt.commits import StoreError
from molt.forwarder.outbox import Outbox, Waiting
from molt.forwarder.room import Limits
from molt.forwarder.spool import Full, Item, Position, Spool, len_of
from molt.forwarder.tables import REJECTED
from tests.molt.forwarder.kit import made


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        """Begin somewhere."""
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Time:
    """Return the clock."""
    return Time()


@pytest.fixture
def opened(tmp_path: Path, clock: Time) -> Callable[..., tuple[Spool, Outbox]]:
    """Return what opens the same spool again and again."""

    def open_(**limits: float) -> tuple[Spool, Outbox]:
        given = {"alerts": 100, "bytes": 2**20, "window": 10.0, **limits}
        spool = Spool(tmp_path / "spool", Limits(int(given["alerts"]), int(given["bytes"]), given["window"]), clock)
        return spool, Outbox(spool)

    return open_


Opened = Callable[..., tuple[Spool, Outbox]]


def _other(identity: str, priority: str = "Critical") -> Item:
    """Return an alert that repeats no other."""
    return made(identity, rule=f"rule {identity}", priority=priority)


def _drain(outbox: Outbox) -> list[Waiting]:
    """Claim and settle all that is due."""
    found = []
    while waiting := outbox.claim():
        outbox.sent(waiting)
        found.append(waiting)
    return found


def _ids(outbox: Outbox) -> list[str]:
    return [waiting.id for waiting in _drain(outbox)]


def test_the_most_urgent_goes_first_then_the_oldest(opened: Opened) -> None:
    """What was taken is there after the file is opened again, in the order of urgency and age."""
    spool, _ = opened()
    for identity, priority in (("1", "Notice"), ("2", "Critical"), ("3", "Notice"), ("4", "Critical")):
        spool.take([_other(identity, priority)])
    spool.close()
    spool, outbox = opened()
    assert ["2", "4", "1", "3"] == _ids(outbox)
    assert (4, 4, 0, 0) == tuple(outbox.status()[name] for name in ("received", "sent", "waiting", "bytes"))
    spool.close()


def test_two_claims_are_two_alerts_until_they_are_given_back(opened: Opened) -> None:
    """Nobody gets what is in another's hands."""
    spool, outbox = opened()
    spool.take([_other("1"), _other("2")])
    first, second = outbox.claim(), outbox.claim()
    assert first
    assert second
    assert (["1", "2"], None) == ([first.id, second.id], outbox.claim())
    outbox.give_back(first)
    assert ["1"] == _ids(outbox)
    spool.close()


def test_the_same_identity_is_taken_once(opened: Opened, clock: Time) -> None:
    """Waiting or sent a moment ago it is acknowledged and counted; after ten minutes it is a new one."""
    spool, outbox = opened(window=0)
    spool.take([_other("1")])
    spool.take([_other("1")])
    assert ["1"] == _ids(outbox)
    clock.now += 599
    spool.tidy()
    spool.take([_other("1")])
    assert [] == _ids(outbox)
    clock.now += 2
    spool.tidy()
    spool.take([_other("1")])
    assert ["1"] == _ids(outbox)
    assert (4, 2) == (outbox.status()["received"], outbox.status()["again"])
    spool.close()


def test_what_waits_for_long_is_known_for_as_long(opened: Opened, clock: Time) -> None:
    """An identity is not forgotten while its alert waits."""
    spool, outbox = opened()
    spool.take([_other("1")])
    clock.now += 10_000
    spool.tidy()
    spool.take([_other("1")])
    assert (["1"], 1) == (_ids(outbox), outbox.status()["again"])
    spool.close()


def test_as_many_identities_are_known_as_alerts_may_wait(opened: Opened) -> None:
    """The memory of identities is bounded, too."""
    spool, outbox = opened(alerts=3, window=0)
    for number in range(6):
        spool.take([_other(str(number))])
        _drain(outbox)
    spool.tidy()
    with spool.tables.reader() as connection:
        assert [("3",), ("4",), ("5",)] == connection.execute("SELECT id FROM seen ORDER BY n").fetchall()
    spool.close()


def test_repeats_are_counted_and_the_last_is_sent_at_the_windows_end(opened: Opened, clock: Time) -> None:
    """The first goes at once; the storm after it is one alert a window, with its number, even if the process is new."""
    spool, outbox = opened()
    for number in range(5):
        spool.take([made(str(number))])
    assert [("0", 0)] == [(waiting.id, waiting.repeats) for waiting in _drain(outbox)]
    assert (1, 4) == (outbox.status()["waiting"], outbox.status()["repeats"])
    spool.close()
    spool, outbox = opened()
    clock.now += 9
    assert [] == _drain(outbox)
    clock.now += 1
    spool.tidy()
    spool.take([made("5")])
    assert [("4", 4)] == [(waiting.id, waiting.repeats) for waiting in _drain(outbox)]
    clock.now += 10
    assert [("5", 1)] == [(waiting.id, waiting.repeats) for waiting in _drain(outbox)]
    clock.now += 10
    spool.tidy()
    spool.tidy()
    spool.take([made("6")])
    assert ["6"] == _ids(outbox)
    spool.close()


def test_a_repeat_after_the_end_opens_the_next_window_itself(opened: Opened, clock: Time) -> None:
    """Nothing depends on when somebody tidies."""
    spool, outbox = opened()
    spool.take([made("1"), made("2")])
    clock.now += 11
    spool.take([made("3")])
    assert ["1", "2"] == _ids(outbox)
    clock.now += 9.5
    assert [] == _ids(outbox)
    clock.now += 1
    assert ["3"] == _ids(outbox)
    clock.now += 20
    spool.take([made("4")])
    assert ["4"] == _ids(outbox)
    spool.close()


def test_without_a_window_nothing_is_a_repeat(opened: Opened) -> None:
    """A window of 0 seconds is none."""
    spool, outbox = opened(window=0)
    spool.take([made("1"), made("2")])
    assert ["1", "2"] == _ids(outbox)
    spool.close()


def test_what_is_more_urgent_than_its_window_is_sent_at_once(opened: Opened, clock: Time) -> None:
    """The last repeat still goes at the window's end, with what was counted before."""
    spool, outbox = opened()
    spool.take([made("1", priority="Notice"), made("2", priority="Notice"), made("3"), made("4", priority="Notice")])
    assert ["3", "1"] == _ids(outbox)
    clock.now += 10
    assert [("4", 2)] == [(waiting.id, waiting.repeats) for waiting in _drain(outbox)]
    spool.close()


def test_a_repeat_that_comes_while_the_last_one_is_in_the_air_stays(opened: Opened, clock: Time) -> None:
    """What was acknowledged is not deleted with what it replaced."""
    spool, outbox = opened()
    spool.take([made("1"), made("2")])
    clock.now += 10
    flying = outbox.claim()
    assert flying
    outbox.sent(flying)
    flying = outbox.claim()
    assert flying
    clock.now -= 1
    spool.take([made("3")])
    clock.now += 1
    outbox.sent(flying)
    assert ("2", ["3"]) == (flying.id, _ids(outbox))
    spool.close()


def test_windows_can_be_ended_at_once(opened: Opened) -> None:
    """At the end of the process the last repeats go, too."""
    spool, outbox = opened()
    spool.take([made("1"), made("2")])
    spool.end_windows()
    assert ["1", "2"] == _ids(outbox)
    spool.close()


def test_a_clock_that_is_set_back_holds_nothing_up(opened: Opened, clock: Time) -> None:
    """A window from the future is over, and its repeat is due."""
    spool, outbox = opened()
    clock.now += 100_000
    spool.take([made("1"), made("2")])
    clock.now -= 100_000
    spool.tidy()
    assert ["1", "2"] == _ids(outbox)
    spool.close()


def test_a_full_spool_lets_go_of_the_oldest_of_the_least_urgent(opened: Opened) -> None:
    """Each is counted by its priority, and told of once; what is not more urgent is refused, and changes nothing."""
    spool, outbox = opened(alerts=3)
    spool.take([_other("1", "Notice"), _other("2", "Debug"), _other("3", "Notice")])
    spool.take([_other("4", "Critical")])
    spool.take([_other("5", "Error")])
    for priority in ("Notice", "Debug"):
        with pytest.raises(Full):
            spool.take([_other("6", priority)])
    assert outbox.status()["full"]
    drops = outbox.drops()
    assert drops
    assert (2, {"Debug": 1, "Notice": 1}) == (drops.count, drops.priorities)
    assert ["4", "5", "3"] == _ids(outbox)
    assert (2, 5, 3) == tuple(outbox.status()[name] for name in ("dropped", "received", "sent"))
    spool.close()


def test_drops_are_told_in_batches_that_do_not_grow(opened: Opened, clock: Time) -> None:
    """What is dropped while a batch is told of belongs to the next; a batch is the same after a restart."""
    spool, outbox = opened(alerts=1)
    spool.take([_other("1", "Debug")])
    assert outbox.drops() is None
    spool.take([_other("2", "Notice")])
    clock.now += 5
    spool.take([_other("3", "Error")])
    first = outbox.drops()
    assert first
    assert (2, 1000.0, 1005.0) == (first.count, first.since, first.until)
    spool.take([_other("4", "Alert")])
    spool.close()
    spool, outbox = opened(alerts=1)
    assert first == outbox.drops()
    outbox.told(first)
    second = outbox.drops()
    assert second
    assert (1, first.spool, True) == (second.count, second.spool, second.batch > first.batch)
    outbox.told(second)
    assert outbox.drops() is None
    spool.close()


def test_a_batch_that_another_has_told_of_is_not_told_again(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two senders see it, and the second comes too late."""
    spool, outbox = opened(alerts=1)
    spool.take([_other("1", "Debug")])
    spool.take([_other("2", "Notice")])
    commit = spool.tables.commit

    def late(change: Callable[[sqlite3.Connection], object]) -> object:
        commit(lambda connection: connection.execute("DELETE FROM drops").rowcount)
        return commit(change)

    monkeypatch.setattr(spool.tables, "commit", late)
    assert outbox.drops() is None
    spool.close()


def test_bytes_are_bounded_as_rows_are(opened: Opened) -> None:
    """A large alert drops as many small ones as it needs, and none when that would not do."""
    small, large = _other("1", "Notice"), _other("2", "Critical")
    large = Item(large.id, large.priority, large.headers, large.body + b" " * 3 * len_of(small), large.key)
    spool, outbox = opened(bytes=len_of(small) * 4 + 100)
    spool.take([_other(str(number), "Notice") for number in (10, 11, 12)])
    spool.take([_other("13", "Alert")])
    before = outbox.status()
    with pytest.raises(Full):
        spool.take([large, _other("14", "Debug")])
    assert before == outbox.status()
    spool.take([_other("15", "Critical")])
    assert 1 == outbox.status()["dropped"]
    assert ["13", "15", "11", "12"] == _ids(outbox)
    assert 0 == outbox.status()["bytes"]
    spool.close()


def test_the_file_takes_at_most_twice_what_is_counted(opened: Opened, tmp_path: Path) -> None:
    """The worst are alerts of a little over half a page, of which a page holds one."""
    spool, _ = opened(alerts=1000, bytes=2**24)
    spool.take([Item(f"{number:032}", 3, {}, b"x" * 2050) for number in range(1000)])
    with spool.tables.reader() as connection:
        (counted,) = connection.execute("SELECT bytes FROM totals").fetchone()
    spool.close()
    assert (tmp_path / "spool").stat().st_size < 2 * counted


def test_a_repeat_that_grows_needs_room(opened: Opened, clock: Time) -> None:
    """In the place of the last one; when there is none it is refused, as any other."""
    spool, outbox = opened(alerts=2, bytes=3000)
    spool.take([made("1"), made("2")])
    grown = made("3")
    grown = Item(grown.id, grown.priority, grown.headers, grown.body + b" " * 4000, grown.key)
    with pytest.raises(Full):
        spool.take([grown])
    spool.take([made("4")])
    assert ["1"] == _ids(outbox)
    clock.now += 10
    assert [("4", 2)] == [(waiting.id, waiting.repeats) for waiting in _drain(outbox)]
    spool.close()


def test_the_last_repeat_may_be_dropped_and_the_next_one_takes_a_new_place(opened: Opened, clock: Time) -> None:
    """It is counted as dropped, and the window goes on; without room there is none for the next either."""
    spool, outbox = opened(alerts=2)
    spool.take([made("1", priority="Notice"), made("2", priority="Notice")])
    spool.take([_other("3"), _other("4")])
    assert 2 == outbox.status()["dropped"]
    with pytest.raises(Full):
        spool.take([made("5", priority="Notice")])
    assert ["3", "4"] == _ids(outbox)
    spool.take([made("6", priority="Notice")])
    clock.now += 10
    spool.tidy()
    assert [("6", 1)] == [(waiting.id, waiting.repeats) for waiting in _drain(outbox)]
    spool.close()


def test_a_failure_waits_for_its_turn(opened: Opened, clock: Time) -> None:
    """It is tried again after its delay, and says how often it was tried; others go meanwhile."""
    spool, outbox = opened()
    spool.take([_other("1"), _other("2", "Notice")])
    waiting = outbox.claim()
    assert waiting
    outbox.failed(waiting, 5.0, "500")
    assert ["2"] == _ids(outbox)
    clock.now += 5
    waiting = outbox.claim()
    assert waiting
    assert ("1", 1) == (waiting.id, waiting.tries)
    spool.close()


def test_the_refused_are_kept_aside_and_are_the_first_to_go(opened: Opened) -> None:
    """With the reason; they are never sent, push nothing out, and are forgotten, not dropped, for what is alive."""
    spool, outbox = opened(alerts=2)
    spool.take([_other("1")])
    waiting = outbox.claim()
    assert waiting
    outbox.refused(waiting, "the broker: 400")
    spool.take([Item("2", REJECTED, {}, b"\xffjunk", reason="not JSON")])
    spool.take([Item("2", REJECTED, {}, b"\xffjunk", reason="not JSON")])
    spool.take([Item("3", REJECTED, {}, b"junk", reason="not JSON")])
    assert [] == _ids(outbox)
    listed = outbox.rejected(10)
    assert [("2", "not JSON", "\ufffdjunk"), ("1", "the broker: 400", listed[1]["body"])] == [
        (one["id"], one["reason"], one["body"]) for one in listed
    ]
    assert ["2"] == [one["id"] for one in outbox.rejected(1)]
    assert (4, 1, 2, 0) == tuple(outbox.status()[name] for name in ("rejected", "forgotten", "keptAside", "waiting"))
    assert not outbox.status()["full"]
    spool.take([_other("4", "Debug")])
    assert (["4"], 2, 0) == (_ids(outbox), outbox.status()["forgotten"], outbox.status()["dropped"])
    assert outbox.drops() is None
    spool.close()


def test_an_alert_that_was_refused_may_come_again_later(opened: Opened, clock: Time) -> None:
    """Whoever sends it again after its reason is gone is not told that it is known."""
    spool, outbox = opened()
    spool.take([_other("1")])
    waiting = outbox.claim()
    assert waiting
    outbox.refused(waiting, "400")
    clock.now += 601
    spool.tidy()
    spool.take([_other("1")])
    assert ["1"] == _ids(outbox)
    spool.close()


def test_an_alert_that_was_refused_may_come_again_at_once(opened: Opened) -> None:
    """What is acknowledged is sent: the reason may be gone before the identity is forgotten."""
    spool, outbox = opened(window=0)
    spool.take([_other("1")])
    waiting = outbox.claim()
    assert waiting
    outbox.refused(waiting, "400")
    spool.take([_other("1")])
    assert (["1"], 0) == (_ids(outbox), outbox.status()["again"])
    spool.close()


class _Late:
    """The spool's reading connection, to which something happens after its first look."""

    def __init__(self, connection: sqlite3.Connection, happen: Callable[[], None]) -> None:
        """Let it happen once."""
        self._connection = connection
        self._happen: list[Callable[[], None]] = [happen]

    def execute(self, *asked: Any) -> Any:
        """Look; what happens comes after it, in no transaction of the one who looks."""
        cursor = self._connection.execute(*asked)
        if not self._happen:
            return cursor
        rows = cursor.fetchall()
        self._happen.pop()()
        return SimpleNamespace(fetchall=lambda: rows)


def test_an_alert_that_is_dropped_while_it_is_claimed(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest of the least urgent is both the first to go and, where all are as urgent, the first to be sent."""
    spool, outbox = opened(alerts=1)
    spool.take([_other("1", "Notice")])
    late = _Late(spool.tables._reader, lambda: spool.take([_other("2")]))
    with monkeypatch.context() as patched:
        patched.setattr(spool.tables, "_reader", late)
        assert outbox.claim() is None
    assert (["2"], 1) == (_ids(outbox), outbox.status()["dropped"])
    spool.close()


def test_a_position_is_committed_with_what_was_read(opened: Opened) -> None:
    """With the alerts, or not at all."""
    spool, _ = opened(alerts=1)
    assert spool.position("/f") is None
    spool.take([_other("1")], Position("/f", 1, "head", 10))
    with pytest.raises(Full):
        spool.take([_other("2")], Position("/f", 1, "head", 20))
    spool.close()
    spool, _ = opened()
    assert Position("/f", 1, "head", 10) == spool.position("/f")
    spool.close()


def test_many_windows_are_ended_in_parts(opened: Opened, clock: Time) -> None:
    """More than a thousand at once are more than one transaction."""
    spool, outbox = opened(alerts=5000, bytes=2**30)
    spool.take([_other(str(number)) for number in range(1001)])
    clock.now += 10
    spool.tidy()
    with spool.tables.reader() as connection:
        assert 0 == connection.execute("SELECT count(*) FROM windows").fetchone()[0]
    assert 1001 == outbox.status()["waiting"]
    spool.close()


def test_nobody_else_reads_the_spool(opened: Opened, tmp_path: Path) -> None:
    """Neither the file nor what SQLite puts beside it: alerts say what ran, passwords among it."""
    spool, _ = opened()
    spool.take([_other("1")])
    found = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir() if path.suffix != ".lock"}
    assert {"spool": 0, "spool-wal": 0, "spool-shm": 0} == found
    spool.close()


def test_closing_waits_for_who_reads(opened: Opened) -> None:
    """A connection that is closed in the middle of a look takes the process along."""
    spool, outbox = opened()
    with spool.tables.reader() as connection:
        closing = threading.Thread(target=spool.close)
        closing.start()
        closing.join(0.2)
        assert [(1,)] == connection.execute("SELECT 1").fetchall()
    closing.join()
    with pytest.raises(StoreError, match="cannot be read"):
        outbox.waits()


def test_one_forwarder_has_the_spool(opened: Opened) -> None:
    """A second would send everything twice."""
    spool, _ = opened()
    with pytest.raises(StoreError, match="another forwarder is using it"):
        opened()
    spool.close()
    opened()[0].close()


def test_what_is_no_spool_is_not_touched(opened: Opened, tmp_path: Path) -> None:
    """Neither another file, nor another version, nor a folder that is not there."""
    (tmp_path / "spool").write_bytes(b"a letter" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        opened()
    (tmp_path / "spool").unlink()
    with sqlite3.connect(tmp_path / "spool") as other:
        other.execute("PRAGMA user_version=7")
    other.close()
    with pytest.raises(StoreError, match="has version 7, this is version 1"):
        opened()
    with pytest.raises(StoreError, match="No such file"):
        Spool(tmp_path / "nowhere" / "spool", Limits())


def test_a_spool_that_cannot_be_read_says_so(opened: Opened) -> None:
    """As an error of the store, which senders are told."""
    spool, outbox = opened()
    with pytest.raises(StoreError, match="the spool cannot be read"), spool.tables.reader() as connection:
        connection.execute("SELECT nothing")
    spool.close()
    with pytest.raises(StoreError, match="closed"):
        spool.take([_other("1")])
    with pytest.raises(StoreError, match="cannot be read"):
        outbox.status()


def test_a_full_disk_refuses_and_still_lets_go_of_what_is_sent(opened: Opened) -> None:
    """Nothing that does not fit is acknowledged; deleting needs no room, and then there is some again."""
    spool, outbox = opened(window=0)
    pages = spool.tables.commit(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    spool.tables.commit(lambda connection: connection.execute(f"PRAGMA max_page_count={pages + 4}").fetchone())
    taken: list[str] = []

    def fill() -> None:
        while True:
            spool.take([_other(str(len(taken)))])
            taken.append(str(len(taken)))

    with pytest.raises(StoreError, match="full"):
        fill()
    assert taken == _ids(outbox)
    spool.take([_other("again")])
    assert ["again"] == _ids(outbox)
    spool.close()
