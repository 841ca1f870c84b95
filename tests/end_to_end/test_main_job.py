"""The main job from end to end: an alert isolates its pod and moves the siblings, the clock moves everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from molt import marks
from molt.cluster import DEPLOYMENTS, ROTATION_POLICIES, STATEFUL_SETS
from molt.embedded.runtime.runtime import Runtime
from tests.end_to_end.conftest import Place, kept
from tests.end_to_end.shop import QUARANTINE, ROTATE, Shop, api_of, request, uids, until, until_the_next_second
from tests.end_to_end.test_accounting import fates, no_traceback, post
from tests.watching import Census, Endpoints

SLOW = {"testbed.molt-project.io/ready-after": "300ms"}


def test_an_attack_on_a_deployment(runtime: Runtime, shop: Shop, folder: Path) -> None:
    """The pod is cut off and kept, its siblings are replaced; only the attacked pod is ever missed by the Service."""
    api = api_of(runtime.addresses.kubeconfig)
    shop.enforce(QUARANTINE, ROTATE)
    shop.expose(at_least=3)
    census, service = Census(api, shop.namespace), Endpoints(api, shop.namespace, {"web": 3})
    with census.following(), service.following():
        target, *siblings = shop.workload(DEPLOYMENTS, 3, annotations=SLOW)
        until(lambda: len(service.ready("web")) == 3)
        until_the_next_second()
        identity, headers, body = request(target)
        post(runtime, headers, body)
        assert ["acted"] == [fate for fate, _ in fates(folder, [identity])[identity]]
        until(lambda: shop.is_whole(3) and service.ready("web") == uids(shop.pods()))
        (held,) = shop.held()
        assert target["metadata"]["uid"] == held["metadata"]["uid"]
        assert identity == marks.annotations_of(held)[marks.ALERT]
        assert not uids([target, *siblings]) & uids(shop.pods())
    assert {"web": 2} == service.least
    assert 3 + 1 + 2 == len(census.uids["web"])
    no_traceback(folder)


def test_an_attack_on_a_stateful_set(runtime: Runtime, shop: Shop, folder: Path) -> None:
    """The pod is kept under its name, so nothing else may move; the log says so."""
    shop.enforce(QUARANTINE, ROTATE)
    before = shop.workload(STATEFUL_SETS, 2, "db")
    until_the_next_second()
    identity, headers, body = request(before[0])
    post(runtime, headers, body)
    ((fate, reason),) = fates(folder, [identity])[identity]
    assert "acted" == fate
    assert "isolated; StatefulSet/db cannot replace it while a pod of this name exists" == reason
    assert uids(before[:1]) == uids(shop.held())
    assert uids(before[1:]) == uids(shop.pods("db"))


def test_the_pods_of_a_stateful_set_move_one_by_one(runtime: Runtime, shop: Shop, folder: Path) -> None:
    """Without a quarantine each replica is evicted in its turn, as its budget allows, and comes back under its name."""
    api = api_of(runtime.addresses.kubeconfig)
    shop.enforce({"rotate": {"scope": "Workload"}})
    shop.expose("db", at_least=1)
    service = Endpoints(api, shop.namespace, {"db": 2})
    with service.following():
        before = shop.workload(STATEFUL_SETS, 2, "db", annotations=SLOW)
        until(lambda: len(service.ready("db")) == 2)
        until_the_next_second()
        identity, headers, body = request(before[0])
        post(runtime, headers, body)
        assert ["acted"] == [fate for fate, _ in fates(folder, [identity])[identity]]
        until(lambda: shop.is_whole(2, "db") and service.ready("db") == uids(shop.pods("db")))
    assert not uids(before) & uids(shop.pods("db"))
    assert {"db-0", "db-1"} == {pod["metadata"]["name"] for pod in shop.pods("db")}
    assert {"db": 1} == service.least
    no_traceback(folder)


@pytest.fixture
def ticking(place: Place, folder: Path) -> Iterator[Runtime]:
    """Run a runtime whose clock ticks every second."""
    with kept(folder, **{**place, "schedule": "* * * * * *"}) as started:
        yield started


def test_the_clock_moves_everybody(ticking: Runtime, folder: Path) -> None:
    """Every pod is replaced when its time has come, the replacements too, and the Service never misses one."""
    api = api_of(ticking.addresses.kubeconfig)
    with Shop.opened(ticking.admin) as shop:
        shop.expose(at_least=2)
        census, service = Census(api, shop.namespace), Endpoints(api, shop.namespace, {"web": 2})
        with census.following(), service.following():
            before = shop.workload(DEPLOYMENTS, 2, annotations=SLOW)
            until(lambda: len(service.ready("web")) == 2)
            spec = {"mode": "Enforce", "selector": {"matchLabels": {"app": "web"}}, "lifetime": {"every": "1s"}}
            shop.admin.create(ROTATION_POLICIES, {"metadata": {"name": "web"}, "spec": spec}, shop.namespace)
            until(lambda: len(census.uids["web"]) >= 2 + 4)
            shop.admin.delete(ROTATION_POLICIES, "web", shop.namespace)
            until(lambda: shop.is_whole(2))
            assert not uids(before) & uids(shop.pods())
        assert {"web": 2} == service.least
    no_traceback(folder)
