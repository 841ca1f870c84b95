"""Turns: one at a time for each subject, others unhindered, and nobody waits without end."""

from __future__ import annotations

import threading
import time

import pytest

from molt.outcome import TemporaryError
from molt.turns import Turns


def test_of_many_at_one_subject_one_is_in_turn() -> None:
    """What is read in turn still holds when it is written."""
    turns, counted = Turns(), [0]

    def add() -> None:
        with turns.of("shop"):
            seen = counted[0]
            time.sleep(0.001)
            counted[0] = seen + 1

    threads = [threading.Thread(target=add) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [16] == counted


def test_other_subjects_are_not_waited_for() -> None:
    """Two namespaces have nothing to do with each other."""
    turns = Turns(0.01)
    with turns.of("shop"), turns.of("bank"):
        pass


def test_a_turn_that_does_not_come_is_tried_later() -> None:
    """Whoever waits too long gives the event back; a turn ends however it ends."""
    turns = Turns(0.01)
    late = pytest.raises(TemporaryError, match=r"shop: other events are still at it after 0\.01 s")
    with turns.of("shop"), late, turns.of("shop"):
        raise AssertionError("two in turn")
    with pytest.raises(ZeroDivisionError), turns.of("shop"):
        _ = 1 / 0
    with turns.of("shop"):
        pass
