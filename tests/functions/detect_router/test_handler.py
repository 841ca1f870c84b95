"""From the alert to the routing slip, with the calls each case costs.

routed          4 calls  policies, pod, policy, namespace; 3 when it is only rehearsed
no pod          1 call   policies
no policy       1 call   policies
not yet         2 calls  policies, pod; again at each of the broker's tries while the alert is fresh
own namespace   0 calls
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from detect_router.handler import handle
from molt import target
from molt.alert import Alert
from molt.itinerary import Slip
from molt.outcome import BadEvent, Done, Ignored, TemporaryError
from tests.functions.detect_router.world import (
    NOW,
    RULE,
    UID,
    StillClock,
    World,
    alert_data,
    event,
    namespace,
    pod,
    policy,
)

TRIGGER = Path(__file__).resolve().parents[3] / "knative/base/triggers/alert-to-detect-router.yaml"
POLICIES, POD, NAMESPACE = "list responsepolicies", "get pods", "get namespaces"
POLICY = "get responsepolicies"


def handled(world: World, **change: Any) -> Any:
    return handle(event(alert_data(**change)), world, StillClock())


def test_a_matched_alert_is_routed_in_four_calls() -> None:
    """The slip has the pod by its UID, its Deployment, the policy as it is, and nothing done yet."""
    world = World(policy(limits={"perWorkload": "30%"}), pod(), namespace())
    outcome = handled(world)
    assert isinstance(outcome, Done)
    assert [POLICIES, POD, POLICY, NAMESPACE] == world.asked
    routed = outcome.event
    assert routed is not None
    assert ("io.molt-project.alert.routed.v1", "/molt/detect-router", "shop/pod/web-6d5f7c9b8-x7x2p", NOW) == (
        routed.type,
        routed.source,
        routed.subject,
        routed.time,
    )
    assert "quarantine" == routed.extensions["remedy"]
    assert event({}).extensions["traceparent"] == routed.extensions["traceparent"]
    slip = Slip.parse(routed.data)
    assert Alert.parse(alert_data()) == Alert.parse(slip.alert)
    assert {
        "namespace": "shop",
        "name": "web-6d5f7c9b8-x7x2p",
        "uid": UID,
        "node": "n1",
        "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "rs"},
    } == routed.data["target"]
    assert {
        "name": "shells",
        "uid": "p-uid",
        "generation": 3,
        "limits": {"perWorkload": "30%", "perMinute": 20},
    } == routed.data["policy"]
    assert ("Enforce", ["quarantine", "rotate"], ()) == (
        slip.mode,
        [step.remedy for step in slip.itinerary],
        slip.trail,
    )
    assert "policy shells (Enforce): quarantine, rotate" == outcome.reason


def test_a_redelivery_gives_the_same_event() -> None:
    """Source and id are the same, so that the next function can tell."""
    world = World(policy(), pod(), namespace())
    first, second = (handled(world).event for _ in range(2))
    assert (first.id, first.source) == (second.id, second.source)


def test_the_mode_is_the_policys() -> None:
    """DryRun is the default, and is read with every alert."""
    world = World(policy(mode=None), pod(), namespace())
    assert "DryRun" == handled(world).event.data["mode"]
    world.objects["ResponsePolicy", "", "shells"]["spec"]["mode"] = "Enforce"
    assert "Enforce" == handled(world).event.data["mode"]


def test_a_policy_that_stopped_acting_does_so_at_once() -> None:
    """Though the API server's cache is behind; all are read anew then."""
    world = World(policy(mode="DryRun"), pod(), namespace())
    world.behind = [_before(policy())]
    assert "DryRun" == handled(world).event.data["mode"]
    assert [POLICIES, POD, POLICY, POLICIES, NAMESPACE] == world.asked


def test_a_policy_that_is_gone_answers_no_alert() -> None:
    """Nor one of that name that came in its place; the next one by order does."""
    world = World(policy("next", order=9, remedies=[{"tag": {}}]), pod(), namespace())
    world.behind = [policy()]
    assert "next" == handled(world).event.data["policy"]["name"]
    world = World(policy(match={"rules": ["Else"]}), pod(), namespace())
    world.behind = [policy() | {"metadata": policy()["metadata"] | {"uid": "former"}}]
    assert f'no policy is for the rule "{RULE}"' == handled(world).reason


