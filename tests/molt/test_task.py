"""What a task asks before anything is touched: the guards, in the fewest calls.

| namespace                  | pod     | calls | objection               |
|----------------------------|---------|-------|-------------------------|
| protected                  | any     | 0     | protected               |
| any other                  | static  | 0     | static                  |
| gone                       | any     | 1     | could not be checked    |
| exempt                     | any     | 1     | exempt                  |
| any other                  | any     | 1     | none                    |
"""

from __future__ import annotations

import pytest

from molt import marks
from molt.itinerary import Step
from molt.outcome import BadEvent
from molt.task import Task
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.slips import event_of, slip_for

STATIC = {"kubernetes.io/config.mirror": "x"}


def _task(cluster: FakeCluster, namespace: str) -> Task:
    pod = cluster.bare_pod("solo", namespace)
    return Task.of("tag", event_of(slip_for(pod, Step("tag"))), cluster, cluster.clock)


@pytest.mark.parametrize(
    ("namespace", "labels", "annotations", "objection", "calls"),
    [
        ("kube-system", {}, {}, "namespace kube-system is protected", 0),
        ("knative-eventing", {}, {}, "namespace knative-eventing is protected", 0),
        ("shop", {}, STATIC, "pod solo is static: its node runs it from a file", 0),
        ("shop", None, {}, "namespace shop could not be checked for molt-project.io/exempt", 1),
        ("shop", {marks.EXEMPT: "true"}, {}, "namespace shop is exempt by its label molt-project.io/exempt", 1),
        ("shop", {marks.EXEMPT: "false"}, {}, None, 1),
    ],
)
def test_the_guards_are_asked_again(
    namespace: str, labels: dict[str, str] | None, annotations: dict[str, str], objection: str | None, calls: int
) -> None:
    """Whoever objected to the router objects here, too, and so does whoever has changed his mind since."""
    cluster = FakeCluster(FakeClock())
    if labels is not None:
        cluster.namespace(namespace, **labels)
    task = _task(cluster, namespace)
    pod = cluster.pod("solo", namespace)
    pod["metadata"]["annotations"] = annotations
    assert (objection, calls) == (task.objection(pod), len(cluster.requests))


def test_without_a_pod_the_namespace_alone_is_asked() -> None:
    """A remedy that does not touch the pod is held up by its namespace only."""
    cluster = FakeCluster(FakeClock())
    cluster.namespace()
    assert _task(cluster, "shop").objection() is None


def test_a_task_is_for_its_own_remedy_only() -> None:
    """A slip whose head is another remedy is refused before any call."""
    cluster = FakeCluster(FakeClock())
    event = event_of(slip_for(cluster.bare_pod("solo"), Step("rotate")))
    with pytest.raises(BadEvent, match="rotate, not tag"):
        Task.of("tag", event, cluster, cluster.clock)
