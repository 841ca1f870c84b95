"""Custom resources: definitions, schemas, defaults, pruning and CEL rules, in the API server's words."""

from __future__ import annotations

from typing import Any

import pytest

from molt.embedded.cluster import rules, schema, structural
from tests.embedded.cluster.caller import CRD_PATH, THINGS, Caller, definition, object_of, refusal, thing

Object = dict[str, Any]

SPEC: Object = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
        "mode": {"type": "string", "enum": ["DryRun", "Enforce"], "default": "DryRun"},
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "share": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1, "exclusiveMaximum": True},
        "step": {"type": "integer", "multipleOf": 5},
        "on": {"type": "boolean"},
        "maybe": {"type": "string", "nullable": True, "enum": ["a"]},
        "either": {"x-kubernetes-int-or-string": True},
        "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "object", "properties": {
            "a": {"type": "string"}, "b": {"type": "string", "default": "x"}}}},
        "once": {"type": "array", "uniqueItems": True, "items": {"type": "integer"}},
        "map": {"type": "object", "minProperties": 1, "maxProperties": 1,
                "additionalProperties": {"type": "object", "properties": {"n": {"type": "integer", "default": 1}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "embedded": {"type": "object", "x-kubernetes-embedded-resource": True,
                     "properties": {"spec": {"type": "object"}}},
        "when": {"type": "string", "format": "date-time"},
        "any": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
                "anyOf": [{"required": ["x"]}, {"required": ["y"]}]},
        "one": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
                "oneOf": [{"required": ["x"]}, {"required": ["y"]}]},
        "not": {"type": "integer", "not": {"minimum": 5}},
        "untyped": {"type": "array"},
    },
}  # fmt: skip

