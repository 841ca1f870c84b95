"""Create, update and patch: what the API keeps, refuses, and answers with.

Codes and words as a real API server's: tests/contract has the same rules against one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.embedded.cluster.caller import (
    APPS,
    CRD_PATH,
    DEFAULT,
    THINGS,
    Caller,
    config_map,
    definition,
    deployment,
    object_of,
    pod,
    refusal,
    thing,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

MAPS = f"{DEFAULT}/configmaps"
ONE = f"{MAPS}/one"
PODS = f"{DEFAULT}/pods"
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"

BAD_BODIES: list[tuple[bytes, Mapping[str, str], int, str]] = [
    (b"{", {}, 400, "error decoding JSON"),
    (b"a: [", {"content-type": "application/yaml"}, 400, "error decoding YAML"),
    (b"{}", {"content-type": "application/vnd.kubernetes.protobuf"}, 415, "unknown format"),
    (b"[]", {}, 400, "json: cannot unmarshal array"),
    (b'{"apiVersion": "v2"}', {}, 400, "the API version in the data (v2) does not match the expected API version (v1)"),
    (b'{"kind": "Pod"}', {}, 400, 'Pod in version "v1" cannot be handled as a ConfigMap'),
    (b'{"metadata": []}', {}, 422, "metadata.name: Required value"),
    (b'{"metadata": 1}', {}, 400, "cannot unmarshal integer into Go struct field .metadata"),
    (
        b'{"metadata": {"labels": "x"}}',
        {},
        400,
        "cannot unmarshal string into Go struct field ObjectMeta.metadata.labels",
    ),
    (
        b'{"metadata": {"labels": {"a": 1}}}',
        {},
        400,
        "cannot unmarshal integer into Go struct field ObjectMeta.metadata",
    ),
    (b'{"metadata": {"namespace": "other"}}', {}, 400, "does not match the namespace sent on the request"),
]


@pytest.mark.parametrize(("body", "headers", "code", "text"), BAD_BODIES, ids=[one[0].decode() for one in BAD_BODIES])
def test_bad_bodies(admin: Caller, body: bytes, headers: dict[str, str], code: int, text: str) -> None:
    """A body that is no such object is refused, and the answer says why."""
    answer = refusal(admin.ask("POST", MAPS, body, headers))
    assert code == answer[0]
    assert text in answer[2]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", PODS, {"metadata": {"name": "x"}, "spec": 1}),
        ("POST", PODS, {"metadata": {"name": "x"}, "spec": {"containers": ["x"]}}),
        ("POST", f"{DEFAULT}/services", {"metadata": {"name": "x"}, "spec": {"ports": 1}}),
        ("GET", f"{MAPS}?", None),
    ],
)
def test_misshapen_requests(admin: Caller, method: str, path: str, body: Any) -> None:
    """A value of the wrong shape is refused with 400, and the server lives on."""
    query = {"limit": "many"} if body is None else {}
    assert 400 == admin.ask(method, path.removesuffix("?"), body, None, **query).code
    assert 200 == admin.ask("GET", MAPS).code


BAD_METADATA: list[tuple[dict[str, Any], str]] = [
    ({"name": "-x"}, 'metadata.name: Invalid value: "-x": a lowercase RFC 1123 subdomain must consist of'),
    ({"name": "x" * 254}, "must be no more than 253 bytes"),
    ({"name": "x", "labels": {"a b": "c"}}, 'metadata.labels: Invalid value: "a b": name part must consist of'),
    ({"name": "x", "labels": {"a/b/c": "c"}}, "a valid label key must consist of"),
    ({"name": "x", "labels": {"/c": "c"}}, "prefix part must be non-empty"),
    ({"name": "x", "labels": {"A_/c": "c"}}, "prefix part a lowercase RFC 1123 subdomain"),
    ({"name": "x", "labels": {"a/": "c"}}, "name part must be non-empty"),
    ({"name": "x", "labels": {"a/" + "k" * 64: "c"}}, "name part must be no more than 63 bytes"),
    ({"name": "x", "labels": {"a": "v" * 64}}, "must be no more than 63 bytes"),
    ({"name": "x", "annotations": {"-a": "v"}}, 'metadata.annotations: Invalid value: "-a"'),
    (
        {"name": "x", "annotations": {"a": "v" * (256 * 1024)}},
        "metadata.annotations: Too long: may not be more than 262144",
    ),
    ({"name": "x", "finalizers": ["-"]}, 'metadata.finalizers: Invalid value: "-"'),
    ({"name": "x", "ownerReferences": [{"kind": "Pod", "name": "p", "uid": "u"}]}, "version must not be empty"),
    ({"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]}, "must not be empty"),
    (
        {
            "name": "x",
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": name, "controller": True} for name in "ab"
            ],
        },
        'Only one reference can have Controller set to true. Found "true" in references for Pod/a and Pod/b',
    ),
]


@pytest.mark.parametrize(("metadata", "text"), BAD_METADATA, ids=[text[-40:] for _, text in BAD_METADATA])
def test_bad_metadata(admin: Caller, metadata: dict[str, Any], text: str) -> None:
    """Names, labels, annotations, owners and finalizers of the wrong form are refused with 422."""
    code, reason, message = refusal(admin.ask("POST", MAPS, {"metadata": metadata}))
    assert (422, "Invalid") == (code, reason)
    assert text in message


BAD_NAMES = [
    ("/api/v1/namespaces", "a.b", "must not contain dots"),
    ("/api/v1/namespaces", "A", "a lowercase RFC 1123 label must"),
    (f"{DEFAULT}/services", "1a", "a DNS-1035 label must consist"),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "..", "may not be '..'"),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "a%b", "may not contain '%'"),
]


@pytest.mark.parametrize(("path", "name", "text"), BAD_NAMES)
def test_names_by_kind(admin: Caller, path: str, name: str, text: str) -> None:
    """Each kind has its own rule for names."""
    assert text in refusal(admin.ask("POST", path, {"metadata": {"name": name}, "rules": []}))[2]


def test_roles_may_have_colons(admin: Caller) -> None:
    """A role's name only has to fit into a path."""
    assert (
        "a:b"
        == admin.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": "a:b"}})["metadata"][
            "name"
        ]
    )


