"""A routing slip on its way, whatever functions do with it: acted, gone round again, stopped, redelivered."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from molt import events
from molt.events import Event
from molt.itinerary import LONGEST_ITINERARY, STEP_OUTCOMES, Entry, PolicyRef, Slip, Step, Target

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT = "2026-01-02T03:04:05Z"
CAUSE = Event(
    "1", "https://falco.org", "falco.rule.output.v1", {}, extensions={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
)
STEPS = st.builds(
    Step,
    st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True),
    st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20) | st.none(), max_size=3),
)
REASONS = st.text(max_size=6000).map(lambda text: text.encode("utf-8", "replace").decode())


class Way(RuleBasedStateMachine):
    """Each event is carried over the wire before the next function reads it."""

    @initialize(
        steps=st.lists(STEPS, min_size=1, max_size=LONGEST_ITINERARY),
        mode=st.sampled_from(("Enforce", "DryRun")),
        rule_name=st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()),
    )
    def route(self, steps: list[Step], mode: str, rule_name: str) -> None:
        """Write the slip, as the router does."""
        target = Target("shop", "web-1", "u-1")
        slip = Slip({"id": "a-1", "rule": rule_name}, target, PolicyRef("p", "", 0), mode, tuple(steps))  # type: ignore[arg-type]
        self.planned = tuple(step.remedy for step in steps)
        self.done: list[str] = []
        self.went_round = 0
        self.stopped = False
        self.ids: set[str] = set()
        self._send("detect-router", slip, CAUSE)

    @precondition(lambda self: self.slip.itinerary)
    @rule(outcome=st.sampled_from(sorted(STEP_OUTCOMES)), reason=REASONS)
    def act(self, outcome: str, reason: str) -> None:
        """Do the step at the head."""
        head = self.slip.itinerary[0].remedy
        self.done.append(head)
        self._send(head, self.slip.record(Entry(head, outcome, reason, AT)), self.event)  # type: ignore[arg-type]

    @precondition(lambda self: self.slip.itinerary and self.went_round < 20)
    @rule(reason=REASONS)
    def go_round(self, reason: str) -> None:
        """Do a part of the step at the head, as rotate does with each pod."""
        head = self.slip.itinerary[0].remedy
        self.went_round += 1
        self._send(head, self.slip.note(Entry(head, "acted", reason, AT)), self.event)

    @precondition(lambda self: self.slip.itinerary)
    @rule()
    def stop(self) -> None:
        """Leave the rest undone."""
        self.stopped = True
        self._send(self.slip.itinerary[0].remedy, self.slip.stop(), self.event, key="stopped")

    @rule()
    def deliver_again(self) -> None:
        """Answer the same event anew: the same id, so that the broker's consumers know it for the same."""
        again = self.written.event(function=self.by, type="t", cause=self.cause, time=NOW, key=self.key)
        assert self.event == _carried(again)

    @invariant()
    def is_whole(self) -> None:
        """Find each step either done or to do, in order, and the next function named."""
        rest = tuple(step.remedy for step in self.slip.itinerary)
        if self.stopped:
            assert rest == ()
            assert tuple(self.done) == self.planned[: len(self.done)]
        else:
            assert (*self.done, *rest) == self.planned
        assert (rest[0] if rest else None) == self.event.extensions.get("remedy")
        assert len(self.slip.trail) == len(self.done) + self.went_round
        assert CAUSE.extensions["traceparent"] == self.event.extensions["traceparent"]

    def _send(self, by: str, slip: Slip, cause: Event, key: str = "") -> None:
        self.by, self.written, self.cause, self.key = by, slip, cause, key
        self.event = _carried(slip.event(function=by, type="t", cause=cause, time=NOW, key=key))
        assert self.event.id not in self.ids, "an event that is not the same must not have the same id"
        self.ids.add(self.event.id)
        self.slip = Slip.parse(self.event.data)
        assert json.loads(json.dumps(slip.render())) == self.slip.render()


def _carried(event: Event) -> Event:
    """Return the event as it comes out of HTTP."""
    headers, body = events.render(event)
    return events.parse(headers, body)


TestWay = Way.TestCase
TestWay.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
