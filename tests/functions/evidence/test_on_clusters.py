"""evidence over HTTP, with the account's own rights, on both API servers with their controllers.

The real one has kwok for kubelets, which has no logs and answers to no proxy: what a kubelet that is down looks like.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evidence.handler import handler
from molt.cluster import DEPLOYMENTS, NETWORK_POLICIES, PODS, SERVICES, Forbidden, LogLimits, Unavailable
from molt.cluster.resources import SECRETS
from molt.embedded.cluster.podlogs import LOG, PREVIOUS_LOG
from molt.evidence.archive import Archive
from molt.evidence.audit import verify
from molt.evidence.bundle import Bundle, unpack
from molt.evidence.folder import Folder
from molt.outcome import Done, PermanentError, SystemClock, TemporaryError
from quarantine.handler import handler as quarantine
from tests.functions.evidence.world import ACCOUNT, step, why
from tests.functions.installation import Installation, Object
from tests.functions.slips import QUARANTINE, event_of, over_the_wire, slip_for


@pytest.fixture
def target(here: Installation) -> Object:
    """Make a pod of a Deployment that has been restarted once, its policy, its Service, and a Secret that it names."""
    labels = {"app": "web"}
    env = [
        {"name": "PASSWORD", "value": "hunter2hunter2"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "token"}}},
    ]
    container = {"name": "main", "image": "web:1", "env": env}
    annotations = {LOG: "one\ntwo\n", PREVIOUS_LOG: "panic\n"}
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    space = here.namespace
    here.admin.create(SECRETS, {"metadata": {"name": "login"}, "stringData": {"token": "s3cr3t-value"}}, space)
    here.admin.create(NETWORK_POLICIES, {"metadata": {"name": "web"}, "spec": {"podSelector": {}}}, space)
    here.admin.create(
        SERVICES, {"metadata": {"name": "web"}, "spec": {"selector": labels, "ports": [{"port": 80}]}}, space
    )
    here.admin.create(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec}, space)
    (pod,) = here.until(here.serving, lambda pods: len(pods) == 1)
    ended = {"terminated": {"exitCode": 1, "startedAt": "2026-11-24T10:00:00Z", "finishedAt": "2026-11-24T10:01:00Z"}}
    (status,) = pod["status"]["containerStatuses"]
    status |= {"restartCount": 1, "lastState": ended}
    patch = {"status": {"containerStatuses": [status]}}
    return here.admin.merge(PODS, pod["metadata"]["name"], patch, space, subresource="status")


def _bundle(archive: Archive) -> Bundle:
    (name,) = archive.names()
    return unpack(archive.file(name) or b"")


def _has_logs(here: Installation, pod: Object) -> bool:
    try:
        here.admin.logs(pod["metadata"]["name"], here.namespace, "main", LogLimits(1, 1))
    except Unavailable:
        return False
    return True


def test_evidence_first_then_quarantine(here: Installation, target: Object, tmp_path: Path) -> None:
    """Everything that the cluster has is kept, no credential is, and the same event makes quarantine act."""
    archive = Archive(Folder(tmp_path / "store"))
    with here.account("evidence") as cluster:
        handle = handler(Folder(tmp_path / "store"), ACCOUNT)
        event = event_of(slip_for(target, step(), QUARANTINE))
        first = handle(event, cluster.session(), SystemClock())
        again = cluster.session()
        assert first == handle(event, again, SystemClock())
        assert [] == again.requests
    assert isinstance(first, Done)
    assert first.event is not None
    bundle, found = _bundle(archive), verify(archive)
    assert (1, ()) == (len(found.entries), found.findings)
    owners = [path for path in bundle.files if path.startswith("owners/")]
    assert ["owners/Deployment-web", "owners/ReplicaSet-web"] == sorted(
        path.partition("-web")[0] + "-web" for path in owners
    )
    for path in ("networkpolicies.json", "services.json"):
        assert ["web"] == [one["metadata"]["name"] for one in json.loads(bundle.files[path])]
    assert "node.json" in bundle.files
    everything = b"".join(bundle.files.values())
    assert b"hunter2" not in everything
    assert b"s3cr3t" not in everything
    assert b'"secretKeyRef"' in bundle.files["pod.json"]
    assert bundle.custody["cluster"]
    with here.account("quarantine") as cluster:
        assert isinstance(quarantine()(over_the_wire(first.event), cluster, SystemClock()), Done)
    assert {"molt-project.io/compromised": "true"} == here.admin.get(PODS, target["metadata"]["name"], here.namespace)[
        "metadata"
    ]["labels"]


def test_logs_are_kept_or_known_to_be_missing(here: Installation, target: Object, tmp_path: Path) -> None:
    """The kubelet's text where there is one; where it does not answer, what the API server said of it."""
    with here.account("evidence") as cluster:
        event = event_of(slip_for(target, step(checkpoint=True), QUARANTINE))
        handler(Folder(tmp_path), ACCOUNT)(event, cluster, SystemClock())
    bundle = _bundle(Archive(Folder(tmp_path)))
    assert "nodes/proxy" in why(bundle)["checkpoints/main.json"], "the base has no right to checkpoints"
    if _has_logs(here, target):
        started = target["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
        assert f"{started} one\n{started} two\n".encode() == bundle.files["logs/main.log"]
        assert b"2026-11-24T10:00:00Z panic\n" == bundle.files["logs/main.previous.log"]
    else:
        assert {"logs/main.log", "logs/main.previous.log"} <= set(why(bundle))
        assert "connection refused" in why(bundle)["logs/main.log"]


def test_where_evidence_must_be_a_kubelet_that_does_not_answer_is_waited_for(
    here: Installation, target: Object, tmp_path: Path
) -> None:
    """Stop: the event comes again while the API server says 5xx of a log, and nothing is kept of half of it."""
    event = event_of(slip_for(target, step(ifMissing="Stop"), QUARANTINE))
    with here.account("evidence") as cluster:
        handle = handler(Folder(tmp_path), ACCOUNT)
        if _has_logs(here, target):
            assert isinstance(handle(event, cluster, SystemClock()), Done)
        else:
            with pytest.raises(TemporaryError, match="connection refused"):
                handle(event, cluster, SystemClock())
            assert [] == Archive(Folder(tmp_path)).names()


def test_a_pod_that_is_gone_stops_where_evidence_must_be(here: Installation, target: Object, tmp_path: Path) -> None:
    """What is left of it is kept all the same: its events and its node."""
    name = target["metadata"]["name"]
    here.admin.delete(PODS, name, here.namespace, grace_seconds=0)
    here.until(here.serving, lambda pods: len(pods) == 1 and pods[0]["metadata"]["name"] != name)
    with here.account("evidence") as cluster:
        event = event_of(slip_for(target, step(ifMissing="Stop"), QUARANTINE))
        with pytest.raises(PermanentError, match=r"lacks pod.json"):
            handler(Folder(tmp_path), ACCOUNT)(event, cluster, SystemClock())
    assert {"alert.json", "events.json"} <= set(_bundle(Archive(Folder(tmp_path))).files)


def test_a_rehearsal_keeps_nothing(here: Installation, target: Object, tmp_path: Path) -> None:
    """It says what it would collect."""
    with here.account("evidence") as cluster:
        event = event_of(slip_for(target, step(), QUARANTINE, mode="DryRun"))
        outcome = handler(Folder(tmp_path / "store"), ACCOUNT)(event, cluster, SystemClock())
    assert isinstance(outcome, Done)
    assert outcome.reason.startswith("would collect ReplicaSet web-")
    assert not (tmp_path / "store").exists()


def test_the_account_reads_no_secret(here: Installation, target: Object) -> None:
    """Not even by a mistake of ours."""
    assert target
    with here.account("evidence") as cluster:
        for read in (
            lambda: cluster.get(SECRETS, "login", here.namespace),
            lambda: cluster.list(SECRETS, here.namespace),
            lambda: cluster.delete(PODS, target["metadata"]["name"], here.namespace),
        ):
            with pytest.raises(Forbidden):
                read()
