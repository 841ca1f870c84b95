"""Several events at once on one FakeCluster, call by call in an order that the test draws.

Each task runs in a thread of its own that stops before every call to the API until it is let on. So one call happens at
a time, every order can be had, the same one again, and what must always hold is looked at between any two calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from molt.cluster import Resource
from molt.turns import Turns
from tests.functions.fake_cluster import FakeCluster

Task = Callable[[], None]


class Interleaving:
    """One run; `choose` returns which of so many tasks goes on, `watch` is called between any two calls."""

    def __init__(self, choose: Callable[[int], int], watch: Callable[[], None]) -> None:
        """Take what a test decides; nothing runs yet."""
        self._choose, self._watch = choose, watch
        self._changed = threading.Condition()
        self._names: dict[int, int] = {}  # tasks by thread: their numbers make a run repeatable
        self._waiting: set[int] = set()
        self._running = 0
        self._next: int | None = None
        self._errors: list[BaseException] = []

    def run(self, *tasks: Task) -> None:
        """Run the tasks to their ends, and raise what the first that failed has raised."""
        self._running = len(tasks)
        threads = [threading.Thread(target=self._body, args=(number, task)) for number, task in enumerate(tasks)]
        for thread in threads:
            thread.start()
        while self._let_one_on():
            pass
        for thread in threads:
            thread.join()
        for error in self._errors:
            raise error

    def wait(self) -> None:
        """Stop until this task is let on; called by anything but a task, go on at once."""
        number = self._names.get(threading.get_ident())
        if number is None:
            return
        with self._changed:
            self._waiting.add(number)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._next == number)
            self._next = None

    def _let_one_on(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._next is None and len(self._waiting) == self._running)
            if not self._running:
                return False
            self._watch()
            self._next = sorted(self._waiting)[self._choose(len(self._waiting))]
            self._waiting.remove(self._next)
            self._changed.notify_all()
            return True

    def _body(self, number: int, task: Task) -> None:
        self._names[threading.get_ident()] = number
        self.wait()
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for it
            self._errors.append(error)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()


class StoppingCluster(FakeCluster):
    """Stops before each call while an interleaving is set."""

    interleaving: Interleaving | None = None

    def _asked(self, verb: str, resource: Resource, namespace: str | None, subresource: str = "") -> None:
        if self.interleaving:
            self.interleaving.wait()
        super()._asked(verb, resource, namespace, subresource)


class StoppingTurns(Turns):
    """The turns of one process whose waiting is part of the interleaving."""

    def __init__(self, cluster: StoppingCluster) -> None:
        """Begin with nobody in turn."""
        super().__init__()
        self._cluster = cluster
        self._taken: set[str] = set()

    @contextmanager
    def of(self, subject: str) -> Iterator[Any]:
        """Wait, call by call, until nobody else is at it."""
        assert self._cluster.interleaving
        while subject in self._taken:
            self._cluster.interleaving.wait()
        self._taken.add(subject)
        try:
            yield
        finally:
            self._taken.remove(subject)
