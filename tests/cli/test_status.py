"""`molt status`: what pods and policies say of themselves, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from molt import marks
from molt.cli.affected import moving, quarantined
from molt.cli.standing import Answering, Blocking, Rotating, answering, rotating
from molt.cluster import PODS, RESPONSE_POLICIES, ROTATION_POLICIES
from tests.cli import objects
from tests.cli.conftest import Molt
from tests.embedded_cluster import RunningCluster

TEXT = "Deployment/web has [red]2\x1b[31m of 3 pods Ready"
WHY = {"reason": "WorkloadNotReady", "count": 2, "example": "web-9", "message": TEXT, "since": "2026-03-04T11:00:00Z"}
READY = {
    "type": "Ready",
    "status": "False",
    "reason": "PodsBlocked",
    "message": "",
    "lastTransitionTime": "2026-03-04T11:10:00Z",
}


@pytest.fixture
def shop(cluster: RunningCluster) -> Iterator[RunningCluster]:
    """Put a shop into the cluster: a pod in quarantine, one that is moving, one that is neither; policies."""
    api = cluster.admin
    both = objects.quarantined("web-3", rule="[red]\x1b[31mEvil")
    both["metadata"]["labels"]["molt-project.io/retiring"] = "true"
    leaky = objects.quarantined(leaks='["HostPID: it sees the processes of its node", "odd"]')
    for pod in (leaky, objects.moving(), objects.pod("web-0", {"app": "web"}, {}), both):
        api.create(PODS, pod, "shop")
    api.create(RESPONSE_POLICIES, objects.response())
    api.create(RESPONSE_POLICIES, objects.response("nothing", order=5, remedies=[]))
    api.create(ROTATION_POLICIES, objects.rotation(), "shop")
    status = {
        "managed": 5,
        "due": 3,
        "moving": 1,
        "blocked": {"count": 2, "reasons": [WHY]},
        "exposedSince": "2026-03-01T12:00:00Z",
        "lastRotation": "2026-03-04T11:58:00Z",
        "nextRotation": None,
        "conditions": [READY],
    }
    api.merge(ROTATION_POLICIES, "web", {"status": status}, "shop", subresource="status")
    yield cluster
    for name in ("web-shell", "nothing"):
        api.delete(RESPONSE_POLICIES, name)
    api.delete(ROTATION_POLICIES, "web", "shop")
    for name in ("web-0", "web-1", "web-2", "web-3"):
        api.delete(PODS, name, "shop", grace_seconds=0)


@pytest.mark.usefixtures("shop")
def test_all_there_is_to_know_as_json(molt: Molt, context: str) -> None:
    """Who, why, since when and what next; a pod that was moving when it was quarantined is shown once."""
    result = molt("status", "--context", context, "--json")
    pods = {pod["pod"]: pod for pod in result.json["pods"]}
    assert (0, "", ["web-1", "web-2", "web-3"]) == (result.code, result.err, sorted(pods))
    held = pods["web-1"]
    assert held.pop("age_seconds") > 0
    assert {
        "namespace": "shop",
        "pod": "web-1",
        "state": "quarantined",
        "workload": "Deployment/web",
        "since": "2026-03-04T11:58:00Z",
        "why": "Web Server Spawned Shell",
        "policy": "web-shell",
        "alert": "a1",
        "next": "kept until it is released or deleted",
        "leaks": ["HostPID: it sees the processes of its node", "odd"],
    } == held
    assert ["moving", "quarantined"] == [pods["web-2"]["state"], pods["web-3"]["state"]]
    policies = result.json["policies"]
    assert [("nothing", []), ("web-shell", ["quarantine", "rotate"])] == [
        (one["policy"], one["remedies"]) for one in policies["response"]
    ]
    (web,) = policies["rotation"]
    assert web.pop("exposure_seconds") > 0
    assert {
        "policy": "shop/web",
        "mode": "DryRun",
        "ready": "False",
        "managed": 5,
        "due": 3,
        "moving": 1,
        "blocked": 2,
        "reasons": [WHY],
        "exposed_since": "2026-03-01T12:00:00Z",
        "last": "2026-03-04T11:58:00Z",
        "next": "",
        "under_attack_until": "",
        "problem": "",
    } == web


@pytest.mark.usefixtures("shop")
def test_all_there_is_to_know_as_tables(molt: Molt, context: str) -> None:
    """Ages are said, the way back is shown, and what an attacker named stays text."""
    result = molt("status", "--context", context)
    assert 0 == result.code
    for words in (
        "shop/web-1",
        "ago",
        "Web Server Spawned Shell (policy web-shell)",
        "policy shop/web: older than 10s",
        "[red] [31mEvil",
        "The way back from quarantine: molt release -n shop web-1",
        "What still leaks from quarantine",
        "it sees the processes of its node",
        "quarantine, then rotate",
        "nothing",
        "shop/web",
        "What holds pods up that are due",
        "WorkloadNotReady",
        "web-9: Deployment/web has [red]2 [31m of 3 pods Ready",
    ):
        assert words in result.out
    assert "\x1b" not in result.out


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("since", "shown"), [(-30, True), (-90, False)])
def test_an_alarm_is_told_of_until_it_is_over(
    molt: Molt, context: str, cluster: RunningCluster, since: float, *, shown: bool
) -> None:
    """Which policy is under attack, and until when; by what was written of it, and what its spec says."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=since)
    spec, status = {"underAttack": {"factor": 4, "for": "1h"}}, {"underAttackSince": marks.stamp(at)}
    cluster.admin.merge(ROTATION_POLICIES, "web", {"spec": spec}, "shop")
    cluster.admin.merge(ROTATION_POLICIES, "web", {"status": status}, "shop", subresource="status")
    until = marks.stamp(at + timedelta(hours=1))
    (web,) = molt("status", "--context", context, "--json").json["policies"]["rotation"]
    assert until == web["under_attack_until"]
    words = f"shop/web is under attack until {until}: lifetimes are shorter, and grow back"
    assert shown == (words in " ".join(molt("status", "--context", context).out.split()))


