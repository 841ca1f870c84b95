"""A step's choice: who is to move, and since when."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt import marks
from molt.due import born
from molt.itinerary import Entry, Workload
from molt.outcome import BadEvent
from rotate import siblings
from rotate.fleet import Fleet
from rotate.siblings import Order
from tests.functions.slips import ROTATE, slip_for

NOW = datetime(2026, 11, 24, 12, 0, 5, 500_000, tzinfo=UTC)
BEFORE = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FLEET = Fleet("shop", "Deployment", "web", "web-uid", 3, frozenset({"rs"}))


def _pod(name: str = "web-1", second: int = -10, *, phase: str = "Running", owner: str = "rs", **metadata: Any) -> Any:
    created = datetime.fromtimestamp(BEFORE.timestamp() + second, UTC)
    reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": owner, "controller": True}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": name,
            "ownerReferences": [reference] if owner else [],
            "creationTimestamp": f"{created:%Y-%m-%dT%H:%M:%SZ}",
            "labels": {},
            **metadata,
        },
        "status": {"phase": phase},
    }


def _entry(
    remedy: str = "quarantine", outcome: Any = "acted", at: str = "2026-11-24T12:00:03Z", **details: Any
) -> Entry:
    return Entry(remedy, outcome, "", at, details)


@pytest.mark.parametrize(
    ("parameters", "order"),
    [
        ({}, Order("Siblings", "Replace")),
        ({"scope": "Pod", "strategy": "Evict"}, Order("Pod", "Evict")),
        ({"scope": "Workload", "later": True}, Order("Workload", "Replace")),
    ],
)
def test_an_order_is_read(parameters: dict[str, Any], order: Order) -> None:
    """Defaults are filled in, and what is not known yet is ignored."""
    assert order == Order.parse(parameters)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"scope": "Cluster"}, "itinerary.0..parameters.scope: not one of Siblings, Workload, Pod, Node, Namespace"),
        ({"scope": ["Pod"]}, "itinerary.0..parameters.scope"),
        ({"strategy": "Reconfigure"}, "itinerary.0..parameters.strategy: not one of Replace, Evict"),
        ({"strategy": "Restart"}, "itinerary.0..parameters: a Restart is of the whole Workload"),
        ({"scope": "Node", "strategy": "Restart"}, "itinerary.0..parameters: a Restart is of the whole Workload"),
    ],
)
def test_an_order_that_nobody_understands_is_refused(parameters: dict[str, Any], reason: str) -> None:
    """A word of a newer policy is no reason to do something else."""
    with pytest.raises(BadEvent, match=reason):
        Order.parse(parameters)


@pytest.mark.parametrize(
    ("kind", "trail", "reason"),
    [
        ("Deployment", [_entry()], None),
        ("StatefulSet", [], None),
        ("StatefulSet", [_entry(outcome="rehearsed")], None),
        ("StatefulSet", [_entry()], "StatefulSet/web cannot become whole"),
        ("Job", [], "pods of Job/web are not moved"),
        ("CloneSet", [], None),
        (None, [], "no controller would replace it"),
    ],
)
def test_excuse(kind: str | None, trail: list[Entry], reason: str | None) -> None:
    """What nobody would replace is not moved."""
    pod = _pod(owner="rs" if kind else "")
    for owner in pod["metadata"]["ownerReferences"]:
        owner["kind"] = kind
    slip = slip_for(pod, ROTATE, trail=trail)
    assert (None, None) == tuple(siblings.excuse(slip, Order(scope)) for scope in siblings.AREAS)
    found = siblings.excuse(slip, Order())
    assert (reason is None) == (found is None)
    assert (reason or "") in (found or "")


@pytest.mark.parametrize(
    ("trail", "alert_time", "event_time", "expected"),
    [
        ([], "2026-11-24T11:00:00.9Z", None, "11:00:00"),
        ([], None, datetime(2026, 11, 24, 11, 30, tzinfo=UTC), "11:30:00"),
        ([], None, None, "12:00:05"),
        ([], "never", None, "12:00:05"),
        ([], "2026-11-25T00:00:00Z", None, "12:00:05"),
        ([_entry()], "2026-11-24T11:00:00Z", None, "12:00:03"),
        ([_entry(), _entry("rotate", before="2026-11-24T10:00:00Z")], "2026-11-24T11:00:00Z", None, "10:00:00"),
        ([_entry(), _entry("rotate", before=5)], "2026-11-24T11:00:00Z", None, "12:00:03"),
        ([_entry("tag")], "2026-11-24T11:00:00Z", None, "11:00:00"),
    ],
)
def test_trigger(trail: list[Entry], alert_time: str | None, event_time: datetime | None, expected: str) -> None:
    """An earlier hop's word, else the quarantine, the alert, the event; never the future, or fresh pods would move."""
    slip = slip_for(_pod(), ROTATE, trail=trail, alert={"time": alert_time})
    assert expected == f"{siblings.trigger(slip, event_time, NOW):%H:%M:%S}"


