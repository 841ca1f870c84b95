"""What becomes of what waits, by the broker's answer."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from molt import events, forward
from molt.commits import StoreError
from molt.forwarder import sender as sender_module
from molt.forwarder.broker import Answer, Silence
from molt.forwarder.outbox import Outbox
from molt.forwarder.room import Limits
from molt.forwarder.sender import Sender
from molt.forwarder.spool import Spool
from tests.molt.forwarder.kit import made, until

LIMITS = Limits(100, 2**24, 30.0)


class Way:
    """Answers what it is told, then 202."""

    def __init__(self, *answers: Answer | Silence) -> None:
        """Answer these first."""
        self.answers = list(answers)
        self.got: list[tuple[dict[str, str], bytes]] = []

    def __call__(self, headers: Mapping[str, str], body: bytes) -> Answer | Silence:
        """Take one event."""
        self.got.append((dict(headers), body))
        return self.answers.pop(0) if self.answers else Answer(202)

    @property
    def ids(self) -> list[str]:
        """Return the ids of what came."""
        return [headers["ce-id"] for headers, _ in self.got]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Return an open spool."""
    opened = Spool(tmp_path / "spool", LIMITS)
    yield opened
    opened.close()


@pytest.fixture
def outbox(spool: Spool) -> Outbox:
    """Return its outbox."""
    return Outbox(spool)


@pytest.fixture
def sender(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> Sender:
    """Return a sender whose chance is always the least: it does not wait."""
    monkeypatch.setattr(sender_module, "_IDLE", 0.005)
    return Sender(outbox, "node-1", lambda: 0.0)


def test_nothing_to_do(sender: Sender) -> None:
    """It may rest."""
    assert not sender.turn(Way())


def test_what_the_broker_has_is_gone(spool: Spool, outbox: Outbox, sender: Sender) -> None:
    """With the alert's identity as the event's, always the same."""
    way = Way()
    spool.take([made("1")])
    assert sender.turn(way)
    assert ["1"] == way.ids
    until(lambda: outbox.status()["waiting"] == 0)
    event = events.parse(way.got[0][0], way.got[0][1])
    assert ("https://falco.org", "falco.rule.output.v1", "1") == (event.source, event.type, event.data["uuid"])


def test_repeats_say_how_many_they_are(spool: Spool, sender: Sender) -> None:
    """As an extension of the event."""
    way = Way()
    spool.take([made("1"), made("2"), made("3")])
    spool.end_windows()
    sender.turn(way)
    sender.turn(way)
    assert [("1", None), ("3", "2")] == [(headers["ce-id"], headers.get("ce-repeats")) for headers, _ in way.got]


def test_silence_is_nobodys_fault(spool: Spool, sender: Sender, capsys: pytest.CaptureFixture[str]) -> None:
    """The alert does not get farther back for it; the trouble is told, and its end."""
    way = Way(*[Silence("refused")] * 12)
    spool.take([made("1")])
    assert [False] * 12 == [sender.turn(way) for _ in range(12)]
    assert "refused" == sender.trouble
    assert sender.turn(way)
    assert "" == sender.trouble
    lines = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]
    told = "the broker does not take events: refused"
    assert [told, told, "the broker takes events again, after 12 tries"] == lines


def test_one_error_does_not_hold_the_others_up(spool: Spool, outbox: Outbox) -> None:
    """An alert that the broker chokes on waits by itself; the next goes meanwhile."""
    chances = iter([0.0, 1.0])
    sender = Sender(outbox, "node-1", lambda: next(chances))
    way = Way(Answer(500, "choked"))
    spool.take([made("1"), made("2", rule="another", priority="Notice")])
    assert not sender.turn(way) or outbox.status()["waiting"] == 2
    until(lambda: sender.turn(way))
    until(lambda: outbox.status()["waiting"] == 1)
    assert ["1", "2"] == way.ids


def test_a_broker_that_asks_for_time_gets_it(spool: Spool, sender: Sender) -> None:
    """Nobody tries before."""
    way = Way(Answer(429, "", "60"))
    spool.take([made("1"), made("2", rule="another")])
    assert [False, False] == [sender.turn(way), sender.turn(way)]
    assert ["1"] == way.ids


