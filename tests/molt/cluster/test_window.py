"""Requests under way at once: within bounds whatever is answered, and as many as the API server takes.

pure        Hypothesis: always from 1 to MOST; one burst of refusals cuts once; answers bring all of it back
one process many threads behind a proxy that throttles what exceeds N at once: all get through, near N at a time
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt.cluster import PODS, Cluster, Unavailable
from molt.cluster.backoff import Backoff
from molt.cluster.connect import by_url
from molt.cluster.transport import CONNECT_TIMEOUT, HINT, READ_TIMEOUT, Transport
from molt.cluster.window import MOST, Flights, Window
from testbed.api import Api
from tests.embedded_cluster import running_cluster
from tests.fault_proxy import Fault, FaultProxy
from tests.molt.cluster.stub import Stub, answer, refuse

ROOM = 4
THREADS = 16
EACH = 30

answers = st.lists(st.tuples(st.booleans(), st.integers(1, 2 * MOST), st.integers(0, 3)))


@given(answers)
def test_it_is_never_nothing_and_never_more_than_its_bound(said: list[tuple[bool, int, int]]) -> None:
    """In whatever order answers and refusals come, late ones among them."""
    window = Window()
    for refused, under_way, late in said:
        window = window.refused(under_way, max(0, window.cuts - late)) if refused else window.answered()
        assert 1 <= window.room <= window.size <= MOST


@given(answers)
def test_it_comes_back_whole(said: list[tuple[bool, int, int]]) -> None:
    """Once nothing is refused any more: as many answers as MOST windows of the greatest size have."""
    window = Window()
    for _, under_way, _ in said:
        window = window.refused(under_way, window.cuts)
    for _ in range(MOST * MOST):
        window = window.answered()
    assert MOST == window.size


@given(st.integers(1, MOST), st.integers(1, MOST))
def test_a_burst_of_refusals_cuts_once_and_by_half(under_way: int, refusals: int) -> None:
    """All of them were sent into the same window."""
    window = Window()
    for left in range(refusals):
        window = window.refused(under_way - left, 0)
    assert (max(1.0, under_way / 2), 1) == (window.size, window.cuts)


@given(st.integers(1, MOST - 1))
def test_a_window_full_of_answers_makes_it_about_one_larger(size: int) -> None:
    """Slowly: every answer brings its share."""
    window = Window(float(size))
    for _ in range(size):
        window = window.answered()
    assert size + 0.5 <= window.size <= size + 1


def test_who_finds_no_room_waits_for_it() -> None:
    """And the one who leaves lets it in."""
    flights, entered = Flights(), threading.Event()
    first = _one_alone(flights)

    def second() -> None:
        flights.end(_begun(flights), refused=False)
        entered.set()

    thread = threading.Thread(target=second)
    thread.start()
    assert not entered.wait(0.05)
    flights.end(first, refused=False)
    thread.join()
    assert entered.is_set()


def test_nobody_waits_for_room_without_end(stub: Stub) -> None:
    """All who have it hang: the request is not sent, and the event comes again; later there is room for it."""
    transport = Transport(by_url(stub.url, "a-token"), Backoff(total=0.2))
    first = _one_alone(transport._flights)
    with pytest.raises(Unavailable, match="get pods in namespace shop: not sent") as raised:
        Cluster(transport).get(PODS, "web-0", "shop")
    assert (HINT, [], 1) == (raised.value.retry_after, stub.seen, transport._flights._under_way)
    transport._flights.end(first, refused=False)
    stub.will(answer({"kind": "Pod"}))
    Cluster(transport).get(PODS, "web-0", "shop")
    transport.close()


def test_waiting_and_asking_take_less_than_a_function_has() -> None:
    """As long as it is patient, and then a connection and a silence: it answers before Knative gives it up (30 s)."""
    assert Backoff().total + CONNECT_TIMEOUT + READ_TIMEOUT < 30


def _begun(flights: Flights) -> int:
    sent = flights.begin(20)
    assert sent is not None
    return sent


def _one_alone(flights: Flights) -> int:
    """Make the window so small that there is room for one, and take it."""
    flights.end(_begun(flights), refused=True)
    return _begun(flights)


def test_a_429_makes_the_window_smaller_and_a_500_does_not(stub: Stub, transport: Transport) -> None:
    """It is the server's word for too many; a failure is none."""
    cluster = Cluster(transport)
    stub.will(answer(status=500), answer({"kind": "Pod"}))
    cluster.get(PODS, "web-0", "shop")
    assert MOST == transport._flights.window.size
    stub.will(refuse(429), answer({"kind": "Pod"}))
    cluster.get(PODS, "web-0", "shop")
    assert (2.0, 1) == (transport._flights.window.size, transport._flights.window.cuts)  # one, and the answer's share


def test_room_is_given_back_however_a_request_ends(stub: Stub, transport: Transport) -> None:
    """Also one that fails for good."""
    cluster = Cluster(transport)
    stub.will(*[refuse(429)] * 5)
    with pytest.raises(Unavailable):
        cluster.get(PODS, "web-0", "shop")
    assert (0, 5) == (transport._flights._under_way, len(cluster.requests))


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """Run a cluster behind a proxy that lets ROOM requests through at once."""
    with running_cluster(controllers=False) as cluster:
        upstream = Api(cluster.url, cluster.token)
        with FaultProxy.running(upstream, 1) as proxy:
            proxy.most = ROOM
            yield proxy


def test_many_threads_find_how_much_the_server_takes(proxy: FaultProxy) -> None:
    """All succeed, few of them are refused, refused ones wait as they were told, and the window is near ROOM."""
    pauses: list[float] = []
    rooms: list[int] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds / 20)

    transport = Transport(by_url(proxy.url, proxy.upstream.token), sleep=sleep)

    def work(_: int) -> int:
        for _ in range(EACH):
            Cluster(transport).list(PODS, "default")
            rooms.append(transport._flights.window.room)
        return EACH

    with ThreadPoolExecutor(THREADS) as pool:
        assert THREADS * EACH == sum(pool.map(work, range(THREADS)))
    transport.close()
    refused = proxy.faults[Fault.THROTTLED]
    late = rooms[len(rooms) // 2 :]
    assert 0 < refused < THREADS * EACH / 4
    assert all(pause >= 1 for pause in pauses)
    assert ROOM / 2 - 1 <= sum(late) / len(late) <= ROOM + 1
