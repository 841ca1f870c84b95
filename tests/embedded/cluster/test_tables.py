"""Tables: what `kubectl get` shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from molt.embedded.cluster.columns import age
from molt.embedded.cluster.resources import BY_KEY, of_crd
from molt.embedded.cluster.tables import json_path, table, wanted
from tests.embedded.cluster.caller import definition

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
META = {"name": "x", "creationTimestamp": "2026-11-01T11:59:00Z"}

Object = dict[str, Any]


def cells(key: str, obj: Object) -> list[Any]:
    found: list[Any] = table(BY_KEY[key], [{"metadata": META} | obj], {}, NOW)["rows"][0]["cells"]
    return found


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (8, "8s"), (119, "119s"), (125, "2m5s"), (180, "3m"), (700, "11m"), (3 * 3600, "3h"), (11000, "3h3m"),
     (9 * 3600, "9h"), (2 * 86400, "2d"), (2 * 86400 + 7200, "2d2h"), (30 * 86400, "30d")],
)  # fmt: skip
def test_ages(seconds: int, text: str) -> None:
    """An age has the unit that people read best."""
    assert text == age((NOW - timedelta(seconds=seconds)).isoformat(), NOW)


def test_no_age() -> None:
    """What has no time has no age."""
    assert "<unknown>" == age(None, NOW)


def status(**more: Any) -> Object:
    return {"status": more}


ROWS: list[tuple[str, Object, list[Any]]] = [
    ("pods", {"spec": {"containers": [{}], "nodeName": "n"}, **status(
        phase="Running", podIP="1.1.1.1", containerStatuses=[{"ready": True, "restartCount": 2, "state": {}}])},
     ["x", "1/1", "Running", "2", "60s", "1.1.1.1", "n"]),
    ("pods", {"metadata": META | {"deletionTimestamp": "t"}},
     ["x", "0/0", "Terminating", "0", "60s", "<none>", "<none>"]),
    ("pods", status(phase="Pending", containerStatuses=[{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]),
     ["x", "0/0", "CrashLoopBackOff", "0", "60s", "<none>", "<none>"]),
    ("pods", status(reason="Evicted"), ["x", "0/0", "Evicted", "0", "60s", "<none>", "<none>"]),
    ("pods", {}, ["x", "0/0", "Unknown", "0", "60s", "<none>", "<none>"]),
    ("deployments.apps", {"spec": {"replicas": 2}, **status(readyReplicas=1, updatedReplicas=2, availableReplicas=1)},
     ["x", "1/2", 2, 1, "60s"]),
    ("replicasets.apps", {"spec": {"replicas": 2}, **status(replicas=2)}, ["x", 2, 2, 0, "60s"]),
    ("statefulsets.apps", {"spec": {"replicas": 1}}, ["x", "0/1", "60s"]),
    ("daemonsets.apps", status(desiredNumberScheduled=3, currentNumberScheduled=2, numberReady=1),
     ["x", 3, 2, 1, "60s"]),
    ("services", {"spec": {"type": "ClusterIP", "clusterIP": "1.1.1.1",
                           "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}},
     ["x", "ClusterIP", "1.1.1.1", "80/TCP,53/UDP", "60s"]),
    ("services", {}, ["x", "<none>", "<none>", "<none>", "60s"]),
    ("nodes", status(conditions=[{"type": "Ready", "status": "True"}], nodeInfo={"kubeletVersion": "v1"}),
     ["x", "Ready", "60s", "v1"]),
    ("nodes", {"spec": {"unschedulable": True}}, ["x", "Unknown,SchedulingDisabled", "60s", ""]),
    ("namespaces", status(phase="Active"), ["x", "Active", "60s"]),
    ("networkpolicies.networking.k8s.io", {"spec": {"podSelector": {"matchLabels": {"b": "2", "a": "1"}}}},
     ["x", "a=1,b=2", "60s"]),
    ("networkpolicies.networking.k8s.io", {}, ["x", "<none>", "60s"]),
    ("poddisruptionbudgets.policy", {"spec": {"minAvailable": 1}}, ["x", "1", "N/A", 0, "60s"]),
    ("events", {"type": "Normal", "reason": "R", "message": "M", "involvedObject": {"kind": "Pod", "name": "p"}},
     ["<unknown>", "Normal", "R", "pod/p", "M"]),
    ("customresourcedefinitions.apiextensions.k8s.io", {}, ["x", "2026-11-01T11:59:00Z"]),
    ("configmaps", {}, ["x", "60s"]),
]  # fmt: skip


@pytest.mark.parametrize(("key", "obj", "row"), ROWS, ids=[f"{one[0]}-{number}" for number, one in enumerate(ROWS)])
def test_rows(key: str, obj: Object, row: list[Any]) -> None:
    """Each kind shows what matters about it."""
    assert row == cells(key, obj)


def test_wide_columns_are_marked() -> None:
    """What only -o wide shows has priority 1."""
    columns = table(BY_KEY["pods"], [], {}, NOW)["columnDefinitions"]
    assert ["IP", "Node"] == [one["name"] for one in columns if one["priority"] == 1]


COLUMNS = [
    {"name": "Mode", "type": "string", "jsonPath": ".spec.mode"},
    {"name": "Count", "type": "integer", "jsonPath": ".status.count", "priority": 1, "format": "int32"},
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Since", "type": "date", "jsonPath": ".status.since"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def test_columns_of_custom_resources() -> None:
    """A definition's printer columns are shown after the name; without any there is the age."""
    [kind] = of_crd(definition(additionalPrinterColumns=COLUMNS))
    conditions = [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]
    obj = {"metadata": META, "spec": {"mode": "DryRun"}, "status": {"count": 3, "conditions": conditions}}
    shown = table(kind, [obj, {"metadata": META}], {}, NOW)
    assert ["x", "DryRun", 3, "True", None, "60s"] == shown["rows"][0]["cells"]
    assert ["x", None, None, None, None, "60s"] == shown["rows"][1]["cells"]
    assert [("Count", "integer", "int32", 1)] == [
        (one["name"], one["type"], one["format"], one["priority"])
        for one in shown["columnDefinitions"]
        if one["priority"]
    ]
    [plain] = of_crd(definition())
    assert ["x", "60s"] == table(plain, [obj], {}, NOW)["rows"][0]["cells"]


