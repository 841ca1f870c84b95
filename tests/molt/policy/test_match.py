"""molt.policy.match: one alert against criteria one by one, and against many policies.

criterion x {met, not met, nothing known}: sources, minimumPriority, rules, tags, namespaces, podSelector, expression
choose: by order, then name | none matches | none there
"""

from __future__ import annotations

from typing import Any

import pytest

from molt.alert import Alert
from molt.policy import ResponsePolicy, match, response
from tests.molt.policy.verdicts import RESPONSE, manifest

ALERT = Alert.parse(
    {
        "rule": "Terminal shell in container",
        "priority": "Notice",
        "output": "a shell",
        "source": "syscall",
        "tags": ["container", "mitre_execution"],
        "time": "2026-11-24T10:00:00Z",
        "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": "web-1", "proc.name": "bash"},
    }
)
POD = {"metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}}}


def policy(name: str = "p", order: int = 100, **criteria: Any) -> ResponsePolicy:
    obj = manifest(RESPONSE, {"order": order, "match": criteria, "remedies": []})
    obj["metadata"]["name"] = name
    return response.parse(obj)


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"sources": ["k8s_audit", "syscall"]},
        {"minimumPriority": "Notice"},
        {"minimumPriority": "Debug"},
        {"rules": ["Web *", "Terminal shell*"]},
        {"tags": ["mitre_*"]},
        {"namespaces": ["sh?p"]},
        {"podSelector": {}},
        {"podSelector": {"matchLabels": {"app": "web"}}},
        {"expression": "alert.outputFields['proc.name'] == 'bash' && alert.priority == 'Notice'"},
    ],
    ids=str,
)
def test_a_criterion_that_is_met_is_no_reason(criteria: dict[str, Any]) -> None:
    """Each criterion by itself lets this alert through."""
    assert match.explain(policy(**criteria), ALERT, POD) is None


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        ({"sources": ["k8s_audit"]}, 'source "syscall" is none of k8s_audit'),
        ({"minimumPriority": "Warning"}, "priority Notice is below Warning"),
        ({"rules": ["terminal*"]}, 'rule "Terminal shell in container" fits none of its rules'),
        ({"tags": ["T1059"]}, 'no tag of the alert ("container", "mitre_execution") fits its tags'),
        ({"namespaces": ["prod-*"]}, 'namespace "shop" fits none of its namespaces'),
        (
            {"podSelector": {"matchLabels": {"app": "db"}}},
            'podSelector: label app is "web", wanted: app in (db)',
        ),
        ({"expression": "alert.priority == 'Debug'"}, "expression is false"),
        (
            {"expression": "alert.outputFields['fd.name'] == 'x'"},
            'expression cannot be evaluated: Key not found in map : "fd.name"',
        ),
        ({"expression": "alert.rule"}, "expression cannot be evaluated: gives STRING, not BOOL"),
    ],
    ids=str,
)
def test_a_criterion_that_is_not_met_says_what_it_saw(criteria: dict[str, Any], reason: str) -> None:
    """The reason is one line, and shows the alert's side of the comparison."""
    assert reason == match.explain(policy(**criteria), ALERT, POD)


def test_what_is_not_known_does_not_match() -> None:
    """Without tags, a namespace or a pod, a criterion about them is not met."""
    bare = Alert.parse({"rule": "x", "priority": "Notice"})
    assert "no tag of the alert (it has none) fits its tags" == match.explain(policy(tags=["*"]), bare, None)
    assert "it is for certain namespaces, and the alert's is not known" == match.explain(
        policy(namespaces=["*"]), bare, None
    )
    assert "it has a podSelector, and no pod is known" == match.explain(policy(podSelector={}), bare, None)
    unlabelled = {"metadata": {"name": "web-1", "namespace": "shop"}}
    assert "podSelector: label app is not there, wanted: app" == match.explain(
        policy(podSelector={"matchExpressions": [{"key": "app", "operator": "Exists"}]}), bare, unlabelled
    )


def test_the_pod_that_was_found_says_its_namespace() -> None:
    """The alert's word counts only while no pod is known."""
    assert match.explain(policy(namespaces=["shop"]), ALERT, None) is None
    elsewhere = {"metadata": {"name": "web-1", "namespace": "other"}}
    assert 'namespace "other" fits none of its namespaces' == match.explain(
        policy(namespaces=["shop"]), ALERT, elsewhere
    )


def test_only_the_first_unmet_criterion_is_told() -> None:
    """A policy that fails on everything fails on the cheapest first, and its expression is not run."""
    failing = policy(rules=["x"], sources=["x"], expression="alert.nothing == 1")
    assert 'source "syscall" is none of x' == match.explain(failing, ALERT, POD)


def test_the_first_policy_by_order_then_name_is_chosen() -> None:
    """Of all that match one counts; each other one says why it is not it, in the order in which they are asked."""
    policies = [
        policy("late", 200),
        policy("b", 100, rules=["Terminal *"]),
        policy("a", 100, rules=["Web *"]),
        policy("c", 100),
        policy("first", 1, minimumPriority="Critical"),
    ]
    chosen, others = match.choose(policies, ALERT, POD)
    assert chosen is policies[1]
    assert [
        ("first", "priority Notice is below Critical"),
        ("a", 'rule "Terminal shell in container" fits none of its rules'),
        ("c", "b (order 100) comes before it (order 100)"),
        ("late", "b (order 100) comes before it (order 200)"),
    ] == others


def test_where_nothing_matches_nothing_is_chosen() -> None:
    """None, with the reason of each policy; and none at all without policies."""
    assert (None, [("p", "priority Notice is below Alert")]) == match.choose(
        [policy(minimumPriority="Alert")], ALERT, POD
    )
    assert (None, []) == match.choose([], ALERT, POD)
