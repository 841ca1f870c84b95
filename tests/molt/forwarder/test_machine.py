"""The spool against a model, whatever happens in which order: bounded, and what was acknowledged is never just gone.

Each acknowledged alert is sent, or waits, or was dropped for something more urgent and counted, or is a repeat that a
later one stands for. The file is abandoned at any commit, as by kill -9, and opened again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from molt.forwarder.outbox import Outbox, Waiting
from molt.forwarder.room import Limits
from molt.forwarder.spool import Full, Item, Spool
from molt.forwarder.tables import REJECTED
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
        self.sent: set[str] = set()
        self.gone: set[str] = set()  # dropped, or a repeat that a later one stands for: `take` looks at which
        self.told: Counter[str] = Counter()
        self.air: list[Waiting] = []
        self.refused: set[str] = set()
        self._open()

    def _open(self) -> None:
        self.spool = Spool(self.folder / "spool", Limits(ROWS, BYTES, WINDOW), lambda: self.now)
        self.outbox = Outbox(self.spool)
        self.air = []

    def teardown(self) -> None:
        """Send what is left, and close it: every drop was told of, each once."""
        self.spool.end_windows()
        for waiting in self.air:
            self.outbox.give_back(waiting)
        self.now += WINDOW
        while found := self.outbox.claim():
            self.sent.add(found.id)
            self.outbox.sent(found)
        self.nothing_is_just_gone()
        assert 0 == self.outbox.status()["waiting"]
        self._count_drops()
        assert sum(self.told.values()) == self.outbox.status()["dropped"]
        self.spool.close()
        shutil.rmtree(self.folder)

    def _rows(self) -> dict[str, int]:
        """Return the priority of all that is in the spool, by identity."""
        with self.spool.tables.reader() as connection:
            return dict(connection.execute("SELECT id, priority FROM alerts").fetchall())

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
        """Take an alert: what goes for it was less urgent, or the repeat before it; refused, it changes nothing."""
        self.number += 1
        made = Item(str(self.number), int(priority), {}, b"x" * size, key)
        before, rows = self.outbox.status(), self._rows()
        try:
            self.spool.take([made])
        except Full:
            assert (before, rows) == (self.outbox.status(), self._rows())
            return
        after, self.acknowledged[made.id] = self.outbox.status(), made
        vanished = rows.keys() - self._rows().keys()
        dropped = sum(after[name] - before[name] for name in ("dropped", "forgotten"))
        if after["repeats"] > before["repeats"] and len(vanished) > dropped:
            vanished -= {name for name in vanished if key and self.acknowledged[name].key == key}
        assert len(vanished) == dropped
        assert all(rows[name] > made.priority for name in vanished)
        self.gone |= rows.keys() - self._rows().keys()

    @precondition(lambda self: self.acknowledged)
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """Send one that is known again, whose acknowledgment was not heard: nothing changes but the count."""
        known = {
            *list(self.acknowledged)[-ROWS:],
            *(name for name, urgency in self._rows().items() if urgency < REJECTED),
        }
        if not (known := known - self.refused):
            return
        made = self.acknowledged[data.draw(st.sampled_from(sorted(known)))]
        before = self.outbox.status()
        self.spool.take([made])
        after = self.outbox.status()
        assert (before["again"] + 1, before["waiting"]) == (after["again"], after["waiting"])

    @rule(seconds=st.sampled_from([0.1, 5.0, 10.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass, and tidy."""
        self.now += seconds
        self.spool.tidy()

    @rule()
    def claim(self) -> None:
        """Claim one, which nobody else has."""
        found = self.outbox.claim()
        if found:
            assert found.seq not in {one.seq for one in self.air}
            self.air.append(found)

    @precondition(lambda self: self.air)
    @rule(became=st.sampled_from(["sent", "failed", "refused"]))
    def settle(self, became: str) -> None:
        """Let the broker answer."""
        waiting = self.air.pop(0)
        if became == "sent":
            self.sent.add(waiting.id)
            self.outbox.sent(waiting)
        elif became == "failed":
            self.outbox.failed(waiting, 5.0, "500")
        else:
            self.outbox.refused(waiting, "400")
            if self._rows().get(waiting.id) == REJECTED:
                self.refused.add(waiting.id)  # it may come again, and is no longer known

    @rule()
    def tell(self) -> None:
        """Tell of the drops."""
        self._count_drops()

    @rule()
    def kill(self) -> None:
        """Kill the process: what was committed is all that there is."""
        copy = Path(tempfile.mkdtemp())
        for file in self.folder.iterdir():
            shutil.copy(file, copy)
        self.spool.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self._open()

    @invariant()
    def nothing_is_just_gone(self) -> None:
        """Whatever was acknowledged is there, or was sent, or `take` saw why it went."""
        assert not self.acknowledged.keys() - self._rows().keys() - self.sent - self.gone

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


TestSpool = pytest.mark.timeout(600)(SpoolMachine.TestCase)  # each step waits for the disk
TestSpool.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