BAD: list[tuple[Object, str]] = [
    ({"name": None}, 'spec.name: Invalid value: "null": spec.name in body must be of type string: "null"'),
    ({"name": "a"}, 'spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long'),
    ({"name": "abcde"}, "spec.name: Too long: may not be more than 4 bytes"),
    ({"name": "AB"}, "spec.name: Invalid value: \"AB\": spec.name in body should match '^[a-z]+$'"),
    ({"mode": "x"}, 'spec.mode: Unsupported value: "x": supported values: "DryRun", "Enforce"'),
    ({"size": "x"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
    ({"size": True}, 'must be of type integer: "boolean"'),
    ({"size": 1.5}, 'must be of type integer: "number"'),
    ({"size": {}}, 'must be of type integer: "object"'),
    ({"size": []}, 'must be of type integer: "array"'),
    ({"map": 1}, 'spec.map in body must be of type object: "integer"'),
    ({"on": 1}, 'spec.on in body must be of type boolean: "integer"'),
    ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
    ({"size": 10}, "spec.size in body should be less than or equal to 9"),
    ({"share": 0}, "spec.share in body should be greater than 0"),
    ({"share": 1}, "spec.share in body should be less than 1"),
    ({"step": 3}, "spec.step in body should be a multiple of 5"),
    ({"maybe": "b"}, 'spec.maybe: Unsupported value: "b": supported values: "a"'),
    ({"either": True}, 'spec.either in body must be of type integer,string: "boolean"'),
    ({"list": []}, "spec.list in body should have at least 1 items"),
    ({"list": [{}] * 3}, "spec.list: Too many: 3: must have at most 2 items"),
    ({"list": [{"a": 1}]}, 'spec.list[0].a: Invalid value: "integer": spec.list[0].a in body must be of type string'),
    ({"once": [1, 1]}, "spec.once in body shouldn't contain duplicates"),
    ({"map": {}}, "spec.map in body should have at least 1 properties"),
    ({"map": {"a": {}, "b": {}}}, "spec.map: Too many: 2: must have at most 1 item"),
    ({"when": "now"}, 'spec.when in body must be of type date-time: "now"'),
    ({"when": "2026-01-01"}, "must be of type date-time"),
    ({"any": {}}, "spec.any in body must validate at least one schema (anyOf)"),
    ({"one": {"x": 1, "y": 1}}, "spec.one in body must validate one and only one schema (oneOf)"),
    ({"not": 6}, "spec.not in body must not validate the schema (not)"),
]


@pytest.fixture
def things(admin: Caller) -> Caller:
    """Define Things."""
    admin.post(CRD_PATH, definition(SPEC))
    return admin


@pytest.mark.parametrize(("spec", "text"), BAD, ids=[text[:60] for _, text in BAD])
def test_bad_values(things: Caller, spec: Object, text: str) -> None:
    """A value that does not fit the schema is refused with its field, its value and what is wrong."""
    code, _, message = refusal(things.ask("POST", THINGS, thing(spec={"name": "abc"} | spec)))
    assert (422, True) == (code, text in message), message


GOOD: list[Object] = [
    {"maybe": None}, {"maybe": "a"}, {"either": 1}, {"either": "50%"}, {"when": "2026-01-01T00:00:00Z"}, {"size": 5.0},
    {"share": 0.5}, {"any": {"x": 1}}, {"one": {"y": 1}}, {"not": 4}, {"free": {"x": {"y": 1}}},
    {"untyped": [{"a": 1}]},
]  # fmt: skip


@pytest.mark.parametrize("spec", GOOD, ids=str)
def test_good_values(things: Caller, spec: Object) -> None:
    """What fits is kept as it was sent."""
    made = things.post(THINGS, thing(spec={"name": "abc"} | spec))["spec"]
    assert {"name": "abc", "mode": "DryRun"} | spec == made


def test_missing_and_several(things: Caller) -> None:
    """A required field is named; several faults stand in brackets, and CEL rules wait for them."""
    code, _, message = refusal(things.ask("POST", THINGS, thing()))
    assert (422, 'Thing.test.io "one" is invalid: [spec.name: Required value, <nil>: Invalid value: null: some') == (
        code,
        message[: len('Thing.test.io "one" is invalid: [spec.name: Required value, <nil>: Invalid value: null: some')],
    )
    assert [] == schema.blocked([])
    whole = structural.schema_of(definition(SPEC), "v1") | {"required": ["spec"]}
    assert ["spec: Required value"] == [str(fault) for fault in schema.faults(whole, {}, None)]
    assert 'in body must be of type object: "array"' in str(schema.faults(whole, [], None)[0])  # type: ignore[arg-type]


def test_formats_of_what_is_no_text() -> None:
    """A format says nothing about a value of another type."""
    assert [] == schema.faults({"format": "date-time"}, 1, None)  # type: ignore[arg-type]


def test_pruning_and_defaults(things: Caller) -> None:
    """Unknown fields are dropped with a warning, or refused when asked to be strict; defaults go in at every depth."""
    spec = {
        "name": "abc",
        "x": 1,
        "list": [{"y": 1}],
        "map": {"k": {}},
        "embedded": {"kind": "Pod", "z": 1},
        "mode": None,
    }
    answer = things.ask("POST", THINGS, thing(spec=spec, w=1))
    made = object_of(answer)
    assert {
        "name": "abc",
        "mode": "DryRun",
        "list": [{"b": "x"}],
        "map": {"k": {"n": 1}},
        "embedded": {"kind": "Pod"},
    } == made["spec"]
    assert "w" not in made
    assert {
        'unknown field "w"',
        'unknown field "spec.x"',
        'unknown field "spec.list[0].y"',
        'unknown field "spec.embedded.z"',
    } == set(answer.warnings)
    strict = refusal(things.ask("POST", THINGS, thing("two", spec), None, fieldValidation="Strict"))
    text = 'Thing in version "v1" cannot be handled as a Thing: strict decoding error: unknown field "spec.x", unknown'
    assert (400, text) == (strict[0], strict[2][: len(text)])


RULES: Object = {
    "type": "object",
    "x-kubernetes-validations": [
        {"rule": "!has(self.min) || !has(self.max) || self.min <= self.max", "message": "min must not exceed max",
         "fieldPath": ".min"},
        {"rule": "self.name == oldSelf.name", "message": "name is fixed", "reason": "FieldValueForbidden"},
        {"rule": "!has(self.max) || self.max < 100", "messageExpression": "'max is ' + string(self.max)"},
        {"rule": "!has(self.max) || self.max != 99", "messageExpression": "self.nothing", "message": "not 99"},
        {"rule": "!has(self.max) || self.max != 98"},
        {"rule": "!has(self.max) || self.max != 97", "messageExpression": "'two\\nlines'", "message": "not 97"},
    ],
    "properties": {
        "name": {"type": "string"},
        "min": {"type": "integer", "x-kubernetes-validations": [{"rule": "self != 7", "message": "unlucky"}]},
        "max": {"type": "integer"},
        "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                 "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
                           "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v", "message": "must not fall"}]}},
        "plain": {"type": "array", "items": {"type": "integer",
                  "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}},
        "map": {"type": "object", "additionalProperties": {"type": "integer",
                "x-kubernetes-validations": [{"rule": "self > 0", "message": "must be positive"}]}},
        "broken": {"type": "object", "x-kubernetes-preserve-unknown-fields": True,
                   "x-kubernetes-validations": [{"rule": "self.missing > 1"}]},
    },
}  # fmt: skip

