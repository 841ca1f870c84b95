"""`molt explain`: the same decision as detect-router's, with all its reasons, and nothing done."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from detect_router.handler import handle
from molt.alert import Alert
from molt.cli import explanation, lookup
from molt.cli.explanation import Explanation, Found
from molt.cli.grounds import grounds
from molt.cluster import NAMESPACES, PODS, RESPONSE_POLICIES
from molt.itinerary import Slip
from molt.outcome import BadEvent, Done, Ignored
from molt.policy import match, response
from tests.cli.conftest import Molt
from tests.cli.objects import quarantined
from tests.embedded_cluster import RunningCluster
from tests.functions.detect_router.world import (
    CONTAINER,
    StillClock,
    World,
    alert,
    alert_data,
    event,
    namespace,
    pod,
    policy,
)

ROOT = Path(__file__).resolve().parents[2]
OURS = sorted((ROOT / "tests" / "alerts").glob("*.json"))
DEFAULTS = sorted((ROOT / "knative" / "base" / "policies").glob("default-*.yaml"))
HOSTILE = "[red]\x1b[31mEvil[/red]\u202e"


@functools.cache
def _defaults() -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load(path.read_text()) for path in DEFAULTS)


def _world(*more: dict[str, Any]) -> World:
    """Return a world of two pods, one of which has what our alerts name, with the default policies and one more."""
    other = pod("db-0", uid="u2", status={"containerStatuses": [{"containerID": "containerd://" + "9" * 64}]})
    return World(*copy.deepcopy(_defaults()), pod(), other, namespace(), policy("eager", match={}, order=1001), *more)


def _explained(found: World, given: Alert) -> Explanation:
    known = lookup.of_cluster(found)
    return explanation.explain(given, known.valid, known.invalid, lookup.pod_of(given, found))


def _agrees(data: dict[str, Any], found: World) -> str:
    """Hold the explanation against what the router does; return the decision."""
    given = Alert.parse(data)
    said = _explained(found, given)
    outcome = handle(event(data), found, StillClock())
    if isinstance(outcome, Ignored):
        assert () == said.remedies
        assert said.ignored
    else:
        assert isinstance(outcome, Done)
        assert outcome.event is not None
        slip = Slip.parse(outcome.event.data)
        assert said.policy is not None
        assert (slip.policy.name, slip.mode) == (said.policy.name, said.policy.mode)
        assert tuple(step.remedy for step in slip.itinerary) == said.remedies
    return str(said)


def _parsed(texts: list[str]) -> list[dict[str, Any]]:
    found = []
    for text in texts:
        data = json.loads(text)
        data = data.get("data", data)
        try:
            Alert.parse(data)
        except BadEvent:
            continue
        found.append(data)
    return found


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_it_decides_about_our_alerts_as_the_router_does(path: Path) -> None:
    """Whatever the alert's shape: the same policy, mode and remedies, or nothing."""
    for data in _parsed([path.read_text()]):
        _agrees(data, _world())


def test_it_decides_about_recorded_alerts_as_the_router_does(shared: Path) -> None:
    """All that were collected, as they are and as if they were about a pod that is there."""
    lines = (shared / "alerts" / "falco_alerts.jsonl").read_text().splitlines()
    recorded = _parsed([json.dumps(json.loads(line)["event"]) for line in lines])
    here = {"k8s.ns.name": "shop", "k8s.pod.name": pod()["metadata"]["name"], "container.id": CONTAINER}
    decisions = set()
    for data in recorded:
        for fields in ({}, here):
            changed = data | {"output_fields": (data.get("output_fields") or {}) | fields}
            decisions.add(_agrees(changed, _world()))
    assert any(decision.startswith("ignored: ") for decision in decisions)
    assert any(decision.startswith("default-quarantine-") for decision in decisions)


EXEMPT = {"molt-project.io/exempt": "true"}
GUARDED = {"k8s.ns.name": "kube-system"}