def test_what_the_broker_refuses_is_kept_aside(
    spool: Spool, outbox: Outbox, sender: Sender, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its words; the next goes on."""
    way = Way(Answer(400, "no event"))
    spool.take([made("1"), made("2", rule="another")])
    assert [True, True] == [sender.turn(way), sender.turn(way)]
    (kept,) = outbox.rejected(10)
    assert ("1", "the broker: 400: no event") == (kept["id"], kept["reason"])
    until(lambda: outbox.status()["waiting"] == 0)
    (line,) = capsys.readouterr().out.splitlines()
    assert ("rejected", "1") == (json.loads(line)["outcome"], json.loads(line)["event"])


def test_drops_are_told_first(tmp_path: Path) -> None:
    """As an event with a number, which is the same until the broker has it."""
    spool = Spool(tmp_path / "other", Limits(1, 2**24, 0.0))
    sender = Sender(Outbox(spool), "node/ü", lambda: 0.0)
    spool.take([made("1", priority="Debug")])
    spool.take([made("2")])
    way = Way(Silence("dead"), Answer(202))
    assert [False, True, True, False] == [sender.turn(way) for _ in range(4)]
    (first, told), (second, again), _ = way.got
    assert (first, told) == (second, again)
    event = events.parse(first, told)
    assert (forward.DROPPED, "/molt/forwarder/node%2F%C3%BC") == (event.type, event.source)
    assert {"dropped": 1, "priorities": {"Debug": 1}, "node": "node/ü"}.items() <= event.data.items()
    assert "2" == way.ids[2]
    spool.close()


def test_one_connection_tells_of_drops(tmp_path: Path) -> None:
    """The others send alerts meanwhile: a batch would be told once by each."""
    spool = Spool(tmp_path / "other", Limits(1, 2**24, 0.0))
    sender = Sender(Outbox(spool), "node-1", lambda: 0.0)
    spool.take([made("1", priority="Debug")])
    spool.take([made("2")])
    other = Way()

    def slowly(headers: Mapping[str, str], _: bytes) -> Answer:
        assert headers["ce-type"] == forward.DROPPED
        assert [True, False] == [sender.turn(other), sender.turn(other)]
        return Answer(202)

    assert sender.turn(slowly)
    assert ["2"] == other.ids
    spool.close()


def test_a_broker_that_does_not_want_to_hear_of_drops_gets_the_alerts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may let in Falco's type alone; the drops are told again later."""
    spool = Spool(tmp_path / "other", Limits(1, 2**24, 0.0))
    sender = Sender(Outbox(spool), "node-1", lambda: 0.0)
    spool.take([made("1", priority="Debug")])
    spool.take([made("2")])
    way = Way(Answer(403))
    assert [False, True, False] == [sender.turn(way) for _ in range(3)]
    assert "2" == way.ids[1]
    monkeypatch.setattr(sender, "_tell", 0.0)
    assert sender.turn(way)
    assert [forward.DROPPED, "falco.rule.output.v1", forward.DROPPED] == [headers["ce-type"] for headers, _ in way.got]
    spool.close()


def test_an_error_of_the_disk_loses_nothing(
    spool: Spool, outbox: Outbox, sender: Sender, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was sent and could not be written down is sent again, with the same id."""
    spool.take([made("1")])
    way, broken, submit = Way(), threading.Event(), spool.tables.submit
    broken.set()

    def fails(change: Callable[[sqlite3.Connection], Any]) -> Future[Any]:
        if broken.is_set():
            return submit(lambda connection: connection.execute("the disk is full"))
        return submit(change)

    monkeypatch.setattr(spool.tables, "submit", fails)
    monkeypatch.setattr(sender_module, "_REST", 0.3)
    thread = threading.Thread(target=sender.run, args=(way,))
    thread.start()
    until(lambda: len(way.got) > 1)
    assert len(way.got) < 10, "it rests after each"
    broken.clear()
    until(lambda: outbox.status()["waiting"] == 0)
    sender.stop()
    thread.join()
    assert {"1"} == set(way.ids)
    assert "the spool: the store cannot write" in capsys.readouterr().out


def test_a_spool_that_cannot_be_read_is_said(
    spool: Spool, sender: Sender, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sending goes on when it can be read again."""
    reader, said = spool.tables.reader, threading.Event()

    def fails() -> Any:
        if not said.is_set():
            said.set()
            raise StoreError("the disk is gone")
        return reader()

    monkeypatch.setattr(spool.tables, "reader", fails)
    way = Way()
    spool.take([made("1")])
    thread = threading.Thread(target=sender.run, args=(way,))
    thread.start()
    until(lambda: way.ids == ["1"])
    sender.stop()
    thread.join()
    assert "the spool: the disk is gone" in capsys.readouterr().out


def test_several_send_until_they_are_stopped(spool: Spool, outbox: Outbox, sender: Sender) -> None:
    """Each alert goes once, whoever takes it."""
    way = Way()
    spool.woken = sender.wake
    threads = [threading.Thread(target=sender.run, args=(way,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    spool.take([made(str(number), rule=f"rule {number}") for number in range(50)])
    until(lambda: outbox.status()["waiting"] == 0)
    sender.stop()
    for thread in threads:
        thread.join()
    assert sorted(map(str, range(50))) == sorted(way.ids)
