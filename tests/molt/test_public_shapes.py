"""Alerts in the shapes that are in public: issues, blogs, fixtures and courses from Falco 0.6 to 0.44.

Each row is an alert of our own in a shape that others published, and what is made of it: where it points, and what the
default policies answer. The pod that it names is taken to be there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from molt import target
from molt.alert import Alert
from molt.forward import event_of
from molt.outcome import BadEvent
from molt.policy import match
from tests.molt.policy.test_default_set import default_set

ID = "9f86d081884c"
FULL = f"{ID}7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
UID = "3c9d4a50-1f6f-4e0e-9f0e-5d2f3f1c7a11"
POD = {"k8s.ns.name": "shop", "k8s.pod.name": "web-0"}
UNKNOWN = {"k8s.ns.name": None, "k8s.pod.name": None}
SHELL = "Terminal shell in container"
DEFAULTS = default_set()
CODE = "Redirect STDOUT/STDIN to Network Connection in Container"


@dataclass(frozen=True)
class Shape:
    """One alert and what is expected of it; `answer` is the default policy's name without `default-`."""

    name: str
    fields: dict[str, Any] | None
    scope: str = "pod"
    pod: str = "shop/web-0"
    container: str | None = ID
    answer: str | None = "observe-activity"
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """The alert as it arrives."""
        base = {"rule": SHELL, "priority": "Notice", "time": "2026-10-01T12:00:00.5Z", "output": "A shell was spawned"}
        return base | ({} if self.fields is None else {"output_fields": self.fields}) | self.rest


def audit(name: str, fields: dict[str, Any], pod: str | None = "shop/web-0", **rest: Any) -> Shape:
    return Shape(
        name,
        fields,
        scope="pod" if pod else "cluster",
        pod=pod or "",
        container=None,
        answer=None,
        rest={"rule": "An API call", "source": "k8s_audit"} | rest,
    )


def plugin(source: str, **fields: Any) -> Shape:
    rest = {"rule": "Something in a cloud", "source": source}
    return Shape(source, fields, scope="cluster", pod="", container=None, answer=None, rest=rest)


def node(name: str, fields: dict[str, Any] | None, answer: str | None = "observe-activity", **rest: Any) -> Shape:
    return Shape(name, fields, scope="node", pod="", container=None, answer=answer, rest=rest)


def lone(name: str, fields: dict[str, Any], **rest: Any) -> Shape:
    return Shape(name, UNKNOWN | fields, scope="container", pod="", rest=rest)


TARGET = {"ka.target.namespace": "shop", "ka.target.name": "web-0"}
CREATED = {"ka.target.namespace": "shop", "ka.resp.name": "web-0"}
DOCKER = f"k8s_web_web-0_shop_{UID}_0"

