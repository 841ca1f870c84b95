"""What must be read from every shape of alert.

tests/alerts/*.json  one file per shape, written for these tests: expected parts in _EXPECTED
../shared            alerts as published by others, and as Falcosidekick 2.34 sent them: all are read
parts                time, priority, tags, identity, names: a table each
Hypothesis           any JSON object is an alert or a BadEvent, and an alert survives its own JSON
"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt import events
from molt.alert import Alert, Priority
from molt.outcome import BadEvent

ALERTS = Path(__file__).resolve().parents[1] / "alerts"

_FULL_ID = "4d1f6b2a90c7e3b8a1d94f20c6b75e8819a3d2f4c5b60718293a4b5c6d7e8f90"
_EXPECTED: dict[str, tuple[Any, ...]] = {
    # scope, namespace, pod_name, pod_uid, container_id, node
    "audit_exec_into_pod": ("pod", "shop", "web-7c9d5b6f4d-x2x9k", None, None, None),
    "audit_privileged_pod": ("pod", "default", "miner", None, None, None),
    "audit_secret": ("cluster", None, None, None, None, None),
    "cloudtrail": ("cluster", None, None, None, None, None),
    "container_only": ("container", None, None, None, "ab12cd34ef56", "node-d"),
    "falcosidekick_webhook": (
        "pod",
        "shop",
        "web-7c9d5b6f4d-x2x9k",
        "0b8f5c1e-3d7a-4c52-8e46-2f9d10b7a6c3",
        _FULL_ID,
        "node-a",
    ),
    "host_process": ("node", None, None, None, None, "node-e"),
    "hostile_names": ("node", None, None, None, None, None),
    "http_output_shell_in_pod": ("pod", "shop", "web-7c9d5b6f4d-x2x9k", None, "4d1f6b2a90c7", "node-a"),
    "internal_drops": ("internal", None, None, None, None, None),
    "k8smeta_only": (
        "pod",
        "payments",
        "api-6d4f8b9c-2xk4z",
        "7d3f1f0e-55aa-4d0b-9d54-bb5f6c7d8e9f",
        "0f1e2d3c4b5a",
        "node-c",
    ),
    "kubelet_container_name": (
        "pod",
        "red",
        "legacy-66cd544579-cv29k",
        "84a78bd4-d090-4e67-b011-8a77e478eb75",
        "ab12cd34ef56",
        None,
    ),
    "nested_fields": ("pod", "edge", "proxy-0", None, "1a2b3c4d5e6f", None),
    "non_ascii_rule_cut_by_falcosidekick": ("pod", "shop", "web-1", None, "c0ffee123456", None),
    "structured_cloudevent": ("pod", "shop", "db-0", None, "9a8b7c6d5e4f", "node-b"),
    "time_only_in_fields": ("node", None, None, None, None, None),
    "without_output_fields": ("node", None, None, None, None, "node-f"),
}


def load(name: str) -> dict[str, Any]:
    """Return one of our alerts; of a structured CloudEvent its data."""
    data = json.loads((ALERTS / f"{name}.json").read_text(encoding="utf-8"))
    return dict(data.get("data", data))


def alert(**members: Any) -> Alert:
    """Return an alert of the least members and these."""
    return Alert.parse({"rule": "R", "priority": "Notice", **members})


def syscall(**fields: Any) -> Alert:
    """Return a syscall alert with these fields, written with _ for the dot."""
    return alert(output_fields={name.replace("_", "."): value for name, value in fields.items()})


def test_every_shape_has_an_expectation() -> None:
    """No alert may lie in tests/alerts that no test reads."""
    assert sorted(_EXPECTED) == sorted(path.stem for path in ALERTS.glob("*.json"))


@pytest.mark.parametrize("name", _EXPECTED)
def test_points_at(name: str) -> None:
    """Every shape must point where it points, and at nothing that Kubernetes could not have named."""
    read = Alert.parse(load(name))
    assert _EXPECTED[name] == (
        read.scope,
        read.namespace,
        read.pod_name,
        read.pod_uid,
        read.container_id,
        read.node,
    )


@pytest.mark.parametrize("name", _EXPECTED)
def test_survives_its_own_json(name: str) -> None:
    """What to_dict writes must be read back as the same alert, over JSON."""
    read = Alert.parse(load(name))
    assert read == Alert.parse(json.loads(json.dumps(read.to_dict())))


def test_reads_all_parts() -> None:
    """All parts of Falco's own shape must arrive, null fields left out."""
    read = Alert.parse(load("http_output_shell_in_pod"))
    assert "Terminal shell in container" == read.rule
    assert Priority.NOTICE is read.priority
    assert ("T1059", "container", "maturity_stable", "mitre_execution", "shell") == read.tags
    assert "node-a" == read.hostname
    assert datetime(2026, 9, 21, 14, 15, 2, 113094, tzinfo=UTC) == read.time
    assert read.output.startswith("08:15:02.113094822: Notice A shell")
    assert 34816 == read.fields["proc.tty"]
    assert "container.image.tag" not in read.fields
    assert "proc.pname" not in read.fields


