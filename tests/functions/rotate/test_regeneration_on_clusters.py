"""Secrets regenerated over HTTP, with the account's own rights and a Role of the owner's, on both API servers."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest

from molt import marks
from molt.cluster import EVENTS, PODS, ROTATION_POLICIES, SECRETS, Cluster, Forbidden
from molt.cluster.resources import Resource
from molt.outcome import Done, Skipped, SystemClock
from molt.workload import is_ready, is_terminating
from rotate import restart
from rotate.restart import RESOURCES
from tests.functions.installation import PATIENCE, Installation
from tests.functions.rotate.vault import DEPENDANTS, OLD, TICK, coded, handle

Object = dict[str, Any]

RBAC = ("rbac.authorization.k8s.io", "v1")
ROLES, BINDINGS = Resource(*RBAC, "roles", "Role"), Resource(*RBAC, "rolebindings", "RoleBinding")
SLOW = ("embedded.molt-project.io/ready-after", "testbed.molt-project.io/ready-after")
KINDS = {"db": "StatefulSet", "web": "Deployment"}


def _make(here: Installation, *, pace: str = "100ms") -> None:
    """Make the workloads, the Secret that both read, and the policy."""
    for name, kind in KINDS.items():
        labels = {"app": name}
        template = {
            "metadata": {"labels": labels, "annotations": dict.fromkeys(SLOW, pace)},
            "spec": {"containers": [{"name": "main", "image": "web:1"}]},
        }
        spec: Object = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        spec |= {"serviceName": name} if kind == "StatefulSet" else {}
        here.admin.create(RESOURCES[kind], {"metadata": {"name": name}, "spec": spec}, here.namespace)
    metadata = {"name": "db", "annotations": {marks.REGENERABLE: "true", "example.org/a": "b"}, "labels": {"a": "b"}}
    data = {"password": coded(OLD), "user": coded("molt")}
    here.admin.create(SECRETS, {"metadata": metadata, "type": "Opaque", "data": data}, here.namespace)
    until(lambda: all(status_of(here, name).get("readyReplicas") == 2 for name in KINDS))
    time.sleep(1.1)  # the Secret is older than a second
    secret = {"name": "db", "keys": ["password"], "lifetime": {"every": "1s"}, "dependants": DEPENDANTS}
    spec = {"mode": "Enforce", "selector": {"matchLabels": {"app": "nobody"}}, "lifetime": {"every": "1h"}}
    policy = {"metadata": {"name": "credentials"}, "spec": spec | {"secrets": [secret]}}
    here.admin.create(ROTATION_POLICIES, policy, here.namespace)


def entitle(here: Installation) -> None:
    """Give rotate the right to the Secret, as README.md says."""
    name = "molt-regenerate-db"
    rules = [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["get", "patch"]}]
    here.admin.create(ROLES, {"metadata": {"name": name}, "rules": rules}, here.namespace)
    role = {"apiGroup": RBAC[0], "kind": "Role", "name": name}
    rotate = [{"kind": "ServiceAccount", "name": "rotate", "namespace": "molt"}]
    here.admin.create(BINDINGS, {"metadata": {"name": name}, "roleRef": role, "subjects": rotate}, here.namespace)


def until(good: Any) -> None:
    """Wait until it is good."""
    end = time.monotonic() + PATIENCE
    while not good():
        assert time.monotonic() < end
        time.sleep(0.05)


def status_of(here: Installation, name: str) -> Object:
    """Return the status of a workload."""
    return here.admin.get(RESOURCES[KINDS[name]], name, here.namespace).get("status") or {}


def _data(here: Installation) -> dict[str, str]:
    data = here.admin.get(SECRETS, "db", here.namespace)["data"]
    return {name: base64.b64decode(text).decode() for name, text in data.items()}


def _notes(here: Installation) -> Any:
    return marks.annotations_of(here.admin.get(SECRETS, "db", here.namespace))


def _stamp(here: Installation, name: str) -> str:
    return restart.stamped(here.admin.get(RESOURCES[KINDS[name]], name, here.namespace))


def _uids(here: Installation, name: str) -> set[str]:
    pods = here.admin.list(PODS, here.namespace, labels=f"app={name}")
    return {pod["metadata"]["uid"] for pod in pods if not is_terminating(pod)}


def _tick(here: Installation, rotate: Cluster) -> str:
    """Have a tick, and return what the Secret says of its regeneration."""
    handle(TICK, rotate, SystemClock())
    return str(_notes(here).get(marks.REGENERATING, ""))


def _refusal(rotate: Cluster) -> str:
    """Have ticks until one is refused what it wants, and return why: before that the dependants may not be whole."""
    end = time.monotonic() + PATIENCE
    while True:
        outcome = handle(TICK, rotate, SystemClock())
        assert isinstance(outcome, Done | Skipped)
        entries = outcome.event.data["trail"] if outcome.event else ()
        if found := [entry["reason"] for entry in entries if entry["outcome"] == "refused"]:
            return str(found[0])
        assert time.monotonic() < end, outcome


def test_a_regeneration_from_beginning_to_end(here: Installation) -> None:
    """In order, each dependant once; the former value beside the new one until the end; nothing else changes."""
    _make(here)
    entitle(here)
    old = {name: _uids(here, name) for name in KINDS}
    with here.account("rotate") as rotate:
        assert "password" == _tick(here, rotate)
        new = _data(here)["password"]
        assert {"password": new, "password-previous": OLD, "user": "molt"} == _data(here)
        until(lambda: _tick(here, rotate) and _stamp(here, "db"))
        while not _stamp(here, "web"):
            assert (new, OLD) == (_data(here)["password"], _data(here)["password-previous"])
            assert "password" == _tick(here, rotate)
        assert not old["db"] & _uids(here, "db"), "web restarts before db is through"
        assert all(map(is_ready, here.admin.list(PODS, here.namespace, labels="app=db")))
        until(lambda: not _tick(here, rotate))
    here.admin.delete(ROTATION_POLICIES, "credentials", here.namespace)
    assert not old["web"] & _uids(here, "web")
    assert {"password": new, "user": "molt"} == _data(here)
    secret = here.admin.get(SECRETS, "db", here.namespace)
    assert {marks.REGENERABLE, marks.REGENERATED_AT, marks.POLICY, "example.org/a"} == _notes(here).keys()
    assert {"a": "b"} == secret["metadata"]["labels"]
    (event,) = (one for one in here.admin.list(EVENTS, here.namespace) if one["reason"] == "MoltSecretRegenerated")
    assert ("RotationPolicy", "credentials") == (event["regarding"]["kind"], event["regarding"]["name"])


def test_a_dependant_that_is_stuck(here: Installation) -> None:
    """The values change places before its pods go back; who was restarted is restarted again; then all is as before."""
    _make(here, pace="300ms")
    entitle(here)
    with here.account("rotate") as rotate:
        until(lambda: _tick(here, rotate) and _stamp(here, "web"))
        at, old = _stamp(here, "db"), _uids(here, "web")
        until(lambda: _uids(here, "web") - old)
        new = _data(here)["password"]
        _starve(here, next(iter(_uids(here, "web") - old)))
        until(lambda: _tick(here, rotate) and marks.PUT_BACK_AT in _notes(here))
        assert {"password": OLD, "password-previous": new, "user": "molt"} == _data(here)
        until(lambda: not _tick(here, rotate))
        assert at != _stamp(here, "db")
        assert {"password": OLD, "user": "molt"} == _data(here)
        assert "1" == _notes(here)[marks.STAYS]
        handle(TICK, rotate, SystemClock())
        assert {"password": OLD, "user": "molt"} == _data(here)
    reasons = [one["reason"] for one in here.admin.list(EVENTS, here.namespace)]
    assert 1 == reasons.count("MoltRegenerationUndone")


def _starve(here: Installation, uid: str) -> None:
    """Keep a fresh pod from becoming Ready, as if its image could not be pulled."""
    pods = here.admin.list(PODS, here.namespace, labels="app=web")
    name = next(pod["metadata"]["name"] for pod in pods if pod["metadata"]["uid"] == uid)
    here.admin.merge(PODS, name, {"metadata": {"annotations": dict.fromkeys(SLOW, "1h")}}, here.namespace)
    waiting = {"name": "main", "image": "web:1", "imageID": "", "ready": False, "restartCount": 0}
    waiting |= {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}}
    status = {"status": {"containerStatuses": [waiting], "conditions": [{"type": "Ready", "status": "False"}]}}
    here.admin.merge(PODS, name, status, here.namespace, subresource="status")


def test_without_the_right_nothing_is_done(here: Installation) -> None:
    """It is said who gives it; what is given is good for that one Secret alone."""
    _make(here)
    other = {"metadata": {"name": "other"}, "data": {"a": coded("b")}}
    here.admin.create(SECRETS, other, here.namespace)
    with here.account("rotate") as rotate:
        assert _refusal(rotate).startswith("rotate has no right to it; give it by `kubectl")
        entitle(here)
        with pytest.raises(Forbidden):
            rotate.metadata(SECRETS, "other", here.namespace)
        with pytest.raises(Forbidden):
            rotate.list(SECRETS, here.namespace)
        assert "password" == _tick(here, rotate)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": {"password": None}}, "it has no key password"),
        ({"data": {"password-previous": coded("x")}}, "it has a key password-previous, where the former"),
        ({"immutable": True}, "field is immutable when `immutable` is set"),
    ],
)
def test_what_the_api_server_refuses_is_explained(here: Installation, change: Object, reason: str) -> None:
    """And nothing changes."""
    _make(here)
    entitle(here)
    here.admin.merge(SECRETS, "db", change, here.namespace)
    before = here.admin.get(SECRETS, "db", here.namespace)
    with here.account("rotate") as rotate:
        assert reason in _refusal(rotate)
    assert before == here.admin.get(SECRETS, "db", here.namespace)


def test_another_type_is_refused(here: Installation) -> None:
    """A credential of the cluster's is no password."""
    _make(here)
    entitle(here)
    secret = here.admin.get(SECRETS, "db", here.namespace)
    here.admin.delete(SECRETS, "db", here.namespace)
    metadata = {"name": "db", "annotations": secret["metadata"]["annotations"]}
    body = {"metadata": metadata, "data": secret["data"], "type": "example.org/credentials"}
    here.admin.create(SECRETS, body, here.namespace)
    time.sleep(1.1)
    with here.account("rotate") as rotate:
        assert "type is not Opaque" in _refusal(rotate)  # in the words of secret-bounds.yaml, where it is
