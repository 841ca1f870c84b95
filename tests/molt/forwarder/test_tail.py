"""A file that is followed through everything that happens to log files, and a pipe."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from molt.commits import StoreError
from molt.forwarder import lines as lines_module
from molt.forwarder import room, rotated
from molt.forwarder.intake import item
from molt.forwarder.lines import Lines, Reader, stream
from molt.forwarder.outbox import Outbox
from molt.forwarder.room import Limits
from molt.forwarder.spool import Full, Item, Position, Spool
from molt.forwarder.tail import Tail
from molt.forwarder.wire import LIMIT
from tests.molt.forwarder.kit import body


class Following:
    """A file, the spool, and a tail that may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        """Begin with no file and an empty spool."""
        self.path = folder / "events.log"
        self.spool = Spool(folder / "spool", Limits(10_000, 2**26, 0.0))
        self.outbox = Outbox(self.spool)
        self.stop = threading.Event()
        self.tail = self._made()

    def _made(self) -> Tail:
        def lost() -> None:
            self.spool.tables.commit(lambda connection: room.unread(connection, 1000.0))

        reader = Reader(self.spool.take, item, self.stop, lost)
        return Tail(self.path, self.spool.position(str(self.path)), reader)

    def write(self, *names: str, end: str = "\n") -> None:
        """Append an alert for each name."""
        with self.path.open("ab") as file:
            file.write(b"\n".join(body(name) for name in names) + end.encode())

    def rotate(self, name: str, *written: str, at: int) -> Path:
        """Write, and rename what was written, the last of it then."""
        if written:
            self.write(*written)
        os.utime(self.path, (at, at))
        return self.path.rename(self.path.with_name(name))

    def restart(self) -> None:
        """Go on as a new process would."""
        self.tail.close()
        self.tail = self._made()

    def read(self) -> list[str]:
        """Read until there is nothing more; return who came."""
        while self.tail.turn():
            pass
        found = []
        while waiting := self.outbox.claim():
            found.append(waiting.id)
            self.outbox.sent(waiting)
        return found


@pytest.fixture
def following(tmp_path: Path) -> Iterator[Following]:
    """Follow a file that is not there yet."""
    made = Following(tmp_path)
    yield made
    made.tail.close()
    made.spool.close()


def test_lines_come_once_each_as_they_are_written(following: Following) -> None:
    """From a file that is not there at first; half a line waits for its other half; empty lines are none."""
    assert [] == following.read()
    following.write("1", "2")
    assert ["1", "2"] == following.read()
    following.write("3", end="")
    assert [] == following.read()
    following.write("", end="\n\n  \n")
    with following.path.open("rb") as file:
        assert file.read().endswith(b"\n\n  \n")
    following.write("4")
    found = following.read()
    assert "4" in found
    assert [] == following.read()


def test_a_new_process_goes_on_where_the_last_one_was(following: Following) -> None:
    """Also in the middle of a line, and in a file that is shorter than what tells it from others."""
    following.write("1")
    assert ["1"] == following.read()
    following.write("2", end="")
    assert [] == following.read()
    following.restart()
    following.write("", end="\n")
    following.path.write_bytes(following.path.read_bytes())
    following.restart()
    assert [] == [name for name in following.read() if name == "1"]
    assert 0 == following.outbox.status()["again"]


def test_rotation_by_renaming(following: Following) -> None:
    """The old file is read to its end, what its writer still adds, too; the new one when there is something in it."""
    following.write("1")
    assert ["1"] == following.read()
    old = following.path.rename(following.path.with_suffix(".log.1"))
    with old.open("ab") as file:
        file.write(body("2") + b"\n")
    assert ["2"] == following.read()
    following.path.touch()
    with old.open("ab") as file:
        file.write(body("3"))
    assert [] == following.read()
    following.write("4")
    assert ["3", "4"] == following.read()
    following.restart()
    following.write("5")
    assert ["5"] == following.read()


def test_what_comes_between_the_last_look_and_the_new_file_is_read(following: Following) -> None:
    """The old file is left only at its end."""
    following.write("1")
    assert ["1"] == following.read()
    following.write("2")
    assert following.tail._leave()
    assert ["2"] == following.read()


def test_a_rotation_while_nobody_looked(following: Following) -> None:
    """The old file is found by its inode, whatever its name is now, and read to its end first."""
    following.write("1")
    assert ["1"] == following.read()
    following.tail.close()
    following.write("2")
    following.path.rename(following.path.with_name("elsewhere"))
    following.write("3")
    following.restart()
    assert ["2", "3"] == following.read()


