"""The loop: follows the store, asks controllers, applies what they say.

One thread for all controllers. Before every decision it takes in what the store has told, its own writes too, so that
no decision is made on less than what was done; between decisions it sleeps until something changes or a timer is due.
"""

from __future__ import annotations

import json
import logging
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from molt.embedded.cluster.changes import ADDED, Record
from molt.embedded.cluster.controllers.actions import Wake, perform
from molt.embedded.cluster.controllers.cache import Cache, Ref, ref
from molt.embedded.cluster.controllers.kinds import SERVED
from molt.embedded.cluster.controllers.workqueue import WorkQueue
from molt.embedded.cluster.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from molt.embedded.cluster.controllers.actions import Action
    from molt.embedded.cluster.controllers.controller import Controller
    from molt.embedded.cluster.store import Store

LOG = logging.getLogger(__name__)

# An object that its own controller cannot read (a selector that is text, say) must not stop the others.
MALFORMED = (AttributeError, LookupError, TypeError, ValueError)


class Task(NamedTuple):
    """Which controller has to look at which object."""

    controller: str
    key: Ref


class Loop:
    """Runs controllers, by name, over a store until it is stopped or the store is closed."""

    def __init__(
        self,
        store: Store,
        controllers: Mapping[str, Controller],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """Begin with what the store holds now."""
        self._store = store
        self._controllers = controllers
        self._now = now
        self._monotonic = monotonic
        self._cache = Cache()
        self._queue: WorkQueue[Task] = WorkQueue()
        with store.lock:
            self._subscription = store.subscribe()
            found = {plural: store.list(plural) for plural in SERVED.values()}
        for plural, objects in found.items():
            self._cache.seed(plural, objects)
        for plural, objects in found.items():
            for obj in objects:
                self._note(Record(0, ADDED, plural, obj, None))
        self._thread = Thread(target=self._run, name="embedded-controllers", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, after the decision that is under way; return when the thread has ended."""
        self._subscription.close()
        self._thread.join()

    def _run(self) -> None:
        while not self._subscription.closed:
            self._follow(self._queue.wait(self._monotonic()))
            task = self._queue.take(self._monotonic())
            if task is not None:
                self._look(task)

    def _follow(self, timeout: float | None) -> None:
        """Take in all that the store has told; wait for it up to `timeout` seconds (None: without end)."""
        record = self._subscription.record(timeout)
        while record is not None:
            self._cache.apply(record)
            self._note(record)
            record = self._subscription.record(0)

    def _note(self, record: Record) -> None:
        """Note who has to look at what because of `record`."""
        for name, controller in self._controllers.items():
            try:
                self._queue.add(Task(name, key) for key in controller.touched(self._cache, record))
            except MALFORMED as error:
                _complain(name, ref(record.plural, record.obj), error)

    def _look(self, task: Task) -> None:
        """Have one controller decide about one object, and do what it says; what was overtaken is decided again."""
        obj = self._cache.get(task.key)
        try:
            if obj is not None:
                self._carry_out(
                    task, self._controllers[task.controller].decide(self._cache, task.key, obj, self._now())
                )
        except StoreError:
            self._queue.retry(task, self._monotonic())
        except MALFORMED as error:
            _complain(task.controller, task.key, error)
        else:
            self._queue.succeeded(task)

    def _carry_out(self, task: Task, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Wake):
                self._queue.add_at(task, self._monotonic() + action.seconds)
            else:
                perform(self._store, action)


def _complain(controller: str, key: Ref, error: Exception) -> None:
    """Log that an object cannot be read, on one line."""
    LOG.error("%s", json.dumps({"controller": controller, "object": key, "problem": repr(error)}))
