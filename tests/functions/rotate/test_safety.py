"""What must hold before a workload is reconfigured, each with the reason that is told when it does not.

opt-in                 the owner's label
the field              is there, with a plain value
port                   its variable says the same, no other port, probe, hook or Service has the number
label                  neither the workload nor a Service nor a disruption budget selects by it
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from molt.policy import RotationPolicy, rotation
from rotate import fleet, safety
from rotate.safety import Around

Object = dict[str, Any]

PORT: Object = {"port": {"container": "main", "name": "http", "env": "PORT", "variants": [8080, 9090]}}
LABEL: Object = {"label": {"key": "version", "variants": ["1", "2"]}}
TOP: Object = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u", "labels": {"molt-project.io/reconfigurable": "true"}},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web", "version": "1"}},
            "spec": {
                "initContainers": [{"name": "setup", "image": "setup:1"}],
                "containers": [
                    {
                        "name": "main",
                        "image": "web:1",
                        "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9100}],
                        "env": [{"name": "PORT", "value": "8080"}, {"name": "DECOY"}],
                        "readinessProbe": {"httpGet": {"port": "http"}},
                    },
                    {"name": "proxy", "image": "proxy:1"},
                ],
            },
        },
    },
}


def _policy(*dimensions: Object) -> RotationPolicy:
    spec = {"selector": {}, "lifetime": {"every": "1h"}, "strategy": "Reconfigure"}
    named = [{"name": f"d{index}"} | one for index, one in enumerate(dimensions)]
    envelope = {"apiVersion": "molt-project.io/v1alpha1", "kind": "RotationPolicy", "metadata": {"name": "web"}}
    return rotation.parse({**envelope, "spec": {**spec, "reconfigure": named}})


def _said(top: Object, *dimensions: Object, around: Around | None = None) -> str | None:
    (one,) = fleet.muster({"Deployment": [top]})
    return safety.obstacle(_policy(*dimensions), one, around or Around())


def _main(top: Object) -> Object:
    found: Object = top["spec"]["template"]["spec"]["containers"][0]
    return found


def test_what_is_safe_has_no_obstacle() -> None:
    """Fields of every kind, and neighbours that ask by name or ask others."""
    top = copy.deepcopy(TOP)
    spec = top["spec"]["template"]["spec"]
    spec |= {"serviceAccountName": "web", "runtimeClassName": "a", "nodeSelector": {"pool": "a"}}
    services = [
        _service("named", {"app": "web"}, {"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 9100}),
        _service("of-others", {"app": "other", "version": "1"}, {"port": 8080, "targetPort": 8080}),
        _service("by-hand", None, {"port": 8080}),
        {"metadata": {"name": "external"}, "spec": {"type": "ExternalName", "externalName": "a.b"}},
    ]
    budgets = [
        _budget("of-others", app="other", version="1"),
        _budget("ours", app="web"),
        {"metadata": {"name": "all"}, "spec": {}},
    ]
    dimensions = [
        PORT,
        LABEL,
        {"image": {"container": "proxy", "variants": ["a", "b"]}},
        {"environment": {"container": "main", "name": "DECOY", "variants": ["a", "b"]}},
        {"serviceAccountName": {"variants": ["a", "b"]}},
        {"runtimeClassName": {"variants": ["a", "b"]}},
        {"nodeSelector": {"key": "pool", "variants": ["a", "b"]}},
    ]
    assert _said(top, *dimensions, around=Around(services, budgets)) is None


@pytest.mark.parametrize("labels", [{}, {"molt-project.io/reconfigurable": "yes"}, None])
def test_without_the_owners_label_nothing_changes(labels: Object | None) -> None:
    """Only the owner knows whether what is declared is safe."""
    top = copy.deepcopy(TOP)
    top["metadata"]["labels"] = labels
    assert 'Deployment/web is not labelled molt-project.io/reconfigurable: "true" by its owner' == _said(top, PORT)


@pytest.mark.parametrize(
    ("dimension", "reason"),
    [
        ({"image": {"container": "web", "variants": ["a", "b"]}}, "it has no container web"),
        ({"image": {"container": "setup", "variants": ["a", "b"]}}, "it has no container setup"),
        ({"port": {**PORT["port"], "name": "grpc"}}, "container main has no port named grpc"),
        (
            {"port": {**PORT["port"], "env": "LISTEN"}},
            "variable LISTEN of container main does not say 8080, as port http does",
        ),
        (
            {"environment": {"container": "main", "name": "HOST", "variants": ["a", "b"]}},
            "container main has no variable HOST with a plain value",
        ),
        ({"serviceAccountName": {"variants": ["a", "b"]}}, "its pods have no serviceAccountName"),
        ({"runtimeClassName": {"variants": ["a", "b"]}}, "its pods have no runtimeClassName"),
        ({"nodeSelector": {"key": "pool", "variants": ["a", "b"]}}, "its pods have no nodeSelector pool"),
        ({"label": {"key": "tier", "variants": ["a", "b"]}}, "its pods have no label tier"),
        ({"label": {"key": "app", "variants": ["a", "b"]}}, "Deployment/web selects its pods by the label app"),
    ],
)
def test_what_is_not_there_does_not_change(dimension: Object, reason: str) -> None:
    """Nothing is added: what changes is what the owner has written."""
    assert f"Deployment/web cannot change its d0: {reason}" == _said(TOP, dimension)


def _no_template(top: Object) -> None:
    del top["spec"]["template"]


def _host_network(top: Object) -> None:
    top["spec"]["template"]["spec"]["hostNetwork"] = True


def _another_value(top: Object) -> None:
    _main(top)["env"][0]["value"] = "80"


def _from_a_secret(top: Object) -> None:
    _main(top)["env"][0] = {"name": "PORT", "valueFrom": {}}


def _taken(top: Object) -> None:
    _main(top)["ports"][1]["containerPort"] = 9090


def _same_number(top: Object) -> None:
    _main(top)["ports"].append({"name": "quic", "containerPort": 8080, "protocol": "UDP"})


def _taken_by_a_sidecar(top: Object) -> None:
    top["spec"]["template"]["spec"]["initContainers"][0]["ports"] = [{"containerPort": 9090}]


def _probed(top: Object) -> None:
    _main(top)["livenessProbe"] = {"tcpSocket": {"port": 8080}}


def _probed_from_aside(top: Object) -> None:
    top["spec"]["template"]["spec"]["containers"][1]["startupProbe"] = {"grpc": {"port": 9090}}


def _hooked(top: Object) -> None:
    _main(top)["lifecycle"] = {"preStop": {"httpGet": {"port": 8080, "path": "/"}}, "postStart": {"exec": {}}}


@pytest.mark.parametrize(
    ("meddle", "reason"),
    [
        (_no_template, "it has no container main"),
        (_host_network, "its pods are on their node's network"),
        (_another_value, "variable PORT of container main does not say 8080, as port http does"),
        (_from_a_secret, "variable PORT of container main does not say 8080, as port http does"),
        (_taken, "9090 is a port of container main already"),
        (_same_number, "8080 is a port of container main already"),
        (_taken_by_a_sidecar, "9090 is a port of container setup already"),
        (_probed, "livenessProbe of container main asks port 8080 by number"),
        (_probed_from_aside, "startupProbe of container proxy asks port 9090 by number"),
        (_hooked, "preStop of container main asks port 8080 by number"),
    ],
)
def test_a_port_that_something_knows_by_number_stays(meddle: Callable[[Object], None], reason: str) -> None:
    """Or that is told to the program otherwise, or would be another's."""
    top = copy.deepcopy(TOP)
    meddle(top)
    assert f"Deployment/web cannot change its d0: {reason}" == _said(top, PORT)


