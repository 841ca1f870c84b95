"""The spool against a model, whatever happens in which order: bounded, and what was acknowledged is never just gone.

Each acknowledged alert is sent, or waits, or was dropped for something more urgent and counted, or is a repeat that a
later one stands for. The file is abandoned at any commit, as by kill -9, and opened again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from molt.forwarder.outbox import Outbox, Waiting
from molt.forwarder.room import Limits
from molt.forwarder.spool import Full, Item, Spool
from molt.priority import Priority

ROWS, BYTES, WINDOW = 5, 4000, 10.0


class SpoolMachine(RuleBasedStateMachine):
    """Takes, sends, fails, refuses, waits and kills."""

    def __init__(self) -> None:
        """Begin with an empty spool."""
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.now = 1000.0
        self.number = 0
        self.acknowledged: dict[str, Item] = {}
        self.sent: list[str] = []
        self.stood_for = 0
        self.told: Counter[str] = Counter()
        self.air: list[Waiting] = []
        self._open()

    def _open(self) -> None:
        self.spool = Spool(self.folder / "spool", Limits(ROWS, BYTES, WINDOW), lambda: self.now)
        self.outbox = Outbox(self.spool)
        self.air = []

    def teardown(self) -> None:
        """Close it, and send what is left: all is accounted for."""
        self.now += WINDOW
        self.spool.end_windows()
        for waiting in self.air:
            self.outbox.give_back(waiting)
        while waiting_ := self.outbox.claim():
            self.sent.append(waiting_.id)
            self.stood_for += max(0, waiting_.repeats - 1)
            self.outbox.sent(waiting_)
        self._count_drops()
        status = self.outbox.status()
        gone = len(self.acknowledged) - len(set(self.sent)) - self.stood_for - len(self.refused())
        assert gone <= status["dropped"] + status["forgotten"] + self.lost_repeats()
        assert sum(self.told.values()) == status["dropped"]
        self.spool.close()
        shutil.rmtree(self.folder)

    def refused(self) -> set[str]:
        """Return who is kept aside."""
        return {one["id"] for one in self.outbox.rejected(100)}

    def lost_repeats(self) -> int:
        """Return how many repeats were dropped or refused with the one that stood for them, which are counted."""
        status = self.outbox.status()
        return int(status["repeats"]) - self.stood_for

    def _count_drops(self) -> None:
        while drops := self.outbox.drops():
            self.told.update(drops.priorities)
            assert drops.count == sum(drops.priorities.values())
            self.outbox.told(drops)

    @rule(
        priority=st.sampled_from(list(Priority)),
        key=st.sampled_from([None, "a", "b"]),
        size=st.integers(0, 1500),
    )
    def take(self, priority: int, key: str | None, size: int) -> None:
        """An alert comes; when it is refused, nothing that waits was less urgent, or too little of it."""
        self.number += 1
        made = Item(str(self.number), int(priority), {}, b"x" * size, key)
        before = self.outbox.status()
        try:
            self.spool.take([made])
        except Full:
            assert before == self.outbox.status()
            return
        self.acknowledged[made.id] = made

    @precondition(lambda self: self.acknowledged)
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """The sender did not hear the acknowledgment: nothing changes but the count."""
        made = self.acknowledged[data.draw(st.sampled_from(sorted(self.acknowledged)))]
        before = self.outbox.status()
        self.spool.take([made])
        after = self.outbox.status()
        assert (before["again"] + 1, before["waiting"]) == (after["again"], after["waiting"])

    @rule(seconds=st.sampled_from([0.1, 5.0, 10.0]))
    def wait(self, seconds: float) -> None:
        """Time passes, and somebody tidies."""
        self.now += seconds
        self.spool.tidy()

    @rule()
    def claim(self) -> None:
        """A sender takes one, which nobody else has."""
        found = self.outbox.claim()
        if found:
            assert found.seq not in {one.seq for one in self.air}
            self.air.append(found)

    @precondition(lambda self: self.air)
    @rule(became=st.sampled_from(["sent", "failed", "refused"]))
    def settle(self, became: str) -> None:
        """The broker answers."""
        waiting = self.air.pop(0)
        if became == "sent":
            self.sent.append(waiting.id)
            self.stood_for += max(0, waiting.repeats - 1)
            self.outbox.sent(waiting)
        elif became == "failed":
            self.outbox.failed(waiting, 5.0, "500")
        else:
            self.outbox.refused(waiting, "400")

    @rule()
    def tell(self) -> None:
        """The drops are told."""
        self._count_drops()

    @rule()
    def kill(self) -> None:
        """The process is gone without a word; what was committed is all that there is."""
        copy = Path(tempfile.mkdtemp())
        for file in self.folder.iterdir():
            shutil.copy(file, copy)
        self.spool.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        before = self.acknowledged
        self._open()
        assert before == self.acknowledged

    @invariant()
    def bounded(self) -> None:
        """Neither rows nor bytes are more than allowed, and the totals are true."""
        status = self.outbox.status()
        with self.spool.tables.reader() as connection:
            rows, used = connection.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM alerts").fetchone()
        assert rows <= ROWS
        assert used <= BYTES
        assert (rows, used) == (status["waiting"] + status["keptAside"], status["bytes"])
        assert len(self.acknowledged) == status["received"] - status["again"]


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
