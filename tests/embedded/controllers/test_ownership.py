"""Adoption and release, as every controller does them."""

from __future__ import annotations

import pytest

from molt.embedded.cluster.controllers.kinds import JOB, POD, REPLICA_SET
from molt.embedded.cluster.controllers.ownership import Claim, claim, controller_of, is_controlled_by, reference_to
from tests.embedded.controllers.made import ago, names, pod, thing, updated, workload

RS = workload(REPLICA_SET)
LEAVING = workload(REPLICA_SET)
LEAVING["metadata"]["deletionTimestamp"] = ago(0)
OTHER = thing(JOB, "other")
BYSTANDER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "uid-x"}


def _claim(owner: object, *pods: object) -> Claim:
    assert isinstance(owner, dict)
    fits = lambda one: one["metadata"].get("labels", {}).get("app") == "web"  # noqa: E731 - a predicate of one use
    return claim(REPLICA_SET, owner, POD.plural, [one for one in pods if isinstance(one, dict)], fits)


def test_own() -> None:
    """What is controlled and fits is owned, and nothing is written."""
    assert Claim([own := pod(owner=(REPLICA_SET, RS))], []) == _claim(RS, own)


def test_adoption() -> None:
    """An orphan that fits is adopted: a controller reference that blocks the owner's deletion, beside what is there."""
    orphan = pod(ownerReferences=[BYSTANDER])
    claimed = _claim(RS, orphan)
    (adopted,) = updated(claimed.actions)
    assert ["web-a"] == names(claimed.owned)
    assert [BYSTANDER, reference_to(REPLICA_SET, RS)] == adopted["metadata"]["ownerReferences"]
    assert adopted["metadata"]["resourceVersion"] == "7"
    assert is_controlled_by(adopted, RS)


@pytest.mark.parametrize("others", [[], [BYSTANDER]])
def test_release(others: list[dict[str, str]]) -> None:
    """What no longer fits is released: the controller's own reference goes, and nothing else does."""
    own = pod(labels={"app": "web2", "x": "y"}, ownerReferences=[*others, reference_to(REPLICA_SET, RS)])
    claimed = _claim(RS, own)
    (released,) = updated(claimed.actions)
    assert [] == claimed.owned
    assert others == released["metadata"].get("ownerReferences", [])
    assert own["metadata"]["labels"] == released["metadata"]["labels"]
    assert controller_of(released) is None


@pytest.mark.parametrize(
    ("owner", "candidate"),
    [
        pytest.param(RS, pod(owner=(JOB, OTHER)), id="another's"),
        pytest.param(RS, pod(labels={}), id="an orphan that does not fit"),
        pytest.param(RS, pod(deleted=True), id="an orphan that is going"),
        pytest.param(LEAVING, pod(), id="an orphan, but the owner is going"),
        pytest.param(LEAVING, pod(labels={}, owner=(REPLICA_SET, LEAVING)), id="unfit, but the owner is going"),
    ],
)
def test_left_alone(owner: dict[str, object], candidate: dict[str, object]) -> None:
    """Nobody takes what is another's, or going, or takes anything while going."""
    assert Claim([], []) == _claim(owner, candidate)
