"""The patches by themselves: JSON patch, strategic merge with its directives, server-side apply of lists and maps."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt.embedded.cluster import managed, ownership
from molt.embedded.cluster.listkeys import atomic_map, schema_at
from molt.embedded.cluster.managed import Path
from molt.embedded.cluster.ownership import Entry
from molt.embedded.cluster.patch import PatchError, json_patch, merge
from molt.embedded.cluster.problems import Refused
from molt.embedded.cluster.resources import BY_KEY, of_crd
from molt.embedded.cluster.strategic import strategic_merge
from tests.embedded.cluster.caller import definition

POD = BY_KEY["pods"]
SERVICE = BY_KEY["services"]
MAP = BY_KEY["configmaps"]
ROLE = BY_KEY["roles.rbac.authorization.k8s.io"]

MERGES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ({"a": "foo"}, "bar", "bar"),
]


@pytest.mark.parametrize(("target", "patch", "wanted"), MERGES)
def test_merge_patch(target: Any, patch: Any, wanted: Any) -> None:
    """RFC 7386's own examples."""
    assert wanted == merge(target, patch)


OPERATIONS: list[tuple[list[dict[str, Any]], Any]] = [
    ([{"op": "add", "path": "/c", "value": 1}], {"a": {"b": 1}, "l": [1, 2], "c": 1}),
    ([{"op": "add", "path": "/l/-", "value": 3}], {"a": {"b": 1}, "l": [1, 2, 3]}),
    ([{"op": "add", "path": "/l/0", "value": 0}], {"a": {"b": 1}, "l": [0, 1, 2]}),
    ([{"op": "remove", "path": "/l/-1"}], {"a": {"b": 1}, "l": [1]}),
    ([{"op": "remove", "path": "/a/b"}], {"a": {}, "l": [1, 2]}),
    ([{"op": "replace", "path": "/l/1", "value": 9}], {"a": {"b": 1}, "l": [1, 9]}),
    ([{"op": "replace", "path": "/a/b", "value": 9}], {"a": {"b": 9}, "l": [1, 2]}),
    ([{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "l": [1, 2], "c": 1}),
    ([{"op": "copy", "from": "/l/0", "path": "/a/c"}], {"a": {"b": 1, "c": 1}, "l": [1, 2]}),
    ([{"op": "test", "path": "/a/b", "value": 1}], {"a": {"b": 1}, "l": [1, 2]}),
    ([{"op": "test", "path": "/x", "value": None}], {"a": {"b": 1}, "l": [1, 2]}),
    ([{"op": "add", "path": "/a/x~1y~0z", "value": 1}], {"a": {"b": 1, "x/y~z": 1}, "l": [1, 2]}),
    ([{"op": "add", "path": "", "value": {}}], {}),
    ([{"op": "add", "path": "/l/0/x", "value": 1}], None),
    ([{"op": "add", "path": "/l/5", "value": 1}], None),
    ([{"op": "remove", "path": "/x"}], None),
    ([{"op": "replace", "path": "/x", "value": 1}], {"a": {"b": 1}, "l": [1, 2], "x": 1}),
    ([{"op": "copy", "from": "/x", "path": "/y"}], {"a": {"b": 1}, "l": [1, 2], "y": None}),
    ([{"op": "copy", "from": "/x/y", "path": "/y"}], None),
    ([{"op": "test", "path": "/x/y", "value": None}], None),
    ([{"op": "move", "from": "/x", "path": "/y"}], None),
    ([{"op": "replace", "path": "/l/5", "value": 1}], None),
    ([{"op": "test", "path": "/a/b", "value": 2}], None),
    ([{"op": "bogus", "path": "/a"}], None),
    ([{"op": "add", "path": "/a"}], None),
]


@pytest.mark.parametrize(("operations", "wanted"), OPERATIONS, ids=[str(one[0][0]) for one in OPERATIONS])
def test_json_patch(operations: list[dict[str, Any]], wanted: Any) -> None:
    """Each operation does what RFC 6902 says, or the whole patch fails and changes nothing.

    But that `replace` and `copy` take a member that is not there for none: so does the API server.
    """
    target = {"a": {"b": 1}, "l": [1, 2]}
    if wanted is None:
        with pytest.raises(PatchError):
            json_patch(target, operations)
    else:
        assert wanted == json_patch(target, operations)
    assert {"a": {"b": 1}, "l": [1, 2]} == target


def spec(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **more}}


