"""What is done to an object without its values ever leaving the API server: metadata alone, and JSON patch."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from molt import regenerable
from molt.cluster import SECRETS, Cluster, Conflict, NotFound, Rejected
from molt.cluster.connect import by_url
from molt.cluster.options import MANAGER
from molt.cluster.transport import Transport
from rotate import exchange
from testbed.api import Api
from tests.contract.space import Object, Space, config_map

PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _cluster(api: Api) -> Cluster:
    """Return the same API server as molt sees it."""
    authority = str(api.ca_file) if api.ca_file else None
    return Cluster(Transport(replace(by_url(api.url, api.token), authority=authority)))


@pytest.fixture
def secret(space: Space) -> Object:
    """Create a Secret with two keys."""
    metadata = {"name": "db", "annotations": {"example.org/a": "1"}}
    data = {"password": _base64("old"), "user": _base64("molt")}
    return space.create("secrets", {"metadata": metadata, "type": "Opaque", "data": data}).object()


def test_an_object_as_its_metadata(space: Space, secret: Object) -> None:
    """Nothing else is in the answer."""
    found = space.api.request("GET", space.path("secrets", "db"), accept=PARTIAL).object()
    assert {"kind", "apiVersion", "metadata"} == found.keys()
    assert ("PartialObjectMetadata", "meta.k8s.io/v1") == (found["kind"], found["apiVersion"])
    assert secret["metadata"]["uid"] == found["metadata"]["uid"]


@pytest.mark.usefixtures("secret")
def test_a_list_as_its_metadata(space: Space) -> None:
    """Each item is what it would be alone."""
    space.create("configmaps", config_map("one")).object()
    found = space.api.request("GET", space.path("secrets"), accept=PARTIAL_LIST).object()
    assert ("PartialObjectMetadataList", "meta.k8s.io/v1") == (found["kind"], found["apiVersion"])
    (item,) = (item for item in found["items"] if item["metadata"]["name"] == "db")
    assert ({"kind", "apiVersion", "metadata"}, "PartialObjectMetadata") == (set(item), item["kind"])


def test_what_is_not_there_is_told_as_always(space: Space) -> None:
    """A refusal is a Status, whatever was asked for."""
    answer = space.api.request("GET", space.path("secrets", "none"), accept=PARTIAL)
    assert (404, "NotFound") == (answer.status, answer.reason)


def test_values_change_places_unseen(space: Space, secret: Object) -> None:
    """`move` is done by the API server, and its answer has no values."""
    cluster, metadata = _cluster(space.api), secret["metadata"]
    answer = cluster.patch_blindly(
        SECRETS,
        "db",
        [
            {"op": "replace", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "test", "path": "/type", "value": "Opaque"},
            {"op": "test", "path": "/data/password-previous", "value": None},
            {"op": "move", "from": "/data/password", "path": "/data/password-previous"},
            {"op": "add", "path": "/data/password", "value": _base64("new")},
            {"op": "add", "path": "/metadata/annotations/molt-project.io~1x", "value": "y"},
        ],
        space.namespace,
    )
    assert {"kind", "apiVersion", "metadata"} == answer.keys()
    assert {"example.org/a": "1", "molt-project.io/x": "y"} == answer["metadata"]["annotations"]
    expected = {name: _base64(text) for name, text in [("password", "new"), ("password-previous", "old")]}
    assert expected | {"user": _base64("molt")} == space.get("secrets", "db")["data"]
    assert answer["metadata"] == cluster.metadata(SECRETS, "db", space.namespace)["metadata"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/type", "value": "kubernetes.io/tls"},
        {"op": "test", "path": "/data/user", "value": None},
        {"op": "move", "from": "/data/none", "path": "/data/other"},
        {"op": "remove", "path": "/data/none"},
    ],
)
def test_a_patch_that_presumes_what_is_not_so(space: Space, secret: Object, operation: Object) -> None:
    """It is refused as a whole."""
    change = {"op": "replace", "path": "/data/password", "value": _base64("new")}
    with pytest.raises(Rejected):
        _cluster(space.api).patch_blindly(SECRETS, "db", [change, operation], space.namespace)
    assert secret["data"] == space.get("secrets", "db")["data"]


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    "operation",
    [
        {"op": "copy", "from": "/data/none", "path": "/data/other"},
        {"op": "replace", "path": "/data/other", "value": ""},
    ],
)
def test_a_patch_that_presumes_nothing(space: Space, operation: Object) -> None:
    """Other than RFC 6902 has it, `copy` and `replace` take a member that is not there for an empty one."""
    _cluster(space.api).patch_blindly(SECRETS, "db", [operation], space.namespace)
    assert "" == space.get("secrets", "db")["data"].get("other", "")


@pytest.mark.parametrize(
    ("field", "value"), [("resourceVersion", "1"), ("uid", "00000000-0000-4000-8000-000000000000")]
)
def test_a_patch_of_another_object(space: Space, secret: Object, field: str, value: str) -> None:
    """Its UID and resourceVersion are preconditions when they are written."""
    operations = [
        {"op": "replace", "path": f"/metadata/{field}", "value": value},
        {"op": "replace", "path": "/data/password", "value": _base64("new")},
    ]
    with pytest.raises(Conflict):
        _cluster(space.api).patch_blindly(SECRETS, "db", operations, space.namespace)
    assert secret["data"] == space.get("secrets", "db")["data"]


def test_who_wrote_a_key_last_is_known_without_its_value(space: Space, secret: Object) -> None:
    """Whoever made the Secret has no part in a value that molt has drawn; whoever changes it afterwards has."""
    cluster, keys = _cluster(space.api), ("password",)
    operations = exchange.begin(secret, {"password": "new"}, "credentials", datetime.now(UTC))
    begun = cluster.patch_blindly(SECRETS, "db", operations, space.namespace)
    assert regenerable.changed_by(begun, keys) is None
    space.api.patch(space.path("secrets", "db"), {"data": {"user": ""}}, fieldManager="kubectl-edit").object()
    assert regenerable.changed_by(cluster.metadata(SECRETS, "db", space.namespace), keys) is None
    space.api.patch(space.path("secrets", "db"), {"data": {"password": ""}}, fieldManager="kubectl-edit").object()
    expected = "kubectl-edit has written password since"
    assert expected == regenerable.changed_by(cluster.metadata(SECRETS, "db", space.namespace), keys)
    assert MANAGER == regenerable.MANAGER


def test_a_rehearsed_patch(space: Space, secret: Object) -> None:
    """With dryRun nothing is stored."""
    cluster, operations = _cluster(space.api), [{"op": "replace", "path": "/data/password", "value": _base64("new")}]
    cluster.patch_blindly(SECRETS, "db", operations, space.namespace, dry_run=True)
    assert secret["data"] == space.get("secrets", "db")["data"]


def test_an_immutable_secret(space: Space) -> None:
    """What the API server says of it has no values in it."""
    body: dict[str, Any] = {"metadata": {"name": "fixed"}, "data": {"password": _base64("old")}, "immutable": True}
    space.create("secrets", body).object()
    operations = [{"op": "replace", "path": "/data/password", "value": _base64("new")}]
    with pytest.raises(Rejected) as refused:
        _cluster(space.api).patch_blindly(SECRETS, "fixed", operations, space.namespace)
    assert "field is immutable when `immutable` is set" in refused.value.reason
    assert not any(_base64(text) in refused.value.reason for text in ("old", "new"))


@pytest.mark.parametrize("plural", ["configmaps", "secrets"])
def test_what_is_immutable_stays_so(space: Space, plural: str) -> None:
    """Its values, and that it is; labels may change."""
    space.create(plural, {"metadata": {"name": "fixed"}, "immutable": True}).object()
    path = space.path(plural, "fixed")
    for change in ({"data": {"a": ""}}, {"immutable": False}):
        answer = space.api.patch(path, change)
        assert (422, "Invalid") == (answer.status, answer.reason)
    space.api.patch(path, {"metadata": {"labels": {"a": "b"}}}).object()


@pytest.mark.usefixtures("secret")
def test_a_secrets_type_stays(space: Space) -> None:
    """So that whoever has seen it once knows it."""
    answer = space.api.patch(space.path("secrets", "db"), {"type": "example.org/other"})
    assert (422, True) == (answer.status, answer.message.endswith("field is immutable"))


def test_metadata_of_nothing(space: Space) -> None:
    """As any other read."""
    with pytest.raises(NotFound):
        _cluster(space.api).metadata(SECRETS, "none", space.namespace)


def test_a_watch_of_metadata(space: Space, secret: Object) -> None:
    """Each event has the object's metadata."""
    query = {"watch": "1", "timeoutSeconds": "1", "fieldSelector": "metadata.name=db", "resourceVersion": "0"}
    text = space.api.request("GET", space.path("secrets"), query=query, accept=PARTIAL).body
    event = text if "type" in text else {}
    assert ("ADDED", {"kind", "apiVersion", "metadata"}) == (event["type"], set(event["object"]))
    assert secret["metadata"]["uid"] == event["object"]["metadata"]["uid"]
