"""From the sender to the end: replies, dead letters, restarts, fairness. These need no recorded vectors."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from molt.commits import StoreError
from molt.embedded.broker import service
from molt.embedded.broker.arrivals import Arrivals, Arriving
from molt.embedded.broker.database import Database
from molt.embedded.broker.routing import Arrival
from molt.embedded.broker.store import Key, Load, Store, Waiting
from tests.embedded.broker.harness import DELIVERY, EVENT, broker, running, trigger
from tests.embedded.broker.subscriber import Received, Said, subscribing

REPLY = {f"ce-{name}": value for name, value in {**EVENT, "id": "r", "type": "reply", "remedy": "next"}.items()}


def test_a_subscriber_gets_what_knative_sends(tmp_path: Path) -> None:
    """Binary mode, Prefer and Kn-Namespace, the arrival time, no hop counter."""
    with subscribing() as subscriber, running(tmp_path / "s", broker(), trigger("t", subscriber.url)) as broker_:
        assert 202 == broker_.send(body=b'{"a": 1}', id="x", rule="Überlauf".encode().decode("latin-1"))
        (request,) = subscriber.wait_for(1)
        broker_.settled(done=1)
    sent = {
        name: value
        for name, value in request.headers.items()
        if name.startswith(("ce-", "prefer", "kn-", "content-type"))
    }
    assert sent.pop("ce-knativearrivaltime").endswith("Z")
    assert {f"ce-{name}": value for name, value in {**EVENT, "id": "x"}.items()} | {
        "ce-rule": "Überlauf".encode().decode("latin-1"),
        "prefer": "reply",
        "kn-namespace": "ns",
        "content-type": "application/json",
    } == sent
    assert b'{"a": 1}' == request.body
    assert [
        {"event": "x", "type": "t", "trigger": "ns/t", "tries": 1, "status": 204, "outcome": "done", "reason": ""}
    ] == [{name: value for name, value in line.items() if name != "time"} for line in broker_.log(1)]


def test_a_reply_goes_to_whom_it_matches(tmp_path: Path) -> None:
    """Through the filters again, with the sender none the wiser."""
    with subscribing(lambda it: Said(200, REPLY, b"") if it.path == "/first" else Said()) as subscriber:
        first = trigger("first", f"{subscriber.url}/first", filter={"attributes": {"type": "t"}})
        second = trigger("second", f"{subscriber.url}/second", filters=[{"prefix": {"remedy": "ne"}}])
        with running(tmp_path / "s", broker(), first, second) as broker_:
            broker_.send(id="x")
            assert {"accepted": 2, "replies": 1, "pending": 0, "done": 2, "dead": 0, "kept": 0} == broker_.settled(
                done=2
            )
            assert ["replied", "done"] == [line["outcome"] for line in broker_.log(2)]
    assert ["x", "r"] == [request.id for request in subscriber.received]


def test_a_loop_ends_in_the_dead_letter(tmp_path: Path) -> None:
    """After 254 replies; the event that was answered last is the letter."""
    with subscribing(lambda it: Said(200, REPLY, b"") if it.path == "/loop" else Said()) as subscriber:
        loop = trigger("loop", f"{subscriber.url}/loop", delivery={"deadLetterSink": {"uri": f"{subscriber.url}/dead"}})
        with running(tmp_path / "s", broker(), loop) as broker_:
            broker_.send(id="x")
            assert (255, 254) == tuple(broker_.settled(dead=1)[name] for name in ("accepted", "replies"))
            url = broker_.service.url
    assert 255 == len(subscriber.at("/loop"))
    (letter,) = subscriber.at("/dead")
    names = ("knativebrokerttl", "knativeerrorcode", "knativeerrordata", "knativeerrordest")
    assert ("1", "400", "", f"{url}/ns/default") == tuple(letter.headers[f"ce-{name}"] for name in names)


def test_a_refused_event_goes_to_the_dead_letter_sink(tmp_path: Path) -> None:
    """At once, with why; the sink is asked for no reply."""
    with subscribing(
        lambda it: Said(422, {}, b"no such pod") if it.path == "/t" else Said(200, {}, b"thanks")
    ) as subscriber:
        delivery = DELIVERY | {"deadLetterSink": {"uri": f"{subscriber.url}/dead"}}
        with running(tmp_path / "s", broker(delivery), trigger("t", f"{subscriber.url}/t")) as broker_:
            broker_.send(id="x")
            broker_.settled(dead=1)
            (line,) = broker_.log(1)
    assert ("dead-lettered", 1, 422, "answered 422: no such pod") == tuple(
        line[name] for name in ("outcome", "tries", "status", "reason")
    )
    (letter,) = subscriber.at("/dead")
    assert ("bm8gc3VjaCBwb2Q=", "255") == (letter.headers["ce-knativeerrordata"], letter.headers["ce-knativebrokerttl"])
    assert ("ns", None) == (letter.headers["kn-namespace"], letter.headers.get("prefer"))


def test_a_dead_letter_that_nobody_takes_is_kept(tmp_path: Path) -> None:
    """The sink is tried as often as a subscriber; then the event stays here, and the log says so."""
    with subscribing(lambda _: Said(503)) as subscriber:
        delivery = DELIVERY | {"retry": 1, "deadLetterSink": {"uri": f"{subscriber.url}/dead"}}
        with running(tmp_path / "s", broker(delivery), trigger("t", f"{subscriber.url}/t")) as broker_:
            broker_.send(id="x")
            assert 1 == broker_.settled(dead=1)["kept"]
            (letter,) = broker_.get("/dead-letters")
            assert ("undeliverable", 2, 2) == (letter["sink"], letter["tries"], letter["sinkTries"])
            assert ["undeliverable"] == [line["outcome"] for line in broker_.log(1)]
    assert (2, 2) == (len(subscriber.at("/t")), len(subscriber.at("/dead")))


def test_a_service_and_a_broker_are_resolved(tmp_path: Path) -> None:
    """A Broker is here; for a Service the resolver is asked."""
    service_ = {"apiVersion": "v1", "kind": "Service", "name": "f"}
    to_service, to_broker = trigger("a", ""), trigger("b", "")
    to_service["spec"] |= {"broker": "other", "subscriber": {"ref": service_}}
    to_broker["spec"] |= {
        "subscriber": {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "other"}}
    }
    with running(tmp_path / "s", broker({}), broker({}, "other"), to_service, to_broker) as broker_:
        broker_.send(id="x")
        broker_.settled(done=1, dead=1)
        (letter,) = broker_.get("/dead-letters")
    assert "http://127.0.0.1:1/ns/f" in letter["reason"]


def test_a_slow_subscriber_holds_up_nobody_else(tmp_path: Path) -> None:
    """Its own lane fills; others go on."""
    slow = {"uri": "/slow"}
    with subscribing(lambda it: Said(wait=30 if it.path == slow["uri"] else 0)) as subscriber:
        triggers = [trigger(name, f"{subscriber.url}/{name}") for name in ("slow", "quick")]
        options = service.Options(width=2, grace=0)
        with running(tmp_path / "s", broker(), *triggers, options=options) as broker_:
            for number in range(30):
                broker_.send(id=str(number))
            assert 30 == len(subscriber.wait_for(30, "/quick"))
            assert 2 == len(subscriber.at("/slow"))


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    """The tries made count, the next one waits for its time, and a clock set back does not stretch that."""
    delivery = {"retry": 3, "backoffPolicy": "exponential", "backoffDelay": "PT0.05S"}
    with subscribing(lambda _: Said(503)) as subscriber:
        manifests = (broker(delivery), trigger("t", subscriber.url))
        with running(tmp_path / "s", *manifests) as broker_:
            broker_.send(id="x")
            subscriber.wait_for(2)
        with running(tmp_path / "s", *manifests) as broker_:
            broker_.settled(dead=1)
            (letter,) = broker_.get("/dead-letters")
    assert 4 == letter["tries"]
    assert len(subscriber.received) in {4, 5}


def test_what_lost_its_trigger_is_settled(tmp_path: Path) -> None:
    """Manifests may change between two runs: what has nowhere to go is dead, and kept."""
    slow = {"retry": 9, "backoffPolicy": "exponential", "backoffDelay": "PT1H"}
    with subscribing(lambda _: Said(400)) as subscriber:
        sink = slow | {"deadLetterSink": {"uri": "http://127.0.0.1:1/"}}
        lost = trigger("lost", "http://127.0.0.1:1/", delivery=slow)
        dying = trigger("dying", subscriber.url, delivery=sink)
        with running(tmp_path / "s", broker(), lost, dying) as broker_:
            broker_.send(id="x")
            while [1, 1] != sorted(it["sinkTries"] or it["tries"] for it in broker_.get("/deliveries?pending=1")):
                pass
        with running(tmp_path / "s", broker(), trigger("dying", subscriber.url, delivery=slow)) as broker_:
            assert (2, 2) == tuple(broker_.settled(dead=2)[name] for name in ("dead", "kept"))
            letters = {it["trigger"]: (it["sink"], it["reason"]) for it in broker_.get("/dead-letters")}
            assert {"dead", "undeliverable"} == {line["outcome"] for line in broker_.log(2)}
    assert {"ns/lost": ("none", "its trigger is gone"), "ns/dying": ("undeliverable", "answered 400")} == letters


@pytest.mark.parametrize("early", [0, 64])
def test_a_store_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, early: int) -> None:
    """The delivery is as it was; the trouble is said."""
    monkeypatch.setattr("molt.embedded.broker.dispatch._EARLY", early)
    failures = [StoreError("the store cannot write: disk full")]
    finish = Store.finish

    def failing(self: Store, *arguments: object) -> Future[int | None]:
        if failures:
            failed: Future[int | None] = Future()
            failed.set_exception(failures.pop())
            return failed
        return finish(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "finish", failing)
    monkeypatch.setattr("molt.embedded.broker.dispatch._DISK_PAUSE", 0.01)
    with subscribing() as subscriber, running(tmp_path / "s", broker(), trigger("t", subscriber.url)) as broker_:
        broker_.send(id="x")
        broker_.settled(done=1)
        assert ["error", None] == [line.get("level") for line in broker_.log(2)]
    assert ["x", "x"] == [request.id for request in subscriber.received]


def test_a_store_that_cannot_be_read_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delivery waits for it."""
    monkeypatch.setattr("molt.embedded.broker.dispatch._EARLY", 0)
    monkeypatch.setattr("molt.embedded.broker.dispatch._DISK_PAUSE", 0.01)
    failures, load = [StoreError("the store cannot be read: disk")], Store.load

    def failing(self: Store, key: Key) -> Load | None:
        if failures:
            raise failures.pop()
        return load(self, key)

    monkeypatch.setattr(Store, "load", failing)
    with subscribing() as subscriber, running(tmp_path / "s", broker(), trigger("t", subscriber.url)) as broker_:
        broker_.send(id="x")
        broker_.settled(done=1)
        assert ["error", None] == [line.get("level") for line in broker_.log(2)]
    assert ["x"] == [request.id for request in subscriber.received]


