"""The four kinds of patch: what each changes, what it leaves, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from testbed.api import APPLY, JSON, STRATEGIC
from tests.contract.space import applied, pod, workload

if TYPE_CHECKING:
    from tests.contract.space import Object, Space

REJECTED = "the server rejected our request due to an error in our request"


def test_merge_patch(space: Space, one: Object) -> None:
    """A merge patch sets what it names, removes what it nulls, and leaves the rest."""
    path = space.path("configmaps", "one")
    changed = space.api.patch(path, {"data": {"a": None, "c": "3"}, "metadata": {"labels": {"app": None}}}).object()
    assert {"b": "2", "c": "3"} == changed["data"]
    assert "labels" not in changed["metadata"]
    assert one["metadata"]["uid"] == changed["metadata"]["uid"]
    assert one["metadata"]["resourceVersion"] != changed["metadata"]["resourceVersion"]


@pytest.mark.usefixtures("one")
def test_patch_that_changes_nothing(space: Space) -> None:
    """A patch that changes nothing leaves the resourceVersion alone, so that nobody who watches is woken."""
    before = space.get("configmaps", "one")["metadata"]["resourceVersion"]
    after = space.api.patch(space.path("configmaps", "one"), {"data": {"a": "1"}}).object()
    assert before == after["metadata"]["resourceVersion"]


@pytest.mark.usefixtures("one")
def test_json_patch(space: Space) -> None:
    """A JSON patch is done as a whole or not at all: a test that fails undoes what came before it."""
    path = space.path("configmaps", "one")
    done = space.api.patch(path, [{"op": "replace", "path": "/data/a", "value": "9"}], JSON).object()
    assert "9" == done["data"]["a"]
    half = [{"op": "remove", "path": "/data/b"}, {"op": "test", "path": "/data/a", "value": "no"}]
    answer = space.api.patch(path, half, JSON)
    assert (422, "Invalid", REJECTED) == (answer.status, answer.reason, answer.message)
    assert {"a": "9", "b": "2"} == space.get("configmaps", "one")["data"]


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize("operation", [{"op": "remove", "path": "/data/none"}, {"op": "frob", "path": "/data/a"}])
def test_json_patch_refused(space: Space, operation: Object) -> None:
    """A JSON patch that cannot be done is refused with 422."""
    answer = space.api.patch(space.path("configmaps", "one"), [operation], JSON)
    assert (422, "Invalid", REJECTED) == (answer.status, answer.reason, answer.message)


def test_strategic_merge_patch(space: Space) -> None:
    """A strategic merge patch merges lists by their key: a container is found by its name, not by its place."""
    space.create("pods", pod("one")).object()
    image = {"spec": {"containers": [{"name": "main", "image": "example.org/app:2"}]}}
    changed = space.api.patch(space.path("pods", "one"), image, STRATEGIC).object()
    container = changed["spec"]["containers"][0]
    assert ("main", "example.org/app:2") == (container["name"], container["image"])
    assert "terminationMessagePath" in container


def test_template_annotation_restarts(space: Space) -> None:
    """A strategic patch of the template's annotations, as `kubectl rollout restart` sends, makes a new generation."""
    space.create("deployments", workload("web", 1)).object()
    note = {"spec": {"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}}
    changed = space.api.patch(space.path("deployments", "web"), note, STRATEGIC).object()
    assert 2 == changed["metadata"]["generation"]
    assert {"app": "web"} == changed["spec"]["template"]["metadata"]["labels"]


def test_apply_creates_then_owns(space: Space) -> None:
    """Server-side apply creates with 201, and removes a field that its manager no longer applies."""
    path = space.path("configmaps", "made")
    created = space.api.patch(path, applied("made", a="1", b="2"), APPLY, fieldManager="molt", force="true")
    assert 201 == created.status
    again = space.api.patch(path, applied("made", a="1"), APPLY, fieldManager="molt", force="true")
    assert (200, {"a": "1"}) == (again.status, again.body["data"])
    assert ["molt"] == [entry["manager"] for entry in again.body["metadata"]["managedFields"]]


def test_apply_of_an_empty_list(space: Space) -> None:
    """It says that there is nothing, and takes out what somebody else has put in; one that is not named leaves it."""
    path = space.path("networkpolicies", "closed")
    head = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "closed"}}
    spec: dict[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    closed = head | {"spec": spec | {"ingress": []}}
    first = space.api.patch(path, closed, APPLY, fieldManager="molt", force="true").object()
    assert spec == first["spec"]
    opened: dict[str, Any] = {"spec": {"ingress": [{}], "egress": [{}]}}
    space.api.patch(path, opened, fieldManager="tenant").object()
    again = space.api.patch(path, closed, APPLY, fieldManager="molt", force="true").object()
    assert spec | {"egress": [{}]} == again["spec"]
    owned = {entry["manager"]: entry["fieldsV1"]["f:spec"].keys() for entry in again["metadata"]["managedFields"]}
    assert {"molt": {"f:ingress", "f:podSelector", "f:policyTypes"}, "tenant": {"f:egress"}} == owned


def test_apply_conflict(space: Space) -> None:
    """A field that another manager applied is a conflict without force, and changes hands with it."""
    path = space.path("configmaps", "made")
    space.api.patch(path, applied("made", a="1"), APPLY, fieldManager="first").object()
    refused = space.api.patch(path, applied("made", a="2"), APPLY, fieldManager="second")
    assert (409, "Conflict") == (refused.status, refused.reason)
    assert 'Apply failed with 1 conflict: conflict with "first": .data.a' == refused.message
    assert [{"reason": "FieldManagerConflict", "message": 'conflict with "first"', "field": ".data.a"}] == refused.body[
        "details"
    ]["causes"]
    forced = space.api.patch(path, applied("made", a="2"), APPLY, fieldManager="second", force="true").object()
    assert ["second"] == [entry["manager"] for entry in forced["metadata"]["managedFields"]]


def test_apply_needs_a_manager(space: Space) -> None:
    """Server-side apply without a fieldManager is refused."""
    answer = space.api.patch(space.path("configmaps", "made"), applied("made"), APPLY)
    assert (422, "Invalid") == (answer.status, answer.reason)
    assert (
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        == answer.message
    )


@pytest.mark.usefixtures("one")
def test_unknown_patch_kind(space: Space) -> None:
    """A patch that does not say its kind is refused with 415."""
    answer = space.api.patch(space.path("configmaps", "one"), {}, "application/json")
    assert (415, "UnsupportedMediaType") == (answer.status, answer.reason)
