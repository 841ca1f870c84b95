"""The parser, the CRDs and a real API server give the same verdict.

verdicts.VERDICTS         each named case, with the parser's words     parser | CRD | API server
verdicts.mutations        every field x {left out, 21 kinds of junk}   parser = CRD | parser = API server
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from molt.policy import PolicyError, response, rotation
from molt.policy.reconfigure import Dimension, Field
from molt.policy.windows import Hours, Window
from tests.molt.policy import crd
from tests.molt.policy.verdicts import (
    BUILD,
    FULL_RECONFIGURE,
    FULL_RESPONSE,
    FULL_ROTATION,
    REMEDIES,
    RESPONSE,
    ROTATION,
    VERDICTS,
    Verdict,
    manifest,
    mutations,
)

if TYPE_CHECKING:
    from testbed.api import Api
    from testbed.control_plane import ControlPlane

PARSERS: dict[str, Any] = {RESPONSE: response.parse, ROTATION: rotation.parse}
PATHS = {
    RESPONSE: "/apis/molt-project.io/v1alpha1/responsepolicies",
    ROTATION: "/apis/molt-project.io/v1alpha1/namespaces/default/rotationpolicies",
}
MUTATIONS = [
    (kind, about, spec)
    for kind, full in ((RESPONSE, FULL_RESPONSE), (ROTATION, FULL_ROTATION), (ROTATION, FULL_RECONFIGURE))
    for about, spec in mutations(full)
]

each_verdict = pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.about)


def problems(kind: str, spec: Any) -> tuple[str, ...]:
    """Return what the parser finds wrong."""
    try:
        PARSERS[kind](manifest(kind, spec))
    except PolicyError as error:
        return tuple(map(str, error.problems))
    return ()


@each_verdict
def test_the_parser_says_what_is_wrong_and_where(verdict: Verdict) -> None:
    """Each problem of each case is told, in these words, and no other."""
    assert verdict.problems == problems(verdict.kind, verdict.spec)


@each_verdict
def test_the_schema_agrees(verdict: Verdict) -> None:
    """The CRD refuses exactly what the parser refuses."""
    refusals = crd.refusals(verdict.kind, verdict.manifest)
    assert bool(verdict.problems) == bool(refusals), refusals


def test_the_schema_agrees_on_junk_in_every_field() -> None:
    """Whatever stands in whichever field: parser and CRD come to the same verdict."""
    disagreements = {
        about: (said, refused)
        for kind, about, spec in MUTATIONS
        if bool(said := _structural(problems(kind, spec))) != bool(refused := crd.refusals(kind, manifest(kind, spec)))
    }
    assert {} == disagreements


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> Api:
    """Return a real API server that has the CRDs."""
    server = control_plane.api
    for kind in PATHS:
        created = server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd.crd(kind))
        assert created.status == 201 or created.reason == "AlreadyExists", created.message
    for kind, path in PATHS.items():
        for _ in range(300):
            # Discovery comes before the handler takes the schema; a dry run tells.
            known = server.post(path, manifest(kind, {}), dryRun="All", fieldValidation="Strict")
            if known.reason == "Invalid":
                break
            time.sleep(0.1)
        assert "Invalid" == known.reason, known
    return server


@pytest.mark.real
def test_a_real_api_server_agrees(api: Api) -> None:
    """The API server takes and refuses the same cases, and the same junk in every field."""
    asked = [(verdict.kind, verdict.about, verdict.spec) for verdict in VERDICTS] + MUTATIONS
    disagreements = {}
    for kind, about, spec in asked:
        said = _structural(problems(kind, spec))
        answer = api.post(PATHS[kind], manifest(kind, spec), dryRun="All", fieldValidation="Strict")
        if bool(said) != (answer.status != 201):
            disagreements[about] = (said, answer.status, answer.message)
    assert {} == disagreements


@pytest.mark.real
def test_a_real_api_server_fills_in_the_same_defaults(api: Api) -> None:
    """What the API server fills in reads as what the parser fills in."""
    for kind, spec in (
        (RESPONSE, {"match": {}, "remedies": [{name: {}} for name in REMEDIES.split(", ")]}),
        (ROTATION, {"selector": {}, "lifetime": {"every": "1h"}}),
    ):
        stored = api.post(PATHS[kind], manifest(kind, spec), dryRun="All").object()
        assert set(spec) < set(stored["spec"]), "defaults were filled in"
        assert PARSERS[kind](manifest(kind, spec)) == PARSERS[kind](manifest(kind, stored["spec"]))


def _structural(found: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out what no schema can tell: whether an expression compiles, a schedule comes, a time zone is known."""
    return tuple(
        problem
        for problem in found
        if not (problem.startswith("spec.match.expression: ") and "1:" in problem)
        and not problem.endswith("is no time zone that is known here")
    )