STRATEGIC: list[tuple[str, dict[str, Any], dict[str, Any], Any]] = [
    ("items merge by name", spec({"name": "a", "image": "1"}, {"name": "b"}), spec({"name": "a", "image": "2"}),
     spec({"name": "a", "image": "2"}, {"name": "b"})),
    ("new items are appended", spec({"name": "a"}), spec({"name": "b"}), spec({"name": "a"}, {"name": "b"})),
    ("$patch: delete", spec({"name": "a"}, {"name": "b"}), spec({"name": "a", "$patch": "delete"}),
     spec({"name": "b"})),
    ("$patch: replace in a list", spec({"name": "a"}), spec({"name": "b"}, {"$patch": "replace"}), spec({"name": "b"})),
    ("nested lists", spec({"name": "a", "env": [{"name": "X", "value": "1"}]}),
     spec({"name": "a", "env": [{"name": "X", "value": "2"}, {"name": "Y", "value": "3"}]}),
     spec({"name": "a", "env": [{"name": "X", "value": "2"}, {"name": "Y", "value": "3"}]})),
    ("atomic lists", {"spec": {"tolerations": [{"key": "a"}]}}, {"spec": {"tolerations": [{"key": "b"}]}},
     {"spec": {"tolerations": [{"key": "b"}]}}),
    ("sets", {"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": ["b", "a"]}},
     {"metadata": {"finalizers": ["a", "b"]}}),
    ("$deleteFromPrimitiveList", {"metadata": {"finalizers": ["a", "b"]}},
     {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, {"metadata": {"finalizers": ["b"]}}),
    ("$setElementOrder", spec({"name": "a"}, {"name": "c"}, {"name": "b"}),
     {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}},
     spec({"name": "b"}, {"name": "a"}, {"name": "c"})),
    ("$setElementOrder of a set", {"metadata": {"finalizers": ["a", "b"]}},
     {"metadata": {"$setElementOrder/finalizers": ["b", "a"]}}, {"metadata": {"finalizers": ["b", "a"]}}),
    ("$setElementOrder of nothing", {}, {"spec": {"$setElementOrder/containers": [{"name": "a"}]}}, {"spec": {}}),
    ("$retainKeys", {"spec": {"a": 1, "b": 2}}, {"spec": {"$retainKeys": ["b", "c"], "c": 3}},
     {"spec": {"b": 2, "c": 3}}),
    ("$patch: replace of a map", {"spec": {"a": 1}}, {"spec": {"$patch": "replace", "b": 2}}, {"spec": {"b": 2}}),
    ("$patch: delete of a map", {"spec": {"a": 1}}, {"spec": {"$patch": "delete"}}, {"spec": {}}),
    ("null removes", {"spec": {"a": 1}}, {"spec": {"a": None}}, {"spec": {}}),
    ("an item without its key", spec({"name": "a"}), spec({"image": "b"}), None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "patch", "wanted"), [one[1:] for one in STRATEGIC], ids=[one[0] for one in STRATEGIC]
)
def test_strategic_merge(target: dict[str, Any], patch: dict[str, Any], wanted: Any) -> None:
    """Lists merge by the keys of the API's types, and the directives do as they say."""
    if wanted is None:
        with pytest.raises(PatchError, match="does not contain declared merge key: name"):
            strategic_merge(POD, target, patch)
    else:
        assert wanted == strategic_merge(POD, target, patch)


def test_ports_merge_by_the_kind() -> None:
    """A Service's ports merge by port, a container's by containerPort, an EndpointSlice's not at all."""
    ports = {"spec": {"ports": [{"port": 1, "name": "a"}]}}
    merged = strategic_merge(SERVICE, ports, {"spec": {"ports": [{"port": 1, "name": "b"}]}})
    assert [{"port": 1, "name": "b"}] == merged["spec"]["ports"]
    slices = BY_KEY["endpointslices.discovery.k8s.io"]
    assert {"ports": [{"port": 2}]} == strategic_merge(slices, {"ports": [{"port": 1}]}, {"ports": [{"port": 2}]})


def test_rules_of_roles_do_not_merge() -> None:
    """A Role's rules are one value."""
    assert {"rules": [{"verbs": ["b"]}]} == strategic_merge(
        ROLE, {"rules": [{"verbs": ["a"]}]}, {"rules": [{"verbs": ["b"]}]}
    )


