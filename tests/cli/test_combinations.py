"""`molt plan` of a policy that reconfigures: what each workload has, who chose it, what is pinned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from molt import marks
from molt.cli import combinations
from molt.cluster import DEPLOYMENTS, PODS, ROTATION_POLICIES, Cluster
from molt.combination import Chosen
from molt.policy import RotationPolicy, rotation
from tests.cli import objects
from tests.cli.conftest import Molt
from tests.embedded_cluster import RunningCluster

Object = dict[str, Any]

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DIMENSIONS = [
    {"name": "build", "image": {"container": "web", "variants": ["web:1", "web:2", "web:3"]}},
    {"name": "pool", "nodeSelector": {"key": "pool", "variants": ["a", "b"], "pin": "b"}},
]
CHOSEN = Chosen({"build": "web:2", "pool": "b"}, "web", "2026-11-24T11:00:00Z")
LABELLED = {marks.RECONFIGURABLE: "true"}


def _policy() -> RotationPolicy:
    return rotation.parse(objects.rotation(strategy="Reconfigure", reconfigure=DIMENSIONS))


def _deployment(name: str = "web", labels: dict[str, str] | None = None, **annotations: str) -> Object:
    spec = {"containers": [{"name": "web", "image": "web:1"}], "nodeSelector": {"pool": "b"}}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    told = {f"{marks.PREFIX}/{key.replace('_', '-')}": text for key, text in annotations.items()}
    metadata = {"name": name, "labels": LABELLED if labels is None else labels, "annotations": told}
    return {"metadata": metadata, "spec": {"selector": {"matchLabels": {"app": name}}, "template": template}}


@pytest.mark.parametrize(
    ("obj", "note"),
    [
        (_deployment(), "as its owner has it"),
        (_deployment(labels={}), "not labelled molt-project.io/reconfigurable=true; as its owner has it"),
        (
            _deployment(combination=CHOSEN.render()),
            "chosen 11:00:00 UTC, 60m ago by policy web; changed since: build",
        ),
        (
            _deployment(combination=Chosen({"build": "web:1"}, "old", "2026-11-24T11:00:00Z").render()),
            "chosen 11:00:00 UTC, 60m ago by policy old",
        ),
        (
            _deployment(undone_combination='{"build":"web:3","pool":"b"}'),
            "as its owner has it; taken back: build=web:3, pool=b",
        ),
    ],
)
def test_what_is_said_of_a_workload(obj: Object, note: str) -> None:
    """In its first row; each row has a dimension, what there is, the pin and the number of variants."""
    found = combinations.standing(_policy(), "Deployment/web", obj)
    assert [
        ("Deployment/web", "build", "web:1", "", 3, note),
        ("", "pool", "b", "b", 2, ""),
    ] == combinations.rows(_policy(), [found], NOW)


def test_a_workload_that_lacks_what_would_change() -> None:
    """It says so where the value would stand."""
    found = combinations.standing(_policy(), "Deployment/web", {"metadata": {}, "spec": {}})
    shown = combinations.rows(_policy(), [found], NOW)
    assert [("build", "not there"), ("pool", "not there")] == [row[1:3] for row in shown]
    (said,) = combinations.as_json(_policy(), [found])
    assert {
        "workload": "Deployment/web",
        "reconfigurable": False,
        "combination": {"build": None, "pool": None},
        "pinned": {"pool": "b"},
        "chosen": None,
        "changedSince": [],
        "undone": None,
    } == said


@pytest.fixture
def shop(cluster: RunningCluster) -> Iterator[Cluster]:
    """Put a Deployment with a pod, one without, and a policy into the cluster."""
    api = cluster.admin
    pod = objects.pod("web-1", {"app": "web", "pod-template-hash": "6d5f7c9b8"}, {})
    pod["metadata"]["ownerReferences"] = [objects.OWNER]
    api.create(PODS, pod, "shop")
    api.create(DEPLOYMENTS, _deployment(combination=CHOSEN.render()), "shop")
    api.create(DEPLOYMENTS, _deployment("other"), "shop")
    api.create(ROTATION_POLICIES, objects.rotation(strategy="Reconfigure", reconfigure=DIMENSIONS), "shop")
    yield api
    api.delete(ROTATION_POLICIES, "web", "shop")
    api.delete(DEPLOYMENTS, "web", "shop")
    api.delete(DEPLOYMENTS, "other", "shop")
    api.delete(PODS, "web-1", "shop", grace_seconds=0)


@pytest.mark.usefixtures("shop")
def test_the_plan_shows_the_combinations(molt: Molt, context: str) -> None:
    """Of the workloads whose pods the policy selects, in words and as JSON."""
    result = molt("plan", "--context", context, "--json")
    (policy,) = result.json["policies"]
    expected = {
        "workload": "Deployment/web",
        "reconfigurable": True,
        "combination": {"build": "web:1", "pool": "b"},
        "pinned": {"pool": "b"},
        "chosen": {"at": "2026-11-24T11:00:00Z", "policy": "web", "variants": CHOSEN.variants},
        "changedSince": ["build"],
        "undone": None,
    }
    assert (0, "Reconfigure", [expected]) == (result.code, policy["strategy"], policy["workloads"])
    shown = molt("plan", "--context", context).out
    for word in ("Pinned to", "build", "web:1", "changed since: build"):
        assert word in " ".join(shown.split()), word