@pytest.mark.parametrize("kind", [RESPONSE, ROTATION])
def test_every_field_is_described_and_bounded(kind: str) -> None:
    """Each field has its sentence; each string, list and map its bound, without which a CEL rule has no price."""
    lacking = []
    for path, node in _nodes("", crd.schema(kind)):
        bound = {"string": "maxLength", "array": "maxItems", "integer": "minimum"}.get(node.get("type", ""), "")
        if "enum" not in node and node.get("format") != "date-time" and path not in (".apiVersion", ".kind") and bound:
            lacking += [] if bound in node else [f"{path}: {bound}"]
        if "additionalProperties" in node and "maxProperties" not in node:
            lacking.append(f"{path}: maxProperties")
        if node.get("type") == "array" and "x-kubernetes-list-type" not in node:
            lacking.append(f"{path}: x-kubernetes-list-type")
        if not path.endswith(("[]", "{}", ".metadata")) and "description" not in node:
            lacking.append(f"{path}: description")
    assert [] == lacking


def _nodes(path: str, node: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = [(path, node)]
    for name, inner in node.get("properties", {}).items():
        found += _nodes(f"{path}.{name}", inner)
    if "items" in node:
        found += _nodes(f"{path}[]", node["items"])
    if "additionalProperties" in node:
        found += _nodes(f"{path}{{}}", node["additionalProperties"])
    return found


@pytest.mark.parametrize(
    ("kind", "short", "scope", "columns"),
    [
        (RESPONSE, "rsp", "Cluster", ["Mode", "Order", "Accepted", "Age"]),
        (
            ROTATION,
            "rtp",
            "Namespaced",
            [
                *(
                    "Mode",
                    "Strategy",
                    "Every",
                    "Min",
                    "Max",
                    "Ready",
                    "Attacked",
                    "Managed",
                    "Due",
                    "Moving",
                    "Blocked",
                ),
                *("Exposed", "Last", "Next", "Reason", "Age"),
            ],
        ),
    ],
)
def test_kubectl_shows_what_matters(kind: str, short: str, scope: str, columns: list[str]) -> None:
    """Short names, category, columns and the status subresource are as the README says."""
    spec = crd.crd(kind)["spec"]
    (version,) = spec["versions"]
    assert [short] == spec["names"]["shortNames"]
    assert ["molt"] == spec["names"]["categories"]
    assert scope == spec["scope"]
    assert {"status": {}} == version["subresources"]
    assert columns == [column["name"] for column in version["additionalPrinterColumns"]]


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (None, "manifest: is empty"),
        ([], "manifest: must be an object, not a list"),
        ({}, "apiVersion: missing; kind: missing; metadata: missing; spec: missing"),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"data": []}},
            (
                'apiVersion: "v1" is not "molt-project.io/v1alpha1"; kind: "Pod" is not "RotationPolicy"; '
                "metadata.name: missing; spec.selector: missing; spec.lifetime: missing; spec.data: unknown field"
            ),
        ),
        (
            manifest(ROTATION, {"selector": {}, "lifetime": {"every": "1h"}})
            | {"metadata": {"name": "a", "namespace": 3}},
            "metadata.namespace: must be a string, not an integer",
        ),
        (manifest(ROTATION, {3: 4, "selector": {}, "lifetime": {"every": "1h"}}), "spec.3: unknown field"),
    ],
    ids=["nothing", "a list", "an empty object", "another kind", "a namespace of 3", "a field named 3"],
)
def test_the_envelope_is_checked_too(obj: Any, expected: str) -> None:
    """What is no policy at all is refused with everything that it lacks, joined to one line."""
    with pytest.raises(PolicyError) as caught:
        rotation.parse(obj)
    assert expected == str(caught.value)


