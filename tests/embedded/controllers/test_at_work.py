"""Controllers at work on a real store.

What rotation and quarantine rest on: release -> replacement at once; who is in the endpoints; names that are taken; no
rollout below its bounds; deletion, scaling, garbage, nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster.controllers import NEVER_READY
from molt.embedded.cluster.controllers.deployment_revisions import HASH
from molt.embedded.cluster.controllers.kinds import (
    DAEMON_SET,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    JOB,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
from molt.embedded.cluster.controllers.ownership import controller_of
from molt.embedded.cluster.controllers.pods import is_terminating, node_name
from tests.embedded.controllers.made import CONTAINERS
from tests.embedded.controllers.running import SPACE, Shop, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molt.embedded.cluster.changes import Subscription
    from molt.embedded.cluster.controllers.actions import Object


def _is_ready(shop: Shop, count: int = 3) -> bool:
    return count == len(shop.ready()) == sum(shop.endpoints().values()) == len(shop.endpoints())


@pytest.fixture
def web(shop: Shop) -> Shop:
    """Return a shop with a Ready Deployment of three and its Service."""
    shop.service()
    shop.workload(DEPLOYMENT)
    shop.until(lambda: _is_ready(shop))
    return shop


def test_deployment_comes_up(web: Shop) -> None:
    """A Deployment's pods run on three nodes, with addresses of their own, and its status says that all is done."""
    pods = web.pods()
    assert 3 == len({node_name(pod) for pod in pods}) == len({pod["status"]["podIP"] for pod in pods})
    web.until(lambda: web.get(DEPLOYMENT, "web")["status"].get("availableReplicas") == 3)
    reasons = [one["reason"] for one in web.get(DEPLOYMENT, "web")["status"]["conditions"]]
    assert ["MinimumReplicasAvailable", "NewReplicaSetAvailable"] == reasons


def test_release_replaces_and_the_service_keeps_both(web: Shop) -> None:
    """Without pod-template-hash a pod is released and replaced at once; the Service keeps both (make before break)."""
    name = web.ready()[0]
    web.relabel(name, app="web")
    web.until(lambda: _is_ready(web, 4))
    released = web.get(POD, name)
    assert "ownerReferences" not in released["metadata"]
    assert name in web.endpoints()
    web.store.delete(POD.plural, SPACE, name)
    web.until(lambda: _is_ready(web, 3))
    assert name not in web.endpoints()


def test_quarantine_leaves_the_endpoints(web: Shop) -> None:
    """Without any label of the Service a pod leaves the endpoints, is replaced, and runs on."""
    name = web.ready()[0]
    uid = web.get(POD, name)["metadata"]["uid"]
    web.relabel(name, quarantined="true")
    web.until(lambda: _is_ready(web, 3) and name not in web.endpoints())
    kept = web.get(POD, name)
    assert (uid, "Running") == (kept["metadata"]["uid"], kept["status"]["phase"])


def test_labels_back_bring_it_home(web: Shop) -> None:
    """A pod that gets its labels back is adopted again, and one too many goes."""
    name = web.ready()[0]
    labels = web.get(POD, name)["metadata"]["labels"]
    web.relabel(name, quarantined="true")
    web.until(lambda: _is_ready(web, 3))
    web.relabel(name, **labels)
    web.until(lambda: _is_ready(web, 3) and 3 == len(web.store.list(POD.plural, SPACE)))
    assert all(controller_of(pod) is not None for pod in web.pods())


def test_deleted_pod_is_replaced(web: Shop) -> None:
    """A pod that is deleted, as an eviction does, is unready at once, replaced, and gone after its grace."""
    name = web.ready()[0]
    web.store.delete(POD.plural, SPACE, name)
    web.until(lambda: _is_ready(web, 3) and name not in {pod["metadata"]["name"] for pod in web.store.list(POD.plural)})


