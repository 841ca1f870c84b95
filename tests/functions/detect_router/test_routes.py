"""Which policy answers an alert, and what spares the look-up of the pod."""

from __future__ import annotations

from typing import Any

import pytest

from detect_router import routes
from detect_router.routes import Route
from molt.policy import response
from tests.functions.detect_router.world import RULE, alert, pod, policy

SELECTOR = {"matchLabels": {"app": "db"}}


def parsed(*objects: dict[str, Any]) -> list[response.ResponsePolicy]:
    return [response.parse(obj) for obj in objects]


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param([], f'no policy is for the rule "{RULE}"', id="no policy"),
        pytest.param([policy(match={"rules": ["Other*"]})], f'no policy is for the rule "{RULE}"', id="other rules"),
        pytest.param(
            [policy(match={"rules": ["Other*"]}), policy("crit", match={"minimumPriority": "Critical"})],
            "no policy matches; crit comes nearest: priority Notice is below Critical",
            id="the nearest is for its rule",
        ),
        pytest.param(
            [policy(match={"rules": [RULE], "namespaces": ["prod-*"]})],
            'no policy matches; shells comes nearest: namespace "shop" fits none of its namespaces',
            id="the alert says the namespace",
        ),
        pytest.param([policy(remedies=[])], "policy shells has no remedies", id="nothing to do"),
        pytest.param(
            [policy(remedies=[], match={"rules": [RULE], "podSelector": SELECTOR})], None, id="nothing to do, perhaps"
        ),
        pytest.param(
            [policy(remedies=[], match={"podSelector": SELECTOR}, order=1), policy("next", remedies=[])],
            None,
            id="the first may not match, the second has nothing to do",
        ),
        pytest.param([policy(match={"rules": [RULE], "podSelector": SELECTOR})], None, id="the pod decides"),
        pytest.param([policy()], None, id="matches"),
    ],
)
def test_without_hope_the_pod_is_not_looked_up(policies: list[dict[str, Any]], expected: str | None) -> None:
    """Only criteria that the pod can change are left open."""
    assert expected == routes.hopeless(alert(), parsed(*policies))


def test_a_namespace_that_the_alert_does_not_say_is_left_open() -> None:
    """The pod of the container may be in it."""
    by_container = alert({"k8s.ns.name": None, "k8s.pod.name": None})
    assert routes.hopeless(by_container, parsed(policy(match={"namespaces": ["shop"]}))) is None


def test_the_first_policy_by_order_that_matches_answers() -> None:
    """Its remedies are the itinerary."""
    later, sooner, other = (
        policy("later", order=20),
        policy("sooner", order=10, remedies=[{"rotate": {"scope": "Pod"}}]),
        policy("other", order=1, match={"podSelector": SELECTOR}),
    )
    route = routes.route(alert(), parsed(later, sooner, other), pod())
    assert isinstance(route, Route)
    assert ("sooner", ["rotate"]) == (route.policy.name, [step.remedy for step in route.itinerary])


@pytest.mark.parametrize(
    ("policies", "change", "expected"),
    [
        (
            [policy(match={"rules": [RULE], "podSelector": SELECTOR})],
            {},
            "no policy matches; shells comes nearest: podSelector: ",
        ),
        ([policy(remedies=[])], {}, "policy shells has no remedies"),
        ([policy()], {"space": "kube-system"}, "namespace kube-system is protected"),
        ([policy()], {"annotations": {"kubernetes.io/config.mirror": "x"}}, "pod web-6d5f7c9b8-x7x2p is static"),
    ],
)
def test_no_route_has_its_reason(policies: list[dict[str, Any]], change: dict[str, Any], expected: str) -> None:
    """A policy that does not fit the pod, one with nothing to do, or a guard that no policy can lift."""
    route = routes.route(alert(), parsed(*policies), pod(**change))
    assert isinstance(route, str)
    assert route.startswith(expected)