def test_a_policy_is_read_as_it_is_written() -> None:
    """Identity, defaults and every field arrive in the value; limits can be written again."""
    obj = manifest(RESPONSE, FULL_RESPONSE)
    obj["metadata"] |= {"uid": "0b1c", "generation": 4, "labels": {"a": "b"}}
    policy = response.parse(json.loads(json.dumps(obj)) | {"status": {"conditions": []}})
    assert ("under-test", "0b1c", 4, "Enforce", 7) == (
        policy.name,
        policy.uid,
        policy.generation,
        policy.mode,
        policy.order,
    )
    quarantine = {
        "ifLeaky": "CordonNode",
        "statefulSet": "Terminate",
        "keepOnRelease": "Replacement",
        "retention": {"after": "1h30m", "then": "Release"},
    }
    assert [
        ("tag", {}),
        ("evidence", {"ifMissing": "Stop", "checkpoint": True, "logLines": 100}),
        ("quarantine", quarantine),
        ("rotate", {"scope": "Workload", "strategy": "Evict"}),
        ("terminate", {"force": True}),
        ("cordon", {"for": "24h"}),
        ("rotate", {"scope": "Siblings", "strategy": "Replace"}),
    ] == [(step.remedy, step.parameters) for step in policy.remedies]
    assert FULL_RESPONSE["limits"] == policy.limits.render()
    least = response.parse(manifest(RESPONSE, {"match": {}, "remedies": []}))
    assert ("", 0, "DryRun", 100, ()) == (least.uid, least.generation, least.mode, least.order, least.remedies)
    assert {"perWorkload": 1, "perMinute": 20} == least.limits.render()


def test_a_remedys_defaults_are_written_into_its_step() -> None:
    """A function finds every parameter that has a default; what is absent is what has none."""
    names = ("cordon", "evidence", "quarantine", "rotate", "tag", "terminate")
    policy = response.parse(manifest(RESPONSE, {"match": {}, "remedies": [{name: {}} for name in names]}))
    assert [
        {},
        {"ifMissing": "Continue", "checkpoint": False, "logLines": 10_000},
        {"ifLeaky": "Keep", "statefulSet": "Isolate", "keepOnRelease": "Released"},
        {"scope": "Siblings", "strategy": "Replace"},
        {},
        {"force": False},
    ] == [step.parameters for step in policy.remedies]
    kept = {"match": {}, "remedies": [{"quarantine": {"retention": {"after": "90s"}}}]}
    (step,) = response.parse(manifest(RESPONSE, kept)).remedies
    assert {"after": "1m30s", "then": "Keep"} == step.parameters["retention"]


def test_a_rotation_policy_is_read_as_it_is_written() -> None:
    """Durations are timedeltas; a fixed lifetime is one whose ends meet."""
    policy = rotation.parse(manifest(ROTATION, FULL_ROTATION))
    assert ("default", "Enforce", "Evict") == (policy.namespace, policy.mode, policy.strategy)
    assert (1800, 5400, False) == (
        policy.lifetime.min.total_seconds(),
        policy.lifetime.max.total_seconds(),
        policy.lifetime.fixed,
    )
    assert (2, 90) == (policy.max_moving.of(8), policy.min_age.total_seconds())
    hour = timedelta(hours=1)
    blackouts = (Window("30 23 31 12 *", hour, "Etc/GMT+5"),)
    windows = (
        Window("0 2 * * MON-FRI", 4 * hour, "Europe/Berlin"),
        Window("*/15 0-6,22-23 1,15 jan-Mar *", 1.5 * hour, "UTC"),
    )
    assert Hours(windows, blackouts) == policy.hours
    assert policy.min_ready
    assert "75%" == policy.min_ready.render()
    least = rotation.parse(manifest(ROTATION, {"selector": {}, "lifetime": {"every": "90m"}}))
    assert (True, 5400) == (least.lifetime.fixed, least.lifetime.max.total_seconds())
    assert ("DryRun", "Replace", 1, 0, None) == (
        least.mode,
        least.strategy,
        least.max_moving.render(),
        least.min_age.total_seconds(),
        least.min_ready,
    )
    assert Hours() == least.hours


def test_dimensions_are_read_as_they_are_written() -> None:
    """Each has its field and its variants as texts; one that is pinned has one option."""
    policy = rotation.parse(manifest(ROTATION, FULL_RECONFIGURE))
    build, port, decoy, identity, pool, runtime, version = policy.dimensions
    assert Dimension("build", Field("image", "main"), tuple(BUILD["image"]["variants"])) == build
    assert Dimension("port", Field("port", "main", "http", "PORT"), ("8080", "9090"), "9090") == port
    assert (("9090",), ("a b", "ä", "c")) == (port.options, decoy.options)
    assert Field("environment", "main", "DB_HOST") == decoy.field
    assert Dimension("identity", Field("serviceAccountName"), ("web.a", "b"), "b") == identity
    assert Dimension("pool", Field("nodeSelector", "", "example.com/pool"), ("x", "y")) == pool
    assert Dimension("runtime", Field("runtimeClassName"), ("gvisor", "kata")) == runtime
    assert Dimension("version", Field("label", "", "version"), ("1.0", "2.0")) == version
