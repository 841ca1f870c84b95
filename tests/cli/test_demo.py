"""`molt demo`: the whole of it once, and its parts where they can fail."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from molt.alert import Alert
from molt.cli.demo import attack, command, story
from molt.cli.demo.endpoints import EndpointCounter, ready_pods
from molt.cli.demo.stage import Occupied, kept, opened
from molt.cli.demo.story import Row
from molt.cluster import DEPLOYMENTS, ENDPOINT_SLICES, NAMESPACES, RESPONSE_POLICIES, Cluster, Rejected, Unavailable
from molt.embedded.runtime import kubeconfig
from molt.embedded.runtime.child import StartError
from molt.embedded.runtime.runtime import Runtime
from molt.outcome import BadEvent, SystemClock
from tests.cli.conftest import Molt
from tests.embedded_cluster import RunningCluster, running_cluster

GOOD = Row("attack", "web-1", "acted", "isolated", holds=True)
BAD = Row("users of web", "Service web", "served", "never fewer than 0", holds=False)
POD = {
    "metadata": {"name": "web-1", "namespace": "shop"},
    "spec": {"nodeName": "node-1", "containers": [{"name": "web", "image": "nginx:1.27"}]},
    "status": {"containerStatuses": [{"name": "web", "containerID": f"containerd://{'ab' * 32}"}]},
}


@pytest.mark.slow
def test_the_main_job_from_start_to_end(molt: Molt, tmp_path: Path) -> None:
    """Every row holds: acted on, moved at once and by the clock, skipped, ignored, dead-lettered; users served."""
    result = molt("demo", "--json")
    assert (0, "") == (result.code, result.err)
    rows = result.json["rows"]
    assert [] == [row for row in rows if not row["holds"]]
    assert {"acted", "quarantined", "replaced", "kept", "rotated", "skipped", "ignored", "dead-lettered", "served"} == {
        row["outcome"] for row in rows
    }
    assert all(row["subject"] and row["why"] for row in rows)
    assert [] == list(tmp_path.iterdir())


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """Let the story be told by a list of rows, which the test fills."""
    rows: list[Row] = []
    monkeypatch.setattr(command, "tell", lambda *_: rows)
    return rows


def test_a_table_and_the_exit_code(molt: Molt, told: list[Row]) -> None:
    """0 when every row holds, 1 and a word when one does not."""
    told.append(GOOD)
    good = molt("demo")
    assert (0, "", True) == (good.code, good.err, "isolated" in good.out)
    told.append(BAD)
    bad = molt("demo")
    assert (1, "molt: the demo did not show everything that it should\n") == (bad.code, bad.err)
    assert "never fewer than 0" in bad.out


@pytest.mark.usefixtures("told")
def test_a_contexts_cluster_is_left_without_the_shop(molt: Molt, tmp_path: Path) -> None:
    """The shop is closed at the end; a namespace of that name that was there before is not touched."""
    with running_cluster() as cluster:
        (tmp_path / "kubeconfig").write_text(_kubeconfig(cluster))
        assert 0 == molt("demo", "--context", "molt").code
        names = {policy["metadata"]["name"] for policy in cluster.admin.list(RESPONSE_POLICIES)}
        assert "shop-code-execution" not in names
        assert "default-observe-host" in names
        story._until(lambda: "shop" not in _namespaces(cluster.admin))
        cluster.admin.create(NAMESPACES, {"metadata": {"name": "shop"}})
        refused = molt("demo", "--context", "molt")
        expected = "molt: namespace shop is there already; the demo would change what is in it\n"
        assert (3, "", expected) == (refused.code, refused.out, refused.err)
        assert [] == cluster.admin.list(DEPLOYMENTS, "shop")
        assert "shop" in _namespaces(cluster.admin)


def _kubeconfig(cluster: RunningCluster) -> str:
    return kubeconfig.render({"server": cluster.url}, cluster.token)


def _namespaces(admin: Cluster) -> set[str]:
    return {obj["metadata"]["name"] for obj in admin.list(NAMESPACES)}


def test_a_shop_that_cannot_be_opened_is_closed(cluster: RunningCluster, tmp_path: Path) -> None:
    """What was applied before the error is taken away, and what was not is not missed."""
    documents = [
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: stall}\n",
        "apiVersion: molt-project.io/v1alpha1\nkind: ResponsePolicy\nmetadata: {name: stall}\nspec: {mode: Never}\n",
    ]
    (tmp_path / "stall.yaml").write_text("---\n".join(documents))
    with pytest.raises(Rejected, match="mode"), opened(cluster.admin, tmp_path, lasting=False):
        pass
    assert "stall" not in _namespaces(cluster.admin)
    with pytest.raises(Occupied), opened(cluster.admin, tmp_path, lasting=True):
        pass


class _Dying(Runtime):
    """A runtime whose cluster dies."""

    def __init__(self) -> None:
        """Have nothing."""

    def keep(self) -> None:
        raise StartError("the embedded cluster has died")


def test_a_runtime_that_dies_is_told_by_what_ended_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the errors that follow from it."""
    monkeypatch.setattr(_Dying, "watch", lambda self, _: self.keep())
    with pytest.raises(StartError, match="has died"), kept(_Dying()):
        raise Unavailable("no answer")