@pytest.mark.parametrize("names", [(".3", ".2", ".1"), ("-20251129", "-20251130.10", ".2025-12-01T09:30")])
@pytest.mark.parametrize("running", [True, False])
def test_several_rotations_between_two_looks(following: Following, names: tuple[str, ...], *, running: bool) -> None:
    """All of the files are read, in the order in which they were written, and no other one; a kill changes nothing."""
    following.rotate("events.log.4", "before", at=50)
    following.write("1")
    assert ["1"] == following.read()
    if not running:
        following.tail.close()
    first, second, third = (f"events.log{name}" for name in names)
    following.rotate(first, at=100)
    following.write("foreign")
    following.rotate("foreign.log.1", at=150)
    following.rotate("events.log.old", "kept", at=150)
    following.rotate(second, "2", "3", at=200)
    following.rotate(third, "4", at=300)
    following.path.touch()
    if not running:
        following.restart()
    assert following.tail.turn() or following.tail.turn()
    following.restart()
    assert ["2", "3", "4"] == following.read()
    following.write("5")
    assert ["5"] == following.read()
    assert 0 == following.outbox.status()["again"] == following.outbox.status()["dropped"]


def test_a_file_that_was_packed_before_it_was_read_is_counted(
    following: Following, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, too, as alerts that were dropped are: nobody knows how many were in it."""
    following.rotate("events.log.4.gz", "before", at=50)
    following.write("1")
    assert ["1"] == following.read()
    following.rotate("events.log.3", at=100)
    following.rotate("events.log.2.gz", "2", at=200)
    following.path.touch()
    assert [] == following.read(), "its writer may still use the first"
    following.rotate("events.log.1", "3", at=300)
    following.write("4")
    assert ["3", "4"] == following.read()
    assert ["events.log.2.gz was packed before it was read: it is lost"] == [
        json.loads(line)["message"].rpartition("/")[2] for line in capsys.readouterr().out.splitlines()
    ]
    drops = following.outbox.drops()
    assert drops
    assert (1, {"unread files": 1}, 1) == (drops.count, drops.priorities, following.outbox.status()["dropped"])


def test_a_rotation_between_looking_and_opening(following: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever has the name by now is not read in its place: it is looked for again."""
    following.write("1")
    assert ["1"] == following.read()
    following.rotate("events.log.2", at=100)
    following.rotate("events.log.1", "2", at=200)
    following.write("3")
    later = rotated.later

    def meanwhile(path: Path, number: int) -> list[rotated.Rotated]:
        found = later(path, number)
        following.path.with_name("events.log.1").rename(following.path.with_name("events.log.2"))
        following.path.rename(following.path.with_name("events.log.1"))
        return found

    monkeypatch.setattr(rotated, "later", meanwhile)
    with pytest.raises(OSError, match="rotated again"):
        following.tail._leave()
    monkeypatch.setattr(rotated, "later", later)
    following.write("4")
    assert ["2", "3", "4"] == following.read()


def test_a_loss_that_cannot_be_counted_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """And reading goes on."""

    def lost() -> None:
        raise StoreError("the disk is full")

    Reader(lambda *_: None, item, threading.Event(), lost).lose("it is gone")
    said = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]
    assert ["it is gone", "not counted: the disk is full"] == said


def test_a_file_that_is_gone_while_nobody_looked(following: Following, capsys: pytest.CaptureFixture[str]) -> None:
    """The new one is read from its start, and it is said that something may be lost."""
    following.write("1", "2")
    following.read()
    following.tail.close()
    keeper = following.path.open("rb")
    following.path.unlink()
    following.write("3")
    following.restart()
    assert ["3"] == following.read()
    assert "what was read last is gone" in capsys.readouterr().out
    assert 1 == following.outbox.status()["dropped"]
    keeper.close()