def test_reads_all_shared_alerts(shared: Path) -> None:
    """Every alert published by others must be read, and survive its own JSON."""
    lines = (shared / "alerts" / "falco_alerts.jsonl").read_text(encoding="utf-8").splitlines()
    read = [Alert.parse(json.loads(line)["event"]) for line in lines]
    assert 63 == len(read)
    assert read == [Alert.parse(one.to_dict()) for one in read]
    assert all(one.time for one in read if one.rule != "Terraform Managed Resource Modified")


def test_reads_all_shared_requests(shared: Path) -> None:
    """Every request that Falcosidekick sent must be an event with an alert whose identity is the uuid."""
    lines = (shared / "alerts" / "falcosidekick_requests.jsonl").read_text(encoding="utf-8").splitlines()
    requests = [json.loads(line) for line in lines]
    assert 59 == len(requests)
    for request in requests:
        event = events.parse(request["headers"], request["body"].encode())
        assert request["rule"] == Alert.parse(event.data).rule
        assert event.data["uuid"] == Alert.parse(event.data).id


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"time": "2026-01-02T03:04:05Z"}, "2026-01-02T03:04:05Z"),
        ({"time": "2026-01-02T03:04:05.1Z"}, "2026-01-02T03:04:05.100000Z"),
        ({"time": "2026-01-02T03:04:05.123456789Z"}, "2026-01-02T03:04:05.123456Z"),
        ({"time": "2026-01-02T03:04:05+02:00"}, "2026-01-02T01:04:05Z"),
        ({"time": "2026-01-02T03:04:05-0930"}, "2026-01-02T12:34:05Z"),
        ({"time": "2026-01-02T03:04:05Z+2"}, "2026-01-02T03:04:05Z"),
        ({"time": "2026-01-02 03:04:05"}, "2026-01-02T03:04:05Z"),
        ({"time": "2016-12-31T23:59:60Z"}, "2016-12-31T23:59:59Z"),
        ({"time": 1790000102}, "2026-09-21T14:15:02Z"),
        ({"time": 1790000102.5}, "2026-09-21T14:15:02.500000Z"),
        ({"time": None, "output_fields": {"evt.time": 1790000102113094822}}, "2026-09-21T14:15:02.113094Z"),
        ({"time": "", "output_fields": {"evt.time": "1790000102113094822"}}, "2026-09-21T14:15:02.113094Z"),
        ({"output_fields": {"evt.time": 1790000102113094}}, "2026-09-21T14:15:02.113094Z"),
        ({"output_fields": {"evt.time": 1790000102113}}, "2026-09-21T14:15:02.113000Z"),
        ({"output_fields": {"evt.time.iso8601": 1790000102113094822}}, "2026-09-21T14:15:02.113094Z"),
        ({"output_fields": {"evt.rawtime": 1790000102113094822}}, "2026-09-21T14:15:02.113094Z"),
        ({"output_fields": {"evt.time": "09:41:07.480478650"}, "date": "1790000102.48"}, "2026-09-21T14:15:02.480000Z"),
        ({"time": "2026-13-02T03:04:05Z"}, None),
        ({"time": "0000-01-01T00:00:00Z"}, None),
        ({"time": "0001-01-01T00:00:00Z"}, None),
        ({"time": "9999-12-31T23:59:59-23:59"}, None),
        ({"time": "yesterday"}, None),
        ({"time": {"$date": 1}}, None),
        ({"time": True}, None),
        ({"time": -5}, None),
        ({"time": 1e300}, None),
        ({"time": 10**400}, None),
        ({}, None),
    ],
)
def test_time(members: dict[str, Any], expected: str | None) -> None:
    """The first readable time must count, in UTC; none must not be a reason to refuse an alert."""
    assert expected == alert(**members).to_dict()["time"]


