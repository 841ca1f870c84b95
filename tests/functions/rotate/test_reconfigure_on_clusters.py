"""Reconfigure over HTTP, with the account's own rights and within its bounds, on both API servers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from molt import combination, marks
from molt.cluster import ENDPOINT_SLICES, EVENTS, PODS, ROTATION_POLICIES, SERVICES, Cluster
from molt.combination import Combination
from molt.outcome import Skipped, SystemClock
from rotate.restart import RESOURCES, STAMP
from tests.functions.installation import Installation
from tests.functions.rotate.test_restart_on_clusters import (
    LABELS,
    SLOW,
    TICK,
    _is_over,
    _is_whole,
    _seen,
    _starve,
    _top,
    _uids,
    _until,
    handle,
)

Object = dict[str, Any]

DIMENSIONS: list[Object] = [
    {"name": "port", "port": {"container": "main", "name": "http", "env": "PORT", "variants": [8080, 9090, 7070]}},
    {"name": "build", "image": {"container": "main", "variants": ["web:1", "web:2"]}},
    {"name": "decoy", "environment": {"container": "main", "name": "DECOY", "variants": ["db-1", "db-2"]}},
    {"name": "version", "label": {"key": "version", "variants": ["1", "2"]}},
    {"name": "pool", "nodeSelector": {"key": "kubernetes.io/os", "variants": ["linux", "plan9"], "pin": "linux"}},
]
SPEC = {"mode": "Enforce", "selector": {}, "lifetime": {"every": "1s"}, "strategy": "Reconfigure"}


def _make(here: Installation, kind: str, pace: str = "100ms", target: object = "http") -> None:
    """Make a workload of a kind that may be reconfigured, and its Service, and wait until both are whole."""
    main = {
        "name": "main",
        "image": "web:1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "DECOY"}, {"name": "PORT", "value": "8080"}],
    }
    template = {
        "metadata": {"labels": LABELS | {"version": "1"}, "annotations": dict.fromkeys(SLOW, pace)},
        "spec": {"containers": [main], "nodeSelector": {"kubernetes.io/os": "linux"}},
    }
    body: Object = {"selector": {"matchLabels": LABELS}, "template": template}
    body |= {} if kind == "DaemonSet" else {"replicas": 3}
    body |= {"serviceName": "web"} if kind == "StatefulSet" else {}
    metadata = {"name": "web", "labels": {marks.RECONFIGURABLE: "true"}}
    here.admin.create(RESOURCES[kind], {"metadata": metadata, "spec": body}, here.namespace)
    service = {"selector": LABELS, "ports": [{"port": 80, "targetPort": target}]}
    here.admin.create(SERVICES, {"metadata": {"name": "web"}, "spec": service}, here.namespace)
    _until(lambda: _is_whole(here, kind))
    _until(lambda: len(here.serving()) == len(_reached(here)))


def _reached(here: Installation) -> dict[str, int]:
    """Return the port by which the Service reaches each Ready pod, by the pod's UID."""
    found: dict[str, int] = {}
    for obj in here.admin.list(ENDPOINT_SLICES, here.namespace, labels="kubernetes.io/service-name=web"):
        for point in obj.get("endpoints") or ():
            if point["conditions"].get("ready"):
                found[point["targetRef"]["uid"]] = obj["ports"][0]["port"]
    return found


def _policy(here: Installation) -> None:
    time.sleep(1.1)  # all are older than a second
    body = {"metadata": {"name": "web"}, "spec": {**SPEC, "reconfigure": DIMENSIONS}}
    here.admin.create(ROTATION_POLICIES, body, here.namespace)


def _began(here: Installation, cluster: Cluster, kind: str) -> Combination:
    """Let one tick begin, and no other; return what was drawn."""
    _policy(here)
    outcome = handle(TICK, cluster, SystemClock())
    here.admin.delete(ROTATION_POLICIES, "web", here.namespace)
    chosen = combination.chosen(_top(here, kind))
    assert chosen, outcome
    return chosen.variants


def _plain(template: Object) -> Object:
    """Return the template without the stamp."""
    annotations = {name: text for name, text in template["metadata"]["annotations"].items() if name != STAMP}
    return {**template, "metadata": {**template["metadata"], "annotations": annotations}}


@pytest.mark.parametrize("kind", RESOURCES)
def test_the_service_follows_the_port(here: Installation, kind: str) -> None:
    """All pods are fresh, each is reached at its own port, and no fewer than the rollout allows at any time."""
    _make(here, kind)
    before, replicas = _uids(here), len(here.serving())
    least = replicas if kind == "Deployment" else replicas - 1
    with here.account("rotate") as cluster:
        drawn = _began(here, cluster, kind)
        seen: list[int] = []

        def is_over() -> bool:
            seen.append(len(_reached(here)))
            return _is_over(here, cluster, kind)

        _until(is_over)
    assert least <= min(seen)
    assert not set(before.values()) & set(_uids(here).values())
    _until(lambda: set(_uids(here).values()) == set(_reached(here)))
    assert {int(drawn["port"])} == set(_reached(here).values())
    for pod in here.serving():
        (main,) = pod["spec"]["containers"]
        assert [{"name": "DECOY", "value": drawn["decoy"]}, {"name": "PORT", "value": drawn["port"]}] == main["env"]
        assert (drawn["build"], drawn["version"]) == (main["image"], pod["metadata"]["labels"]["version"])
    assert {marks.COMBINATION} == {name for name in marks.annotations_of(_top(here, kind)) if "molt" in name}


@pytest.mark.parametrize("kind", RESOURCES)
def test_a_stuck_one_goes_back_to_the_letter(here: Installation, kind: str) -> None:
    """A fresh pod cannot have its image: the template is what it was, so are all pods, and the Service reaches them."""
    _make(here, kind, "1500ms")
    before = _top(here, kind)["spec"]["template"]
    old = set(_uids(here).values())
    with here.account("rotate") as cluster:
        drawn = _began(here, cluster, kind)
        assert _plain(before) != _plain(_top(here, kind)["spec"]["template"])
        _starve(here, old)
        _until(lambda: "restarted-at" not in str(marks.annotations_of(_seen(here, cluster, kind))))
        assert before == _top(here, kind)["spec"]["template"]
        _until(lambda: _is_over(here, cluster, kind))
    assert _is_whole(here, kind)
    _until(lambda: set(_uids(here).values()) == set(_reached(here)))
    assert {8080} == set(_reached(here).values())
    top = _top(here, kind)
    assert (None, drawn) == (combination.chosen(top), combination.undone(top))
    (event,) = (one for one in here.admin.list(EVENTS, here.namespace) if one["reason"] == "MoltRotationUndone")
    assert "its reconfiguration is undone: pod web-" in event["note"]


def test_a_service_that_names_a_number_is_told_and_nothing_changes(here: Installation) -> None:
    """The reason is in the trail; no pod moves."""
    _make(here, "Deployment", target=8080)
    before = _top(here, "Deployment")["spec"]["template"]
    with here.account("rotate") as cluster:
        _policy(here)
        outcome = handle(TICK, cluster, SystemClock())
    assert isinstance(outcome, Skipped)
    assert "cannot change its port: Service/web has 8080 as targetPort, and not the name http" in str(outcome.event)
    assert before == _top(here, "Deployment")["spec"]["template"]
    assert not here.admin.list(PODS, here.namespace, labels=marks.RETIRING)
