"""Combining: what waits is done together, everybody gets his own answer, and nobody is lost or left hanging."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from molt.combining import Combiner
from molt.outcome import PermanentError, TemporaryError

Work = Callable[[Sequence[int]], Sequence[int]]
BAD = 3


class Waiting:
    """Threads at one combiner: the first is held up in its work until all the others wait behind it."""

    def __init__(self, longest: float = 10.0) -> None:
        """Begin with nobody at it."""
        self.combiner = Combiner[int, int](longest)
        self.batches: list[list[int]] = []
        self._begun, self._free = threading.Event(), threading.Event()

    def doubled(self, items: Sequence[int]) -> Sequence[int]:
        """Note what was asked together, and return twice each."""
        self.batches.append(list(items))
        return [2 * item for item in items]

    def _held_up(self, items: Sequence[int]) -> Sequence[int]:
        self._begun.set()
        assert self._free.wait(10)
        return self.doubled(items)

    @contextmanager
    def behind(self, work: Work, items: Sequence[int]) -> Iterator[list[Future[int]]]:
        """Have `items` submitted while the item 0 is worked on, until they all wait; yield their futures."""
        with ThreadPoolExecutor(len(items) + 1) as pool:
            first = pool.submit(self.combiner.submit, 0, self._held_up)
            assert self._begun.wait(10)
            futures = []
            for number, item in enumerate(items):
                futures.append(pool.submit(self.combiner.submit, item, work))
                while len(self.combiner._waiting) <= number:
                    time.sleep(0.001)
            self._free.set()
            yield futures
            assert 0 == first.result()


def test_alone_nobody_waits() -> None:
    """It is done in the thread that asks."""
    threads = []

    def work(items: Sequence[int]) -> Sequence[int]:
        threads.append(threading.current_thread())
        return items

    assert 7 == Combiner[int, int]().submit(7, work)
    assert [threading.current_thread()] == threads


def test_what_waits_is_done_together() -> None:
    """In the order in which it came, each with its own answer."""
    waiting = Waiting()
    with waiting.behind(waiting.doubled, range(1, 9)) as futures:
        assert list(range(2, 18, 2)) == [future.result() for future in futures]
    assert [[0], list(range(1, 9))] == waiting.batches


def test_what_fails_for_now_fails_for_all() -> None:
    """Each is delivered again; who comes after them finds nobody in his way."""
    waiting, error = Waiting(), TemporaryError("not now", 3)

    def work(items: Sequence[int]) -> Sequence[int]:
        waiting.doubled(items)
        raise error

    with waiting.behind(work, range(1, 5)) as futures:
        assert [error] * 4 == [future.exception() for future in futures]
    assert [[0], [1, 2, 3, 4]] == waiting.batches
    assert 10 == waiting.combiner.submit(5, waiting.doubled)


def test_what_is_refused_for_good_is_done_one_by_one() -> None:
    """What is wrong with one is not held against the others."""
    waiting = Waiting()

    def work(items: Sequence[int]) -> Sequence[int]:
        if BAD in items:
            raise PermanentError("bad")
        return waiting.doubled(items)

    with waiting.behind(work, [1, 2, BAD, 4]) as futures:
        assert {PermanentError} == {type(futures[2].exception())}
        assert [2, 4, 8] == [future.result() for future in (*futures[:2], futures[3])]
    assert [[0], [1], [2], [4]] == waiting.batches


def test_what_nobody_foresaw_leaves_nobody_hanging() -> None:
    """The thread that it happened to says what it was, the others are delivered again."""
    waiting = Waiting()

    def work(items: Sequence[int]) -> Sequence[int]:
        raise ZeroDivisionError(len(items))

    with waiting.behind(work, range(1, 5)) as futures:
        assert {ZeroDivisionError: 1, TemporaryError: 3} == _kinds(futures)
    assert 10 == waiting.combiner.submit(5, waiting.doubled)


def _kinds(futures: Sequence[Future[int]]) -> dict[type, int]:
    kinds = [type(future.exception()) for future in futures]
    return {kind: kinds.count(kind) for kind in kinds}


def test_who_waits_too_long_gives_it_back() -> None:
    """What was not begun by then is not done any more; whoever waits still is served."""
    combiner = Combiner[int, int](0.05)
    begun, free, seen = threading.Event(), threading.Event(), list[int]()

    def slow(items: Sequence[int]) -> Sequence[int]:
        seen.extend(items)
        begun.set()
        assert free.wait(10)
        return items

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(combiner.submit, 1, slow)
        assert begun.wait(10)
        with pytest.raises(TemporaryError, match=r"other events are still at it after 0\.05 s") as raised:
            combiner.submit(2, slow)
        assert 0.05 == raised.value.retry_after
        free.set()
        assert 1 == first.result()
    assert 3 == combiner.submit(3, slow)
    assert [1, 3] == seen


def test_many_threads_lose_nothing() -> None:
    """However they meet, each item is done once and answered to whom it belongs."""
    combiner, seen = Combiner[int, int](), list[int]()

    def work(items: Sequence[int]) -> Sequence[int]:
        seen.extend(items)
        return [-item for item in items]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda item: combiner.submit(item, work), range(2000)))
    assert [-item for item in range(2000)] == answers
    assert list(range(2000)) == sorted(seen)