@pytest.mark.parametrize("make", [attack.web_shell, attack.reverse_shell, attack.noise])
def test_its_alerts_are_alerts(make: Callable[..., dict[str, Any]]) -> None:
    """Each points at the pod by name and container, at the time."""
    now = SystemClock().now()
    alert = Alert.parse(make(POD, now))
    assert ("shop", "web-1", "ab" * 6, now) == (alert.namespace, alert.pod_name, alert.container_id, alert.time)


def test_its_broken_alert_is_none() -> None:
    """It has a priority that Falco does not have."""
    with pytest.raises(BadEvent, match="priority"):
        Alert.parse(attack.malformed(POD, SystemClock().now()))


def _slice(service: str, *endpoints: tuple[str, bool]) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": service}},
        "endpoints": [{"conditions": {"ready": ready}, "targetRef": {"name": name}} for name, ready in endpoints],
    }


def test_ready_endpoints_are_counted_by_service() -> None:
    """Over all slices of a Service; one without endpoints has none."""
    slices = [_slice("web", ("a", True), ("b", False)), _slice("web", ("c", True)), _slice("db") | {"endpoints": None}]
    assert {"web": {"a", "c"}, "db": set()} == ready_pods(slices)


class _Slices(Cluster):
    """Answers one look after the other, an error among them, and ends the counting after the last."""

    def __init__(self, counter: list[EndpointCounter]) -> None:
        self.looks = iter(
            [[_slice("web", ("a", True), ("b", True))], Unavailable("no answer"), [_slice("web", ("a", True))]]
        )
        self.counter = counter

    def session(self) -> Cluster:
        return self

    def list(self, *_: object, **__: object) -> Any:
        look = next(self.looks, None)
        if look is None:
            self.counter[0]._stop.set()
            return [_slice("web", ("a", True), ("b", True))]
        if isinstance(look, Unavailable):
            raise look
        return look


def test_the_fewest_is_kept() -> None:
    """The least that was ever seen; a look that failed has seen nothing."""
    made: list[EndpointCounter] = []
    counter = EndpointCounter(_Slices(made), "shop")
    made.append(counter)
    with counter:
        counter._stop.wait(10)
    assert {"web": 1} == counter.fewest


def test_what_does_not_come_true_is_a_row_that_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo waits for so long, and tells what it saw."""
    monkeypatch.setattr(story, "_PATIENCE", 0.05)
    assert not story._until(lambda: False)
    assert not story._clock([POD], []).holds
    assert not story._siblings([POD], []).holds
    assert ("Ready endpoints never fewer than 0 all the while", False) == (
        (row := story._users({}, "web", 2)).why,
        row.holds,
    )


def test_sigterm_ends_it(molt: Molt, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of the story: exit code 130, no word."""
    monkeypatch.setattr(command, "tell", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    result = molt("demo")
    assert (130, "", "") == (result.code, result.out, result.err)


def test_the_slices_are_those_of_the_api(cluster: RunningCluster) -> None:
    """What is counted is what a cluster serves."""
    assert {} == ready_pods(cluster.admin.list(ENDPOINT_SLICES, "shop"))
