"""The loop: what it starts from, retries, timers, objects that cannot be read, and how it stops."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster import controllers
from molt.embedded.cluster.controllers.actions import Update, Wake
from molt.embedded.cluster.controllers.cache import Ref, ref
from molt.embedded.cluster.controllers.kinds import DEPLOYMENT, NODE, POD, REPLICA_SET, SERVICE, STATEFUL_SET
from molt.embedded.cluster.controllers.loop import Loop
from molt.embedded.cluster.controllers.nodes import node
from molt.embedded.cluster.store import Store
from tests.embedded.controllers.running import SPACE, Shop, running

if TYPE_CHECKING:
    from collections.abc import Iterable

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.actions import Action, Object
    from molt.embedded.cluster.controllers.cache import Cache

THREAD = "embedded-controllers"


def _threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name == THREAD}


class Recorder:
    """A controller of pods that says what it is told to say, and notes that it was asked."""

    def __init__(self, *answers: list[Action]) -> None:
        """Give `answers` in turn, then none."""
        self.answers = list(answers)
        self.asked = threading.Semaphore(0)
        self.names: list[str] = []

    def touched(self, cache: Cache, record: Record) -> Iterable[Ref]:
        """Look at every pod that changes."""
        del cache
        return [ref(record.plural, record.obj)] if record.plural == POD.plural else []

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Give the next answer."""
        del cache, obj, now
        self.names.append(key.name)
        self.asked.release()
        return self.answers.pop(0) if self.answers else []


def _pod(store: Store, **fields: Any) -> Object:
    metadata = {"name": "web-a", "namespace": SPACE}
    return store.create(POD.plural, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}} | fields)


def _loop(store: Store, recorder: Recorder) -> Loop:
    loop = Loop(store, {"recorder": recorder}, lambda: datetime.now(UTC), time.monotonic)
    loop.start()
    return loop


def _times_asked(recorder: Recorder, count: int) -> bool:
    return all(recorder.asked.acquire(timeout=20) for _ in range(count))


def test_overtaken_decisions_are_made_again() -> None:
    """A write that the store refuses is decided again, on what is there then."""
    store = Store()
    stale = _pod(store)
    recorder = Recorder([Update(POD.plural, stale | {"metadata": stale["metadata"] | {"resourceVersion": "1"}})])
    loop = _loop(store, recorder)
    assert _times_asked(recorder, 2)
    loop.stop()


def test_wake() -> None:
    """A controller is asked again when the time that it named has come."""
    store = Store()
    recorder = Recorder([Wake(0.001)], [Wake(0.001)])
    loop = _loop(store, recorder)
    _pod(store)
    assert _times_asked(recorder, 3)
    loop.stop()


def test_own_writes_are_seen_before_the_next_decision() -> None:
    """What the loop wrote is in what the next decision sees: nothing is made twice."""
    with running() as shop:
        shop.workload(REPLICA_SET, replicas=20)
        shop.until(lambda: 20 == len(shop.ready()))
        assert 20 == len(shop.store.list(POD.plural))


def test_starts_from_what_is_there() -> None:
    """Controllers that start late find what was made before, and what others left undone."""
    store = Store()
    shop = Shop(store)
    shop.service()
    shop.workload(DEPLOYMENT)
    first = controllers.start(store, pace=controllers.Pace(0.0, 0.0))
    shop.until(lambda: 3 == len(shop.ready()))
    first.stop()
    store.delete(POD.plural, SPACE, shop.ready()[0])
    second = controllers.start(store, pace=controllers.Pace(0.0, 0.0))
    shop.until(lambda: 3 == len(shop.ready()) == len(store.list(POD.plural)))
    second.stop()


def test_stop_leaves_no_thread() -> None:
    """Stopped, or with its store closed, nothing runs on; to stop twice is harmless."""
    others = _threads()  # of clusters that other tests share
    store = Store()
    started = controllers.start(store)
    assert 1 == len(_threads() - others)
    started.stop()
    started.stop()
    assert set() == _threads() - others
    again = controllers.start(store)
    store.close()
    again.stop()
    assert set() == _threads() - others


def test_nodes() -> None:
    """An empty store gets the nodes that were asked for; one with nodes keeps those."""
    store = Store()
    controllers.start(store, nodes=["a", "b"]).stop()
    assert ["a", "b"] == [one["metadata"]["name"] for one in store.list(NODE.plural)]
    controllers.start(store, nodes=["c"]).stop()
    assert 2 == len(store.list(NODE.plural))
    addresses = {node("n", number, datetime.now(UTC))["status"]["addresses"][0]["address"] for number in (1, 2)}
    assert 2 == len(addresses)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (DEPLOYMENT, {"selector": "app=web", "template": {}}),
        (DEPLOYMENT, {"replicas": "three"}),
        (DEPLOYMENT, {"strategy": {"rollingUpdate": {"maxSurge": "many"}}}),
        (STATEFUL_SET, {"template": None}),
        (SERVICE, {"selector": "app=web"}),
    ],
)
def test_malformed_objects_stop_nobody(kind: Any, spec: Object, caplog: pytest.LogCaptureFixture) -> None:
    """An object that cannot be read is told on one line, and everybody else goes on."""
    with running() as shop:
        shop.workload(kind, "broken", **spec)
        shop.workload(REPLICA_SET, "web")
        shop.until(lambda: 3 == len(shop.ready()))
        shop.until(lambda: caplog.records)
    message = caplog.records[0].getMessage()
    assert '"problem": ' in message
    assert "\n" not in message