@pytest.mark.parametrize("written", ["info", "Info", "INFORMATIONAL", " informational "])
def test_priority_in_any_case(written: str) -> None:
    """A priority must be read in any case, by its short name too, and be written as Falco writes it."""
    assert Priority.INFORMATIONAL is alert(priority=written).priority
    assert "Informational" == str(Priority.INFORMATIONAL) == f"{Priority.INFORMATIONAL}"


def test_urgent_priorities_are_lower() -> None:
    """Priorities must compare as syslog's do."""
    assert list(range(8)) == sorted(Priority)
    assert Priority.EMERGENCY < Priority.DEBUG


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        (["", "a", " b ", "a", None, " "], ("a", "b")),
        ("a, b,,c", ("a", "b", "c")),
        (["a,b"], ("a,b",)),
    ],
)
def test_tags(written: Any, expected: tuple[str, ...]) -> None:
    """Tags must come as a list or as text, without the empty ones."""
    assert expected == alert(tags=written).tags


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, "syscall"),
        ("", "syscall"),
        ("syscalls", "syscall"),
        ("SYSCALL", "syscall"),
        ("K8S_AUDIT", "k8s_audit"),
        ("INTERNAL", "internal"),
        ("My_Plugin", "My_Plugin"),
    ],
)
def test_source(written: Any, expected: str) -> None:
    """What names no source must be a syscall's, and the words of Falcosidekick and of Falco's gRPC API the same."""
    assert expected == alert(source=written).source


def test_identity_is_the_uuid() -> None:
    """Falcosidekick's uuid must be the identity, before an id; an id counts only in what to_dict wrote."""
    assert "u" == alert(uuid="u", id="i", outputFields={}).id
    assert "i" == alert(uuid=None, id="i", outputFields={}).id
    assert alert().id == alert(id="of a rule").id == alert(id=7).id


@pytest.mark.parametrize("uuid", ["x" * 129, "a\nb", "", " ", 7, ["u"], {"u": 1}])
def test_absurd_identity_counts_as_none(uuid: object) -> None:
    """An identity that could not stand in a log or an annotation must be replaced by the hash."""
    assert alert().id == alert(uuid=uuid).id


def test_identity_without_uuid_is_the_same_for_the_same_alert() -> None:
    """Hostname, time, rule and output must decide, the time to the nanosecond however it is written."""
    base = alert(hostname="h", time="2026-01-02T03:04:05.120000001Z", output="o")
    assert base.id == alert(hostname="h", time="2026-01-02T04:04:05.120000001+01:00", output="o", tags=["t"]).id
    for other in (
        alert(hostname="g", time="2026-01-02T03:04:05.120000001Z", output="o"),
        alert(hostname="h", time="2026-01-02T03:04:05.120000002Z", output="o"),
        alert(hostname="h", time="2026-01-02T03:04:05.120000001Z", output="p"),
        alert(hostname="h", time="2026-01-02T03:04:05.120000001Z", output="o", rule="S"),
    ):
        assert base.id != other.id


def test_identity_without_uuid_tells_alerts_apart_that_read_alike() -> None:
    """The same text in the same second about two pods, or without any text, must be two alerts."""
    alike = {"time": "2026-01-02T03:04:05Z", "output": "A shell was spawned"}
    pods = [{"k8s.ns.name": "shop", "k8s.pod.name": name} for name in ("web-1", "web-2")]
    containers = [{"container.id": digit * 12} for digit in "ab"]
    processes = [{"proc.name": name} for name in ("sh", "nc")]
    identities = [alert(**alike, output_fields=fields).id for fields in (*pods, *containers)]
    identities += [alert(time=alike["time"], output_fields=fields).id for fields in processes]
    assert len(identities) == len(set(identities))


def test_identity_without_uuid_is_the_same_through_every_door() -> None:
    """Nested or flat, with the container's whole id or a part, with a field of the forwarder's: it is one alert."""
    told = {"hostname": "h", "time": "2026-01-02T03:04:05.000000001Z", "output": "o"}
    flat = {"container.id": "ab" * 6, "evt.time": 1}
    doors = (
        flat,
        {"container": {"id": "ab" * 6}, "evt": {"time": "1"}},
        flat | {"container.id": f"containerd://{'AB' * 32}"},
        flat | {"cluster": "prod"},
    )
    assert 1 == len({alert(**told, output_fields=fields).id for fields in doors})