def entry(manager: str, operation: str = "Apply", subresource: str = "") -> Entry:
    return Entry(manager, operation, "v1", "2026-01-01T00:00:00Z", frozenset(), subresource)


def apply(
    old: dict[str, Any] | None, config: dict[str, Any], manager: str = "a", *, force: bool = False
) -> dict[str, Any]:
    body = {"metadata": {"name": "x"}} | config
    return ownership.apply(POD, old, body, entry(manager), force=force)


def test_applied_fields_round_trip() -> None:
    """fieldsV1 has f:, k: and v: parts, a dot where an item is owned itself, and reads back as the same set."""
    made = apply(
        None, spec({"name": "a", "ports": [{"containerPort": 1}]}) | {"metadata": {"name": "x", "finalizers": ["f"]}}
    )
    tree = made["metadata"]["managedFields"][0]["fieldsV1"]
    assert {'v:"f"': {}} == tree["f:metadata"]["f:finalizers"]
    container = tree["f:spec"]["f:containers"]['k:{"name":"a"}']
    assert {".": {}, "f:name": {}} == {key: container[key] for key in (".", "f:name")}
    assert {".": {}, "f:containerPort": {}} == container["f:ports"]['k:{"containerPort":1,"protocol":"TCP"}']
    assert tree == managed.to_v1(managed.from_v1(tree))


PATHS = st.sets(st.lists(st.tuples(st.just("f"), st.sampled_from("abc")), min_size=1, max_size=3).map(tuple))


@given(one=PATHS, other=PATHS)
def test_sets_of_fields_are_joined_and_taken_apart_as_they_stand(one: set[Path], other: set[Path]) -> None:
    """What fieldsV1 says after it was changed in place of its set is what the set would say."""
    first, second = managed.to_v1(one), managed.to_v1(other)
    assert managed.to_v1(one | other) == managed.union(first, second)
    assert managed.to_v1(one - other) == managed.difference(first, second)