def test_candidates_are_old_replicas_oldest_first() -> None:
    """Fresh ones, strangers, marked, finished and terminating ones stay, and who was tried since."""
    pods = [
        _pod("young", -1),
        _pod("old", -100),
        _pod("fresh", 0),
        _pod("fresher", 3),
        _pod("stranger", owner="other"),
        _pod("bare", owner=""),
        _pod("done", phase="Succeeded"),
        _pod("failed", phase="Failed"),
        _pod("going", deletionTimestamp="x"),
        _pod("retiring", labels={marks.RETIRING: "true"}),
        _pod("isolated", labels={marks.COMPROMISED: "true"}),
        _pod("timeless", creationTimestamp=None),
        _pod("tried", annotations={marks.STAYED_SINCE: marks.stamp(BEFORE)}),
        _pod("tried-for-another", -50, annotations={marks.STAYED_SINCE: marks.stamp(BEFORE - timedelta(seconds=1))}),
    ]
    chosen = siblings.candidates(slip_for(_pod("target"), ROTATE), Order(), FLEET, pods, BEFORE)
    assert ["timeless", "old", "tried-for-another", "young"] == [pod["metadata"]["name"] for pod in chosen]


@pytest.mark.parametrize(
    ("scope", "names"), [("Siblings", ["a", "b"]), ("Workload", ["a", "b", "target"]), ("Pod", ["target"])]
)
def test_scopes(scope: str, names: list[str]) -> None:
    """The siblings are all but the target; the workload is all; the pod is the target alone."""
    pods = [_pod("target"), _pod("b"), _pod("a")]
    chosen = siblings.candidates(slip_for(_pod("target"), ROTATE), Order(scope), FLEET, pods, BEFORE)
    assert names == [pod["metadata"]["name"] for pod in chosen]


@given(st.lists(st.integers(-100, 100)), st.sampled_from(siblings.SCOPES))
def test_a_fresh_pod_never_moves(seconds: list[int], scope: str) -> None:
    """Whoever was made at the trigger or after it is not chosen, in any scope."""
    pods = [_pod(f"p{index}", second) for index, second in enumerate(seconds)]
    chosen = siblings.candidates(slip_for(_pod("p0"), ROTATE), Order(scope), FLEET, pods, BEFORE)
    assert all(born(pod) < BEFORE for pod in chosen)
    assert chosen == sorted(chosen, key=siblings.rank)


def _owner(uid: str) -> str:
    return json.dumps({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d", "uid": uid})


@pytest.mark.parametrize(
    ("owner", "extra", "found"),
    [
        (_owner("rs"), {}, True),
        (_owner("other"), {}, False),
        ("{", {}, False),
        (_owner("rs"), {"deletionTimestamp": "x"}, False),
        (_owner("rs"), {"labels": {}}, False),
    ],
)
def test_retiring(owner: str, extra: dict[str, Any], found: bool) -> None:  # noqa: FBT001 - a column of the table
    """A move under way is known by the label and the controller that the pod was released from."""
    metadata = {"labels": {marks.RETIRING: "true"}, "annotations": {marks.OWNER: owner}} | extra
    assert found == bool(siblings.retiring(FLEET, [_pod(**metadata)]))


def test_a_workload_has_its_uid_from_the_slip() -> None:
    """The slip's helper resolves the workload as the router does."""
    assert Workload("apps/v1", "StatefulSet", "web", "rs") == slip_for(_pod(), ROTATE).target.workload
