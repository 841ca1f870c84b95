"""CustomResourceDefinitions: a kind is served at once, its schema and its CEL rules are enforced, status is apart."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from testbed.api import APPLY, STRATEGIC
from tests.contract.space import CRDS, Object, Space, as_now, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import Answer, Api

GROUP = "contract.molt-project.io"
_RULE = {
    "rule": "!has(self.min) || !has(self.max) || self.min <= self.max",
    "message": "min must not exceed max",
    "fieldPath": ".min",
}
_SPEC = {
    "type": "object",
    "required": ["mode"],
    "properties": {
        "mode": {"type": "string", "enum": ["DryRun", "Enforce"], "default": "DryRun"},
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "names": {
            "type": "array",
            "maxItems": 2,
            "items": {"type": "string", "maxLength": 5, "pattern": "^[a-z]+$"},
        },
        "either": {"x-kubernetes-int-or-string": True},
        "min": {"type": "integer"},
        "max": {"type": "integer"},
    },
    "x-kubernetes-validations": [_RULE],
}
_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"things.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing", "shortNames": ["th"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": _SPEC,
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}
_UNCHECKED = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)

ACCEPTED: list[tuple[Object, Object]] = [
    ({}, {"mode": "DryRun"}),
    ({"mode": "Enforce", "size": 9}, {"mode": "Enforce", "size": 9}),
    ({"either": "30%"}, {"mode": "DryRun", "either": "30%"}),
    ({"either": 3}, {"mode": "DryRun", "either": 3}),
    ({"min": 1, "max": 1}, {"mode": "DryRun", "min": 1, "max": 1}),
    ({"unknown": 1}, {"mode": "DryRun"}),
]
REFUSED: list[tuple[Object | None, str]] = [
    (None, f"[spec: Required value, {_UNCHECKED}]"),
    (
        {"mode": "Bogus"},
        f'[spec.mode: Unsupported value: "Bogus": supported values: "DryRun", "Enforce", {_UNCHECKED}]',
    ),
    ({"size": 10}, "spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9"),
    ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
    (
        {"size": "x"},
        f'[spec.size: Invalid value: "string": spec.size in body must be of type integer: "string", {_UNCHECKED}]',
    ),
    ({"names": ["a", "b", "c"]}, f"[spec.names: Too many: 3: must have at most 2 items, {_UNCHECKED}]"),
    ({"names": ["A"]}, "spec.names[0]: Invalid value: \"A\": spec.names[0] in body should match '^[a-z]+$'"),
    ({"names": ["abcdef"]}, f"[spec.names[0]: Too long: may not be more than 5 bytes, {_UNCHECKED}]"),
    (
        {"either": True},
        (
            '[spec.either: Invalid value: "boolean": spec.either in body must be of type integer,string: "boolean", '
            f"{_UNCHECKED}]"
        ),
    ),
    ({"min": 3, "max": 1}, "spec.min: Invalid value: min must not exceed max"),
]


@pytest.fixture(scope="module")
def _kind(api: Api) -> Iterator[None]:
    """Serve the kind Thing while the tests of this module run on one server."""
    api.post(CRDS, _CRD).object()
    until(lambda: _established(api), "the kind is established")
    until(lambda: api.get(f"/apis/{GROUP}/v1/things").status == 200, "the kind is served")
    yield
    api.delete(f"{CRDS}/things.{GROUP}")


@pytest.fixture
def things(_kind: None, space: Space) -> Things:
    """Return the collection of things of a fresh namespace."""
    return Things(space)


class Things:
    """The things of one namespace."""

    def __init__(self, space: Space) -> None:
        """Keep where the things are."""
        self.space = space
        self.api = space.api
        self._numbers = itertools.count(1)

    def path(self, name: str = "", subresource: str = "") -> str:
        """Return the path of the collection, or of a thing."""
        return self.space.path("things", name, subresource, group=f"{GROUP}/v1")

    def create(self, name: str, spec: Object | None, **query: str) -> Answer:
        """Create a thing; without a spec when it is None."""
        return self.api.post(self.path(), thing(name, spec), **query)


def thing(name: str, spec: Object | None) -> Object:
    """Return a thing."""
    body: Object = {"apiVersion": f"{GROUP}/v1", "kind": "Thing", "metadata": {"name": name}}
    return body if spec is None else {**body, "spec": spec}


def _established(api: Api) -> bool:
    status = api.get(f"{CRDS}/things.{GROUP}").object().get("status", {})
    held = {condition["type"] for condition in status.get("conditions") or () if condition["status"] == "True"}
    return {"Established", "NamesAccepted"} <= held


@pytest.mark.parametrize(("spec", "stored"), ACCEPTED, ids=[json.dumps(spec) for spec, _ in ACCEPTED])
def test_accepted(things: Things, spec: Object, stored: Object) -> None:
    """A valid object is stored with its defaults and without fields that the schema does not know."""
    assert stored == things.create("one", spec).object()["spec"]
    assert stored == things.api.get(things.path("one")).object()["spec"]


@pytest.mark.parametrize(("spec", "message"), REFUSED, ids=[json.dumps(spec) for spec, _ in REFUSED])
def test_refused(things: Things, spec: Object | None, message: str) -> None:
    """An invalid object is refused with 422 and words that name the field, when created and when changed."""
    answer = things.create("one", spec)
    assert (422, "Invalid") == (answer.status, answer.reason)
    assert f'Thing.{GROUP} "one" is invalid: {message}' == as_now(answer.message)
    things.create("one", {}).object()
    patched = things.api.patch(things.path("one"), {"spec": spec})
    assert 422 == patched.status
    assert {"mode": "DryRun"} == things.api.get(things.path("one")).object()["spec"]


def test_apply(things: Things) -> None:
    """Server-side apply keeps to the schema too; a value of the wrong type it cannot even merge: 500."""

    def apply(spec: Object) -> Answer:
        return things.api.patch(things.path("one"), thing("one", spec), APPLY, fieldManager="molt", force="true")

    assert {"mode": "DryRun", "size": 2} == apply({"size": 2}).object()["spec"]
    assert {"mode": "Enforce"} == apply({"mode": "Enforce"}).object()["spec"]
    assert (422, f'Thing.{GROUP} "one" is invalid: spec.min: Invalid value: min must not exceed max') == (
        (refused := apply({"min": 3, "max": 1})).status,
        as_now(refused.message),
    )
    mistyped = apply({"size": "x"})
    assert 500 == mistyped.status
    assert mistyped.message.endswith(".spec.size: expected numeric (int or float), got string")


def test_unknown_field_when_strict(things: Things) -> None:
    """With fieldValidation=Strict, as kubectl asks for, an unknown field is an error."""
    answer = things.create("one", {"unknown": 1}, fieldValidation="Strict")
    text = 'Thing in version "v1" cannot be handled as a Thing: strict decoding error: unknown field "spec.unknown"'
    assert (400, "BadRequest", text) == (answer.status, answer.reason, answer.message)


def test_status_is_apart(things: Things) -> None:
    """Spec is written at the object, status at /status, and only spec counts as a new generation."""
    things.create("one", {}).object()
    main = things.api.patch(things.path("one"), {"spec": {"size": 2}, "status": {"seen": 1}}).object()
    assert (2, {"mode": "DryRun", "size": 2}, None) == (
        main["metadata"]["generation"],
        main["spec"],
        main.get("status"),
    )
    door = things.api.patch(things.path("one", "status"), {"spec": {"size": 3}, "status": {"seen": 1}}).object()
    assert (2, 2, {"seen": 1}) == (door["metadata"]["generation"], door["spec"]["size"], door["status"])


def test_strategic_patch_is_not_for_custom_kinds(things: Things) -> None:
    """A strategic merge patch of a custom kind is refused with 415."""
    things.create("one", {}).object()
    answer = things.api.patch(things.path("one"), {"spec": {"size": 2}}, STRATEGIC)
    assert (415, "UnsupportedMediaType") == (answer.status, answer.reason)


def test_update_needs_a_version(things: Things) -> None:
    """An update of a custom kind must say which version it is of."""
    things.create("one", {}).object()
    answer = things.api.put(things.path("one"), thing("one", {"size": 2}))
    text = (
        f'things.{GROUP} "one" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'
    )
    assert (422, "Invalid", text) == (answer.status, answer.reason, answer.message)


def test_kind_that_is_not_served(api: Api) -> None:
    """A path that no kind is behind is NotFound, in words that differ from those for a missing object."""
    answer = api.get("/apis/none.molt-project.io/v1/nothings")
    assert 404 == answer.status
    unknown = api.get("/api/v1/nothings")
    assert (404, "NotFound", "the server could not find the requested resource") == (
        unknown.status,
        unknown.reason,
        unknown.message,
    )