def test_a_cluster_with_nothing_to_tell(molt: Molt, context: str) -> None:
    """Both are said: no pod is changed, and there is no policy."""
    result = molt("status", "--context", context)
    expected = "No pod is quarantined or moving.\nThere is no policy: nothing is done about any alert.\n"
    assert (0, expected) == (result.code, result.out)


def test_rotation_alone(molt: Molt, context: str, cluster: RunningCluster) -> None:
    """A cluster may have policies of one kind only, and pods that are moving only."""
    api = cluster.admin
    api.create(PODS, objects.moving(), "shop")
    api.create(ROTATION_POLICIES, objects.rotation(), "shop")
    result = molt("status", "--context", context)
    api.delete(ROTATION_POLICIES, "web", "shop")
    api.delete(PODS, "web-2", "shop", grace_seconds=0)
    assert 0 == result.code
    assert "Who is moved by the clock" in result.out
    assert "What is done about an alert" not in result.out
    assert "The way back" not in result.out


def test_a_pod_without_marks_but_the_label() -> None:
    """Somebody may have taken the annotations off: it is shown all the same."""
    found = quarantined(objects.pod("p", {}, {}))
    assert ("shop", "p", "labelled only", "", "") == (found.namespace, found.pod, found.state, found.since, found.why)


@pytest.mark.parametrize(
    ("owner", "workload"),
    [
        (None, "Deployment/web"),
        (
            '{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u", "controller": true}',
            "StatefulSet/db",
        ),
        ('{"kind": "x"}', ""),
        ('{"controller": true}', ""),
        ("[]", ""),
        ("1", ""),
        ("no JSON", ""),
        ("", ""),
    ],
)
def test_the_workload_of_a_moving_pod(owner: str | None, workload: str) -> None:
    """It is read from the owner that the pod was released from; one that cannot be read is left out."""
    found = moving(objects.moving() if owner is None else objects.moving(owner=owner))
    assert workload == found.workload


def test_policies_stand_in_the_order_in_which_they_are_tried() -> None:
    """By order, then name; invalid ones last, with what is wrong."""
    given: list[dict[str, Any]] = [
        objects.response("b"),
        objects.response("z", mode="Enforced"),
        objects.response("a"),
        objects.response("first", order=1, remedies=[]),
    ]
    expected = [
        Answering("first", 1, "Enforce", (), ""),
        Answering("a", 100, "Enforce", ("quarantine", "rotate"), ""),
        Answering("b", 100, "Enforce", ("quarantine", "rotate"), ""),
    ]
    found = answering(given)
    assert expected == found[:3]
    assert ("z", None, True) == (found[3].policy, found[3].order, found[3].problem.startswith("spec.mode: "))


def test_rotation_policies_without_and_with_problems() -> None:
    """One that rotate has not seen yet has no numbers; an invalid one has its problem."""
    found = rotating([objects.rotation("b", mode="x"), objects.rotation("a")])
    assert Rotating("shop/a", "DryRun") == found[0]
    assert ("shop/b", "False", True) == (found[1].policy, found[1].ready, found[1].problem.startswith("spec.mode: "))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, Rotating("shop/a", "DryRun")),
        ({"managed": 3, "moving": 1}, Rotating("shop/a", "DryRun", managed=3, moving=1)),
        ({"blocked": None, "conditions": None, "due": 0}, Rotating("shop/a", "DryRun", due=0)),
        ({"blocked": {"count": 0}, "conditions": [{"type": "Accepted"}]}, Rotating("shop/a", "DryRun", blocked=0)),
        (
            {"blocked": {"count": 1, "reasons": [{"reason": "Other", "count": 1}]}, "conditions": [{"type": "Ready"}]},
            Rotating("shop/a", "DryRun", blocked=1, reasons=(Blocking("Other", 1, "", "", ""),)),
        ),
    ],
)
def test_a_status_that_an_older_rotate_wrote(status: dict[str, Any] | None, expected: Rotating) -> None:
    """What is not there is not known, and no error."""
    assert [expected] == rotating([{**objects.rotation("a"), "status": status}])


@pytest.mark.parametrize(
    ("notes", "comes"),
    [
        ({}, "kept until it is released or deleted"),
        ({marks.EXPIRES_AT: "T", marks.THEN: "Keep"}, "kept until it is released or deleted"),
        ({marks.EXPIRES_AT: "T", marks.THEN: "Release"}, "released at T"),
        ({marks.EXPIRES_AT: "T", marks.THEN: "Terminate"}, "ended at T"),
        ({marks.EXPIRES_AT: "T", marks.THEN: "Release", marks.KEPT: "x"}, "kept until it is released or deleted"),
        ({marks.RELEASE: "true"}, "released at the clock's next tick"),
    ],
)
def test_what_comes_next_for_a_pod_in_quarantine(notes: dict[str, str], comes: str) -> None:
    """As the clock's next tick will find it."""
    pod = {"metadata": {"namespace": "shop", "name": "web-1", "annotations": notes}}
    assert comes == quarantined(pod).next