RULED: list[tuple[Object, str]] = [
    ({"min": 2, "max": 1}, 'Thing.test.io "one" is invalid: spec.min: Invalid value: min must not exceed max'),
    ({"min": 7}, "spec.min: Invalid value: 7: unlucky"),
    ({"max": 100}, "spec: Invalid value: max is 100"),
    ({"max": 99}, "spec: Invalid value: not 99"),
    ({"max": 98}, "spec: Invalid value: failed rule: !has(self.max) || self.max != 98"),
    ({"max": 97}, "spec: Invalid value: not 97"),
    ({"map": {"k": 0}}, "spec.map[k]: Invalid value: 0: must be positive"),
    ({"broken": {}}, 'spec.broken: Invalid value: "object": no such key: missing evaluating rule: self.missing > 1'),
]


@pytest.fixture
def ruled(admin: Caller) -> Caller:
    """Define Things with rules."""
    admin.post(CRD_PATH, definition(RULES))
    return admin


@pytest.mark.parametrize(("spec", "text"), RULED, ids=[text[:60] for _, text in RULED])
def test_rules(ruled: Caller, spec: Object, text: str) -> None:
    """What a rule refuses is worded by its message, at its field."""
    code, _, message = refusal(ruled.ask("POST", THINGS, thing(spec=spec)))
    assert (422, True) == (code, text in message), message


def test_transition_rules(ruled: Caller) -> None:
    """Rules about the old value hold for updates only, and for items of lists only where keys tell which is which."""
    ruled.post(THINGS, thing(spec={"name": "a", "list": [{"k": "x", "v": 2}], "plain": [1]}))
    path = f"{THINGS}/one"
    assert (
        200
        == ruled.patch("merge", path, {"spec": {"plain": [2], "list": [{"k": "x", "v": 3}, {"k": "y", "v": 0}]}}).code
    )
    assert "spec: Forbidden: name is fixed" in refusal(ruled.patch("merge", path, {"spec": {"name": "b"}}))[2]
    fallen = {"spec": {"list": [{"k": "x", "v": 1}]}}
    assert "spec.list[0]: Invalid value: must not fall" in refusal(ruled.patch("merge", path, fallen))[2]


def test_errors_of_expressions() -> None:
    """An expression that cannot be compiled, or fails, says why."""
    with pytest.raises(rules.RuleError, match="Syntax error"):
        rules.evaluate("self.a ==", {"self": 1, "oldSelf": None})
    with pytest.raises(rules.RuleError, match="divide by zero"):
        rules.evaluate("1 / self == 1", {"self": 0, "oldSelf": None})
    with pytest.raises(rules.RuleError):
        rules.evaluate("self == 1", {"self": object(), "oldSelf": None})
    assert ["<nil>: Invalid value: failed rule: false"] == [
        str(fault) for fault in rules.faults({"type": "object", rules.RULES: [{"rule": "false"}]}, {})
    ]


BAD_DEFINITIONS: list[tuple[Object, str]] = [
    ({"spec": {"group": ""}}, "spec.group: Required value"),
    (
        {"spec": {"scope": "Galaxy"}},
        'spec.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespaced"',
    ),
    ({"spec": {"names": {"plural": "", "kind": ""}}}, "spec.names.kind: Required value"),
    (
        {"metadata": {"name": "other.test.io"}},
        'metadata.name: Invalid value: "other.test.io": must be spec.names.plural',
    ),
    ({"spec": {"versions": []}}, "must have exactly one version marked as storage version"),
    ({"spec": {"versions": [{"name": "v1", "served": True, "storage": True}]}}, "schemas are required"),
]