def test_create(admin: Caller) -> None:
    """A created object is answered with 201, its kind, and who set which field."""
    answer = admin.ask("POST", MAPS, config_map(), {"user-agent": "tool/1.0"}, fieldManager="")
    made = object_of(answer)
    assert (201, "ConfigMap", "v1") == (answer.code, made["kind"], made["apiVersion"])
    [entry] = made["metadata"]["managedFields"]
    assert ("tool", "Update", {"f:data": {"f:a": {}}}) == (entry["manager"], entry["operation"], entry["fieldsV1"])
    assert made == admin.get(ONE)
    assert (409, "AlreadyExists", 'configmaps "one" already exists') == refusal(admin.ask("POST", MAPS, config_map()))


def test_generated_names_are_judged_too(admin: Caller) -> None:
    """A generateName is completed by the server; a bad one is refused."""
    body = {"metadata": {"generateName": "one-"}}
    assert admin.post(MAPS, body)["metadata"]["name"].startswith("one-")
    assert 422 == admin.ask("POST", MAPS, {"metadata": {"generateName": "A"}}).code


def test_where_nothing_can_be_created(admin: Caller) -> None:
    """A namespace must exist and stay; a path must be a collection in a namespace."""
    nowhere = MAPS.replace("default", "nowhere")
    assert (404, "NotFound", 'namespaces "nowhere" not found') == refusal(admin.ask("POST", nowhere, config_map()))
    admin.post("/api/v1/namespaces", {"metadata": {"name": "going"}})
    admin.ask("DELETE", "/api/v1/namespaces/going")
    code, _, message = refusal(admin.ask("POST", MAPS.replace("default", "going"), config_map()))
    assert (403, True) == (code, "unable to create new content in namespace going because" in message)
    assert 405 == admin.ask("POST", "/api/v1/configmaps", config_map()).code
    assert 405 == admin.ask("POST", ONE, config_map()).code


def test_dry_run(admin: Caller) -> None:
    """Dry runs judge in full and store nothing; another value of dryRun is refused."""
    assert "one" == admin.post(MAPS, config_map(), dryRun="All")["metadata"]["name"]
    assert 404 == admin.ask("GET", ONE).code
    admin.post(MAPS, config_map())
    assert {"a": "2"} == admin.put(ONE, config_map(data={"a": "2"}), dryRun="All")["data"]
    assert {"a": "1"} == admin.get(ONE)["data"]
    message = 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]: supported values: "All"'
    assert (422, "Invalid", message) == refusal(admin.ask("POST", MAPS, config_map("two"), dryRun="x"))
    assert 422 == admin.ask("POST", MAPS, config_map("two"), fieldValidation="x").code