def test_apply_takes_back_what_it_no_longer_wants() -> None:
    """Fields, items and set values that a manager drops go, unless another manages them too."""
    first = apply(
        None, spec({"name": "a", "image": "1"}, {"name": "b"}, nodeName="n") | {"metadata": {"finalizers": ["f", "g"]}}
    )
    second = apply(first, spec({"name": "b"}, {"name": "c"}), "other")
    third = apply(second, spec({"name": "a"}) | {"metadata": {"finalizers": ["g"]}})
    assert {"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]} == third["spec"]
    assert ["g"] == third["metadata"]["finalizers"]
    assert ["other", "a"] == [one["manager"] for one in third["metadata"]["managedFields"]]


def test_a_dropped_item_keeps_what_others_set_in_it() -> None:
    """An item that its manager drops stays as long as another manager sets something in it."""
    first = apply(None, spec({"name": "a", "image": "1"}))
    second = apply(first, spec({"name": "a", "workingDir": "/"}), "other")
    third = apply(second, {"spec": {"nodeName": "n"}})
    assert [{"name": "a", "workingDir": "/"}] == third["spec"]["containers"]


def test_a_dropped_item_goes_whole() -> None:
    """An item that only its manager set goes, with what was filled in; one that another changed keeps that."""
    first = apply(None, spec({"name": "a", "image": "1"}, {"name": "b", "ports": [{"containerPort": 1}]}))
    first["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    assert ["b"] == [one["name"] for one in apply(first, spec({"name": "b"}))["spec"]["containers"]]
    changed = {**first, "spec": spec({"name": "a", "image": "2"}, {"name": "b"})["spec"]}
    changed = ownership.updated(POD, first, changed, entry("tool", "Update"))
    assert [{"name": "a", "image": "2"}] == apply(changed, {"spec": {"nodeName": "n"}})["spec"]["containers"]


def test_what_is_gone_already_is_no_trouble() -> None:
    """A manager may drop what somebody else removed in the meantime."""
    first = apply(None, spec({"name": "a"}) | {"metadata": {"labels": {"l": "1"}}})
    first["spec"] = {"nodeName": "n"}
    del first["metadata"]["labels"]
    assert {"nodeName": "n"} == apply(first, {"metadata": {"annotations": {"b": "2"}}})["spec"]


def test_conflicts() -> None:
    """What another manager set to another value is a conflict that names manager and field; force takes it."""
    old = apply(None, spec({"name": "a", "image": "1"}) | {"metadata": {"finalizers": ["f"], "labels": {"l": "1"}}})
    with pytest.raises(Refused, match=r'Apply failed with 1 conflict: conflict with "a": \.spec\.containers') as one:
        apply(old, spec({"name": "a", "image": "2"}), "b")
    assert [{"reason": "FieldManagerConflict", "message": 'conflict with "a"',
             "field": '.spec.containers[name="a"].image'}] == (one.value.details or {})["causes"]  # fmt: skip
    with pytest.raises(
        Refused, match=r'Apply failed with 2 conflicts: conflicts with "a":\n- .metadata.labels.l\n- .spec'
    ):
        apply(old, spec({"name": "a", "image": "2"}) | {"metadata": {"labels": {"l": "2"}}}, "b")
    assert "2" == apply(old, spec({"name": "a", "image": "2"}), "b", force=True)["spec"]["containers"][0]["image"]
    assert '.metadata.finalizers[="f"]' == managed.shown((("f", "metadata"), ("f", "finalizers"), ("v", '"f"')))


def test_updates_count_as_managers_too() -> None:
    """What an update set is the updater's, by operation, version and time; before the first apply it is nobody's."""
    new = {"metadata": {"name": "x"}, "data": {"a": "1"}}
    made = ownership.updated(MAP, {"metadata": {}}, new, entry("tool", "Update", "status"))
    with pytest.raises(Refused, match=r'"tool" with subresource "status" using v1 at 2026-01-01T00:00:00Z: .data.a'):
        ownership.apply(MAP, made, {"metadata": {"name": "x"}, "data": {"a": "2"}}, entry("b"), force=False)
    del made["metadata"]["managedFields"]
    with pytest.raises(Refused, match='conflict with "before-first-apply" using v1'):
        ownership.apply(MAP, made, {"metadata": {"name": "x"}, "data": {"a": "2"}}, entry("b"), force=False)


def test_an_update_takes_over_what_it_changes() -> None:
    """A changed field leaves its former manager; a removed one leaves all; nothing changed changes nobody."""
    old = ownership.apply(MAP, None, {"metadata": {"name": "x"}, "data": {"a": "1", "b": "1"}}, entry("a"), force=False)
    new = {"metadata": {**old["metadata"]}, "data": {"a": "2", "b": "1"}}
    changed = ownership.updated(MAP, old, new, entry("tool", "Update"))
    assert [("a", {"f:data": {"f:b": {}}}), ("tool", {"f:data": {"f:a": {}}})] == [
        (one["manager"], one["fieldsV1"]) for one in changed["metadata"]["managedFields"]
    ]
    bare = ownership.updated(MAP, changed, {"metadata": {"name": "x"}}, entry("tool", "Update"))
    assert "managedFields" not in bare["metadata"]
    assert changed == ownership.updated(
        MAP, changed, {**changed, "metadata": {**changed["metadata"]}}, entry("z", "Update")
    )


def test_custom_lists_and_maps_merge_by_their_schema() -> None:
    """x-kubernetes-list-type and -map-type say how; what says nothing is one value."""
    item = {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}
    schema = {"type": "object", "properties": {
        "keyed": {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]},
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "plain": {"type": "array", "items": item},
        "atomic": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        "free": {"type": "object", "additionalProperties": {"type": "string"}}}}  # fmt: skip
    [kind] = of_crd(definition(schema))
    first = {
        "keyed": [{"k": "a", "v": 1}],
        "set": ["x"],
        "plain": [{"k": "a"}],
        "atomic": {"a": "1"},
        "free": {"a": "1"},
    }
    old = ownership.apply(kind, None, {"metadata": {"name": "o"}, "spec": first}, entry("a"), force=False)
    second = {"keyed": [{"k": "b"}], "set": ["y"], "plain": [{"k": "b"}], "atomic": {"b": "1"}, "free": {"b": "1"}}
    new = ownership.apply(kind, old, {"metadata": {"name": "o"}, "spec": second}, entry("b"), force=True)
    assert {
        "keyed": [{"k": "b"}, {"k": "a", "v": 1}],
        "set": ["y", "x"],
        "plain": [{"k": "b"}],
        "atomic": {"b": "1"},
        "free": {"a": "1", "b": "1"},
    } == new["spec"]
    assert {"type": "string"} == schema_at(kind, ("spec", "free", "any"))
    assert None is schema_at(kind, ("spec", "nothing", "below"))
    assert atomic_map(kind, ("spec", "atomic"))
    assert None is schema_at(MAP, ("data",))
