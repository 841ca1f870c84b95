"""Names, limits, status, and how objects go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.space import as_now, config_map, pod, until

if TYPE_CHECKING:
    from tests.contract.space import Object, Space


def test_generate_name(space: Space) -> None:
    """A generated name is the prefix and five characters more, and never the same twice."""
    prefix: Object = {"metadata": {"generateName": "made-"}}
    names = [space.create("configmaps", prefix).object()["metadata"]["name"] for _ in range(20)]
    assert 20 == len(set(names))
    assert all(name.startswith("made-") and len("made-") + 5 == len(name) for name in names)


def test_names_that_are_taken_missing_or_bad(space: Space, one: Object) -> None:
    """A taken name is AlreadyExists, an unknown one NotFound, a bad or no name Invalid."""
    assert one["metadata"]["name"] == "one"
    taken = space.create("configmaps", config_map("one"))
    assert (409, "AlreadyExists", 'configmaps "one" already exists') == (taken.status, taken.reason, taken.message)
    gone = space.api.get(space.path("configmaps", "none"))
    assert (404, "NotFound", 'configmaps "none" not found') == (gone.status, gone.reason, gone.message)
    assert {"name": "none", "kind": "configmaps"} == gone.body["details"]
    nameless = space.create("configmaps", {"data": {}})
    text = 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'
    assert (422, "Invalid", text) == (nameless.status, nameless.reason, nameless.message)
    bad = space.create("configmaps", config_map("Bad_Name"))
    assert (422, "Invalid") == (bad.status, bad.reason)
    assert bad.message.startswith('ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lower')


def test_namespace_that_is_not_there(space: Space) -> None:
    """Nothing can be created in a namespace that does not exist."""
    answer = space.api.post("/api/v1/namespaces/no-such-space/configmaps", config_map("one"))
    assert (404, "NotFound", 'namespaces "no-such-space" not found') == (answer.status, answer.reason, answer.message)


@pytest.mark.usefixtures("one")
def test_names_that_disagree(space: Space) -> None:
    """The name and namespace in the body must be those of the path."""
    path = space.path("configmaps", "one")
    text = "the name of the object (two) does not match the name on the URL (one)"
    for answer in (space.api.put(path, config_map("two")), space.api.patch(path, {"metadata": {"name": "two"}})):
        assert (400, "BadRequest", text) == (answer.status, answer.reason, answer.message)
    elsewhere = space.create("configmaps", {"metadata": {"name": "two", "namespace": "other"}})
    text = "the namespace of the provided object does not match the namespace sent on the request"
    assert (400, "BadRequest", text) == (elsewhere.status, elsewhere.reason, elsewhere.message)


def test_labels_and_annotations_have_limits(space: Space) -> None:
    """A label value of 64 characters and annotations of more than 256 KiB are refused."""
    long = space.create("configmaps", config_map("two", app="a" * 64))
    text = f'ConfigMap "two" is invalid: metadata.labels: Invalid value: "{"a" * 64}": must be no more than 63 bytes'
    assert (422, "Invalid", text) == (long.status, long.reason, as_now(long.message))
    big = space.create("configmaps", {"metadata": {"name": "two", "annotations": {"note": "x" * 262_145}}})
    text = 'ConfigMap "two" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes'
    assert (422, "Invalid", text) == (big.status, big.reason, big.message)


def test_status_has_its_own_door(space: Space) -> None:
    """Status is ignored in a pod's own patch, and only status is taken at /status."""
    space.create("pods", pod("one", app="one")).object()
    space.ready_pods("app=one", 1)
    path = space.path("pods", "one")
    assert "Running" == space.api.patch(path, {"status": {"phase": "Failed"}}).object()["status"]["phase"]
    body = {"metadata": {"labels": {"app": "two"}}, "status": {"message": "set"}}
    assert "set" == space.api.patch(f"{path}/status", body).object()["status"]["message"]


def test_pod_spec_is_fixed(space: Space) -> None:
    """A pod's node cannot be changed, its image can."""
    space.create("pods", pod("one", app="one")).object()
    space.ready_pods("app=one", 1)
    answer = space.api.patch(space.path("pods", "one"), {"spec": {"nodeName": "elsewhere"}})
    assert (422, "Invalid") == (answer.status, answer.reason)
    start = 'Pod "one" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].im'
    assert answer.message.startswith(start)


def test_finalizer_holds_a_deletion(space: Space) -> None:
    """An object with a finalizer stays, marked, until the finalizer is taken off."""
    body = {"metadata": {"name": "held", "finalizers": ["molt-project.io/test"]}}
    space.create("configmaps", body).object()
    path = space.path("configmaps", "held")
    assert "deletionTimestamp" in space.api.delete(path).object()["metadata"]
    assert "deletionTimestamp" in space.get("configmaps", "held")["metadata"]
    space.api.patch(path, {"metadata": {"finalizers": None}}).object()
    assert 404 == space.api.get(path).status


def test_deleting_a_running_pod(space: Space) -> None:
    """A running pod is given its grace period, then goes."""
    space.create("pods", pod("one", app="one")).object()
    uid = space.ready_pods("app=one", 1)[0]["metadata"]["uid"]
    leaving = space.api.delete(space.path("pods", "one"), {"preconditions": {"uid": uid}}).object()
    assert (uid, 30) == (leaving["metadata"]["uid"], leaving["metadata"]["deletionGracePeriodSeconds"])
    until(lambda: space.names("pods") == [], "the pod is gone")
