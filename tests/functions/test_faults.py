"""Whatever the API answers to any call of a function, the broker gets the status that DESIGN's table has for it.

| the API                        | the function                                                       |
|--------------------------------|--------------------------------------------------------------------|
| 401, 403, 404, 422             | 422, dead letter at once: verb, resource and what the API said     |
| 409, 410, 429, 500, 503, none  | 503, tried again; Retry-After as the API asked                     |
| 404 for what may be gone       | that is no error: UNHARMED                                         |
| any, for what is best effort   | that is no error: BEST_EFFORT                                      |
| any, for one pod of a tick     | temporary: told of in the trail; permanent: 422 if that was all    |
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from molt.cluster.errors import Request, Unavailable, refusal
from molt.events import Event, render
from molt.lifetime import Keys
from molt.server import create_app
from quarantine.handler import handler as quarantine
from rotate.handler import handler as rotate
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.slips import QUARANTINE, ROTATE, event_of, slip_for

if TYPE_CHECKING:
    from molt.server import Handler

KEY = Keys(b"sixteen bytes or more")
TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
NO_ANSWER = 0
ANSWERS = {401: 422, 403: 422, 404: 422, 409: 503, 410: 503, 422: 422, 429: 503, 500: 503, 503: 503, NO_ANSWER: 503}
CALLS = {
    "quarantine": (
        ("get", "pods"),
        ("list", "pods"),
        ("get", "deployments"),
        ("patch", "networkpolicies"),
        ("patch", "pods"),
        ("create", "events"),
    ),
    "step": (
        ("get", "namespaces"),
        ("list", "replicasets"),
        ("list", "deployments"),
        ("list", "pods"),
        ("patch", "pods"),
        ("create", "pods/eviction"),
    ),
    "tick": (
        ("list", "rotationpolicies"),
        ("list", "pods"),
        ("list", "replicasets"),
        ("list", "deployments"),
        ("get", "namespaces"),
        ("patch", "pods"),
        ("create", "pods/eviction"),
        ("patch", "rotationpolicies/status"),
        ("list", "nodes"),
        ("list", "statefulsets"),
        ("list", "daemonsets"),
    ),
    "relocation": (("list", "nodes"), ("patch", "nodes")),
    "restart": (("get", "pods"), ("patch", "deployments")),
    "reconfiguration": (("list", "services"), ("list", "poddisruptionbudgets"), ("patch", "deployments")),
}
UNHARMED = {
    ("quarantine", "get", "pods"): 200,  # gone: its siblings may still move
    ("quarantine", "get", "deployments"): 200,  # gone: it counts as one replica
    ("quarantine", "patch", "networkpolicies"): 503,  # gone with its namespace; the next look says so
    ("quarantine", "patch", "pods"): 503,  # gone: the next look says so
    ("step", "get", "namespaces"): 204,  # gone: not touched
    ("step", "patch", "pods"): 503,
    ("step", "create", "pods/eviction"): 200,  # gone: moved
    ("tick", "get", "namespaces"): 200,
    ("tick", "patch", "pods"): 200,
    ("tick", "create", "pods/eviction"): 200,
    ("relocation", "patch", "nodes"): 200,
    ("restart", "get", "pods"): 200,
}
BEST_EFFORT = {("quarantine", "create", "events"), ("tick", "patch", "rotationpolicies/status")}
ONE_POD = {
    *(("tick", "patch", "pods"), ("tick", "create", "pods/eviction"), ("relocation", "patch", "nodes")),
    *(("restart", "get", "pods"), ("restart", "patch", "deployments"), ("reconfiguration", "patch", "deployments")),
}
DIMENSION = {"name": "identity", "serviceAccountName": {"variants": ["a", "b"]}}
SPECS: dict[str, Any] = {
    "relocation": {"strategy": "Relocate"},
    "restart": {"strategy": "Restart"},
    "reconfiguration": {"strategy": "Reconfigure", "reconfigure": [DIMENSION]},
}

_ALL = [(what, verb, resource) for what, calls in CALLS.items() for verb, resource in calls]


def _world(what: str) -> tuple[FakeCluster, FakeClock]:
    clock = FakeClock()
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    cluster.deployment(template={"spec": {"serviceAccountName": "a"}})
    cluster.objects["deployments", "shop", "web"]["metadata"]["labels"] = {"molt-project.io/reconfigurable": "true"}
    cluster.node()
    cluster.policy(**SPECS.get(what, {}))
    clock.time += timedelta(hours=2)
    return cluster, clock


def _work(what: str, cluster: FakeCluster) -> tuple[Handler, Event]:
    target = cluster.pods()[0]
    works: dict[str, Callable[[], tuple[Handler, Event]]] = {
        "quarantine": lambda: (
            quarantine(),
            event_of(slip_for(target, QUARANTINE, ROTATE, limits={"perWorkload": "50%", "perMinute": 9})),
        ),
        "step": lambda: (rotate(KEY), event_of(slip_for(target, ROTATE))),
        **dict.fromkeys(("tick", *SPECS), lambda: (rotate(KEY), TICK)),
    }
    return works[what]()


@pytest.mark.parametrize("code", ANSWERS)
@pytest.mark.parametrize(("what", "verb", "resource"), _ALL)
def test_every_answer_to_every_call(what: str, verb: str, resource: str, code: int) -> None:
    """The status is the broker's next step, and the text names what was asked and what was said."""
    cluster, clock = _world(what)
    handle, event = _work(what, cluster)
    asked = Request(verb, "", resource, "shop")
    retry_after = 7.0 if code in {429, 503} else None
    error = refusal(asked, code, b'{"message": "so it is"}', retry_after) if code else Unavailable(f"{asked}: so it is")
    cluster.failing[verb, resource] = error
    headers, body = render(event)
    answer = create_app("x", handle, cluster, clock).test_client().post("/", headers=headers, data=body)
    call = (what, verb, resource)
    expected = UNHARMED.get(call, 422) if code == 404 else ANSWERS[code]
    if call in BEST_EFFORT or (call in ONE_POD and expected == 503):
        expected = 200
    assert expected == answer.status_code, answer.data
    assert any((one.verb, one.resource) == (verb, resource) for one in cluster.requests), "it is asked at all"
    if expected in {422, 503} and code != 404:
        assert (b"changed under each" in answer.data) or (f"{asked}: so it is".encode() in answer.data)
        assert (code == 403) == answer.data.startswith(b"not allowed to ")
    if expected == 503 and retry_after:
        assert "7" == answer.headers["retry-after"]