@pytest.mark.parametrize(
    ("found", "data", "decision"),
    [
        (World(policy(), pod(), namespace()), alert_data(), "shells (Enforce): quarantine, rotate"),
        (World(policy(mode="DryRun"), pod(), namespace()), alert_data(), "shells (DryRun): quarantine, rotate"),
        (World(policy(remedies=[]), pod(), namespace()), alert_data(), "ignored: policy shells has no remedies"),
        (World(pod(), namespace()), alert_data(), "ignored: no policy matches"),
        (World(policy(), namespace()), alert_data(), "ignored: pod shop/web-6d5f7c9b8-x7x2p is gone"),
        (
            World(policy(), pod()),
            alert_data(),
            "ignored: namespace shop could not be checked for molt-project.io/exempt",
        ),
        (
            World(policy(), pod(), namespace(**EXEMPT)),
            alert_data(),
            "ignored: namespace shop is exempt by its label molt-project.io/exempt",
        ),
        (World(policy()), alert_data(GUARDED), "ignored: namespace kube-system is protected"),
        (
            World(policy(), pod(annotations={"kubernetes.io/config.mirror": "x"}), namespace()),
            alert_data(),
            "ignored: pod web-6d5f7c9b8-x7x2p is static: its node runs it from a file",
        ),
    ],
    ids=["Enforce", "DryRun", "no remedies", "no policy", "gone", "unknown", "exempt", "protected", "static"],
)
def test_the_decision(found: World, data: dict[str, Any], decision: str) -> None:
    """One line, and the router's."""
    assert decision == _agrees(data, found)


def test_every_policy_has_its_verdict_in_order() -> None:
    """Those before: why not. The one: why. Those after: that it comes before them. Invalid ones last, and why."""
    found = _world(policy("first", order=1, match={"rules": ["Other"]}), policy("wrong", mode="Never"))
    said = _explained(found, alert())
    by_name = {verdict.policy: verdict for verdict in said.verdicts}
    assert ["first", "default-quarantine-code-execution"] == [verdict.policy for verdict in said.verdicts[:2]]
    assert ("no", 'rule "Terminal shell in container" fits none of its rules') == (
        by_name["first"].answers,
        by_name["first"].why,
    )
    assert ("yes", "it is for every alert") == (by_name["eager"].answers, by_name["eager"].why)
    assert "eager (order 1001) comes before it (order 1950)" == by_name["default-observe-host"].why
    assert ("wrong", None, "invalid") == (said.verdicts[-1].policy, said.verdicts[-1].order, said.verdicts[-1].answers)
    assert said.verdicts[-1].why.startswith('spec.mode: "Never" is not one of ')


def test_without_a_cluster_the_pod_is_taken_to_be_there() -> None:
    """But an alert that points at no pod has none anywhere."""
    policies = [response.parse(policy(match={}))]
    there = explanation.explain(alert(), policies, {}, None)
    assert "shells (Enforce): quarantine, rotate" == str(there)
    host = explanation.explain(alert({"container.id": "host"}), policies, {}, None)
    assert "ignored: host alert: it names no pod and no container, and there is no remedy for nodes" == str(host)


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, "it is for every alert"),
        ({"rules": ["Other", "Terminal*"]}, 'rule "Terminal shell in container" fits "Terminal*"'),
        ({"rules": ["Terminal shell in container"]}, 'rule "Terminal shell in container"'),
        ({"minimumPriority": "Debug"}, "priority Notice is at least Debug"),
        ({"tags": ["x", "sh*"]}, 'tag "shell" fits "sh*"'),
        ({"sources": ["syscall", "k8s_audit"]}, "source syscall"),
        ({"namespaces": ["shop"]}, 'namespace "shop"'),
        ({"podSelector": {"matchLabels": {"app": "web"}}}, "the pod's labels fit podSelector"),
        ({"expression": "alert.priority == 'Notice'"}, "expression is true"),
        ({"sources": ["syscall"], "namespaces": ["s*"]}, 'source syscall; namespace "shop" fits "s*"'),
    ],
)
def test_why_a_policy_matches(criteria: dict[str, Any], expected: str) -> None:
    """Each criterion, and what met it; with the pod, or from the alert alone where that suffices."""
    given = response.parse(policy(match=criteria))
    assert match.explain(given, alert(), pod()) is None
    assert expected == grounds(given, alert(), pod())
    if "podSelector" not in criteria:
        assert expected == grounds(given, alert(), None)


