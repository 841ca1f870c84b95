"""Lanes: order, delay, width, end."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from molt.embedded.broker.lane import Lane


def test_numbers_come_out_when_their_time_has_come() -> None:
    """What is ready comes before what waits, and what waits in the order of time."""
    done: queue.Queue[int] = queue.Queue()
    lane = Lane("l", done.put, 1)
    lane.put(3, 1.5)
    lane.put(2, 0.2)
    lane.put(1)
    assert [1, 2, 3] == [done.get(timeout=10) for _ in range(3)]
    lane.close()
    assert lane.join(time.monotonic() + 10)


def test_a_lane_is_as_wide_as_it_says_and_no_wider() -> None:
    """With width 2, two are under way at once; the third waits for one of them."""
    started: queue.Queue[int] = queue.Queue()
    go = threading.Semaphore(0)

    def work(number: int) -> None:
        started.put(number)
        go.acquire(timeout=10)

    lane = Lane("l", work, 2)
    for number in range(3):
        lane.put(number)
    assert {0, 1} == {started.get(timeout=10), started.get(timeout=10)}
    assert started.empty()
    go.release()
    assert 2 == started.get(timeout=10)
    lane.close()
    assert not lane.join(time.monotonic())
    go.release(2)
    assert lane.join(time.monotonic() + 10)


def test_a_system_without_another_thread_loses_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever puts is not hurt; what is there goes on, and the next put tries again."""
    done: queue.Queue[int] = queue.Queue()
    lane = Lane("l", done.put, 2)

    def refuse(_: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        lane.put(1)
        lane.put(2, 0.01)
        assert done.empty()
    lane.put(3)
    assert {1, 2, 3} == {done.get(timeout=10) for _ in range(3)}
    lane.close()
    assert lane.join(time.monotonic() + 10)


def test_waiting_workers_are_woken_for_all_that_is_due() -> None:
    """Several that come due together are worked on together."""
    both = threading.Barrier(2)
    passed: queue.Queue[int] = queue.Queue()

    def work(number: int) -> None:
        if number:
            both.wait(timeout=10)
        passed.put(number)

    lane = Lane("l", work, 2)
    lane.put(0)
    lane.put(0)
    assert [0, 0] == [passed.get(timeout=10) for _ in range(2)]
    lane.put(1, 0.05)
    lane.put(2, 0.2)
    assert {1, 2} == {passed.get(timeout=10), passed.get(timeout=10)}
    lane.close()
    lane.join(time.monotonic() + 10)


def test_what_comes_later_does_not_wait_for_what_is_worked_on() -> None:
    """Also when one thread waited for both."""
    both = threading.Barrier(2)
    passed: queue.Queue[int] = queue.Queue()

    def work(number: int) -> None:
        both.wait(timeout=10)
        passed.put(number)

    lane = Lane("l", work, 2)
    lane.put(1, 0.3)
    time.sleep(0.1)  # its thread waits
    lane.put(2, 0.4)
    assert {1, 2} == {passed.get(timeout=10), passed.get(timeout=10)}
    lane.close()
    lane.join(time.monotonic() + 10)


def test_a_burst_gets_every_thread_there_may_be() -> None:
    """Also when one thread was idle as it came: it does not take all of it alone."""
    together = threading.Barrier(4)
    passed: queue.Queue[int] = queue.Queue()

    def work(number: int) -> None:
        if number:
            together.wait(timeout=10)
        passed.put(number)

    lane = Lane("l", work, 4)
    lane.put(0)
    passed.get(timeout=10)
    for number in range(1, 5):
        lane.put(number)
    assert {1, 2, 3, 4} == {passed.get(timeout=10) for _ in range(4)}
    lane.close()
    lane.join(time.monotonic() + 10)


def test_a_closed_lane_starts_nothing() -> None:
    """What is put in then is left alone, and so is what still waits."""
    done: queue.Queue[int] = queue.Queue()
    lane = Lane("l", done.put, 1)
    lane.put(1, 60)
    lane.close()
    lane.put(2)
    assert lane.join(time.monotonic() + 10)
    assert done.empty()
