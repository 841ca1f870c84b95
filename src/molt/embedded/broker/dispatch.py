"""Takes events in and gets each to its subscribers: a lane for every trigger, another for its dead letters."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, cast

from molt.commits import StoreError
from molt.embedded.broker import routing, steps
from molt.embedded.broker.fair import flow_of
from molt.embedded.broker.lane import Lane
from molt.embedded.broker.steps import Again, Finish, GiveUp, Route
from molt.embedded.broker.store import Key, Load, Store, Try, Waiting, nothing
from molt.embedded.broker.verdict import delay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from molt.embedded.broker.journal import Journal
    from molt.embedded.broker.message import Message
    from molt.embedded.broker.transport import Transport

# The disk is full or gone: nothing to do but to look again.
_DISK_PAUSE = 1.0
# Deliveries that begin while the disk still takes their event: enough when there is little to do, and not worth their
# memory when there is much.
_EARLY = 64


class Dispatcher:
    """The broker proper. `width`: how many deliveries of one trigger are under way at once."""

    def __init__(
        self, routes: Iterable[Route], store: Store, transport: Transport, journal: Journal, *, width: int = 10
    ) -> None:
        """Make it; nothing is delivered before `start`."""
        self._routes = {route.trigger.key: route for route in routes}
        self._store = store
        self._transport = transport
        self._journal = journal
        self._fresh: dict[Key, Load] = {}
        self._lanes = {key: Lane(key, partial(self._try, key), width) for key in self._routes}
        self._sinks = {
            key: Lane(f"{key} dead letters", partial(self._try_sink, key), width)
            for key, route in self._routes.items()
            if route.sink
        }

    def start(self) -> int:
        """Go on with what was not settled when the broker ended; return how much that is."""
        waiting = list(self._store.waiting())
        for left in waiting:
            lanes = self._sinks if left.dying else self._lanes
            if left.key.trigger in lanes:
                lanes[left.key.trigger].put(left.key.event, self._wait(left))
            else:
                self._abandon(left)
        return len(waiting)

    def accept(self, broker: str, message: Message) -> int:
        """Take an event from outside; it is on the disk when this returns its number. Raises BadEvent, StoreError."""
        return self.submit(broker, message).result()

    def submit(self, broker: str, message: Message) -> Future[int]:
        """Take an event from outside; the future has its number once it is on the disk, or a StoreError.

        Raises BadEvent.
        """
        arrival = self._arrive(broker, None, message)
        begun: list[int] = []

        def taken(future: Future[int]) -> None:
            if not future.exception():
                self._taken(arrival, future.result(), begun)

        future = self._store.submit(arrival, partial(self._dispatch_early, arrival, begun))
        future.add_done_callback(taken)
        return future

    def close(self, grace: float) -> bool:
        """Start no more tries and wait up to `grace` seconds for those under way; tell whether they all ended."""
        lanes = [*self._lanes.values(), *self._sinks.values()]
        for lane in lanes:
            lane.close()
        deadline = time.monotonic() + grace
        ended = [lane.join(deadline) for lane in lanes]
        return all(ended)

    def _arrive(self, broker: str, hops: int | None, message: Message) -> routing.Arrival:
        triggers = (route.trigger for route in self._routes.values())
        return routing.arrive(message, broker, triggers, datetime.now(UTC), hops)

    def _dispatch_early(self, arrival: routing.Arrival, begun: list[int], event: int) -> None:
        """Deliver what is not on the disk yet, so that nobody waits for it, and write down that this has begun.

        Should it never be, it was never accepted: its sender, or the delivery that it answers, tries again, and whoever
        got it gets it twice. Nobody else has its number.
        """
        if len(self._fresh) < _EARLY:
            load = Load(arrival.message, arrival.broker, arrival.hops, 0, 0, None, "", {}, fresh=True)
            self._fresh |= {Key(event, trigger): load for trigger in arrival.triggers}
            self._dispatch(arrival, event)
            begun.append(event)

    def _taken(self, arrival: routing.Arrival, event: int, begun: list[int]) -> None:
        """Go on with what the disk has."""
        if not begun:
            self._dispatch(arrival, event)
        if not arrival.triggers:
            self._journal.unrouted(arrival.message)

    def _dispatch(self, arrival: routing.Arrival, event: int) -> None:
        flow = flow_of(arrival.message)
        for trigger in arrival.triggers:
            self._lanes[trigger].put(event, flow=flow)

    def _wait(self, left: Waiting) -> float:
        """Return the seconds left until the next try; a clock that was set back does not stretch them."""
        remaining = max(0.0, left.next_try - time.time())
        delivery = self._routes[left.key.trigger].trigger.delivery
        longest = delay(delivery, max(0, left.tries - 1), delivery.retry_after_max or 0.0)
        return min(remaining, longest)

    def _abandon(self, left: Waiting) -> None:
        """Settle what has nowhere to go since the manifests have changed."""
        load = self._store.load(left.key)
        if load is None:
            return
        if left.dying:
            self._store.inter(left.key, load.sink_tries, delivered=False)
            self._journal.settled(load.message, left.key.trigger, load.tried, "undeliverable")
        else:
            tried = Try(load.tries, load.status, "its trigger is gone")
            self._store.bury(left.key, tried)
            self._journal.settled(load.message, left.key.trigger, tried, "dead")

    def _try(self, trigger: str, event: int) -> None:
        self._guarded(self._lanes[trigger], Key(event, trigger), self._deliver)

    def _try_sink(self, trigger: str, event: int) -> None:
        self._guarded(self._sinks[trigger], Key(event, trigger), self._deliver_to_sink)

    def _guarded(self, lane: Lane, key: Key, leg: Callable[[Key, Load], None]) -> None:
        """Run one try; when the store fails, the delivery is still as it was, and is tried again."""
        load = self._fresh.pop(key, None)
        try:
            load = load or self._store.load(key)
            if load:
                leg(key, load)
        except StoreError as error:
            self._failed(lane, key, load, error)

    def _failed(self, lane: Lane, key: Key, load: Load | None, error: StoreError) -> None:
        if load and load.fresh:
            self._fresh[key] = load
        self._journal.trouble(error.reason, trigger=key.trigger, seq=key.event)
        lane.put(key.event, _DISK_PAUSE)

    def _deliver(self, key: Key, load: Load) -> None:
        route = self._routes[key.trigger]
        headers = {"prefer": "reply", "kn-namespace": route.trigger.namespace, **load.message.headers()}
        answer = self._transport.post(route.subscriber, headers, load.message.data, route.trigger.delivery.timeout)
        match steps.after_try(route, load.tries + 1, answer, partial(self._arrive, load.broker, load.hops)):
            case Finish(tried, reply):
                self._finish(key, load, tried, reply)
            case Again(tried, wait):
                due = time.monotonic() + wait
                self._store.postpone(key, tried, time.time() + wait)
                self._lanes[key.trigger].put(key.event, due - time.monotonic(), flow_of(load.message))
            case GiveUp(tried, extensions) if route.sink:
                self._store.condemn(key, tried, extensions)
                self._sinks[key.trigger].put(key.event, flow=flow_of(load.message))
            case dead:
                self._store.bury(key, dead.tried)
                self._journal.settled(load.message, key.trigger, dead.tried, "dead")

    def _finish(self, key: Key, load: Load, tried: Try, reply: routing.Arrival | None) -> None:
        """Settle a delivery; nobody waits until the disk has that, so that many share one flush."""
        begun: list[int] = []

        def settled(future: Future[int | None]) -> None:
            if error := future.exception():
                self._failed(self._lanes[key.trigger], key, load, cast("StoreError", error))
                return
            if reply and (event := future.result()):
                self._taken(reply, event, begun)
            self._journal.settled(load.message, key.trigger, tried, "replied" if reply else "done")

        early = partial(self._dispatch_early, reply, begun) if reply else nothing
        self._store.finish(key, tried, reply, early).add_done_callback(settled)

    def _deliver_to_sink(self, key: Key, load: Load) -> None:
        route = self._routes[key.trigger]
        letter = routing.dead_letter(load.message, load.hops, load.extensions)
        headers = {"kn-namespace": route.trigger.namespace, **letter.headers()}
        delivery = route.trigger.delivery
        answer = self._transport.post(route.sink or "", headers, letter.data, delivery.timeout)
        match steps.after_sink_try(delivery, load.sink_tries + 1, answer):
            case Again(tried, wait):
                due = time.monotonic() + wait
                self._store.postpone_sink(key, tried.tries, time.time() + wait)
                self._sinks[key.trigger].put(key.event, due - time.monotonic(), flow_of(load.message))
            case step:
                delivered = isinstance(step, Finish)
                self._store.inter(key, step.tried.tries, delivered=delivered)
                outcome = "dead-lettered" if delivered else "undeliverable"
                self._journal.settled(load.message, key.trigger, load.tried, outcome)
