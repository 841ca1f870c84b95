"""What Cluster makes of refusals and of everything that can go wrong on the wire.

refused             400 401 403 404 405 409 410 422, with a Status object or with a proxy's text
may pass            429 with and without Retry-After, 500, 503, redirect, no answer or a cut or late one, not JSON,
                        no connection, no TLS
by a budget         429 of a PodDisruptionBudget
not to be repeated  POST, DELETE without a UID
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from molt.cluster import (
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    AlreadyExists,
    Blocked,
    Cluster,
    Conflict,
    Expired,
    Forbidden,
    NotFound,
    Rejected,
    Request,
    Unauthorized,
    Unavailable,
)
from molt.cluster.backoff import Backoff
from molt.cluster.connect import by_url
from molt.cluster.transport import Call, Transport
from molt.outcome import PermanentError, TemporaryError
from tests.molt.cluster.conftest import FakeTime
from tests.molt.cluster.stub import Script, Stub, answer, cut, hang_up, refuse

POD = {"metadata": {"name": "web-0"}}
Calls = Callable[[Cluster], Any]


def get(cluster: Cluster) -> dict[str, Any]:
    return cluster.get(PODS, "web-0", "shop")


def create(cluster: Cluster) -> dict[str, Any]:
    return cluster.create(PODS, POD, "shop")


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        (refuse(400, "BadRequest", "bad field"), Rejected, "get pods in namespace shop: bad field"),
        (refuse(401, "Unauthorized", "Unauthorized"), Unauthorized, "get pods in namespace shop: Unauthorized"),
        (
            refuse(404, "NotFound", 'pods "web-0" not found'),
            NotFound,
            'get pods in namespace shop: pods "web-0" not found',
        ),
        (refuse(409, "Conflict", "uid differs"), Conflict, "get pods in namespace shop: uid differs"),
        (refuse(409, "AlreadyExists", "there"), AlreadyExists, "get pods in namespace shop: there"),
        (refuse(410, "Expired", "too old"), Expired, "get pods in namespace shop: too old"),
        (
            refuse(422, "Invalid", "uid: immutable", causes=[{"field": "metadata.uid"}]),
            Conflict,
            "get pods in namespace shop: uid: immutable",
        ),
        (
            refuse(422, "Invalid", "spec: no", causes=[{"field": "spec"}]),
            Rejected,
            "get pods in namespace shop: spec: no",
        ),
        (answer(b"<html>", 405), Rejected, "get pods in namespace shop: the API answered 405"),
        (answer(["no object"], 404), NotFound, "get pods in namespace shop: the API answered 404"),
    ],
)
def test_a_refusal_is_an_error_at_once(
    cluster: Cluster, given: Script, kind: type[Exception], text: str, stub: Stub
) -> None:
    """It is of the kind that says whether a later try may help, and carries the API's own words."""
    stub.will(given)
    with pytest.raises(kind) as caught:
        get(cluster)
    assert (kind, text, 1) == (type(caught.value), str(caught.value), len(stub.seen))
    assert isinstance(caught.value, PermanentError) != isinstance(caught.value, TemporaryError)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda c: c.evict("web-0", "shop"), "not allowed to create pods/eviction in namespace shop: User x cannot"),
        (lambda c: c.get(NAMESPACES, "shop"), "not allowed to get namespaces: User x cannot"),
        (
            lambda c: c.apply(NETWORK_POLICIES, POD, "shop", manager="m"),
            "not allowed to patch networkpolicies.networking.k8s.io in namespace shop: User x cannot",
        ),
    ],
)
def test_a_missing_permission_is_named(cluster: Cluster, stub: Stub, call: Calls, text: str) -> None:
    """Verb, resource with its group and subresource, namespace, and what the API said: enough to write the rule."""
    stub.will(refuse(403, "Forbidden", "User x\n  cannot"))
    with pytest.raises(Forbidden) as caught:
        call(cluster)
    assert text == caught.value.reason


@pytest.mark.parametrize(
    "given",
    [
        refuse(429, "TooManyRequests", "slow down"),
        refuse(500, "InternalError", "etcd"),
        answer(b"no healthy upstream", 503),
        answer(b"", 302, location="/elsewhere"),
        answer(b"<html>hello</html>"),
        answer(["a list"]),
        hang_up,
        cut,
    ],
    ids=["429", "500", "503", "302", "not JSON", "no object", "no answer", "cut answer"],
)
def test_what_may_pass_is_tried_again(cluster: Cluster, stub: Stub, passing: FakeTime, given: Script) -> None:
    """Two failures cost two pauses that grow, and every try counts as a request."""
    stub.will(given, given, answer(POD))
    assert POD == get(cluster)
    assert [Request("get", "", "pods", "shop")] * 3 == cluster.requests
    assert [0.05, 0.1] == passing.slept


def test_the_tries_are_limited(cluster: Cluster, stub: Stub, passing: FakeTime) -> None:
    """After five the caller is told, with a hint when to come back."""
    stub.will(*[refuse(500, "InternalError", "etcd is slow")] * 6)
    with pytest.raises(Unavailable, match="etcd is slow") as caught:
        get(cluster)
    assert (5, [0.05, 0.1, 0.2, 0.4], 2.0) == (len(stub.seen), passing.slept, caught.value.retry_after)


def test_the_pauses_are_jittered_up_to_a_bound_that_doubles() -> None:
    """Full jitter: from nothing to the bound; never longer than the cap."""
    backoff = Backoff(base=0.1, cap=1.0)
    assert [0.0, 0.0] == [backoff.pause(tries, 0.0) for tries in (1, 9)]
    assert [0.1, 0.2, 0.4, 0.8, 1.0, 1.0] == [backoff.pause(tries, 1.0) for tries in range(1, 7)]


