"""Flat combining: of the threads that want the same done, one does it for all that wait, and each gets its own answer.

Whoever finds nobody at it begins at once, in its own thread: alone it waits for nobody. What comes meanwhile waits, and
is all done together next.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

from molt.outcome import MoltError, PermanentError, TemporaryError
from molt.turns import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")


class Combiner(Generic[T, R]):
    """What waits to be done together, by the threads of one process."""

    def __init__(self, longest: float = LONGEST) -> None:
        """Begin with nothing to do; nobody waits for more than `longest` seconds for another thread."""
        self._longest = longest
        self._changed = threading.Condition()
        self._waiting: list[tuple[T, Future[R]]] = []
        self._busy = False

    def submit(self, item: T, work: Callable[[Sequence[T]], Sequence[R]]) -> R:
        """Return what `work`, called by whichever thread, makes of the item; it gets all that wait, in their order.

        What `work` raises each of them raises. Raises TemporaryError when it takes too long: the item may be done yet.
        """
        future: Future[R] = Future()
        with self._changed:
            self._waiting.append((item, future))
            self._changed.wait_for(lambda: future.done() or not self._busy, self._longest)
            batch = self._begin(future)
        if batch:
            self._finish(batch, work)
        return future.result()

    def _begin(self, future: Future[R]) -> list[tuple[T, Future[R]]]:
        """Return what to do now: all that waits, or nothing where the answer is there, or did not come in time."""
        if future.done():
            return []
        if self._busy:
            self._waiting = [one for one in self._waiting if one[1] is not future]
            raise TemporaryError(f"other events are still at it after {self._longest:g} s", self._longest)
        self._busy = True
        batch, self._waiting = self._waiting, []
        return batch

    def _finish(self, batch: list[tuple[T, Future[R]]], work: Callable[[Sequence[T]], Sequence[R]]) -> None:
        try:
            _together(batch, work)
        finally:
            with self._changed:
                self._busy = False
                for _, future in batch:
                    if not future.done():  # something that nobody foresaw: its own thread raises it as it is
                        future.set_exception(TemporaryError("the event that this one was done with has failed"))
                self._changed.notify_all()


def _together(batch: Sequence[tuple[T, Future[R]]], work: Callable[[Sequence[T]], Sequence[R]]) -> None:
    """Do all at once; if that is refused for good, each by itself: it may be the fault of one."""
    try:
        results = work([item for item, _ in batch])
    except MoltError as error:
        if isinstance(error, PermanentError) and len(batch) > 1:
            for one in batch:
                _together([one], work)
            return
        for _, future in batch:
            future.set_exception(error)
        return
    for (_, future), result in zip(batch, results, strict=True):
        future.set_result(result)