def test_a_link_is_followed_to_the_folder_that_it_leads_to(
    following: Following, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a new process finds the file, rotated or not, and goes on where the last one was."""
    real = following.path.parent / "elsewhere" / "falco.log"
    real.parent.mkdir()
    real.touch()
    following.path.symlink_to(real)
    following.write("1", "2")
    assert ["1", "2"] == following.read()
    following.spool.tables.commit(lambda connection: connection.execute("DELETE FROM seen").rowcount)
    following.restart()
    following.write("3")
    assert ["3"] == following.read()
    following.tail.close()
    following.write("4")
    real.rename(real.with_suffix(".1"))
    following.write("5")
    following.restart()
    assert ["4", "5"] == following.read()
    assert "is gone" not in capsys.readouterr().out


def test_another_file_of_the_same_inode_is_another(following: Following) -> None:
    """Told by how it begins, or because it is too short."""
    for names in (("2",), ("3", "4", "5")):
        following.write("a", "b")
        following.read()
        following.tail.close()
        following.path.write_bytes(b"")
        following.write(*names)
        following.restart()
        assert list(names) == following.read()
        following.path.write_bytes(b"")
        following.restart()
        following.read()
        following.spool.tables.commit(lambda connection: connection.execute("DELETE FROM seen").rowcount)


def test_truncation(following: Following, capsys: pytest.CaptureFixture[str]) -> None:
    """copytruncate: what follows is read from the start, and it is said that something may be lost."""
    following.write("1", "2")
    assert ["1", "2"] == following.read()
    os.truncate(following.path, 0)
    following.write("3")
    assert ["3"] == following.read()
    assert "was truncated" in capsys.readouterr().out
    assert 1 == following.outbox.status()["dropped"]
    following.restart()
    assert [] == following.read()


def test_a_file_that_may_not_be_read_is_waited_for(following: Following, tmp_path: Path) -> None:
    """As one that is not there; so is a folder that is not there."""
    following.path.mkdir()
    assert [] == following.read()
    reader = Reader(following.spool.take, item, following.stop)
    gone = Tail(tmp_path / "none" / "f", Position(str(tmp_path / "none" / "f"), 1, "", 0), reader)
    assert not gone.turn()
    beside = Position(str(following.path), following.path.stat().st_ino, "", 0)
    assert not Tail(following.path, beside, reader).turn()


def test_a_file_that_vanishes_is_waited_for(following: Following) -> None:
    """Until there is another of its name."""
    following.write("1")
    assert ["1"] == following.read()
    following.path.unlink()
    assert [] == following.read()
    following.write("2")
    assert ["2"] == following.read()


def test_an_entry_that_cannot_be_opened_is_not_the_file(following: Following) -> None:
    """It is gone between two looks."""
    following.write("1")
    following.read()
    position = following.spool.position(str(following.path))
    assert position
    assert not rotated._is_the_same(following.path.with_name("gone"), position)


def test_a_line_that_is_no_alert_is_kept_and_passed(following: Following, capsys: pytest.CaptureFixture[str]) -> None:
    """What comes after it is read all the same."""
    following.path.write_bytes(b"12:00: Notice not in JSON\n" + body("1") + b"\n")
    assert ["1"] == following.read()
    (line,) = capsys.readouterr().out.splitlines()
    assert ("rejected", "12:00: Notice not in JSON") == (json.loads(line)["outcome"], json.loads(line)["letter"])
    assert 1 == following.outbox.status()["keptAside"]


def test_a_line_without_end_is_cut(following: Following) -> None:
    """It takes no more memory than the limit, and what follows is read."""
    following.path.write_bytes(b"x" * (3 * LIMIT) + b"\n" + body("1") + b"\n")
    assert ["1"] == following.read()
    assert 1 == following.outbox.status()["keptAside"]
    following.restart()
    assert [] == following.read()


def test_many_lines_are_many_transactions(following: Following) -> None:
    """Each with its own position."""
    following.write(*(str(number) for number in range(600)))
    assert [str(number) for number in range(600)] == following.read()


def test_reading_waits_while_the_spool_is_full(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same lines are given again until they are taken; it is said once."""
    monkeypatch.setattr(lines_module, "WAIT", 0.001)
    refusals: list[Exception] = [Full(), StoreError("the disk is full"), Full()]
    taken: list[list[Item]] = []

    def take(items: list[Item], _: Position | None) -> None:
        if refusals:
            raise refusals.pop(0)
        taken.append(items)

    reader = Reader(take, item, threading.Event())
    assert reader.give([(body("1"), 1)], lambda _: None)
    assert ["1"] == [one.id for items in taken for one in items]
    assert 1 == capsys.readouterr().out.count("reading waits")


def test_more_lines_at_once_than_a_spool_can_hold(following: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are taken in parts, each with its position: waiting for room for all of them would have no end."""
    monkeypatch.setattr(lines_module, "WAIT", 0.001)
    following.spool.limits = Limits(10, 2**26, 0.0)
    names = [str(number) for number in range(35)]
    following.write(*names)
    thread = threading.Thread(target=following.tail.run)
    thread.start()
    found = []
    for _ in range(2000):
        if waiting := following.outbox.claim():
            found.append(waiting.id)
            following.outbox.sent(waiting)
        elif len(found) == len(names):
            break
        following.stop.wait(0.005)
    following.stop.set()
    thread.join()
    assert names == found
    position = following.spool.position(str(following.path))
    assert position
    assert following.path.stat().st_size == position.offset


def test_an_inode_beyond_what_the_spool_can_hold(following: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network file systems use all of 64 bits."""
    fstat = os.fstat

    def far(number: int) -> os.stat_result:
        found = list(fstat(number))
        found[1] += 2**63
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", far)
    following.write("1")
    chunk = following.path.read_bytes()
    with following.path.open("rb", buffering=0) as file:
        following.tail._begin(file, 0)
        assert following.tail._pass(chunk)
    position = following.spool.position(str(following.path))
    assert position
    assert following.path.stat().st_ino == position.inode


def test_stopping_while_the_spool_is_full(following: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end does not wait, and the position stays where it was."""
    monkeypatch.setattr(lines_module, "WAIT", 0.001)

    def take(*_: object) -> None:
        following.stop.set()
        raise Full

    following.write("1", end="")
    tail = Tail(following.path, None, Reader(take, item, following.stop))
    tail.turn()
    following.path.rename(following.path.with_suffix(".1"))
    following.write("2")
    tail.run()
    assert [True, False] == [tail.turn(), tail.turn()], "the old file first, of which nothing was taken"
    tail.close()
    assert following.spool.position(str(following.path)) is None


def test_a_tail_in_a_thread(following: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks again and again until it is stopped."""
    monkeypatch.setattr(lines_module, "WAIT", 0.001)
    thread = threading.Thread(target=following.tail.run)
    thread.start()
    for name in ("1", "2"):
        following.write(name)
        while not following.outbox.status()["waiting"]:
            following.stop.wait(0.005)
        waiting = following.outbox.claim()
        assert waiting
        assert name == waiting.id
        following.outbox.sent(waiting)
    following.stop.set()
    thread.join()
    following.tail.close()


def test_a_file_that_cannot_be_read_is_opened_anew(
    following: Following, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A network file system loses files under way: reading goes on where it was, and not from the start."""
    monkeypatch.setattr(lines_module, "WAIT", 0.001)
    following.write("1")
    assert ["1"] == following.read()
    following.spool.tables.commit(lambda connection: connection.execute("DELETE FROM seen").rowcount)
    turn, failures = following.tail.turn, [OSError(errno.ESTALE, "Stale file handle")]

    def failing() -> bool:
        if failures:
            raise failures.pop()
        busy = turn()
        following.stop.set()
        return busy

    monkeypatch.setattr(following.tail, "turn", failing)
    following.write("2")
    following.tail.run()
    waiting = following.outbox.claim()
    assert waiting
    assert ("2", None) == (waiting.id, following.outbox.claim())
    assert "Stale file handle" in capsys.readouterr().out


def _piped(*chunks: bytes) -> io.BufferedReader:
    reading, writing = os.pipe()
    for chunk in chunks:
        os.write(writing, chunk)
    os.close(writing)
    return os.fdopen(reading, "rb")


def test_a_pipe_is_read_to_its_end(following: Following) -> None:
    """Its last line needs no end."""
    with _piped(body("1") + b"\n" + body("2")[:20], body("2")[20:]) as source:
        stream(source, Reader(following.spool.take, item, following.stop))
    assert ["1", "2"] == following.read()


def test_a_pipe_is_left_when_stopped(following: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is read, or while the spool is full."""
    monkeypatch.setattr(lines_module, "WAIT", 0.001)

    def take(*_: object) -> None:
        following.stop.set()
        raise Full

    with _piped(body("1") + b"\n") as source:
        stream(source, Reader(take, item, following.stop))
        stream(source, Reader(take, item, following.stop))
    assert [] == following.read()


def test_offsets_are_those_after_each_line() -> None:
    """Empty lines count, and are not given; the last one may lack its end."""
    lines = Lines(10)
    assert [(b"ab", 13), (b"cd", 17)] == lines.feed(b"ab\n\ncd\nef")
    assert [(b"efg", 20)] == lines.feed(b"g", last=True)
    assert [] == lines.feed(b" ", last=True)
    assert [] == lines.feed(b"", last=True)