def _extremes(subscription: Subscription, before: set[str]) -> tuple[int, int]:
    """Return the fewest ready endpoints and the most active pods since the subscription began, with `before`."""
    slices, active = {"": len(before)}, set(before)
    fewest = most = len(before)
    while (change := subscription.get(timeout=0)) is not None:
        name, gone = change.obj["metadata"]["name"], change.type == "DELETED"
        if change.plural == ENDPOINT_SLICE.plural and told(change.obj):
            slices = {key: count for key, count in slices.items() if key} | {name: _ready_in(change.obj, gone=gone)}
            fewest = min(fewest, sum(slices.values()))
        elif change.plural == POD.plural:
            active = active - {name} if gone or is_terminating(change.obj) else active | {name}
            most = max(most, len(active))
    return fewest, most


def _ready_in(slice_: Object, *, gone: bool) -> int:
    return 0 if gone else sum(ready for _, ready in told(slice_))


def _restart(deployment: Object) -> None:
    annotations = {"kubectl.kubernetes.io/restartedAt": "2026-11-24T12:00:00Z"}
    deployment["spec"]["template"]["metadata"]["annotations"] = annotations


def _rolled_out(shop: Shop, before: set[str]) -> bool:
    status = shop.get(DEPLOYMENT, "web")["status"]
    counts = [status.get(key) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return counts == [3, 3, 3] and not before & set(shop.ready()) and _is_ready(shop)


def test_rollout_keeps_its_bounds(web: Shop) -> None:
    """A restart replaces all pods; there are never fewer than three ready endpoints, nor more than four pods."""
    before = set(web.ready())
    watched = web.store.subscribe()
    web.change(DEPLOYMENT, "web", _restart)
    web.until(lambda: _rolled_out(web, before))
    assert (3, 4) == _extremes(watched, before)
    sizes = sorted(one["spec"]["replicas"] for one in web.store.list(REPLICA_SET.plural))
    assert [0, 3] == sizes


def test_recreate(shop: Shop) -> None:
    """With Recreate no old and new pod are there together."""
    shop.service()
    shop.workload(DEPLOYMENT, strategy={"type": "Recreate"})
    shop.until(lambda: _is_ready(shop))
    before = set(shop.ready())
    watched = shop.store.subscribe(POD.plural)
    shop.change(DEPLOYMENT, "web", _restart)
    shop.until(lambda: _rolled_out(shop, before))
    left = set(before)
    while (change := watched.get(timeout=0)) is not None:
        if change.type == "DELETED":
            left.discard(change.obj["metadata"]["name"])
        assert not (change.type == "ADDED" and left)


@pytest.mark.parametrize("replicas", [0, 1, 5])
def test_scale(web: Shop, replicas: int) -> None:
    """Scaling up and down ends at the size asked for, in the endpoints too."""
    web.change(DEPLOYMENT, "web", lambda one: one["spec"].update(replicas=replicas))
    web.until(lambda: _is_ready(web, replicas) and replicas == len(web.store.list(POD.plural, SPACE)))


def test_stuck_rollout_keeps_the_old(web: Shop) -> None:
    """A rollout whose new pod never becomes Ready leaves the old ones serving; undone, it is over."""

    def stick(deployment: Object) -> None:
        deployment["spec"]["template"]["metadata"]["annotations"] = {NEVER_READY: "true"}

    def undo(deployment: Object) -> None:
        del deployment["spec"]["template"]["metadata"]["annotations"]

    before = set(web.ready())
    web.change(DEPLOYMENT, "web", stick)
    web.until(lambda: len(web.endpoints()) == 4)
    assert before == set(web.ready())
    web.change(DEPLOYMENT, "web", undo)
    web.until(lambda: _is_ready(web))
    assert before == set(web.ready())


def test_statefulset_name_is_blocked(shop: Shop) -> None:
    """A released pod of a StatefulSet cannot be replaced while its name exists; afterwards its ordinal comes back."""
    shop.workload(STATEFUL_SET, serviceName="web")
    shop.until(lambda: ["web-0", "web-1", "web-2"] == shop.ready())
    uid = shop.get(POD, "web-1")["metadata"]["uid"]
    shop.relabel("web-1", quarantined="true")
    shop.until(lambda: controller_of(shop.get(POD, "web-1")) is None)
    shop.change(STATEFUL_SET, "web", lambda one: one["spec"].update(replicas=4))
    shop.until(lambda: shop.get(STATEFUL_SET, "web")["status"]["observedGeneration"] == 2)
    assert ["web-0", "web-2"] == shop.ready()
    shop.store.delete(POD.plural, SPACE, "web-1")
    shop.until(lambda: ["web-0", "web-1", "web-2", "web-3"] == shop.ready())
    assert uid != shop.get(POD, "web-1")["metadata"]["uid"]


def test_statefulset_rolls_from_the_top(shop: Shop) -> None:
    """A new template replaces the ordinals from the highest to the lowest, each after the last is Ready."""
    shop.workload(STATEFUL_SET, serviceName="web")
    shop.until(lambda: 3 == len(shop.ready()))
    old = shop.get(STATEFUL_SET, "web")["status"]["updateRevision"]
    watched = shop.store.subscribe(POD.plural)
    shop.change(STATEFUL_SET, "web", _restart)
    shop.until(lambda: shop.get(STATEFUL_SET, "web")["status"]["currentRevision"] != old and 3 == len(shop.ready()))
    gone = []
    while (change := watched.get(timeout=0)) is not None:
        gone += [change.obj["metadata"]["name"]] if change.type == "DELETED" else []
    assert ["web-2", "web-1", "web-0"] == gone


def test_daemonset_and_host_port(shop: Shop) -> None:
    """A released DaemonSet pod keeps its host port: the replacement waits, Pending, until it is gone."""
    port = [{"name": "http", "containerPort": 80, "hostPort": 8080}]
    spec = {"containers": [CONTAINERS[0] | {"ports": port}]}
    shop.workload(DAEMON_SET, template={"metadata": {"labels": {"app": "web"}}, "spec": spec})
    shop.until(lambda: 3 == len(shop.ready()))
    name = shop.ready()[0]
    node = node_name(shop.get(POD, name))
    shop.relabel(name, quarantined="true")

    def waiting() -> list[Object]:
        return [pod for pod in shop.pods() if any(one["reason"] == "Unschedulable" for one in _conditions(pod))]

    shop.until(waiting)
    shop.store.delete(POD.plural, SPACE, name)
    shop.until(lambda: 3 == len(shop.ready()))
    assert node in {node_name(pod) for pod in shop.pods()}


def _conditions(pod: Object) -> Iterator[Any]:
    return (one for one in pod["status"].get("conditions", ()) if "reason" in one)


def test_daemonset_follows_the_nodes(shop: Shop) -> None:
    """A new node gets its pod; a node that is gone loses it."""
    shop.workload(DAEMON_SET)
    shop.until(lambda: 3 == len(shop.ready()))
    extra = shop.store.get(NODE.plural, None, "node-1")
    shop.store.create(NODE.plural, extra | {"metadata": {"name": "node-9"}})
    shop.until(lambda: 4 == len(shop.ready()))
    shop.store.delete(NODE.plural, None, "node-9")
    shop.until(lambda: 3 == len(shop.store.list(POD.plural)))


def test_cordoned_nodes(web: Shop) -> None:
    """With every node cordoned a replacement waits; uncordoned, it runs."""

    def cordon(*, cordoned: bool) -> None:
        for node in web.store.list(NODE.plural):
            web.store.update(NODE.plural, node | {"spec": {"unschedulable": cordoned}})

    cordon(cordoned=True)
    web.store.delete(POD.plural, SPACE, web.ready()[0])
    web.until(lambda: any(one["reason"] == "Unschedulable" for pod in web.pods() for one in _conditions(pod)))
    assert 2 == len(web.ready())
    cordon(cordoned=False)
    web.until(lambda: _is_ready(web))


def test_job_pod_is_replaced(shop: Shop) -> None:
    """A Job's pod that is deleted is replaced; when one succeeds the Job is complete."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}
    shop.create(JOB, "sum", {"template": template})
    shop.until(lambda: 1 == len(shop.ready()))
    first = shop.ready()[0]
    shop.store.delete(POD.plural, SPACE, first)
    shop.until(lambda: 1 == len(shop.ready()) and first not in shop.ready())
    done = shop.get(POD, shop.ready()[0])
    shop.store.update(POD.plural, done | {"status": done["status"] | {"phase": "Succeeded"}}, status_only=True)
    shop.until(lambda: "completionTime" in shop.get(JOB, "sum")["status"])
    assert done["metadata"]["name"] in {pod["metadata"]["name"] for pod in shop.store.list(POD.plural)}


def test_budget_follows(web: Shop) -> None:
    """A budget's numbers follow its pods."""
    spec = {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": 2}
    web.create(DISRUPTION_BUDGET, "web", spec)

    def allowed() -> int | None:
        found: int | None = web.get(DISRUPTION_BUDGET, "web").get("status", {}).get("disruptionsAllowed")
        return found

    web.until(lambda: 1 == allowed())
    web.change(POD, web.ready()[0], lambda pod: pod["metadata"].update(annotations={NEVER_READY: "true"}))
    web.until(lambda: 0 == allowed())


def test_garbage(web: Shop) -> None:
    """With a Deployment go its ReplicaSet and pods, with a Service its slices; what was released stays."""
    name = web.ready()[0]
    web.relabel(name, quarantined="true")
    web.until(lambda: _is_ready(web))
    web.store.delete(DEPLOYMENT.plural, SPACE, "web")
    web.store.delete(SERVICE.plural, SPACE, "web")
    web.until(lambda: [] == web.store.list(REPLICA_SET.plural) + web.store.list(ENDPOINT_SLICE.plural))
    web.until(lambda: [name] == [pod["metadata"]["name"] for pod in web.store.list(POD.plural)])


def test_orphaned_replica_set_is_adopted(web: Shop) -> None:
    """A Deployment that comes back takes over the ReplicaSet and the pods that it finds, and restarts nothing."""
    before = web.ready()
    web.change(DEPLOYMENT, "web", lambda one: one["metadata"].update(finalizers=["orphan"]))
    web.store.delete(DEPLOYMENT.plural, SPACE, "web")
    web.until(lambda: [] == web.store.list(DEPLOYMENT.plural))
    (replica_set,) = web.store.list(REPLICA_SET.plural)
    assert controller_of(replica_set) is None
    again = web.workload(DEPLOYMENT)
    web.until(lambda: controller_of(web.store.list(REPLICA_SET.plural)[0]) is not None)
    (replica_set,) = web.store.list(REPLICA_SET.plural)
    reference = controller_of(replica_set)
    assert reference is not None
    assert again["metadata"]["uid"] == reference["uid"]
    assert before == web.ready()
    assert all(HASH in pod["metadata"]["labels"] for pod in web.pods())


def test_namespace_takes_all_along(shop: Shop) -> None:
    """A namespace has its default account, and what is in it goes with it."""
    shop.store.create(NAMESPACE.plural, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    shop.until(lambda: 1 == len(shop.store.list(SERVICE_ACCOUNT.plural, SPACE)))
    shop.service()
    shop.workload(DEPLOYMENT)
    shop.until(lambda: _is_ready(shop))
    shop.store.delete(NAMESPACE.plural, None, SPACE)
    kinds = (DEPLOYMENT, REPLICA_SET, POD, SERVICE, ENDPOINT_SLICE, SERVICE_ACCOUNT)
    shop.until(lambda: not any(shop.store.list(kind.plural, SPACE) for kind in kinds))