def test_a_pod_that_is_known_says_its_namespace() -> None:
    """An alert may have a name without a namespace."""
    given = response.parse(policy(match={"namespaces": ["sho?"]}))
    assert 'namespace "shop" fits "sho?"' == grounds(given, alert({"k8s.ns.name": None}), pod())


def test_found_says_nothing_by_itself() -> None:
    """The default is a pod that is not known, for no reason."""
    assert Found(None, "", "") == Found()


# The command


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder of policies: one good, one wrong, one for rotation."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "good.yaml").write_text(json.dumps(policy("web-shell")))
    (folder / "wrong.yaml").write_text(json.dumps(policy(mode="Never")))
    (folder / "rotation.yaml").write_text((ROOT / "examples/policies/rotate-web.yaml").read_text())
    return folder


def _stdin(*data: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, data)).encode()


def test_offline(molt: Molt, files: Path) -> None:
    """With files no cluster is needed; rotation's policies are none that answer."""
    result = molt("explain", "-", "--policies", files, stdin=_stdin(alert_data()))
    assert (0, "") == (result.code, result.err)
    lines = result.out.splitlines()
    assert [
        "Terminal shell in container (Notice, alert a1)",
        "  web-shell (Enforce): quarantine, rotate",
        "  target: shop/web-6d5f7c9b8-x7x2p, as the alert says; no cluster was asked",
    ] == [line.rstrip() for line in lines[:3]]
    assert f"{files}/wrong.yaml:1" in result.out
    assert "web-shell" in result.out
    assert "invalid" in result.out
    assert "production/web" not in result.out


def test_offline_as_json(molt: Molt, files: Path) -> None:
    """All of it: the alert, the decision in parts, every policy."""
    result = molt("explain", "-", "--policies", files / "good.yaml", "--json", stdin=_stdin(alert_data()))
    (one,) = result.json
    assert Alert.parse(one.pop("alert")) == alert()
    assert {
        "line": 1,
        "decision": "web-shell (Enforce): quarantine, rotate",
        "policy": "web-shell",
        "mode": "Enforce",
        "remedies": ["quarantine", "rotate"],
        "ignored": None,
        "target": None,
        "no_target": None,
        "policies": [
            {
                "order": 100,
                "policy": "web-shell",
                "mode": "Enforce",
                "answers": "yes",
                "why": 'rule "Terminal shell in container"',
            }
        ],
    } == one


def test_many_alerts_and_hostile_ones(molt: Molt, files: Path) -> None:
    """One block each; names stay text; an alert that is none is named with its line, and the exit code is 2."""
    given = _stdin(alert_data(), alert_data(rule=HOSTILE), {"rule": HOSTILE}, alert_data({"container.id": "host"}))
    result = molt("explain", "-", "--policies", files, stdin=given)
    assert (2, 1) == (result.code, result.err.count("\n"))
    assert result.err.startswith("molt: -: line 3: no alert: priority: ")
    assert 3 == result.out.count("alert a1)")
    assert "[red] [31mEvil[/red] (Notice" in result.out
    assert not {"\x1b", "\u202e"} & set(result.out)
    as_json = molt("explain", "-", "--policies", files, "--json", stdin=given)
    assert (2, [1, 2, 4]) == (as_json.code, [one["line"] for one in as_json.json])
    assert as_json.out.isascii()


@pytest.mark.parametrize("path", ["missing", "empty"])
def test_policies_that_are_not_there(molt: Molt, tmp_path: Path, path: str) -> None:
    """Exit code 2, one line."""
    (tmp_path / "empty").mkdir()
    result = molt("explain", "-", "--policies", tmp_path / path, stdin=_stdin(alert_data()))
    assert (2, "", 1) == (result.code, result.out, result.err.count("\n"))


