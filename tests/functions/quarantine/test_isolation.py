"""The pure parts: when not to isolate, the patch, the policy, the Event.

| pod as read                              | excuse                        | itinerary |
|------------------------------------------|-------------------------------|-----------|
| none, another UID, terminating           | gone, terminating             | carry on  |
| in quarantine by this alert              | isolated before               | repeat    |
| in quarantine by another alert, by hand  | already in quarantine         | stop      |
| marked, with other labels on            | none                          |           |
| in a protected namespace, static         | the guard's reason            | stop      |
| any other                                | none                          |           |
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt import marks
from molt.itinerary import Step
from quarantine import isolation
from quarantine.isolation import Excuse, Next
from tests.functions.slips import QUARANTINE, slip_for

NOW = datetime(2026, 11, 24, 12, 0, 0, 123_456, tzinfo=UTC)


def _pod(*, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, **metadata: Any) -> Any:
    return {
        "metadata": {
            "name": "web-1",
            "namespace": "shop",
            "uid": "u1",
            "resourceVersion": "7",
            "labels": labels or {},
            "annotations": annotations or {},
            **metadata,
        },
        "spec": {},
    }


def _owned(kind: str) -> list[dict[str, Any]]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": "o1", "controller": True}]


SLIP = slip_for(_pod(), QUARANTINE)
MARKED = {marks.COMPROMISED: "true"}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (None, Excuse("the pod is gone", Next.CARRY_ON)),
        (_pod(uid="u2"), Excuse("the pod is gone: another one has its name", Next.CARRY_ON)),
        (_pod(deletionTimestamp="2026-11-24T12:00:00Z"), Excuse("the pod is terminating", Next.CARRY_ON)),
        (
            _pod(labels=MARKED, annotations={marks.ALERT: "alert-1", marks.ORIGINAL_LABELS: "{}"}),
            Excuse("isolated before, on this very alert", Next.REPEAT),
        ),
        (
            _pod(labels=MARKED, annotations={marks.ALERT: "alert-0", marks.ORIGINAL_LABELS: "{}"}),
            Excuse("already in quarantine, by alert alert-0", Next.STOP),
        ),
        (
            _pod(labels=MARKED, annotations={marks.ORIGINAL_LABELS: "{}"}),
            Excuse("already in quarantine, by hand", Next.STOP),
        ),
        (_pod(labels=MARKED | {"app": "web"}), None),
        (_pod(labels=MARKED | {"app": "web"}, annotations={marks.ORIGINAL_LABELS: "{}"}), None),
        (_pod(labels=MARKED | {"app": "web"}, annotations={marks.ORIGINAL_LABELS: '{"app":"web"}'}), None),
        (_pod(labels=MARKED, annotations={marks.ALERT: "alert-0"}), None),
        (
            _pod(annotations={"kubernetes.io/config.mirror": "x"}),
            Excuse("pod web-1 is static: its node runs it from a file", Next.STOP),
        ),
        (_pod(labels={"app": "web"}), None),
        (_pod(labels={marks.COMPROMISED: "false"}), None),
    ],
)
def test_excuse(pod: Any, expected: Excuse | None) -> None:
    """Only the very pod, alive, unmarked and unguarded, is isolated."""
    assert expected == isolation.excuse(pod, SLIP)


@pytest.mark.parametrize("namespace", ["kube-system", "molt", "falco", "knative-serving"])
def test_protected_namespaces_are_excused(namespace: str) -> None:
    """No slip, whoever wrote it, gets a pod of a protected namespace isolated."""
    pod = _pod(namespace=namespace)
    assert Excuse(f"namespace {namespace} is protected", Next.STOP) == isolation.excuse(pod, slip_for(pod, QUARANTINE))


def test_an_unprintable_alert_id_is_still_the_same_alert() -> None:
    """The identity is compared as the annotation has it."""
    slip = slip_for(_pod(), QUARANTINE, alert={"id": "a\nb"})
    marked = _pod(labels=MARKED, annotations=isolation.patch(_pod(), slip, NOW)["metadata"]["annotations"])
    excuse = isolation.excuse(marked, slip)
    assert excuse is not None
    assert Next.REPEAT is excuse.then


def test_the_patch_takes_every_label_and_keeps_it() -> None:
    """All labels go, the mark comes, and the originals, the reason and the preconditions are in the same patch."""
    pod = _pod(labels={"app": "web", "pod-template-hash": "5d"})
    assert {
        "metadata": {
            "uid": "u1",
            "resourceVersion": "7",
            "labels": {"app": None, "pod-template-hash": None, "molt-project.io/compromised": "true"},
            "annotations": {
                "molt-project.io/original-labels": '{"app":"web","pod-template-hash":"5d"}',
                "molt-project.io/workload": "Pod/web-1",
                "molt-project.io/quarantined-at": "2026-11-24T12:00:00.123456Z",
                "molt-project.io/reason": "A shell was spawned",
                "molt-project.io/rule": "Terminal shell in container",
                "molt-project.io/alert": "alert-1",
                "molt-project.io/policy": "shells",
            },
        }
    } == isolation.patch(pod, SLIP, NOW)


def test_a_pod_that_wears_the_mark_already_is_isolated_all_the_same() -> None:
    """Put there by an attacker who wants to be left alone, or by hand: the Services' labels go, the mark stays."""
    pod = _pod(labels={**MARKED, marks.RETIRING: "true", "app": "web"})
    patch = isolation.patch(pod, SLIP, NOW)["metadata"]
    assert {"app": None, marks.RETIRING: None, marks.COMPROMISED: "true"} == patch["labels"]
    assert '{"app":"web"}' == patch["annotations"][marks.ORIGINAL_LABELS]


