"""The work queue: each key once, timers, retries."""

from __future__ import annotations

from molt.embedded.cluster.controllers.workqueue import FIRST_RETRY, LONGEST_RETRY, WorkQueue


def test_each_key_once_in_order() -> None:
    """A key that is added again keeps its place and comes once."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add(["b", "a", "b"])
    assert 0.0 == queue.wait(1.0)
    assert ["b", "a", None] == [queue.take(1.0) for _ in range(3)]
    assert queue.wait(1.0) is None


def test_timers() -> None:
    """A key comes at the earliest of its times, once, and later times after that count again."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add_at("a", 5.0)
    queue.add_at("a", 3.0)
    queue.add_at("a", 4.0)
    assert 2.0 == queue.wait(1.0)
    assert [None, "a", None] == [queue.take(2.9), queue.take(3.0), queue.take(9.0)]
    queue.add_at("a", 8.0)
    assert 0.0 == queue.wait(9.0)
    assert "a" == queue.take(9.0)


def test_timer_and_key_at_once() -> None:
    """A key whose timer ends while it waits in the queue comes once."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add(["a"])
    queue.add_at("a", 1.0)
    assert ["a", None] == [queue.take(2.0), queue.take(2.0)]


def test_retries_back_off() -> None:
    """Every failure in a row doubles the wait, up to a limit; a success forgets them."""
    queue: WorkQueue[str] = WorkQueue()

    def wait() -> float | None:
        queue.retry("a", 0.0)
        waited = queue.wait(0.0)
        queue.take(100.0)
        return waited

    assert [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY] == [wait() for _ in range(3)]
    assert LONGEST_RETRY == [wait() for _ in range(30)][-1]
    queue.succeeded("a")
    queue.succeeded("unknown")
    assert FIRST_RETRY == wait()