@pytest.mark.parametrize("text", [b"", b"{", b"[1]"])
def test_input_that_is_none(molt: Molt, text: bytes) -> None:
    """Exit code 2 before any cluster is asked."""
    result = molt("explain", "-", stdin=text)
    assert (2, "", True) == (result.code, result.out, result.err.startswith("molt: -: "))


def test_with_a_cluster(molt: Molt, context: str, cluster: RunningCluster, files: Path) -> None:
    """The cluster's policies, or those of files, and the pod as it is now; nothing is changed."""
    api = cluster.admin
    api.create(RESPONSE_POLICIES, policy("web-shell", match={"podSelector": {"matchLabels": {"app": "web"}}}))
    made = api.create(
        PODS, {"metadata": {"name": "web-1", "labels": {"app": "web"}}, "spec": quarantined()["spec"]}, "shop"
    )
    uid = made["metadata"]["uid"]
    fields = {"k8s.pod.name": "web-1", "k8s.pod.uid": uid, "container.id": None}
    given = _stdin(alert_data(fields), alert_data(fields | {"k8s.pod.name": "web-2"}))
    before = api.get(PODS, "web-1", "shop")
    result = molt("explain", "-", "--context", context, "--json", stdin=given)
    there, gone = result.json
    expected = {"namespace": "shop", "name": "web-1", "uid": uid, "workload": None}
    assert (0, "web-shell (Enforce): quarantine, rotate", expected) == (result.code, there["decision"], there["target"])
    assert ("ignored: no policy matches", None) == (gone["decision"], gone["target"])
    assert "pod shop/web-2 is gone" == gone["no_target"]
    assert "podSelector" in gone["policies"][0]["why"]
    shown = molt("explain", "-", "--context", context, "--policies", files / "good.yaml", stdin=given)
    assert f"  target: pod shop/web-1, UID {uid}" in shown.out
    assert "  ignored: pod shop/web-2 is gone" in shown.out
    assert "  no target: pod shop/web-2 is gone" in shown.out
    assert before == api.get(PODS, "web-1", "shop")
    api.delete(RESPONSE_POLICIES, "web-shell")
    api.delete(PODS, "web-1", "shop", grace_seconds=0)
    assert "shop" in {obj["metadata"]["name"] for obj in api.list(NAMESPACES)}


def test_the_workload_of_a_target(molt: Molt, context: str, cluster: RunningCluster, files: Path) -> None:
    """A pod of a Deployment is shown as one of it."""
    metadata = pod()["metadata"]
    keep = {key: metadata[key] for key in ("name", "labels", "ownerReferences")}
    made = cluster.admin.create(PODS, {"metadata": keep, "spec": quarantined()["spec"]}, "shop")
    fields = {"k8s.pod.uid": made["metadata"]["uid"], "container.id": None}
    arguments = ("explain", "-", "--context", context, "--policies", files / "good.yaml")
    assert "-x7x2p of Deployment/web, UID" in molt(*arguments, stdin=_stdin(alert_data(fields))).out
    (one,) = molt(*arguments, "--json", stdin=_stdin(alert_data(fields))).json
    assert "Deployment/web" == one["target"]["workload"]
    cluster.admin.delete(PODS, keep["name"], "shop", grace_seconds=0)


def test_an_alert_without_a_pod_says_what_it_is_about(molt: Molt, files: Path) -> None:
    """By its scope; a pod's name without a namespace is shown as such."""
    arguments = ("explain", "-", "--policies", files / "good.yaml")
    host = molt(*arguments, stdin=_stdin(alert_data({"container.id": "host"})))
    assert "target: a node, as the alert says" in host.out
    nameless = molt(*arguments, stdin=_stdin(alert_data({"k8s.ns.name": None})))
    assert "target: ?/web-6d5f7c9b8-x7x2p, as the alert says" in nameless.out