def test_message_goes_before_output() -> None:
    """A forwarder's `message` must stand for the output."""
    assert "m" == alert(message="m", output="o").output
    assert "o" == alert(message="", output="o").output


def test_long_values_are_kept() -> None:
    """An alert must not lose a long value: only logs cut it."""
    assert 100_000 == len(alert(output="x" * 100_000).output)


def test_nested_and_dotted_fields_meet() -> None:
    """Fields nested to any depth must become dotted, empty objects vanish, lists stay."""
    read = alert(
        output_fields={"a": {"b": {"c": 1, "d": None}, "e": {}}, "f": [1, {"g": 2}], "a.b.x": "<NA>", "h": "N/A"}
    )
    assert {"a.b.c": 1, "f": [1, {"g": 2}], "h": "N/A"} == read.fields


@pytest.mark.parametrize(
    "fields",
    [
        {"k8s_ns_name": "shop"},
        {"k8s_pod_name": "web-1"},
        {"k8s_ns_name": "shop", "k8s_pod_name": "web/../x"},
        {"k8s_ns_name": "sh.op", "k8s_pod_name": "web-1"},
        {"k8s_ns_name": "shop", "k8s_pod_name": "Web-1"},
        {"k8s_ns_name": "shop", "k8s_pod_name": "web-1\n"},
        {"k8s_ns_name": "shop", "k8s_pod_name": "a" * 254},
        {"k8s_ns_name": "a" * 64, "k8s_pod_name": "web-1"},
        {"k8s_ns_name": "shop", "k8s_pod_name": 7},
        {"k8s_ns_name": ["shop"], "k8s_pod_name": "web-1"},
    ],
)
def test_a_name_that_kubernetes_refuses_names_no_pod(fields: dict[str, Any]) -> None:
    """Without two valid names an alert must fall back to its container, and without one to the node."""
    assert "container" == syscall(container_id="ab12cd34ef56", **fields).scope
    assert "node" == syscall(**fields).scope


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"container_id": "ab12cd34ef56"}, "ab12cd34ef56"),
        ({"container_id": "cri-o://" + "ab" * 32}, "ab" * 32),
        ({"container_id": "AB12CD34EF56"}, "ab12cd34ef56"),
        ({"container_id": "host"}, None),
        ({"container_id": ""}, None),
        ({"container_id": "ab12cd34ef5"}, None),
        ({"container_id": "ab12cd34ef56/../x"}, None),
        ({"container_id": 12}, None),
    ],
)
def test_container_id(fields: dict[str, Any], expected: str | None) -> None:
    """A container id must be 12 or 64 hexadecimal digits, else none."""
    assert expected == syscall(**fields).container_id


def test_a_host_process_is_in_no_pod() -> None:
    """Pod names beside container.id `host` must not be believed."""
    assert "node" == syscall(container_id="host", k8s_ns_name="shop", k8s_pod_name="web-1").scope


def test_uid_only_for_the_same_pod() -> None:
    """The UID in the kubelet's container name must not be taken for another pod."""
    name = "k8s_app_web-1_shop_84a78bd4-d090-4e67-b011-8a77e478eb75_0"
    same = syscall(container_name=name, k8s_ns_name="shop", k8s_pod_name="web-1")
    other = syscall(container_name=name, k8s_ns_name="shop", k8s_pod_name="web-2")
    assert "84a78bd4-d090-4e67-b011-8a77e478eb75" == same.pod_uid
    assert ("web-2", None) == (other.pod_name, other.pod_uid)


def test_uid_must_look_like_one() -> None:
    """A UID in the fields must be one of Kubernetes to count; the old field k8s.pod.id is read as well."""
    uid = "84a78bd4-d090-4e67-b011-8a77e478eb75"
    assert syscall(k8s_ns_name="shop", k8s_pod_name="web-1", k8s_pod_uid="aadadjh763wiuh").pod_uid is None
    assert uid == syscall(k8s_ns_name="shop", k8s_pod_name="web-1", k8s_pod_id=uid).pod_uid


