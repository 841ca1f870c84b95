"""rotate's rights on nodes, as the API server bounds them: RBAC lets it patch a node, bounds.yaml says what of it."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.api import Api
from testbed.control_plane import ControlPlane
from tests.contract.space import until
from tests.real.manifests import ROOT, apply_all, documents

pytestmark = pytest.mark.real

NODE = "/api/v1/nodes/node-c"
OURS = "molt-project.io/relocating"
TAINT = {"key": OURS, "effect": "NoSchedule"}
MARKS = {"labels": {OURS: "true"}, "annotations": {f"{OURS}-for": "x"}}


@pytest.fixture(scope="module")
def rotate(installed: Api, control_plane: ControlPlane) -> Api:
    """Return the API server as rotate sees it, once the bounds hold."""
    apply_all(installed, documents(ROOT / "functions/rotate/bounds.yaml"))
    account = control_plane.api_as(control_plane.token("rotate", "molt"))
    until(lambda: account.patch(NODE, {"spec": {"unschedulable": True}}, dryRun="All").status == 422, "the bounds hold")
    return account


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": MARKS, "spec": {"taints": [TAINT]}},
        {"metadata": {"labels": {OURS: None}, "annotations": {f"{OURS}-for": None}}, "spec": {"taints": None}},
    ],
)
def test_a_node_is_barred_and_opened(rotate: Api, patch: dict[str, Any]) -> None:
    """What a relocation needs."""
    assert 200 == rotate.patch(NODE, patch, dryRun="All").status


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"spec": {"unschedulable": True}}, "does not cordon"),
        ({"spec": {"taints": [{"key": OURS, "effect": "NoExecute"}]}}, "a node's taints"),
        ({"spec": {"taints": [{"key": "other", "effect": "NoSchedule"}, TAINT]}}, "a node's taints"),
        ({"metadata": {"labels": {"role": "db"}}}, "a node's labels"),
        ({"metadata": {"labels": {"type": None}}}, "a node's labels"),
        ({"metadata": {"labels": {"type": "other"}}}, "a node's labels"),
        ({"metadata": {"annotations": {"a": "b"}}}, "a node's annotations"),
    ],
)
def test_and_nothing_else(rotate: Api, patch: dict[str, Any], said: str) -> None:
    """Whoever has rotate's token can neither end what runs on a node nor steer pods to it."""
    answer = rotate.patch(NODE, patch, dryRun="All")
    assert (422, True) == (answer.status, said in answer.message), answer


def test_others_are_not_bound(installed: Api, rotate: Api) -> None:
    """The policy is for rotate's account alone."""
    assert rotate
    assert 200 == installed.patch(NODE, {"spec": {"unschedulable": True}}, dryRun="All").status
