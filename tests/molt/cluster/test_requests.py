"""What each method of Cluster sends: path, query, headers, body; and that it stands in `requests`."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from molt.cluster import (
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    RESPONSE_POLICIES,
    SECRETS,
    Cluster,
    Expired,
    LogLimits,
    Rejected,
    Request,
    TooLarge,
    Unavailable,
)
from molt.cluster.transport import Call, Transport
from tests.molt.cluster.stub import Stub, answer, refuse

POD = {"metadata": {"name": "web-0"}}
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


@pytest.mark.parametrize(
    ("call", "sent", "asked"),
    [
        pytest.param(
            lambda c: c.get(PODS, "web-0", "shop"),
            ("GET", "/api/v1/namespaces/shop/pods/web-0", {}, None, None),
            Request("get", "", "pods", "shop"),
            id="get",
        ),
        pytest.param(
            lambda c: c.get(NAMESPACES, "shop"),
            ("GET", "/api/v1/namespaces/shop", {}, None, None),
            Request("get", "", "namespaces"),
            id="get of a cluster-scoped kind",
        ),
        pytest.param(
            lambda c: c.get(PODS, "a b?#é", "shop"),
            ("GET", "/api/v1/namespaces/shop/pods/a%20b%3F%23%C3%A9", {}, None, None),
            Request("get", "", "pods", "shop"),
            id="a name is quoted",
        ),
        pytest.param(
            lambda c: c.create(PODS, POD, "shop"),
            (
                *("POST", "/api/v1/namespaces/shop/pods", {"fieldManager": "molt"}, "application/json"),
                {"apiVersion": "v1", "kind": "Pod", **POD},
            ),
            Request("create", "", "pods", "shop"),
            id="create",
        ),
        pytest.param(
            lambda c: c.apply(NETWORK_POLICIES, POD, "shop", manager="quarantine", dry_run=True),
            (
                *("PATCH", "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/web-0"),
                *({"fieldManager": "quarantine", "dryRun": "All", "force": "true"}, APPLY),
                {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", **POD},
            ),
            Request("patch", "networking.k8s.io", "networkpolicies", "shop"),
            id="apply, rehearsed",
        ),
        pytest.param(
            lambda c: c.merge(RESPONSE_POLICIES, "p", {"status": {}}, subresource="status"),
            (
                *("PATCH", "/apis/molt-project.io/v1alpha1/responsepolicies/p/status", {"fieldManager": "molt"}),
                *(MERGE, {"status": {}}),
            ),
            Request("patch", "molt-project.io", "responsepolicies/status"),
            id="merge of a status",
        ),
        pytest.param(
            lambda c: c.delete(PODS, "web-0", "shop", uid="u", grace_seconds=0, dry_run=True),
            (
                *("DELETE", "/api/v1/namespaces/shop/pods/web-0", {}, "application/json"),
                {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "dryRun": ["All"]}
                | {"preconditions": {"uid": "u"}},
            ),
            Request("delete", "", "pods", "shop"),
            id="delete with a precondition, rehearsed",
        ),
        pytest.param(
            lambda c: c.evict("web-0", "shop"),
            (
                *("POST", "/api/v1/namespaces/shop/pods/web-0/eviction", {}, "application/json"),
                {"apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": {}}
                | {"metadata": {"name": "web-0", "namespace": "shop"}},
            ),
            Request("create", "", "pods/eviction", "shop"),
            id="evict",
        ),
        pytest.param(
            lambda c: c.evict("web-0", "shop", uid="u", resource_version="7"),
            (
                *("POST", "/api/v1/namespaces/shop/pods/web-0/eviction", {}, "application/json"),
                {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web-0", "namespace": "shop"}}
                | {"deleteOptions": {"preconditions": {"uid": "u", "resourceVersion": "7"}}},
            ),
            Request("create", "", "pods/eviction", "shop"),
            id="evict the pod as it was read",
        ),
    ],
)
def test_a_call_is_one_request(
    cluster: Cluster, stub: Stub, call: Callable[[Cluster], Any], sent: tuple[Any, ...], asked: Request
) -> None:
    """Method, path, query, content type and body are the API's; verb and resource are RBAC's."""
    call(cluster)
    (seen,) = stub.seen
    assert sent == (seen.method, seen.path, seen.query, seen.headers.get("content-type"), seen.body)
    assert ("Bearer a-token", "application/json") == (seen.headers["authorization"], seen.headers["accept"])
    assert [asked] == cluster.requests


PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


def test_metadata_is_asked_for_alone(cluster: Cluster, stub: Stub) -> None:
    """By the header that says in which form the answer is wanted."""
    stub.will(answer({"kind": "PartialObjectMetadata", "metadata": {"name": "db"}}))
    assert {"name": "db"} == cluster.metadata(SECRETS, "db", "shop")["metadata"]
    (seen,) = stub.seen
    assert ("GET", "/api/v1/namespaces/shop/secrets/db", PARTIAL) == (seen.method, seen.path, seen.headers["accept"])
    assert [Request("get", "", "secrets", "shop")] == cluster.requests


def test_a_json_patch_is_answered_by_metadata_alone(cluster: Cluster, stub: Stub) -> None:
    """Its operations are sent in their order."""
    stub.will(answer({"kind": "PartialObjectMetadata", "metadata": {"name": "db"}}))
    operations = ({"op": "copy", "from": "/data/a", "path": "/data/b"}, {"op": "remove", "path": "/data/a"})
    cluster.patch_blindly(SECRETS, "db", operations, "shop", dry_run=True)
    (seen,) = stub.seen
    assert ("PATCH", "/api/v1/namespaces/shop/secrets/db", PARTIAL) == (seen.method, seen.path, seen.headers["accept"])
    assert ({"fieldManager": "molt", "dryRun": "All"}, [*operations]) == (seen.query, seen.body)
    assert "application/json-patch+json" == seen.headers["content-type"]
    assert [Request("patch", "", "secrets", "shop")] == cluster.requests


def test_a_token_is_requested_for_an_account(cluster: Cluster, stub: Stub) -> None:
    """It is a subresource of the ServiceAccount, and what comes back is the token alone."""
    stub.will(answer({"status": {"token": "t"}}, 201))
    assert "t" == cluster.request_token("rotate", "molt", 600)
    (seen,) = stub.seen
    assert ("POST", "/api/v1/namespaces/molt/serviceaccounts/rotate/token") == (seen.method, seen.path)
    assert {"expirationSeconds": 600} == seen.body["spec"]
    assert [Request("create", "", "serviceaccounts/token", "molt")] == cluster.requests


def test_an_answer_is_the_object_as_a_plain_dict(cluster: Cluster, stub: Stub) -> None:
    """What the API says comes back unchanged."""
    stub.will(answer(POD))
    assert POD == cluster.get(PODS, "web-0", "shop")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb"])
def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_sent(
    cluster: Cluster, stub: Stub, name: str
) -> None:
    """Such a name cannot be an object's, and as part of a path would ask for another one."""
    with pytest.raises(Rejected, match="cannot be the name of an object"):
        cluster.get(PODS, name, "shop")
    with pytest.raises(Rejected, match="cannot be the name of an object"):
        cluster.get(PODS, "web-0", name)
    assert ([], []) == (stub.seen, cluster.requests)


