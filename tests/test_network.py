"""Who reaches the functions and the broker, as the manifests have it, against what the rest of the manifests needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from molt import forward, seal
from molt.embedded import manifests
from molt.policy import duration

ROOT = Path(__file__).resolve().parents[1]
BASE = [document.body for document in manifests.load(ROOT / "knative" / "base")]
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/service.yaml"))
EVENT_POLICIES = {
    policy["metadata"]["name"]: policy
    for policy in yaml.safe_load_all((ROOT / "knative/overlays/event-policy/policies.yaml").read_text(encoding="utf-8"))
}
REQUESTS, METRICS, ADMIN = 8012, 9090, 8022


def _of(kind: str) -> dict[str, dict[str, Any]]:
    return {doc["metadata"]["name"]: doc for doc in BASE if doc["kind"] == kind}


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    found = {"In": lambda value, values: value in values, "NotIn": lambda value, values: value not in values}
    return wanted.items() <= labels.items() and all(
        found[each["operator"]](labels.get(each["key"]), each["values"])
        for each in selector.get("matchExpressions", ())
    )


def _labels(function: str) -> dict[str, str]:
    service = yaml.safe_load((ROOT / "functions" / function / "service.yaml").read_text(encoding="utf-8"))
    return dict(service["spec"]["template"]["metadata"]["labels"])


def _namespace(name: str, **labels: str) -> dict[str, str]:
    return {"kubernetes.io/metadata.name": name, **labels}


def _gets_in(port: int, namespace: dict[str, str], pod: dict[str, str]) -> bool:
    """Tell whether a pod of a namespace may open a connection to a port of a function's pod."""
    return any(
        _selects(peer["namespaceSelector"], namespace) and _selects(peer.get("podSelector", {}), pod)
        for rule in _of("NetworkPolicy")["functions-ingress"]["spec"]["ingress"]
        if port in {each["port"] for each in rule["ports"]}
        for peer in rule["from"]
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_is_behind_the_policy(function: str) -> None:
    """Its pods have the labels that are selected; all but evidence, whose bucket may be anywhere, call few ports."""
    policies = _of("NetworkPolicy")
    assert {"molt"} == {policy["metadata"]["namespace"] for policy in policies.values()}
    assert _selects(policies["functions-ingress"]["spec"]["podSelector"], _labels(function))
    held = _selects(policies["functions-egress"]["spec"]["podSelector"], _labels(function))
    assert held == (function != "evidence")
    assert [["Ingress"], ["Egress"]] == [
        policies[f"functions-{way}"]["spec"]["policyTypes"] for way in ("ingress", "egress")
    ]


@pytest.mark.parametrize(
    ("port", "namespace", "pod", "expected"),
    [
        (REQUESTS, _namespace("knative-serving"), {"app": "activator"}, True),
        (8013, _namespace("knative-serving"), {"app": "activator"}, True),
        (8112, _namespace("knative-serving"), {"app": "activator"}, True),
        (METRICS, _namespace("knative-serving"), {"app": "autoscaler"}, True),
        (REQUESTS, _namespace("knative-eventing"), {"app": "kafka-broker-dispatcher"}, True),
        (REQUESTS, _namespace("kourier-system"), {"app": "3scale-kourier-gateway"}, True),
        (REQUESTS, _namespace("istio-system"), {"app": "knative-local-gateway"}, True),
        (REQUESTS, _namespace("contour-internal"), {"app": "envoy"}, True),
        (REQUESTS, _namespace("ingress", **{"molt-project.io/gateway": "true"}), {}, True),
        (REQUESTS, _namespace("ingress"), {}, False),
        (REQUESTS, _namespace("shop"), {"app": "activator"}, False),
        (REQUESTS, _namespace("molt"), _labels("evidence"), False),
        (REQUESTS, _namespace("knative-serving"), {"app": "autoscaler"}, True),
        (REQUESTS, _namespace("knative-serving"), {"app": "webhook"}, False),
        (METRICS, _namespace("knative-serving"), {"app": "activator"}, False),
        (8080, _namespace("knative-serving"), {"app": "activator"}, False),
        (ADMIN, _namespace("kourier-system"), {}, False),
    ],
)
def test_who_gets_in(port: int, namespace: dict[str, str], pod: dict[str, str], *, expected: bool) -> None:
    """Serving and the broker's data plane on the ports that they need, no tenant, and no function."""
    assert expected == _gets_in(port, namespace, pod)


def test_functions_reach_names_and_the_api_server_alone() -> None:
    """DNS, and the ports that API servers listen on; not port 80, where clouds keep credentials."""
    ports = [
        (each["protocol"], each["port"])
        for rule in _of("NetworkPolicy")["functions-egress"]["spec"]["egress"]
        for each in rule["ports"]
    ]
    assert {("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353), ("TCP", 443), ("TCP", 6443), ("TCP", 8443)} == set(
        ports
    )


def test_the_broker_takes_each_type_from_its_sender() -> None:
    """Alerts from Falco's namespace, ticks from the clock, answers from every Trigger: the types that there are."""
    assert {"alerts", "answers", "clock"} == set(EVENT_POLICIES)
    (broker,) = _of("Broker")
    for policy in EVENT_POLICIES.values():
        assert ("eventing.knative.dev/v1alpha1", "EventPolicy") == (policy["apiVersion"], policy["kind"])
        assert "molt" == policy["metadata"]["namespace"]
        to = {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": broker}
        assert [{"ref": to}] == policy["spec"]["to"]
    wanted = [{"exact": {"type": each}} for each in (forward.TYPE, forward.DROPPED)]
    assert [{"any": wanted}] == EVENT_POLICIES["alerts"]["spec"]["filters"]
    assert [{"sub": "system:serviceaccount:falco:*"}] == EVENT_POLICIES["alerts"]["spec"]["from"]
    (clock,) = _of("PingSource").values()
    assert [_reference(clock)] == EVENT_POLICIES["clock"]["spec"]["from"]
    ticks = {
        trigger["spec"]["filter"]["attributes"].get("type")
        for name, trigger in _of("Trigger").items()
        if "tick" in name
    }
    assert [{"exact": {"type": each}} for each in ticks] == EVENT_POLICIES["clock"]["spec"]["filters"]
    answering = [one for one in _of("Trigger").values() if one["spec"]["subscriber"]["ref"]["name"] != "dead-letter"]
    triggers = sorted(answering, key=lambda trigger: str(trigger["metadata"]["name"]))
    assert [_reference(trigger) for trigger in triggers] == EVENT_POLICIES["answers"]["spec"]["from"]
    assert [{"prefix": {"type": "io.molt-project."}}] == EVENT_POLICIES["answers"]["spec"]["filters"]


def _reference(doc: dict[str, Any]) -> dict[str, Any]:
    names = {name: doc["metadata"][name] for name in ("name", "namespace")}
    return {"ref": {"apiVersion": doc["apiVersion"], "kind": doc["kind"], **names}}


def test_a_signature_outlives_all_tries_of_a_broker() -> None:
    """However a Trigger tries, waits and times out, the last try of an event comes before its signature expires."""
    deliveries = [
        doc["spec"]["delivery"]
        for kind in ("Broker", "Trigger")
        for doc in _of(kind).values()
        if "delivery" in doc["spec"]
    ]
    for delivery in deliveries:
        backoff, timeout = (
            duration.parse(delivery[name].removeprefix("PT").lower()) for name in ("backoffDelay", "timeout")
        )
        assert backoff is not None
        assert timeout is not None
        assert "exponential" == delivery["backoffPolicy"]
        waits = sum((backoff * 2**number for number in range(1, delivery["retry"] + 1)), backoff)
        assert waits + timeout * (delivery["retry"] + 1) < seal.USUAL_LIFETIME * 0.75


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_that_is_given_orders_has_the_key(function: str) -> None:
    """From one Secret, the previous key optional; dead-letter, which is given none, has no key to lose."""
    service = yaml.safe_load((ROOT / "functions" / function / "service.yaml").read_text(encoding="utf-8"))
    env = {each["name"]: each for each in service["spec"]["template"]["spec"]["containers"][0].get("env", ())}
    found = {
        name: env[name]["valueFrom"]["secretKeyRef"] for name in (seal.KEY, seal.PREVIOUS, seal.CLUSTER) if name in env
    }
    expected = {
        seal.KEY: {"name": "signing-key", "key": "key"},
        seal.PREVIOUS: {"name": "signing-key", "key": "previous-key", "optional": True},
        seal.CLUSTER: {"name": "signing-key", "key": "cluster"},
    }
    assert found == (expected if function != "dead-letter" else {})