@pytest.mark.parametrize(("change", "text"), BAD_DEFINITIONS, ids=[text for _, text in BAD_DEFINITIONS])
def test_bad_definitions(admin: Caller, change: Object, text: str) -> None:
    """A definition needs a group, names, a scope, one stored version and a schema."""
    body = definition()
    for part, values in change.items():
        for key, value in values.items():
            body[part][key] = (body[part][key] | value) if key == "names" else value
    code, _, message = refusal(admin.ask("POST", CRD_PATH, body))
    assert (422, True) == (code, text in message), message


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"type": "object", "properties": {"a": {}}}, "properties[spec].properties[a].type: Required value"),
        ({"type": "array", "items": {}}, "properties[spec].items.type: Required value"),
        ({"type": "object", "additionalProperties": {}}, "properties[spec].additionalProperties.type: Required value"),
        (
            {"type": "object", rules.RULES: [{"rule": "self ="}]},
            f'{rules.RULES}[0].rule: Invalid value: "self =": compil',
        ),
        (
            {"type": "object", rules.RULES: [{"rule": "true", "messageExpression": "self ="}]},
            f"{rules.RULES}[0].messageExpression: Invalid value",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_bad_schemas(admin: Caller, spec: Object, text: str) -> None:
    """Every part of a schema has a type, and every rule compiles."""
    code, _, message = refusal(admin.ask("POST", CRD_PATH, definition(spec)))
    assert (422, True) == (code, text in message), message


def test_definitions_are_served_at_once(admin: Caller) -> None:
    """A definition is completed, accepted and established; its status survives an update; old versions stay stored."""
    made = admin.post(CRD_PATH, definition())
    assert ("thing", "ThingList") == (made["spec"]["names"]["singular"], made["spec"]["names"]["listKind"])
    assert ["NamesAccepted", "Established"] == [one["type"] for one in made["status"]["conditions"]]
    made["spec"]["versions"][0] |= {"name": "v2"}
    changed = admin.put(f"{CRD_PATH}/things.test.io", made)
    assert (["v1", "v2"], made["status"]["conditions"]) == (
        changed["status"]["storedVersions"],
        changed["status"]["conditions"],
    )
    made = changed
    made["spec"]["versions"] += [made["spec"]["versions"][0] | {"name": "v3", "served": False, "storage": False}]
    admin.put(f"{CRD_PATH}/things.test.io", made)
    assert [404, 200, 404] == [admin.ask("GET", THINGS.replace("v1", one)).code for one in ("v1", "v2", "v3")]


def test_what_a_definition_did_not_ask_for_yet(admin: Caller) -> None:
    """Of what was written before the definition changed, unchanged parts too are pruned, completed and judged anew."""
    before = {"type": "object", "additionalProperties": {"type": "object", "properties": {
        "name": {"type": "string"}, "old": {"type": "string"}}}}  # fmt: skip
    admin.post(CRD_PATH, definition(before))
    for name, text in (("good", "abc"), ("bad", "abcdef")):
        admin.post(THINGS, thing(name, spec={"x": {"name": text, "old": "y"}, "y": {}}))
    after = {"type": "object", "additionalProperties": {"type": "object", "properties": {
        "name": {"type": "string", "maxLength": 4}, "new": {"type": "string", "default": "z"}}}}  # fmt: skip
    admin.put(
        f"{CRD_PATH}/things.test.io", admin.get(f"{CRD_PATH}/things.test.io") | {"spec": definition(after)["spec"]}
    )
    label = {"metadata": {"labels": {"a": "b"}}}
    good = object_of(admin.patch("merge", f"{THINGS}/good", label))
    assert {"x": {"name": "abc", "new": "z"}, "y": {"new": "z"}} == good["spec"]
    assert (422, "Invalid") == refusal(admin.patch("merge", f"{THINGS}/bad", label))[:2]


def test_what_a_patch_leaves_is_shared(admin: Caller) -> None:
    """Of a large object, and of what manages it, a patch costs what it changes: the rest is the very same as before."""
    item = {"type": "object", "properties": {"n": {"type": "integer", "default": 1}}}
    admin.post(CRD_PATH, definition({"type": "object", "additionalProperties": item}))
    admin.post(THINGS, thing(spec={"a": {}, "b": {}}))
    before = admin.store.get("things.test.io", "default", "one")
    admin.patch("merge", f"{THINGS}/one", {"spec": {"b": {"n": 2}, "c": {}}})
    after = admin.store.get("things.test.io", "default", "one")
    assert {"a": {"n": 1}, "b": {"n": 2}, "c": {"n": 1}} == after["spec"]
    assert before["spec"]["a"] is after["spec"]["a"]
    fields = [one["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"] for one in (before, after)]
    assert fields[0]["f:a"] is fields[1]["f:a"]


def test_an_unchanged_part_counts(admin: Caller) -> None:
    """What did not change is not judged again, and still counts for what is said of the whole."""
    item = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 5}}}
    admin.post(
        CRD_PATH,
        definition({
            "type": "object",
            "properties": {
                "most": {"type": "object", "maxProperties": 2, "additionalProperties": item},
                "least": {"type": "object", "minProperties": 2, "additionalProperties": item},
                "either": {"anyOf": [{"required": ["a"]}, {"properties": {"b": {"properties": {"n": {"minimum": 1}}}}}],
                           "type": "object", "properties": {"a": item, "b": item}},
            },
        }),
    )  # fmt: skip
    two = {"a": {"n": 1}, "b": {"n": 0}}
    admin.post(THINGS, thing(spec={"most": two, "least": two, "either": two}))
    path = f"{THINGS}/one"
    assert 200 == admin.patch("merge", path, {"spec": {"most": {"b": {"n": 5}}}}).code
    for change, text in (
        ({"most": {"b": {"n": 6}}}, "spec.most.b.n in body should be less than or equal to 5"),
        ({"most": {"c": {}}}, "spec.most: Too many: 3: must have at most 2 items"),
        ({"least": {"b": None}}, 'spec.least: Invalid value: {"a":{"n":1}}: spec.least in body should have at least 2'),
        ({"either": {"a": None}}, "spec.either in body must validate at least one schema (anyOf)"),
    ):
        assert text in refusal(admin.patch("merge", path, {"spec": change}))[2]