@pytest.mark.parametrize(
    "given",
    [answer({}, 429, Retry_After="3"), refuse(429, "TooManyRequests", "x", retryAfterSeconds=3)],
    ids=["header", "details"],
)
def test_the_servers_wish_is_waited_for(cluster: Cluster, stub: Stub, passing: FakeTime, given: Script) -> None:
    """API priority and fairness says in how many seconds to come back; the jitter comes on top."""
    stub.will(given, answer(POD))
    assert POD == get(cluster)
    assert [3.05] == passing.slept


@pytest.mark.parametrize("wish", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "²"])
def test_a_wish_that_cannot_be_read_counts_as_none(cluster: Cluster, stub: Stub, passing: FakeTime, wish: str) -> None:
    """Then the pause is our own."""
    stub.will(answer(b"", 429, Retry_After=wish), answer(POD))
    get(cluster)
    assert [0.05] == passing.slept


def test_a_wish_beyond_our_own_time_is_handed_on(cluster: Cluster, stub: Stub, passing: FakeTime) -> None:
    """The sender can wait; a request in progress cannot."""
    stub.will(answer({}, 503, Retry_After="60"))
    with pytest.raises(Unavailable) as caught:
        get(cluster)
    assert (1, [], 60.0) == (len(stub.seen), passing.slept, caught.value.retry_after)


def test_a_budget_that_forbids_an_eviction_is_no_overload(cluster: Cluster, stub: Stub, passing: FakeTime) -> None:
    """It is told at once: the budget will not change in the time that tries take."""
    causes = [{"reason": "DisruptionBudget", "message": "The disruption budget web needs 1 healthy pods and has 1"}]
    stub.will(refuse(429, "TooManyRequests", "Cannot evict pod", causes=causes, retryAfterSeconds=10))
    with pytest.raises(Blocked, match="Cannot evict pod") as caught:
        cluster.evict("web-0", "shop", uid="u")
    assert (1, [], 10.0) == (len(stub.seen), passing.slept, caught.value.retry_after)


@pytest.mark.parametrize(
    ("call", "given", "tries"),
    [
        pytest.param(create, hang_up, 1, id="create, no answer"),
        pytest.param(create, refuse(500, "InternalError"), 1, id="create, 500"),
        pytest.param(create, answer({}, 500, Retry_After="1"), 2, id="create, 500 with Retry-After"),
        pytest.param(create, refuse(429), 2, id="create, 429"),
        pytest.param(lambda c: c.create(PODS, POD, "shop", dry_run=True), hang_up, 2, id="create, rehearsed"),
        pytest.param(lambda c: c.evict("web-0", "shop"), hang_up, 1, id="evict by name"),
        pytest.param(lambda c: c.evict("web-0", "shop", uid="u"), hang_up, 2, id="evict by UID"),
        pytest.param(lambda c: c.evict("web-0", "shop", dry_run=True), hang_up, 2, id="evict, rehearsed"),
        pytest.param(lambda c: c.delete(PODS, "web-0", "shop"), hang_up, 1, id="delete by name"),
        pytest.param(lambda c: c.delete(PODS, "web-0", "shop", uid="u"), hang_up, 2, id="delete by UID"),
        pytest.param(lambda c: c.delete(PODS, "web-0", "shop", dry_run=True), hang_up, 2, id="delete, rehearsed"),
        pytest.param(lambda c: c.merge(PODS, "web-0", {}, "shop"), hang_up, 2, id="merge"),
        pytest.param(lambda c: c.apply(PODS, POD, "shop", manager="m"), hang_up, 2, id="apply"),
    ],
)
def test_only_what_may_be_done_twice_is_repeated(
    cluster: Cluster, stub: Stub, call: Calls, given: Script, tries: int
) -> None:
    """A write whose outcome is unknown is repeated only when a second one changes nothing more."""
    stub.will(given, answer({}))
    if tries == 1:
        with pytest.raises(Unavailable):
            call(cluster)
    else:
        call(cluster)
    assert tries == len(stub.seen) == len(cluster.requests)


def test_without_a_connection_even_a_create_is_repeated(passing: FakeTime) -> None:
    """Nothing was sent, so nothing was done."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        transport = Transport(by_url(url), sleep=passing.sleep, chance=lambda: 0.5, monotonic=passing.monotonic)
        cluster = Cluster(transport)
        with pytest.raises(Unavailable, match="create pods in namespace shop: no connection"):
            create(cluster)
    assert 5 == len(cluster.requests)


def test_a_server_that_says_nothing_is_not_waited_for(transport: Transport, stub: Stub) -> None:
    """Every read has its time-out."""

    def wait(handler: BaseHTTPRequestHandler) -> None:
        stub.over.wait(10)
        handler.close_connection = True

    stub.will(wait)
    log: list[Request] = []
    asked = Request("create", "", "pods")
    with pytest.raises(Unavailable, match=r"create pods: no answer: .*timed out"):
        transport.send(Call("POST", "/api/v1/pods", asked, body={}, repeatable=False, read_timeout=0.1), log)
    assert [asked] == log


def test_tls_that_is_not_spoken_is_no_answer(stub: Stub, passing: FakeTime) -> None:
    """A plain HTTP server on the other side cannot be told from one that is not there."""
    configuration = by_url(stub.url.replace("http:", "https:"))
    transport = Transport(configuration, sleep=passing.sleep, chance=lambda: 0.5, monotonic=passing.monotonic)
    with pytest.raises(Unavailable, match="get pods in namespace shop: no answer"):
        get(Cluster(transport))