def test_a_namespaced_object_needs_its_namespace(cluster: Cluster) -> None:
    """Without it there is no such path."""
    with pytest.raises(Rejected, match="web-0 needs its namespace"):
        cluster.get(PODS, "web-0")


def test_a_list_follows_the_pages_with_its_selectors(cluster: Cluster, stub: Stub) -> None:
    """Every page is asked for with the same selectors, and the parts are one list."""
    stub.will(
        answer({"metadata": {"continue": "t1"}, "items": [{"n": 1}]}),
        answer({"metadata": {"continue": "t2"}, "items": None}),
        answer({"metadata": {}, "items": [{"n": 3}]}),
    )
    assert [{"n": 1}, {"n": 3}] == cluster.list(PODS, labels="app in (web)", fields="spec.nodeName=n1")
    selectors = {"limit": "500", "labelSelector": "app in (web)", "fieldSelector": "spec.nodeName=n1"}
    assert [selectors, selectors | {"continue": "t1"}, selectors | {"continue": "t2"}] == [s.query for s in stub.seen]
    assert {"/api/v1/pods"} == {seen.path for seen in stub.seen}
    assert [Request("list", "", "pods")] * 3 == cluster.requests


def test_a_list_keeps_of_each_object_what_is_wanted(cluster: Cluster, stub: Stub) -> None:
    """Page by page."""
    stub.will(
        answer({"metadata": {"continue": "t1"}, "items": [{"n": 1, "much": "more"}]}),
        answer({"metadata": {}, "items": [{"n": 3}]}),
    )
    assert [{"n": 1}, {"n": 3}] == cluster.list(PODS, trim=lambda obj: {"n": obj["n"]})


def test_a_list_whose_pages_expire_is_read_anew_in_one_answer(cluster: Cluster, stub: Stub) -> None:
    """What was read of the old pages is thrown away: an object may stand in both."""
    stub.will(
        answer({"metadata": {"continue": "t1"}, "items": [{"n": 1}]}),
        refuse(410, "Expired", "the provided continue parameter is too old"),
        answer({"items": [{"n": 1}, {"n": 2}]}),
    )
    assert [{"n": 1}, {"n": 2}] == cluster.list(PODS, "shop")
    assert [{"limit": "500"}, {"limit": "500", "continue": "t1"}, {}] == [seen.query for seen in stub.seen]


def test_a_list_that_is_expired_from_the_start_says_so(cluster: Cluster, stub: Stub) -> None:
    """There is nothing to restart: no loop."""
    stub.will(refuse(410, "Expired", "too old"))
    with pytest.raises(Expired, match="list pods: too old"):
        cluster.list(PODS)