def test_a_log_that_cannot_be_written_holds_up_no_delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on the disk that is full, too: the thread goes on, and what the store did not take is tried again."""
    failures = [StoreError("the store cannot write: disk full")]
    finish = Store.finish

    def failing(self: Store, *arguments: object) -> Future[int | None]:
        if failures:
            failed: Future[int | None] = Future()
            failed.set_exception(failures.pop())
            return failed
        return finish(self, *arguments)  # type: ignore[arg-type]

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, "finish", failing)
    monkeypatch.setattr("molt.embedded.broker.dispatch._DISK_PAUSE", 0.01)
    options = service.Options(width=1)
    with (
        subscribing() as subscriber,
        running(tmp_path / "s", broker(), trigger("t", subscriber.url), options=options) as broker_,
    ):
        monkeypatch.setattr(broker_.out, "flush", full)
        for name in "xyz":
            broker_.send(id=name)
        broker_.settled(done=3)
    assert {"x", "y", "z"} == {request.id for request in subscriber.received}


def test_a_lane_passes_over_what_is_settled(tmp_path: Path) -> None:
    """A number that comes twice is delivered once."""
    with subscribing() as subscriber, running(tmp_path / "s", broker(), trigger("t", subscriber.url)) as broker_:
        broker_.send(id="x")
        broker_.settled(done=1)
        broker_.service.dispatcher._lanes["ns/t"].put(1)
        broker_.send(id="y")
        broker_.settled(done=2)
    assert ["x", "y"] == [request.id for request in subscriber.received]


def test_old_events_are_forgotten_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last few stay; a store that fails is left for another time."""
    monkeypatch.setattr(service, "_FORGET_EVERY", 0.01)
    with subscribing() as subscriber:
        options = service.Options(keep=2)
        with running(tmp_path / "s", broker(), trigger("t", subscriber.url), options=options) as broker_:
            for number in range(5):
                broker_.send(id=str(number))
            broker_.settled(done=5)
            while 2 < len(broker_.get("/events")):
                pass
            assert 5 == broker_.settled()["accepted"]
    database = Database(tmp_path / "s")
    database.close()
    service.forget(Store(database), 0)