def test_update(admin: Caller) -> None:
    """PUT replaces; it is refused for another name, an old version, another uid, or an object that is not there."""
    made = admin.post(MAPS, config_map())
    changed = admin.put(ONE, config_map(data={"b": "2"}))
    assert {"b": "2"} == changed["data"]
    assert {"f:data": {"f:b": {}}} == changed["metadata"]["managedFields"][0]["fieldsV1"]
    assert (409, f'Operation cannot be fulfilled on configmaps "one": {MODIFIED}') == refusal(
        admin.ask("PUT", ONE, made)
    )[::2]
    other = config_map(uid="other")
    assert "Precondition failed: UID in precondition: other" in refusal(admin.ask("PUT", ONE, other))[2]
    assert (
        "the name of the object (two) does not match the name on the URL (one)"
        == refusal(admin.ask("PUT", ONE, config_map("two")))[2]
    )
    assert (404, "NotFound", 'configmaps "two" not found') == refusal(
        admin.ask("PUT", f"{MAPS}/two", config_map("two"))
    )


def test_finalizers_cannot_be_added_late(admin: Caller) -> None:
    """An object that is being deleted takes no new finalizers."""
    admin.post(MAPS, config_map(finalizers=["a/b"]))
    admin.ask("DELETE", ONE)
    answer = refusal(admin.patch("merge", ONE, {"metadata": {"finalizers": ["a/b", "c/d"]}}))
    assert (
        'no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}'
        in answer[2]
    )


def test_updates_that_need_a_version(admin: Caller) -> None:
    """Leases and custom resources are replaced only by who says which version they read."""
    admin.post(CRD_PATH, definition())
    admin.post(THINGS, thing())
    message = (
        'things.test.io "one" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'
    )
    assert (422, "Invalid", message) == refusal(admin.ask("PUT", f"{THINGS}/one", thing()))


def test_patches(admin: Caller) -> None:
    """The four kinds of patch; what cannot be read or applied is refused."""
    admin.post(MAPS, config_map())
    assert {"b": "2"} == object_of(admin.patch("merge", ONE, {"data": {"a": None, "b": "2"}}))["data"]
    added = admin.patch("json", ONE, [{"op": "add", "path": "/data/c", "value": "3"}])
    assert {"b": "2", "c": "3"} == object_of(added)["data"]
    failed = admin.patch("json", ONE, [{"op": "test", "path": "/data/c", "value": "4"}])
    assert (422, "Invalid", "the server rejected our request due to an error in our request") == refusal(failed)
    assert {"c": "3"} == object_of(admin.patch("strategic", ONE, {"data": {"b": None}}))["data"]
    assert 400 == admin.patch("json", ONE, {}).code
    assert 400 == admin.patch("merge", ONE, []).code
    assert 400 == admin.patch("strategic", ONE, {"$patch": "bogus"}).code
    assert 415 == admin.ask("PATCH", ONE, {}, {"content-type": "application/json"}).code
    assert 404 == admin.patch("merge", f"{MAPS}/two", {}).code


def test_patch_preconditions(admin: Caller) -> None:
    """A patch that names another version is 409, another uid 422, and nothing is changed."""
    made = admin.post(MAPS, config_map())
    assert 409 == admin.patch("merge", ONE, {"metadata": {"resourceVersion": "1"}}).code
    refused = admin.patch("merge", ONE, {"metadata": {"uid": "other"}})
    message = 'ConfigMap "one" is invalid: metadata.uid: Invalid value: "other": field is immutable'
    assert (422, "Invalid", message) == refusal(refused)
    assert made == object_of(admin.patch("merge", ONE, {"data": {"a": "1"}}))