def test_cluster_scoped_and_without_status(admin: Caller) -> None:
    """A kind may be cluster-scoped, and without a status subresource its status is a field as any other."""
    admin.post(CRD_PATH, definition(status=False, scope="Cluster"))
    path = "/apis/test.io/v1/things"
    body = thing(status={"seen": 1})
    body["metadata"]["namespace"] = "default"
    made = admin.post(path, body)
    assert ({"seen": 1}, None) == (made["status"], made["metadata"].get("namespace"))
    assert 404 == admin.ask("GET", f"{path}/one/status").code
    assert 404 == admin.ask("GET", THINGS).code


def test_a_kind_without_schema_keeps_all() -> None:
    """Where a version has no schema at all nothing is dropped."""
    found = structural.schema_of({"spec": {"versions": [{"name": "v1"}]}}, "v1")
    body = {"spec": {"a": 1}}
    unknown: list[str] = []
    assert ({"spec": {"a": 1}}, []) == (structural.pruned(found, body, None, unknown), unknown)


APPLIED: list[tuple[Object, str]] = [
    ({"size": "x"}, ".spec.size: expected numeric (int or float), got string"),
    ({"size": {}}, ".spec.size: expected numeric (int or float), got map[string]interface {}"),
    ({"size": True}, ".spec.size: expected numeric (int or float), got bool"),
    ({"name": 1}, ".spec.name: expected string, got 1"),
    ({"on": "x"}, '.spec.on: expected boolean, got "x"'),
    ({"list": {}}, ".spec.list: expected list, got {}"),
    ({"list": [{"a": 1}]}, ".spec.list[0].a: expected string, got 1"),
    ({"map": []}, ".spec.map: expected map, got []"),
    ({"map": {"k": {"n": "x"}}}, ".spec.map.k.n: expected numeric (int or float), got string"),
    ({"bogus": 1}, ".spec.bogus: field not declared in schema"),
    (
        {"bogus": 1, "name": 1},
        "errors:\n  .spec.bogus: field not declared in schema\n  .spec.name: expected string, got 1",
    ),
]


@pytest.mark.parametrize(("spec", "text"), APPLIED, ids=[text[:50] for _, text in APPLIED])
def test_apply_reads_by_the_schema(things: Caller, spec: Object, text: str) -> None:
    """What does not fit the schema cannot be applied at all: 500."""
    code, reason, message = refusal(things.patch("apply", f"{THINGS}/one", thing(spec=spec), fieldManager="a"))
    assert (500, "", f"failed to create typed patch object (default/one; test.io/v1, Kind=Thing): {text}") == (
        code,
        reason,
        message,
    )


def test_apply_of_what_fits(things: Caller) -> None:
    """What fits is applied, free-form parts and nulls included."""
    spec = {"name": "abc", "free": {"x": 1}, "either": 1, "on": True, "size": 1, "maybe": None}
    assert 201 == things.patch("apply", f"{THINGS}/one", thing(spec=spec), fieldManager="a").code
