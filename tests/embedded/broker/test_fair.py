"""Flows take turns: a thousand alerts about one pod do not keep the one about another waiting."""

from __future__ import annotations

import queue
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt.embedded.broker import fair
from molt.embedded.broker.fair import FairQueue, flow_of
from molt.embedded.broker.lane import Lane
from molt.embedded.broker.message import Message

ALERT = b'{"output": "x", "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name" : "web-0", "proc.cmdline": "%s"}}'


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers())))
def test_nothing_is_lost_and_each_flow_keeps_its_order(put: list[tuple[str, int]]) -> None:
    """And no flow is served twice while another that waits is not served once."""
    clock = iter(range(0, 10_000, 2))
    waiting, by_number = FairQueue(lambda: next(clock)), dict(enumerate(put))
    for number, (flow, _) in by_number.items():
        waiting.put(flow, number)
    assert len(put) == len(waiting)
    taken = [waiting.pop() for _ in range(len(waiting))]
    assert all(by_number[number][0] == flow for flow, number in taken)
    flows = [flow for flow, _ in taken]
    assert sorted(by_number) == sorted(number for _, number in taken)
    for flow in "abc":
        assert sorted(own := [number for of, number in taken if of == flow]) == own
    fewest = min(map(flows.count, set(flows)), default=0)
    early = flows[: fewest * len(set(flows))]
    assert all(fewest == early.count(flow) for flow in set(flows))
    assert 0 == len(waiting)


def test_of_a_storm_one_at_a_time_is_under_way() -> None:
    """While it grows; what came before is still under way, other flows go on, and when it is over all of it is free."""
    clock = [0.0]
    waiting = FairQueue(lambda: clock[0])
    waiting.put("storm", -1)
    assert ("storm", -1) == waiting.pop()
    for number in range(fair.LONG + 3):
        waiting.put("storm", number)
    assert ("storm", 0) == waiting.pop()
    assert 0 == len(waiting)
    waiting.put("storm", 100)
    waiting.put("other", 101)
    assert 1 == len(waiting)
    assert ("other", 101) == waiting.pop()
    waiting.done("storm")
    assert 0 == len(waiting), "the other one is under way"
    waiting.done("storm")
    assert ("storm", 1) == waiting.pop()
    assert 0 == len(waiting)
    waiting.done("storm")
    clock[0] += fair.CALM
    assert [("storm", 2), ("storm", 3)] == [waiting.pop(), waiting.pop()]
    while len(waiting):
        waiting.pop()
    waiting.put("storm", 102)
    waiting.put("storm", 103)
    assert [("storm", 102), ("storm", 103)] == [waiting.pop(), waiting.pop()]


def test_an_empty_queue_has_nothing_to_take() -> None:
    """It says so."""
    with pytest.raises(StopIteration):
        FairQueue().pop()


def test_a_lane_serves_the_other_flow_next() -> None:
    """Although much of the first came before it, and some of it was due later."""
    done: queue.Queue[int] = queue.Queue()
    go = threading.Event()

    def work(number: int) -> None:
        go.wait(10)
        done.put(number)

    lane = Lane("l", work, 1)
    for number in range(20):
        lane.put(number, flow="storm")
    lane.put(100, 0.01, flow="other")
    time.sleep(0.05)  # the lane's only thread has the first by now, and the other one is due
    go.set()
    order = [done.get(timeout=10) for _ in range(21)]
    lane.close()
    assert lane.join(time.monotonic() + 10)
    assert order.index(100) <= 2
    assert [*range(20)] == [number for number in order if number < 100]


def test_a_lane_lets_a_storm_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it grows one at a time is under way, with a pause after it; another flow goes on at once."""
    monkeypatch.setattr("molt.embedded.broker.lane._PAUSE", 0.3)
    monkeypatch.setattr(fair, "CALM", 0.7)
    done: queue.Queue[tuple[int, float]] = queue.Queue()
    lane = Lane("l", lambda number: done.put((number, time.monotonic())), 1)
    with lane._changed:  # nothing is taken before all of it is there
        for number in range(fair.LONG + 2):
            lane.put(number, flow="storm")
    first, begun = done.get(timeout=10)
    assert 0 == first
    assert done.empty()
    lane.put(100, flow="other")
    lane.put(fair.LONG + 2, flow="storm")
    assert 100 == done.get(timeout=10)[0]
    second, later = done.get(timeout=10)
    assert 1 == second
    assert later - begun >= 0.3
    assert [*range(2, fair.LONG + 3)] == [done.get(timeout=10)[0] for _ in range(fair.LONG + 1)]
    lane.close()
    assert lane.join(time.monotonic() + 10)


@pytest.mark.parametrize(
    ("attributes", "data", "flow"),
    [
        ({"subject": "shop/pod/web-0"}, b"{}", "shop/pod/web-0"),
        ({}, ALERT % b"ls", "shop/web-0"),
        ({}, ALERT % b'echo \\"k8s.pod.name\\":\\"web-1\\"', "shop/web-0"),
        ({}, ALERT % b"ls" + b', "rule": "Shell"', "shop/web-0/Shell"),
        ({}, b'{"k8s.pod.name": null}', ""),
        ({}, b"\xff\xfe", ""),
    ],
)
def test_a_flow_is_what_the_event_is_about(attributes: dict[str, str], data: bytes, flow: str) -> None:
    """What an attacker writes into a command line makes no other flow."""
    assert flow == flow_of(Message(attributes, data))
