"""The broker's memory against a model of it, in any order of its calls, with the process ending anywhere."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from molt.embedded.broker.audit import Audit
from molt.embedded.broker.database import Database
from molt.embedded.broker.message import Message
from molt.embedded.broker.routing import Arrival
from molt.embedded.broker.store import Key, Store, Try

TRIGGERS = ("ns/a", "ns/b")
SINCE_EVER = 0.0
NEVER_KEPT = 9e12


@dataclass(frozen=True)
class Delivery:
    """What the model knows of one delivery: `pending`, `dying`, `done`, `dead`, and whether a sink took it."""

    state: str = "pending"
    taken: bool = False
    tries: int = 0

    @property
    def is_open(self) -> bool:
        """Whether its event must stay: it waits, or died and nobody took it."""
        return self.state != "done" and not self.taken


class Broker(RuleBasedStateMachine):
    """Calls come in any order, for any delivery, settled ones too: a process may have been killed after a commit."""

    @initialize()
    def start(self) -> None:
        """Open an empty database."""
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database(Path(self.folder.name) / "state")
        self.model: dict[Key, Delivery] = {}
        self.events: set[int] = set()
        self.replies = self.number = self.accepted = 0
        self.counted = {"done": 0, "dead": 0}

    def teardown(self) -> None:
        """Close the database."""
        if hasattr(self, "database"):
            self.database.close()
            self.folder.cleanup()

    @property
    def store(self) -> Store:
        """The store of the database as it is open now."""
        return Store(self.database)

    @rule()
    def crash(self) -> None:
        """End the process between two calls, and start it anew."""
        self.database.close()
        self.database = Database(Path(self.folder.name) / "state")

    @rule(triggers=st.sets(st.sampled_from(TRIGGERS)))
    def accept(self, triggers: set[str]) -> None:
        """Take an event."""
        self._took(self.store.submit(self._arrival(triggers)).result(), triggers)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), triggers=st.none() | st.sets(st.sampled_from(TRIGGERS)))
    def finish(self, data: st.DataObject, triggers: set[str] | None) -> None:
        """Settle a delivery, with a reply or without; only a pending one is settled, and only its reply taken."""
        key = self._any(data)
        reply = None if triggers is None else self._arrival(triggers)
        number = self.store.finish(key, Try(self.model[key].tries + 1, 200), reply).result()
        pending = self.model[key].state == "pending"
        assert (pending and reply is not None) == (number is not None)
        if pending:
            self.model[key] = replace(self.model[key], state="done", tries=self.model[key].tries + 1)
            self.counted["done"] += 1
        if number is not None:
            self.replies += 1
            self._took(number, triggers or set())

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def postpone(self, data: st.DataObject) -> None:
        """Count a failed try; a settled delivery stays as it is."""
        key = self._any(data)
        tries = self.model[key].tries + 1
        self.store.postpone(key, Try(tries, 503, "busy"), 1.0)
        if self.model[key].state == "pending":
            self.model[key] = replace(self.model[key], tries=tries)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), sink=st.booleans())
    def give_up(self, data: st.DataObject, sink: bool) -> None:  # noqa: FBT001 - hypothesis calls it by name
        """Give a delivery up, for its sink or where none is."""
        key = self._any(data)
        tried = Try(self.model[key].tries + 1, 422, "no")
        if sink:
            self.store.condemn(key, tried, {"knativeerrorcode": "422"})
        else:
            self.store.bury(key, tried)
        if self.model[key].state == "pending":
            self.model[key] = Delivery("dying" if sink else "dead", tries=0 if sink else tried.tries)
            self.counted["dead"] += not sink

    @precondition(lambda self: self.model)
    @rule(data=st.data(), delivered=st.booleans())
    def inter(self, data: st.DataObject, delivered: bool) -> None:  # noqa: FBT001 - hypothesis calls it by name
        """Settle a delivery that was given up: its sink took it, or never will."""
        key = self._any(data)
        self.store.inter(key, 1, delivered=delivered)
        if self.model[key].state == "dying":
            self.model[key] = Delivery("dead", taken=delivered)
            self.counted["dead"] += 1

    @rule()
    def forget(self) -> None:
        """Remove all that may be removed: nothing that waits, nothing dead that nobody took."""
        while self.store.forget(0, NEVER_KEPT):
            pass
        left = {key.event for key, delivery in self.model.items() if delivery.is_open}
        self.model = {key: delivery for key, delivery in self.model.items() if key.event in left}
        self.events &= left

    @invariant()
    def agrees(self) -> None:
        """Find what waits, what it waits for, and every count as the model has them."""
        if not hasattr(self, "database"):
            return
        waiting = {one.key: ("dying" if one.dying else "pending", one.tries) for one in self.store.waiting()}
        open_ones = {
            key: (delivery.state, delivery.tries)
            for key, delivery in self.model.items()
            if delivery.state in {"pending", "dying"}
        }
        assert open_ones == waiting
        assert all((self.store.load(key) is not None) == (key in open_ones) for key in self.model)
        status = Audit(self.database).status()
        assert self.counted == {name: status[name] for name in self.counted}
        assert (self.accepted, self.replies, len(open_ones)) == tuple(
            status[name] for name in ("accepted", "replies", "pending")
        )

    def _any(self, data: st.DataObject) -> Key:
        return data.draw(st.sampled_from(sorted(self.model, key=lambda key: (key.event, key.trigger))))

    def _arrival(self, triggers: set[str]) -> Arrival:
        self.number += 1
        attributes = {"specversion": "1.0", "id": str(self.number), "source": "/s", "type": "t"}
        return Arrival("ns/b", Message(attributes, b"{}"), 255, tuple(sorted(triggers)))

    def _took(self, event: int, triggers: set[str]) -> None:
        assert event not in self.events
        self.events.add(event)
        self.accepted += 1
        self.model |= {Key(event, trigger): Delivery() for trigger in triggers}


TestBroker = Broker.TestCase
TestBroker.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