def test_a_rehearsal_is_not_made_sure_of() -> None:
    """Nothing comes of it; one that acts since a moment does with the next alert."""
    world = World(policy(mode="DryRun"), pod(), namespace())
    assert isinstance(handled(world), Done)
    assert [POLICIES, POD, NAMESPACE] == world.asked


def _before(obj: dict[str, Any]) -> dict[str, Any]:
    """Return the policy as it was before its spec changed."""
    return obj | {"metadata": obj["metadata"] | {"generation": 2, "resourceVersion": "76"}}


@pytest.mark.parametrize(
    ("change", "asked", "reason"),
    [
        pytest.param({"fields": {"k8s.ns.name": "molt"}}, [], "namespace molt is protected", id="molt's own pod"),
        pytest.param({"fields": {"container.id": "host"}}, [POLICIES], "host alert", id="host"),
        pytest.param({"rule": "Else"}, [POLICIES], 'no policy is for the rule "Else"', id="no policy"),
        pytest.param(
            {"fields": {"k8s.pod.name": "gone"}}, [POLICIES, POD], "pod shop/gone is gone", id="a pod that is gone"
        ),
        pytest.param(
            {"fields": {"container.id": "0123456789ab"}, "time": "2026-11-01T10:00:20Z"},
            [POLICIES, POD],
            "pod shop/web-6d5f7c9b8-x7x2p was replaced since the alert",
            id="a pod that was replaced",
        ),
        pytest.param(
            {"fields": {"k8s.pod.name": "static"}}, [POLICIES, POD], "pod static is static", id="a static pod"
        ),
        pytest.param(
            {"fields": {"k8s.ns.name": "spared"}},
            [POLICIES, POD, POLICY, NAMESPACE],
            "namespace spared is exempt by its label molt-project.io/exempt",
            id="an exempt namespace",
        ),
        pytest.param(
            {"fields": {"k8s.ns.name": "ended"}},
            [POLICIES, POD, POLICY, NAMESPACE],
            "namespace ended could not be checked",
            id="a namespace that is gone",
        ),
    ],
)
def test_an_alert_is_ignored_for_a_reason_and_with_the_fewest_calls(
    change: dict[str, Any], asked: list[str], reason: str
) -> None:
    """Nothing is asked that cannot change the answer."""
    world = World(
        policy(),
        namespace(),
        namespace("spared", **{"molt-project.io/exempt": "true"}),
        *(pod(space=space) for space in ("shop", "spared", "ended")),
        pod("static", annotations={"kubernetes.io/config.mirror": "5f3c"}),
    )
    outcome = handled(world, **change)
    assert isinstance(outcome, Ignored)
    assert outcome.reason.startswith(reason)
    assert asked == world.asked


def test_a_fresh_alert_about_an_unknown_container_is_to_come_again() -> None:
    """Just after a restart the kubelet still shows the former container; the broker's next try sees the new one."""
    world = World(policy(), pod(), namespace())
    with pytest.raises(TemporaryError, match="no pod has container 0123456789ab yet") as caught:
        handled(world, fields={"container.id": "0123456789ab"})
    assert 1 == caught.value.retry_after
    assert [POLICIES, POD] == world.asked


def test_the_trigger_outlasts_a_fresh_alert() -> None:
    """Its last try finds the alert old, whichever of the clocks is ahead: ignored, not dead-lettered."""
    delivery = yaml.safe_load(TRIGGER.read_text(encoding="utf-8"))["spec"]["delivery"]
    first = float(delivery["backoffDelay"].removeprefix("PT").removesuffix("S"))
    assert "exponential" == delivery["backoffPolicy"]
    assert sum(first * 2**number for number in range(delivery["retry"])) > 2 * target.FRESH.total_seconds()


def test_a_policy_that_does_not_fit_the_pod_is_no_route() -> None:
    """The namespace is not asked for."""
    selector = {"rules": [RULE], "podSelector": {"matchLabels": {"app": "db"}}}
    world = World(policy(match=selector), pod(), namespace())
    assert isinstance(handled(world), Ignored)
    assert [POLICIES, POD] == world.asked


def test_what_is_no_alert_is_a_bad_event() -> None:
    """Nothing is asked."""
    world = World()
    with pytest.raises(BadEvent, match="priority"):
        handled(world, priority="Loud")
    assert [] == world.asked