def test_a_session_counts_its_own_requests(cluster: Cluster, stub: Stub) -> None:
    """Two events served at the same time do not mix their counts, and share the connections."""
    one, two = cluster.session(), cluster.session()
    one.get(PODS, "a", "shop")
    two.list(PODS)
    assert ([], 1, 1, 2) == (cluster.requests, len(one.requests), len(two.requests), len(stub.seen))


def test_logs_are_text_cut_at_a_size(cluster: Cluster, stub: Stub) -> None:
    """The kubelet is asked to cut, and what it sends beyond is not read; the bytes are as they came."""
    stub.will(answer(b"\xff one\ntwo\n"), answer(b"x" * 5000))
    limits = LogLimits(lines=7, size=100)
    assert b"\xff one\ntwo\n" == cluster.logs("web-0", "shop", "main", limits)
    assert b"x" * 100 == cluster.logs("web-0", "shop", "main", limits, previous=True)
    query = {"container": "main", "timestamps": "true", "tailLines": "7", "limitBytes": "100"}
    assert [query, query | {"previous": "true"}] == [seen.query for seen in stub.seen]
    assert {("GET", "/api/v1/namespaces/shop/pods/web-0/log")} == {(seen.method, seen.path) for seen in stub.seen}
    assert [Request("get", "", "pods/log", "shop")] * 2 == cluster.requests


def test_logs_are_asked_for_again_when_the_kubelet_does_not_answer(cluster: Cluster, stub: Stub) -> None:
    """A read may be repeated; a refusal is not."""
    stub.will(refuse(500, message="no kubelet"), answer(b"one\n"), refuse(400, "BadRequest", "is waiting to start"))
    limits = LogLimits(lines=7, size=100)
    assert b"one\n" == cluster.logs("web-0", "shop", "main", limits)
    with pytest.raises(Rejected, match="get pods/log in namespace shop: is waiting to start"):
        cluster.logs("web-0", "shop", "main", limits)


@pytest.mark.parametrize("sized", [True, False])
def test_an_answer_that_trickles_in_is_given_up(
    transport: Transport, stub: Stub, monkeypatch: pytest.MonkeyPatch, *, sized: bool
) -> None:
    """A kubelet on a lost node holds nobody by a byte now and then, nor by silence after one."""
    monkeypatch.setattr("molt.cluster.transport.CONNECT_TIMEOUT", 0.5)

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length" if sized else "x-unsized", "1000000")
        handler.end_headers()
        for _ in range(400):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    stub.will(trickle)
    monkeypatch.setattr(transport, "_monotonic", time.monotonic)
    asked = Request("get", "", "pods/log", "shop")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="get pods/log in namespace shop: "):
        transport.read(Call("GET", "/log", asked, repeatable=False, read_timeout=0.3), [], 1000)
    assert time.monotonic() - began < 10


def test_a_checkpoint_is_asked_of_the_kubelet_once(cluster: Cluster, stub: Stub) -> None:
    """Through the API server; a try whose outcome is unknown is not repeated, since each writes a file."""
    stub.will(answer({"items": ["/var/lib/kubelet/checkpoints/x.tar"]}), refuse(500))
    found = cluster.checkpoint("node-1", "shop", "web-0", "main")
    assert {"items": ["/var/lib/kubelet/checkpoints/x.tar"]} == found
    with pytest.raises(Unavailable):
        cluster.checkpoint("node-1", "shop", "web-0", "main")
    assert [("POST", "/api/v1/nodes/node-1/proxy/checkpoint/shop/web-0/main")] * 2 == [
        (seen.method, seen.path) for seen in stub.seen
    ]
    assert [Request("create", "", "nodes/proxy")] * 2 == cluster.requests


def test_a_list_of_the_cache(cluster: Cluster, stub: Stub) -> None:
    """It says so once: with `continue` the API server refuses a resourceVersion."""
    page = b'{"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "web-0"}}]}'
    stub.will(answer(page), answer(b'{"items": []}'))
    assert [POD] == cluster.list(PODS, "shop", cached=True)
    assert [{"limit": "500", "resourceVersion": "0"}, {"limit": "500", "continue": "more"}] == [
        seen.query for seen in stub.seen
    ]


def test_a_list_within_bounds(cluster: Cluster, stub: Stub) -> None:
    """As many bytes as there is room for, and not one more; what is no list is no answer."""
    body = b'{"items": [{"metadata": {"name": "web-0"}}]}'
    stub.will(answer(body), answer(body), answer(b'{"items": null}'))
    assert [POD] == cluster.list_within(len(body), PODS, "shop", fields="spec.nodeName=n")
    assert {"fieldSelector": "spec.nodeName=n"} == stub.seen[0].query
    with pytest.raises(TooLarge, match=f"list pods in namespace shop: the answer has more than {len(body) - 1} bytes"):
        cluster.list_within(len(body) - 1, PODS, "shop")
    assert [] == cluster.list_within(99, PODS, "shop", cached=True)
    assert {"resourceVersion": "0"} == stub.seen[2].query
    assert [Request("list", "", "pods", "shop")] * 3 == cluster.requests