def test_how_a_rotation_policy_stands() -> None:
    """The printer columns find what rotate writes; exposure and last move are ages, and wide ones are marked."""
    text = (Path(__file__).resolve().parents[3] / "knative/base/crds/rotationpolicies.yaml").read_text(encoding="utf-8")
    [kind] = of_crd(yaml.safe_load(text))
    said = status(
        managed=12,
        due=3,
        moving=1,
        blocked={"count": 2, "reasons": []},
        exposedSince="2026-11-01T09:00:00Z",
        lastRotation="2026-11-01T11:57:00Z",
        nextRotation="2026-11-01T13:00:00Z",
        conditions=[{"type": "Ready", "status": "False", "reason": "PodsBlocked"}],
    )
    spec = {"mode": "Enforce", "strategy": "Replace", "lifetime": {"every": "1h"}}
    shown = table(kind, [{"metadata": META, "spec": spec, **said}], {}, NOW)
    row = dict(zip((one["name"] for one in shown["columnDefinitions"]), shown["rows"][0]["cells"], strict=True))
    wide = {one["name"] for one in shown["columnDefinitions"] if one["priority"]}
    expected = {"Every": "1h", "Min": None, "Max": None, "Attacked": None, "Last": "3m", "Reason": "PodsBlocked"}
    assert expected == {name: row[name] for name in wide}
    assert ["x", "Enforce", "Replace", "False", 12, 3, 1, 2, "3h", "2026-11-01T13:00:00Z", "60s"] == [
        cell for name, cell in row.items() if name not in wide
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [(".a.b", 1), (".l[1]", 3), (".l[*]", 2), (".l[9]", None), (".a[0]", None), (".a[*]", None), (".a['b']", 1),
     (".x\\.y", 4), ('.a[?(@.t=="u")]', None), (".none", None)],
)  # fmt: skip
def test_json_paths(path: str, value: Any) -> None:
    """Fields, places, all, and conditions; the first value found counts."""
    assert value == json_path({"a": {"b": 1}, "l": [2, 3], "x.y": 4}, path)


def test_who_wants_a_table() -> None:
    """Only whoever prefers a Table gets one."""
    assert wanted("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    assert not wanted("application/json, application/json;as=Table")