def test_two_ports_may_change_together() -> None:
    """One may have now a number that the other may get: it leaves it in the same change."""
    top = copy.deepcopy(TOP)
    main = _main(top)
    main["ports"][1]["containerPort"] = 9090
    main["env"].append({"name": "METRICS", "value": "9090"})
    other = {"port": {"container": "main", "name": "metrics", "env": "METRICS", "variants": [7000, 7001]}}
    assert _said(top, PORT, other) is None


def _service(name: str, selector: Object | None, *ports: Object) -> Object:
    return {"metadata": {"name": name}, "spec": {"selector": selector, "ports": list(ports)}}


def _budget(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}}}


@pytest.mark.parametrize(
    ("ports", "number"),
    [
        ([{"port": 80, "targetPort": 8080}], 8080),
        ([{"port": 8080}], 8080),
        ([{"port": 443, "targetPort": "https"}, {"port": 80, "targetPort": 9090}], 9090),
    ],
)
def test_a_service_that_knows_the_port_by_number_holds_it(ports: list[Object], number: int) -> None:
    """The number it has now, or one that it may get."""
    reason = f"Service/web has {number} as targetPort, and not the name http"
    around = Around([_service("web", {"app": "web"}, *ports)])
    assert f"Deployment/web cannot change its d0: {reason}" == _said(TOP, PORT, around=around)


@pytest.mark.parametrize(
    ("around", "reason"),
    [
        (Around([_service("blue", {"app": "web", "version": "1"})]), "Service/blue selects by the label version"),
        (Around([_service("green", {"app": "web", "version": "2"})]), "Service/green selects by the label version"),
        (Around([_service("any", {"version": "9"})]), "Service/any selects by the label version"),
        (Around((), [_budget("web", app="web", version="1")]), "PodDisruptionBudget/web selects by the label version"),
    ],
)
def test_a_label_that_something_selects_by_stays(around: Around, reason: str) -> None:
    """Whatever the value: old and new pods would be told apart, or others' taken in."""
    assert f"Deployment/web cannot change its d0: {reason}" == _said(TOP, LABEL, around=around)


def test_the_workloads_own_expressions_count() -> None:
    """A selector may ask for a label by an expression."""
    top = copy.deepcopy(TOP)
    top["spec"]["selector"] = {"matchExpressions": [{"key": "version", "operator": "Exists"}]}
    reason = "Deployment/web selects its pods by the label version"
    assert f"Deployment/web cannot change its d0: {reason}" == _said(top, LABEL)