def test_a_state_file_has_one_broker(tmp_path: Path) -> None:
    """A second one is refused: it would deliver everything again."""
    with (
        running(tmp_path / "s", broker()),
        pytest.raises(StoreError, match="another broker uses it"),
        running(tmp_path / "s", broker()),
    ):
        """It does not come to this."""


def test_answers_of_many_at_once_are_all_settled_once(tmp_path: Path) -> None:
    """Under load, with failures in between, every event ends exactly once."""
    failed: set[str] = set()
    turn = threading.Lock()

    def every_third_fails_once(request: Received) -> Said:
        with turn:
            if int(request.id) % 3 == 0 and request.id not in failed:
                failed.add(request.id)
                return Said(503)
        return Said(204)

    with (
        subscribing(every_third_fails_once) as subscriber,
        running(tmp_path / "s", broker(DELIVERY), trigger("t", subscriber.url)) as broker_,
    ):
        senders = [
            threading.Thread(target=lambda part=part: [broker_.send(id=str(n)) for n in range(part, 200, 8)])
            for part in range(8)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert 200 == broker_.settled(done=200)["accepted"]
        log = broker_.log(200)
        assert 200 == len({line["event"] for line in log}) == len(log)


def test_a_delivery_begins_before_the_disk_has_the_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender hears 202 no sooner; one that hears 503 sends again, and what then has its own number is settled."""
    submit, failing = Store.submit, [True]

    def slow(self: Store, arrival: Arrival, early: Callable[[int], None]) -> Future[int]:
        if failing:
            failing.clear()
            early(1_000)
            subscriber.wait_for(1)
            failed: Future[int] = Future()
            failed.set_exception(StoreError("disk full"))
            return failed
        return submit(self, arrival, early)

    monkeypatch.setattr(Store, "submit", slow)
    with subscribing() as subscriber, running(tmp_path / "s", broker(), trigger("t", subscriber.url)) as broker_:
        assert [503, 202] == [broker_.send(id="x"), broker_.send(id="x")]
        assert (1, 0) == tuple(broker_.settled(done=1)[name] for name in ("accepted", "pending"))
        assert ["x", "x"] == [received.id for received in subscriber.wait_for(2)]


def test_when_there_is_much_to_do_deliveries_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They read their event from it then, and nothing is kept in memory; replies, too."""
    monkeypatch.setattr("molt.embedded.broker.dispatch._EARLY", 0)
    answers = [Said(), Said(200, REPLY)]
    with (
        subscribing(lambda _: answers.pop()) as subscriber,
        running(tmp_path / "s", broker(), trigger("t", subscriber.url)) as broker_,
    ):
        broker_.send(id="x")
        assert 1 == broker_.settled(done=2)["replies"]
        assert ["x", "r"] == [received.id for received in subscriber.wait_for(2)]


def test_what_was_taken_is_answered_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is told to stop in the middle of a request answers it first; telling it twice is no matter."""
    insert = Arrivals.insert
    entered, go = threading.Event(), threading.Event()

    def slow(self: Arrivals, connection: sqlite3.Connection, group: Sequence[Arriving]) -> None:
        entered.set()
        go.wait(10)
        insert(self, connection, group)

    monkeypatch.setattr(Arrivals, "insert", slow)
    statuses: list[int] = []
    with running(tmp_path / "s", broker()) as broker_:
        sender = threading.Thread(target=lambda: statuses.append(broker_.send()))
        sender.start()
        entered.wait(10)
        broker_.service.stop()
        go.set()
    sender.join()
    broker_.service.stop()
    assert [202] == statuses


def test_an_abandoned_delivery_may_be_settled_already(tmp_path: Path) -> None:
    """Then there is nothing to say."""
    with running(tmp_path / "s", broker()) as broker_:
        broker_.service.dispatcher._abandon(Waiting(Key(1, "ns/t"), dying=False, tries=0, next_try=0))
        assert [] == broker_.log(0)