SHAPES = [
    # Falco itself, by version: stdout, file and http_output are the same JSON.
    Shape("0.6: no tags, no source, no hostname", POD | {"container.id": ID, "evt.time": 1790856000500000000}),
    Shape(
        "0.6: pod without namespace",
        {"container.id": ID, "k8s.pod.name": "web-0"},
        scope="container",
        pod="None/web-0",
    ),
    Shape("0.24: text repeated, user null", POD | {"container.id": ID, "user.name": None, "proc.pname": None}),
    Shape("0.31: source and tags", POD | {"container.id": ID}, rest={"source": "syscall", "tags": ["shell"]}),
    Shape("0.33: hostname is Falco's pod", POD | {"container.id": ID}, rest={"hostname": "falco-x2x4z"}),
    Shape("0.36: setuid by <NA>", POD | {"container.id": ID, "proc.cmdline": "<NA>", "user.uid": 4294967295}),
    Shape("0.37: thread fields", POD | {"container.id": ID, "thread.ismain": True, "thread.tid": 45, "x": 1.5}),
    Shape(
        "0.31: pause container",
        POD | {"container.id": ID, "container.image.repository": "k8s.gcr.io/pause"},
        container=None,
    ),
    Shape("0.38: time as ISO 8601 in name only", POD | {"container.id": ID, "evt.time.iso8601": 1790856000500000000}),
    Shape("0.38: time as ISO 8601", POD | {"container.id": ID, "evt.time.iso8601": "2026-10-01T12:00:00.5+0000"}),
    Shape("0.40: message beside output", POD | {"container.id": ID}, rest={"message": "A shell"}),
    Shape("0.41: container.name is the id", POD | {"container.id": ID, "container.name": ID}),
    Shape("0.41: container plugin", POD | {"container.id": ID, "container.start_ts": 1, "container.host_pid": False}),
    Shape(
        "0.42: cap and label lists", POD | {"container.id": ID, "container.mounts": ["a", "b"], "k8s.pod.labels": {}}
    ),
    Shape("no output property", POD | {"container.id": ID}, rest={"output": None}),
    node("no output fields", None, output=f"A shell | container_id={ID} k8s_pod_name=web-0 k8s_ns_name=shop"),
    node("output fields null", None, output_fields=None),
    # Which container, which pod.
    Shape("whole id", POD | {"container.id": FULL}, container=FULL),
    Shape("whole id besides", POD | {"container.id": ID, "container.full_id": FULL}, container=FULL),
    Shape("CRI-O, id with its scheme", POD | {"container.id": f"cri-o://{FULL}"}, container=FULL),
    Shape("sandbox by its id", POD | {"container.id": ID, "k8s.pod.sandbox_id": ID}, container=None),
    Shape("sandbox by its whole id", POD | {"container.id": ID, "k8s.pod.full_sandbox_id": FULL}, container=None),
    Shape("beside its sandbox", POD | {"container.id": ID, "k8s.pod.full_sandbox_id": "ab" * 32}),
    Shape("course: an id that is none", POD | {"container.id": "abc1234"}, container=None),
    Shape("course: no container", POD, container=None),
    Shape("k8smeta besides", POD | {"container.id": ID, "k8smeta.ns.name": "shop", "k8smeta.pod.name": "web-0"}),
    Shape("k8smeta alone", {"container.id": ID, "k8smeta.ns.name": "shop", "k8smeta.pod.name": "web-0"}),
    Shape("Docker under a kubelet", UNKNOWN | {"container.id": ID, "container.name": DOCKER}),
    Shape(
        "Docker under a kubelet, sandbox",
        UNKNOWN | {"container.id": ID, "container.name": DOCKER.replace("k8s_web", "k8s_POD")},
        container=None,
    ),
    lone("AKS, GKE: names null", {"container.id": ID}, hostname="aks-pool-1-vmss000014"),
    lone("Docker alone", {"container.id": ID, "container.name": "happy_thompson"}, hostname="753144d3be64"),
    lone("Podman alone", {"container.id": ID, "container.name": "web", "container.type": "podman"}),
    lone("names are <NA>", {"container.id": ID, "k8s.ns.name": "<NA>", "k8s.pod.name": "<NA>"}),
    lone("a sandbox that names no pod", {"container.id": ID, "container.image.repository": "rancher/mirrored-pause"}),
    node("k3s: container unknown", UNKNOWN | {"container.id": ""}, hostname="k3os-12226"),
    node("container.id <NA>", UNKNOWN | {"container.id": "<NA>"}),
    node("host", {"container.id": "host", "container.name": "host", "fd.name": "/var/log/x.log"}, hostname="box"),
    node("host, by rule", {"container.id": "host"}, "observe-host", rule="Launch Suspicious Network Tool on Host"),
    # Falcosidekick.
    Shape(
        "sidekick: uuid, custom and templated fields",
        POD | {"container.id": ID, "env": "prod", "t": "<no value>"},
        rest={"uuid": "2d3f8c1a-0000-4000-8000-000000000001", "tags": ["", "shell"], "hostname": "node-1"},
    ),
    node(
        "sidekick: /test", {"proc.name": "falcosidekick"}, None, rule="Test rule", priority="Debug", source="syscalls"
    ),
    node("sidekick: /test before 2.20", None, None, rule="Test rule", outputfields={"proc.name": "falcosidekick"}),
    # gRPC: every value is a string, the time of day alone.
    Shape(
        "client-py",
        POD | {"container.id": ID, "evt.time": "12:00:00.500000000", "fd.name": "<NA>"},
        rest={"priority": "warning", "time": "2026-10-01T12:00:00.500000+00:00"},
    ),
    Shape(
        "client-go", None, rest={"outputFields": POD | {"container.id": ID}, "priority": "WARNING", "source": "SYSCALL"}
    ),
    # Shippers that keep the alert whole.
    Shape("Fluent Bit", POD | {"container.id": ID}, rest={"date": 1790856000.5, "time": None, "kubernetes": {"x": 1}}),
    Shape(
        "Elastic: fields nested",
        {
            "container": {"id": ID},
            "k8s": {"ns": {"name": "shop"}, "pod": {"name": "web-0"}},
            "evt": {"time": {"iso8601": 1790856000500000000}},
        },
    ),
    # Rules.
    Shape("a rule with remedies", POD | {"container.id": ID}, answer="quarantine-code-execution", rest={"rule": CODE}),
    Shape(
        "earlier name: C2",
        POD | {"container.id": ID},
        answer="quarantine-code-execution",
        rest={"rule": "Outbound Connection to C2 Servers"},
    ),
    Shape(
        "earlier name: docker client",
        POD | {"container.id": ID},
        answer="quarantine-lateral-movement",
        rest={"rule": "The docker client is executed in a container"},
    ),
    Shape("a rule of one's own", POD | {"container.id": ID}, answer=None, rest={"rule": "Decoy \u2014 mount seen"}),
    # The API server's audit log: k8saudit, -eks, -gke, -aks, -ovh all say k8s_audit.
    audit("exec", TARGET | {"ka.target.resource": "pods", "ka.target.subresource": "exec"}),
    audit("exec before 0.32", TARGET | {"ka.target.subresource": "exec"}, source=None),
    audit("port-forward", TARGET | {"ka.target.subresource": "portforward", "ka.user.name": "mallory"}),
    audit(
        "debug", TARGET | {"ka.target.resource": "pods", "jevt.value[/requestObject/ephemeralContainers/0/name]": "d"}
    ),
    audit("target pod", {"ka.target.namespace": "shop", "ka.target.pod.name": "web-0", "ka.target.resource": "pods"}),
    audit("created, images as a list", CREATED | {"ka.req.pod.containers.image": ["a", "b"]}),
    audit("created, before 0.20", CREATED | {"ka.req.container.image": "a", "jevt.time": "12:00:00.5"}, source=None),
    audit("created, with its resource", CREATED | {"ka.target.resource": "pods", "ka.target.name": None}),
    audit(
        "pods of a Deployment", TARGET | {"ka.target.resource": "deployments", "ka.req.pod.containers.image": "a"}, None
    ),
    audit(
        "a Service through its proxy",
        TARGET | {"ka.target.resource": "services", "ka.target.subresource": "exec"},
        None,
    ),
    audit("every Secret of a namespace", {"ka.target.resource": "secrets", "ka.target.namespace": "prod"}, None),
    audit("disallowed user", {"ka.target.name": "web-0", "ka.target.resource": "pods", "ka.verb": "patch"}, None),
    audit("anonymous", {"ka.uri": "/readyz", "jevt.time.iso8601": "2026-10-01T12:00:00.5+0000"}, None),
    # Clouds and other plugins.
    plugin("aws_cloudtrail", **{"ct.name": "ModifyInstanceAttribute", "ct.request.name": None}),
    plugin("okta", **{"okta.app": None, "okta.actor.name": "mallory"}),
    plugin("github", **{"github.repo": "https://github.example/x"}),
    plugin("gcp_auditlog", **{"gcp.methodName": "storage.setIamPermissions"}),
    # Falco about itself.
    Shape(
        "drops",
        {"ebpf_enabled": "1", "n_drops": "815508"},
        scope="internal",
        pod="",
        container=None,
        answer=None,
        rest={"rule": "Falco internal: syscall event drop", "priority": "Critical"},
    ),
    Shape(
        "metrics",
        {"falco.duration_sec": 10800, "scap.n_evts": 48219337},
        scope="internal",
        pod="",
        container=None,
        answer=None,
        rest={"rule": "Falco internal: metrics snapshot", "source": "internal"},
    ),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_is_read_points_and_is_answered(shape: Shape) -> None:
    """An alert in a public shape points where it should, is answered by its default policy, and loses no time."""
    alert = Alert.parse(shape.data)
    pod = f"{alert.namespace}/{alert.pod_name}" if alert.pod_name else ""
    assert (shape.scope, shape.pod, shape.container) == (alert.scope, pod, alert.container_id)
    assert (target.no_pod(alert) is None) == (shape.scope in {"pod", "container"})
    named = {"metadata": {"namespace": alert.namespace, "name": alert.pod_name}} if alert.namespace else None
    chosen, _ = match.choose(DEFAULTS, alert, named)
    assert (f"default-{shape.answer}" if shape.answer else None) == (chosen.name if chosen else None)
    assert alert.time is not None
    assert alert == Alert.parse(json.loads(json.dumps(alert.to_dict())))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_comes_through_the_forwarder_as_the_same_alert(shape: Shape) -> None:
    """Posted to molt itself, as Falco posts it, it is the alert that a broker would have brought."""
    event = event_of(json.dumps(shape.data).encode())
    assert Alert.parse(shape.data) == Alert.parse(event.data)
    assert Alert.parse(shape.data).id == event.id


def test_no_two_are_the_same_alert() -> None:
    """All have the same second and most the same text; a broker that knows repeats by their id must not drop one."""
    read = [Alert.parse(shape.data) for shape in SHAPES]
    told = {(one.id, one.rule, one.scope, one.pod_name, (one.container_id or "")[:12]) for one in read}
    assert len({one[0] for one in told}) == len(told)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(
            {"log": json.dumps(SHAPES[0].data), "stream": "stdout"}, "but log seems to hold an alert", id="CRI log"
        ),
        pytest.param({"message": json.dumps(SHAPES[0].data)}, "but message seems to hold", id="Filebeat, Vector"),
        pytest.param({"event": SHAPES[0].data, "sourcetype": "falco"}, "but event seems to hold", id="Splunk HEC"),
        pytest.param({"Falco": SHAPES[0].data, "@timestamp": "x"}, "but Falco seems to hold", id="Elastic's envelope"),
        pytest.param({"unreadable": json.dumps([SHAPES[0].data])}, "but unreadable seems to hold", id="an array"),
        pytest.param({"labels": {"rule": SHELL}, "annotations": {}}, "but labels seems to hold", id="Alertmanager"),
        pytest.param(
            {"content": {"ruleName": SHELL, "fields": {}}, "severity": 4}, "rule: missing", id="Sysdig Secure"
        ),
        pytest.param({"unreadable": "CEF:0|Falco|Falco|1.0|Falco Event|x|5|"}, "rule: missing", id="CEF"),
        pytest.param({"rule": {"id": "100080"}, "id": "1"}, "rule: not a string", id="Wazuh"),
        pytest.param({"rule": SHELL, "severity": "Warning"}, 'priority: "" is not one of', id="severity for priority"),
        pytest.param({"rule": SHELL, "priority": 5}, "priority: not a string", id="gRPC's Go struct"),
    ],
)
def test_what_is_wrapped_or_foreign_is_refused_with_a_way_out(data: dict[str, Any], reason: str) -> None:
    """An envelope is not opened: whoever can write a log line could forge an alert. The reason says what to send."""
    with pytest.raises(BadEvent, match=reason):
        Alert.parse(data)
