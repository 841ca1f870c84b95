"""A tick's choice, pure: who is due, and who of them moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt import marks
from molt.due import born, due_at, managed, overdue
from molt.lifetime import Keys
from molt.policy import Lifetime, RotationPolicy
from molt.policy.amount import Amount
from molt.policy.selector import Requirement, Selector
from rotate import plan
from rotate.budgets import Budgets
from rotate.fleet import Fleet
from rotate.plan import Scene

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = Keys(b"sixteen bytes or more")
SHOP = {"metadata": {"name": "shop"}}


def _policy(name: str = "web", most: Amount | None = None, min_age: timedelta = timedelta()) -> RotationPolicy:
    return RotationPolicy(
        name,
        "shop",
        "p1",
        1,
        "Enforce",
        Selector(),
        Lifetime(HOUR, HOUR, fixed=True),
        "Replace",
        most or Amount(1),
        min_age,
    )


def _pod(name: str, minutes: float = 120, owner: str | None = "a", **metadata: Any) -> dict[str, Any]:
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}
    created = NOW - timedelta(minutes=minutes)
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": name,
            "labels": {},
            "creationTimestamp": f"{created:%Y-%m-%dT%H:%M:%SZ}",
            "ownerReferences": [reference] if owner else [],
            **metadata,
        },
        "spec": {"nodeName": "node-1"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _fleet(name: str, desired: int = 1) -> Fleet:
    return Fleet("shop", "ReplicaSet", name, name, desired, frozenset({name}))


def _names(pods: list[dict[str, Any]]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods]


def _due(policy: RotationPolicy, pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [pod for _, pod in overdue(policy, pods, KEY, NOW)]


def _choose(pods: list[dict[str, Any]], fleets: list[Fleet], *, busy: set[str] | None = None, most: int = 1) -> Any:
    policy = _policy(most=Amount(most))
    scene = Scene(SHOP, pods, {fleet.uid: fleet for fleet in fleets})
    budgets = Budgets([policy], scene.roll)
    moves, stays = plan.choose(policy, _due(policy, pods), scene, budgets, busy or set(), NOW)
    return [move.pod["metadata"]["name"] for move in moves], [(s.pod["metadata"]["name"], s.reason) for s in stays]


def test_due_pods_are_the_old_ones_the_most_overdue_first() -> None:
    """Whoever is younger than its lifetime, or than minAge, is not due."""
    pods = [_pod("young", 30), _pod("old", 120), _pod("oldest", 240)]
    assert ["oldest", "old"] == _names(_due(_policy(), pods))
    assert ["oldest"] == _names(_due(_policy(min_age=3 * HOUR), pods))
    assert born(pods[0]) + 3 * HOUR == due_at(_policy(min_age=3 * HOUR), pods[0], KEY, NOW)


@pytest.mark.parametrize(
    "metadata",
    [{"labels": {marks.COMPROMISED: "true"}}, {"labels": {marks.RETIRING: "true"}}, {"deletionTimestamp": "x"}],
)
def test_marked_and_terminating_pods_are_not_managed(metadata: dict[str, Any]) -> None:
    """What is in quarantine stays for the examiner; what moves already does not move twice."""
    assert [] == managed(_policy(), [_pod("x", **metadata)])


def test_finished_pods_are_not_managed() -> None:
    """A pod that has run to its end has no life left to shorten."""
    pod = _pod("x")
    pod["status"]["phase"] = "Succeeded"
    assert [] == managed(_policy(), [pod])


def test_one_pod_of_a_fleet_moves() -> None:
    """Though the budget has room, the second of a fleet waits, silently."""
    pods = [_pod("a1", 240), _pod("a2"), _pod("b1", owner="b")]
    assert (["a1", "b1"], []) == _choose(pods, [_fleet("a"), _fleet("b")], most=9)


def test_the_budget_is_kept() -> None:
    """No more than maxMoving, those that are retiring included."""
    pods = [_pod("a1", 240), _pod("b1", 180, owner="b"), _pod("c1", owner="c")]
    fleets = [_fleet("a"), _fleet("b"), _fleet("c")]
    assert ["a1", "b1"] == _choose(pods, fleets, most=2)[0]
    pods.append(_pod("r", owner=None, labels={marks.RETIRING: "true"}))
    assert ["a1"] == _choose(pods, fleets, most=2)[0]
    assert [] == _choose(pods, fleets, most=1)[0]


def test_a_percentage_is_of_the_managed_pods() -> None:
    """25 % of eight pods are two."""
    pods = [_pod(f"{index}") for index in range(8)]
    assert 2 == plan.budget(_policy(most=Amount(25, percent=True)), pods)


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (_pod("x", owner=None), "no controller would replace it"),
        (_pod("x", owner="job"), "pods of ReplicaSet/job are not moved"),
        (_pod("x", annotations={"kubernetes.io/config.mirror": "y"}), "pod x is static: its node runs it from a file"),
        (_pod("x", owner="big"), "ReplicaSet/big has 1 of 2 pods Ready"),
    ],
)
def test_who_stays_is_told_why(pod: dict[str, Any], reason: str) -> None:
    """A pod that is due and cannot move has a reason."""
    assert ([], [("x", reason)]) == _choose([pod], [_fleet("a"), _fleet("big", 2)])


def test_a_busy_fleet_is_passed_over_in_silence() -> None:
    """Its move is told of by itself."""
    assert ([], []) == _choose([_pod("a1")], [_fleet("a")], busy={"a"})


def test_a_policy_selects_by_labels() -> None:
    """Pods that the selector does not select are none of its business."""
    policy = replace(_policy(), selector=Selector((Requirement("app", "In", ("web",)),)))
    assert ["in"] == _names(managed(policy, [_pod("in", labels={"app": "web"}), _pod("out")]))
    retiring = {marks.RETIRING: "true"}
    pods = [_pod("r", labels=retiring | {"app": "web"}), _pod("s", labels=retiring)]
    assert 1 == plan.moving(policy, pods)


_fleets = st.lists(st.sampled_from("abcd"), min_size=1, max_size=12)


@given(
    _fleets,
    st.lists(st.integers(0, 300), min_size=12, max_size=12),
    st.integers(1, 5),
    st.sets(st.sampled_from("abcd")),
    st.sets(st.integers(0, 11)),
)
def test_never_more_than_one_of_a_workload_and_never_a_fresh_pod(
    owners: list[str], ages: list[int], most: int, busy: set[str], unready: set[int]
) -> None:
    """Whatever the namespace holds: at most maxMoving, one of a fleet, whole fleets only, due pods only."""
    pods = [_pod(f"p{index}", ages[index], owner) for index, owner in enumerate(owners)]
    for index in unready & set(range(len(pods))):
        pods[index]["status"]["conditions"] = []
    sizes = Counter(owners)
    fleets = {name: _fleet(name, sizes[name]) for name in sizes}
    policy = _policy(most=Amount(most))
    scene = Scene(SHOP, pods, fleets)
    moves, stays = plan.choose(policy, _due(policy, pods), scene, Budgets([policy], scene.roll), busy, NOW)
    moving = [move.fleet.uid for move in moves]
    assert len(moving) == len(set(moving)) <= most
    assert not busy & set(moving)
    assert all(move.fleet.lacks(pods, NOW) is None for move in moves)
    assert all(due_at(policy, move.pod, KEY, NOW) <= NOW for move in moves)
    assert all(NOW - born(move.pod) >= 0.8 * HOUR for move in moves)
    assert not {move.pod["metadata"]["uid"] for move in moves} & {stay.pod["metadata"]["uid"] for stay in stays}


_spans = st.sampled_from([Lifetime(HOUR, HOUR, fixed=True), Lifetime(HOUR / 2, HOUR), Lifetime(HOUR, HOUR)])


@given(st.binary(min_size=16, max_size=32).map(Keys), _spans, st.integers(2, 12))
def test_replicas_made_in_the_same_second_never_move_together(keys: Keys, span: Lifetime, count: int) -> None:
    """Whatever the key and the lifetime, even one without a spread: each tick of a minute moves one of them at most.

    All are moved in the end; who has moved is fresh, and of another UID.
    """
    policy, fleet = replace(_policy(most=Amount(count)), lifetime=span), {"a": _fleet("a", count)}
    pods = [_pod(f"p{index}", 0) for index in range(count)]
    moved = []
    for minute in range(61 + count):
        now = NOW + timedelta(minutes=minute)
        scene = Scene(SHOP, pods, fleet)
        due = [pod for _, pod in overdue(policy, pods, keys, now)]
        moves, _ = plan.choose(policy, due, scene, Budgets([policy], scene.roll), set(), now)
        assert len(moves) <= 1
        for move in moves:
            moved.append(move.pod["metadata"]["name"])
            pods = [pod for pod in pods if pod is not move.pod] + [_pod(f"fresh-{minute}", -minute)]
    assert {f"p{index}" for index in range(count)} <= set(moved)


def test_a_choice_looks_at_each_pod_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at all pods of the namespace for each workload, nor for each policy: that would be quadratic."""
    looks: Counter[str] = Counter()
    owns, matches = Fleet.owns, Selector.matches

    def counted(fleet: Fleet, pod: Mapping[str, Any]) -> bool:
        looks["owns"] += 1
        return owns(fleet, pod)

    def compared(selector: Selector, labels: Mapping[str, str]) -> bool:
        looks["matches"] += 1
        return matches(selector, labels)

    monkeypatch.setattr(Fleet, "owns", counted)
    monkeypatch.setattr(Selector, "matches", compared)
    pods = [_pod(f"p{index}", owner=str(index // 5), labels={"app": str(index % 10)}) for index in range(500)]
    scene = Scene(SHOP, pods, {str(index): _fleet(str(index), 5) for index in range(100)})
    policies = [
        replace(_policy(most=Amount(100)), name=f"p{app}", selector=Selector((Requirement("app", "In", (str(app),)),)))
        for app in range(10)
    ]
    budgets = Budgets(policies, scene.roll)
    for policy, due in plan.due(policies, scene.roll, KEY, NOW):
        assert 50 == len(due)
        plan.choose(policy, [pod for _, pod in due], scene, budgets, set(), NOW)
    assert looks["owns"] <= 10 * len(pods)
    assert looks["matches"] <= 3 * len(pods)
