"""From an alert to a whole namespace, or node, that moves; and a policy under attack, whose clock then runs faster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from molt import marks
from molt.cluster import DEPLOYMENTS, EVENTS, ROTATION_POLICIES
from molt.embedded.runtime.runtime import Runtime
from tests.end_to_end.conftest import Place, kept
from tests.end_to_end.shop import QUARANTINE, Shop, api_of, request, uids, until, until_the_next_second
from tests.end_to_end.test_accounting import fates, no_traceback, post
from tests.watching import Census

Object = dict[str, Any]

SPEC = {
    "mode": "Enforce",
    "selector": {"matchLabels": {"app": "web"}},
    "lifetime": {"every": "10m"},  # longer than the test; a hundredth of it, in an alarm, is a few seconds
    "underAttack": {"factor": 100, "for": "1h"},
}


@pytest.fixture
def ticking(place: Place, folder: Path) -> Iterator[Runtime]:
    """Run a runtime whose clock ticks every second."""
    with kept(folder, **{**place, "schedule": "* * * * * *"}) as started:
        yield started


@pytest.mark.parametrize("scope", ["Namespace", "Node"])
def test_an_attack_on_a_whole_area(ticking: Runtime, folder: Path, scope: str) -> None:
    """An alert moves every pod of its scope, once; of a policy under attack the fresh ones move by the clock, soon."""
    with Shop.opened(ticking.admin) as shop:
        shop.enforce(QUARANTINE, {"rotate": {"scope": scope}})
        shop.admin.create(ROTATION_POLICIES, {"metadata": {"name": "web"}, "spec": SPEC}, shop.namespace)
        with (census := Census(api_of(ticking.addresses.kubeconfig), shop.namespace)).following():
            before = {"web": shop.workload(DEPLOYMENTS, 3, "web"), "api": shop.workload(DEPLOYMENTS, 3, "api")}
            target = before["web"][0]
            until(lambda: _status(shop).get("managed") == 3)
            until_the_next_second()
            assert {"web": 3, "api": 3} == {app: len(seen) for app, seen in census.uids.items()}
            assert None is _status(shop).get("underAttackSince")

            identity, headers, body = request(target)
            post(ticking, headers, body)
            assert {"acted"} == {fate for fate, _ in fates(folder, [identity])[identity]}
            asked = {app: uids([pod for pod in pods if _is_in(scope, pod, target)]) for app, pods in before.items()}
            until(lambda: shop.is_whole(3, "api") and not asked["api"] & uids(shop.pods("api")))
            (held,) = shop.held()
            since = marks.time_of(_status(shop).get("underAttackSince"))
            quarantined = marks.time_of(marks.annotations_of(held)[marks.QUARANTINED_AT])
            assert quarantined is not None
            assert quarantined.replace(microsecond=0) == since

            # Three at first, a fresh one for each, and then one at least that has replaced a fresh one.
            until(lambda: len(census.uids["web"]) > 3 + 3)
            shop.admin.delete(ROTATION_POLICIES, "web", shop.namespace)
            until(lambda: shop.is_whole(3))
            # No policy is for the others: who was asked to move has moved once, and nobody else has.
            assert asked["api"] == uids(before["api"]) - uids(shop.pods("api"))
            assert 3 + len(asked["api"]) == len(census.uids["api"])
        assert target["metadata"]["uid"] == held["metadata"]["uid"]
        told = [note["note"] for note in shop.admin.list(EVENTS, shop.namespace) if note.get("reason") == "Rotated"]
        assert len(asked["api"]) == sum(f"alert {identity}" in note for note in told if note.startswith("pod api-"))
        assert any("its lifetime by policy web is over" in note for note in told)
    no_traceback(folder)


def _status(shop: Shop) -> Object:
    """Return what the policy says of itself."""
    return shop.admin.get(ROTATION_POLICIES, "web", shop.namespace).get("status") or {}


def _is_in(scope: str, pod: Object, target: Object) -> bool:
    """Tell whether the step's scope reaches the pod."""
    return scope == "Namespace" or pod["spec"]["nodeName"] == target["spec"]["nodeName"]