def test_what_was_kept_before_is_kept() -> None:
    """A pod in quarantine that somebody has labelled since is isolated anew, and no label is lost."""
    pod = _pod(
        labels={**MARKED, "examined": "yes"},
        annotations={marks.ORIGINAL_LABELS: '{"app":"web"}', marks.ALERT: "alert-0"},
    )
    patch = isolation.patch(pod, SLIP, NOW)["metadata"]
    assert {"examined": None, marks.COMPROMISED: "true"} == patch["labels"]
    assert '{"app":"web","examined":"yes"}' == patch["annotations"][marks.ORIGINAL_LABELS]


@pytest.mark.parametrize(
    ("alert", "said", "at"),
    [
        pytest.param("alert-1", NOW - timedelta(seconds=9), NOW - timedelta(seconds=9), id="by the same alert"),
        pytest.param("alert-0", NOW - timedelta(seconds=9), NOW, id="by another one"),
        pytest.param("alert-1", NOW + timedelta(seconds=9), NOW, id="in the future"),
        pytest.param("alert-1", None, NOW, id="never"),
    ],
)
def test_an_alert_isolates_a_pod_once_however_often_it_is_labelled(
    alert: str, said: datetime | None, at: datetime
) -> None:
    """Somebody has labelled the pod between two tries of the alert's delivery: its time runs from the first one on."""
    at_first = {marks.QUARANTINED_AT: marks.stamp(said)} if said else {}
    pod = _pod(
        labels={**MARKED, "examined": "yes"},
        annotations={marks.ORIGINAL_LABELS: "{}", marks.ALERT: alert, **at_first},
    )
    slip = slip_for(_pod(), Step("quarantine", {"retention": {"after": "1h"}}))
    annotations = isolation.patch(pod, slip, NOW)["metadata"]["annotations"]
    assert marks.stamp(at) == annotations[marks.QUARANTINED_AT]
    assert marks.stamp(at + timedelta(hours=1)) == annotations[marks.EXPIRES_AT]


def test_a_retiring_pod_keeps_the_labels_from_before_its_move() -> None:
    """What a release must bring back are the labels that the pod had before it was moved."""
    pod = _pod(
        labels={"app": "web", marks.RETIRING: "true"},
        annotations={marks.ORIGINAL_LABELS: '{"app":"web","pod-template-hash":"5d"}', marks.OWNER: "{}", "mine": "x"},
    )
    patch = isolation.patch(pod, SLIP, NOW)["metadata"]
    assert '{"app":"web","pod-template-hash":"5d"}' == patch["annotations"][marks.ORIGINAL_LABELS]
    assert (None, None) == (patch["annotations"][marks.OWNER], patch["labels"][marks.RETIRING])
    assert "mine" not in patch["annotations"]


@given(st.text(max_size=2000))
def test_untrusted_text_is_bounded_and_printable(text: str) -> None:
    """Whatever an attacker has Falco print, annotations and Event hold one short printable line of it."""
    slip = slip_for(_pod(), QUARANTINE, alert={"output": text, "rule": text})
    annotations = isolation.patch(_pod(), slip, NOW)["metadata"]["annotations"]
    for name in (marks.REASON, marks.RULE):
        assert annotations[name].isprintable()
        assert len(annotations[name]) <= marks.TEXT_LIMIT
    note = isolation.notice(slip, NOW)["note"]
    assert note.isprintable()
    assert len(note.encode()) <= 1024


def test_the_policy_denies_all_both_ways_to_marked_pods_only() -> None:
    """An empty rule list for both directions denies everything; no other pod is selected."""
    policy = isolation.deny_all("shop")
    assert {
        "podSelector": {"matchLabels": {"molt-project.io/compromised": "true"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [],
    } == policy["spec"]
    assert ("molt-quarantine", "shop") == (policy["metadata"]["name"], policy["metadata"]["namespace"])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (None, "isolated; no controller owns it, so nothing replaces it"),
        (
            "DaemonSet",
            "isolated; DaemonSet/web replaces it on its node, once it holds no host port that the other needs",
        ),
        ("StatefulSet", "isolated; StatefulSet/web cannot replace it while a pod of this name exists"),
    ],
)
def test_the_account_says_what_it_means_to_the_workload(kind: str | None, words: str) -> None:
    """The reason tells whether the pod is replaced."""
    pod = _pod(ownerReferences=_owned(kind)) if kind else _pod()
    assert words == isolation.account(slip_for(pod, QUARANTINE).target)


@pytest.mark.parametrize(
    ("obj", "replicas"),
    [
        (None, 1),
        ({"spec": {"replicas": 5}}, 5),
        ({"spec": {"replicas": 0}}, 0),
        ({"spec": {}}, 1),
        ({"spec": {}, "status": {"desiredNumberScheduled": 9}}, 9),
    ],
)
def test_replicas(obj: Any, replicas: int) -> None:
    """The number of replicas is what is asked for, for a DaemonSet the number of its nodes."""
    assert replicas == isolation.replicas_of(obj)


def test_the_event_has_a_valid_name_of_its_own_for_each_alert() -> None:
    """The name is that of the pod, shortened at a safe place, and follows from the alert."""
    pod = _pod(name=f"{'a' * 199}.{'b' * 53}")
    names = {
        isolation.notice(slip_for(pod, QUARANTINE, alert={"id": alert}), NOW)["metadata"]["name"]
        for alert in ("a", "b")
    }
    assert 2 == len(names)
    assert all(name.startswith("a" * 199 + ".") and name[200] != "." for name in names)