def test_status_is_written_apart(admin: Caller) -> None:
    """A write to the object leaves its status alone, a write to /status all else; new objects come without status."""
    admin.post(CRD_PATH, definition())
    path = f"{THINGS}/one"
    assert "status" not in admin.post(THINGS, thing(spec={"a": 1}, status={"seen": 1}))
    assert "status" not in object_of(admin.patch("merge", path, {"status": {"seen": 1}}))
    seen = object_of(admin.patch("merge", f"{path}/status", {"spec": {"a": 2}, "status": {"seen": 1}}))
    assert ({"a": 1}, {"seen": 1}, 1) == (seen["spec"], seen["status"], seen["metadata"]["generation"])
    assert "status" == seen["metadata"]["managedFields"][-1]["subresource"]
    changed = object_of(admin.patch("merge", path, {"spec": {"a": 2}}))
    assert ({"seen": 1}, 2) == (changed["status"], changed["metadata"]["generation"])
    assert seen["spec"] == admin.get(f"{path}/status")["spec"] | {"a": 1}
    del changed["status"]
    assert "status" not in admin.put(f"{path}/status", changed)
    assert 409 == admin.ask("PUT", f"{path}/status", seen).code
    assert 422 == admin.patch("merge", f"{path}/status", {"status": {"seen": "x"}}).code
    admin.post(PODS, pod())
    running = {"status": {"phase": "Running"}}
    assert "Running" == object_of(admin.patch("merge", f"{PODS}/web/status", running))["status"]["phase"]


def test_apply(admin: Caller) -> None:
    """Apply makes, changes and takes back what one manager wants, and keeps what others do."""
    path = f"{APPS}/deployments/web"
    made = admin.patch("apply", path, deployment(), fieldManager="a")
    assert (201, 1) == (made.code, object_of(made)["spec"]["replicas"])
    again = admin.patch("apply", path, deployment(), fieldManager="a")
    assert (200, object_of(made)["metadata"]["resourceVersion"]) == (
        again.code,
        object_of(again)["metadata"]["resourceVersion"],
    )
    scaled = object_of(admin.patch("apply", path, deployment(replicas=2), fieldManager="a"))
    assert 2 == scaled["spec"]["replicas"]
    assert 1 == object_of(admin.patch("apply", path, deployment(), fieldManager="a"))["spec"]["replicas"]
    tabbed = b'{\t"metadata": {"name": "web", "labels": {"a": "c"}}}'  # JSON, and no YAML
    assert {"a": "c"} == object_of(admin.patch("apply", path, tabbed, fieldManager="b"))["metadata"]["labels"]
    yaml = b"metadata: {name: web, labels: {a: b}}\nspec: {}"
    assert {"a": "b"} == object_of(admin.patch("apply", path, yaml, fieldManager="b"))["metadata"]["labels"]
    old = admin.patch("apply", path, deployment() | {"metadata": {"resourceVersion": "1"}}, fieldManager="a")
    assert 409 == old.code


def test_apply_refusals(admin: Caller) -> None:
    """Apply needs a manager, no managedFields, no uid of what is not there, and an object for a subresource."""
    body = config_map()
    assert "fieldManager: Required value: is required for apply patch" in refusal(admin.patch("apply", ONE, body))[2]
    managed = config_map(managedFields=[{}])
    assert "metadata.managedFields must be nil" == refusal(admin.patch("apply", ONE, managed, fieldManager="a"))[2]
    uid = refusal(admin.patch("apply", ONE, config_map(uid="u"), fieldManager="a"))
    assert (409, True) == (
        uid[0],
        "uid mismatch: the provided object specified uid u, and no existing object" in uid[2],
    )
    assert 404 == admin.patch("apply", f"{PODS}/web/status", pod(), fieldManager="a").code
    assert (
        400 == admin.ask("PATCH", ONE, b"a: [", {"content-type": "application/apply-patch+yaml"}, fieldManager="a").code
    )


def test_apply_to_status(admin: Caller) -> None:
    """A status can be applied too, by a manager of its own."""
    admin.post(CRD_PATH, definition())
    admin.post(THINGS, thing())
    status = thing(status={"seen": 3})
    applied = object_of(admin.patch("apply", f"{THINGS}/one/status", status, fieldManager="a"))
    assert {"seen": 3} == applied["status"]


def test_empty_values_are_not_kept(admin: Caller) -> None:
    """Nulls, empty metadata and empty lists are left out, as by Go's omitempty."""
    made = admin.post(PODS, pod(labels={}, annotations=None, spec={"volumes": [], "nodeName": None}))
    assert set() == {"labels", "annotations"} & made["metadata"].keys()
    assert set() == {"volumes", "nodeName"} & made["spec"].keys()
    role = {"metadata": {"name": "r"}, "rules": []}
    assert [] == admin.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", role)["rules"]