def test_node_is_told_by_the_best_field() -> None:
    """A node's own name must go before Falco's hostname, which may be its pod's."""
    assert "n1" == alert(hostname="falco-x", output_fields={"k8s.node.name": "n1"}).node
    assert "n2" == alert(hostname="falco-x", output_fields={"evt.hostname": "n2"}).node


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ka.target.resource": "pods", "ka.target.namespace": "shop", "ka.target.name": "web-1"}, "pod"),
        ({"ka.target.resource": "pods", "ka.target.namespace": "shop", "ka.target.pod.name": "web-1"}, "pod"),
        ({"ka.target.resource": "pods", "ka.target.namespace": "shop"}, "cluster"),
        ({"ka.target.resource": "pods", "ka.target.name": "web-1"}, "cluster"),
        ({"ka.target.resource": "pods", "ka.target.namespace": "shop", "ka.target.name": "../x"}, "cluster"),
        ({"ka.target.resource": "deployments", "ka.target.namespace": "shop", "ka.target.name": "web"}, "cluster"),
    ],
)
def test_audit(fields: dict[str, Any], expected: str) -> None:
    """An audit alert must point at a pod only if it names one, with or without its source."""
    assert expected == alert(source="k8s_audit", output_fields=fields).scope == alert(output_fields=fields).scope


def test_internal_by_source() -> None:
    """What Falco says of itself must have no target, whatever the rule is called."""
    assert "internal" == alert(source="internal").scope


_ALLOWED = "Emergency, Alert, Critical, Error, Warning, Notice, Informational, Debug"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "rule: missing"),
        ({"rule": "", "priority": "Notice"}, "rule: missing"),
        ({"log": '{"rule":"R"}'}, "rule: missing, but log seems to hold an alert: send that by itself"),
        ({"a": 1, "event": {"rule": "R"}}, "rule: missing, but event seems to hold an alert: send that by itself"),
        ({"log": "a rule", "event": {"kind": "alert"}}, "rule: missing"),
        ({"rule": 7, "priority": "Notice"}, "rule: not a string"),
        ({"rule": "R"}, f'priority: "" is not one of {_ALLOWED}'),
        ({"rule": "R", "priority": "Critcal"}, f'priority: "Critcal" is not one of {_ALLOWED}'),
        ({"rule": "R", "priority": 3}, "priority: not a string"),
        ({"rule": "R", "priority": "Notice", "output": ["o"]}, "output: not a string"),
        ({"rule": "R", "priority": "Notice", "message": {}}, "message: not a string"),
        ({"rule": "R", "priority": "Notice", "source": 1}, "source: not a string"),
        ({"rule": "R", "priority": "Notice", "hostname": 1}, "hostname: not a string"),
        ({"rule": "R", "priority": "Notice", "output_fields": []}, "output_fields: not an object"),
        ({"rule": "R", "priority": "Notice", "outputFields": "x"}, "outputFields: not an object"),
        ({"rule": "R", "priority": "Notice", "tags": [1]}, "tags: not a list of strings"),
        ({"rule": "R", "priority": "Notice", "tags": {"a": 1}}, "tags: not a list of strings"),
    ],
)
def test_what_is_no_alert(data: dict[str, Any], expected: str) -> None:
    """A refusal must name the member and the reason."""
    with pytest.raises(BadEvent) as caught:
        Alert.parse(data)
    assert expected == caught.value.reason


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
_FIELD = st.sampled_from(
    ["k8s.ns.name", "k8s.pod.name", "container.id", "container.name", "evt.time", "ka.target.resource", "k8s", "evt"]
)
_MEMBERS = {
    "rule": st.just("R") | _JSON,
    "priority": st.sampled_from(["Notice", "info", "x"]) | _JSON,
    "output": st.text(max_size=20) | _JSON,
    "time": st.datetimes().map(datetime.isoformat) | _JSON,
    "tags": st.lists(st.text(max_size=4), max_size=3) | _JSON,
    "source": st.sampled_from(["syscall", "k8s_audit"]) | _JSON,
    "uuid": _JSON,
    "hostname": _JSON,
    "output_fields": st.dictionaries(_FIELD, _JSON, max_size=4) | _JSON,
}


@given(st.fixed_dictionaries({}, optional=_MEMBERS) | st.dictionaries(st.text(max_size=8), _JSON, max_size=4))
def test_any_object_is_an_alert_or_a_bad_event(data: dict[str, Any]) -> None:
    """Nothing but BadEvent may come of an object that is no alert; an alert must survive its own JSON."""
    with contextlib.suppress(BadEvent):
        read = Alert.parse(data)
        assert read == Alert.parse(json.loads(json.dumps(read.to_dict())))
