"""Deployments, StatefulSets, DaemonSets and Services, as far as molt relies on how their controllers behave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.space import Object, pod, service, steadily, until, workload

if TYPE_CHECKING:
    from tests.contract.space import Space


def test_deployment_becomes_ready(space: Space) -> None:
    """A Deployment of three gets one ReplicaSet, three Ready pods with generated names, and says so in its status."""
    space.create("deployments", workload("web")).object()
    pods = space.ready_pods("app=web", 3)
    [owner] = space.items("replicasets")
    assert ("Deployment", "web") == _controller(owner)
    assert {("ReplicaSet", owner["metadata"]["name"])} == {_controller(each) for each in pods}
    hashes = {each["metadata"]["labels"]["pod-template-hash"] for each in pods}
    assert {owner["metadata"]["labels"]["pod-template-hash"]} == hashes
    assert owner["metadata"]["name"] == f"web-{hashes.pop()}"

    def settled() -> bool:
        status = space.get("deployments", "web").get("status", {})
        counted = {name: status.get(name) for name in ("replicas", "readyReplicas", "availableReplicas")}
        return counted == {"replicas": 3, "readyReplicas": 3, "availableReplicas": 3} and {
            condition["type"]: condition["status"] for condition in status["conditions"]
        } == {"Available": "True", "Progressing": "True"}

    until(settled, "the Deployment's status")


def test_pods_run_on_different_nodes(space: Space) -> None:
    """Pods of one workload are spread over the nodes, and have an address, a start time and container ids."""
    space.create("deployments", workload("web", 2)).object()
    pods = space.ready_pods("app=web", 2)
    assert 2 == len({each["spec"]["nodeName"] for each in pods})
    assert 2 == len({each["status"]["podIP"] for each in pods})
    for each in pods:
        assert "Running" == each["status"]["phase"]
        assert each["status"]["startTime"]
        [container] = each["status"]["containerStatuses"]
        assert ("main", True) == (container["name"], container["ready"])
        assert container["containerID"].startswith("containerd://")


def test_scale(space: Space) -> None:
    """A Deployment scaled down loses pods, scaled up gets more."""
    space.create("deployments", workload("web", 1)).object()
    kept = space.ready_pods("app=web", 1)[0]["metadata"]["uid"]
    space.api.patch(space.path("deployments", "web"), {"spec": {"replicas": 3}}).object()
    assert kept in {each["metadata"]["uid"] for each in space.ready_pods("app=web", 3)}
    space.api.patch(space.path("deployments", "web"), {"spec": {"replicas": 0}}).object()
    until(lambda: space.names("pods") == [], "no pods are left")


def test_rollout(space: Space) -> None:
    """A changed template is rolled out: a second ReplicaSet, all pods new, never fewer Ready than allowed."""
    space.create("deployments", workload("web", 2)).object()
    old = {each["metadata"]["uid"] for each in space.ready_pods("app=web", 2)}
    note = {"spec": {"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}}
    space.api.patch(space.path("deployments", "web"), note).object()

    def renewed() -> bool:
        return len(space.items("replicasets")) == 2 and old.isdisjoint(
            each["metadata"]["uid"] for each in space.items("pods", labelSelector="app=web")
        )

    until(renewed, "all pods are new")
    assert 2 == len(space.ready_pods("app=web", 2))


def test_deleting_a_deployment_deletes_its_pods(space: Space) -> None:
    """What a Deployment owns goes with it; a pod that was released before stays."""
    space.create("deployments", workload("web", 2)).object()
    one = space.ready_pods("app=web", 2)[0]["metadata"]["name"]
    space.api.patch(space.path("pods", one), {"metadata": {"labels": {"pod-template-hash": None}}}).object()
    until(lambda: not space.get("pods", one)["metadata"].get("ownerReferences"), "the pod is released")
    space.api.delete(space.path("deployments", "web"), {"propagationPolicy": "Background"}).object()
    until(lambda: space.names("pods") == [one] and not space.items("replicasets"), "only the released pod is left")


def test_stateful_set_keeps_names(space: Space) -> None:
    """A StatefulSet names its pods by number and makes a deleted one anew under the same name, with a new uid."""
    space.create("statefulsets", workload("db", 2, service="db")).object()
    pods = space.ready_pods("app=db", 2)
    assert ["db-0", "db-1"] == [each["metadata"]["name"] for each in pods]
    assert {("StatefulSet", "db")} == {_controller(each) for each in pods}
    assert "0" == pods[0]["metadata"]["labels"]["apps.kubernetes.io/pod-index"]
    space.api.delete(space.path("pods", "db-0")).object()

    def renewed() -> bool:
        again = {each["metadata"]["name"]: each["metadata"]["uid"] for each in space.items("pods")}
        return again.keys() == {"db-0", "db-1"} and again["db-0"] != pods[0]["metadata"]["uid"]

    until(renewed, "db-0 is back under another uid")
    assert pods[1]["metadata"]["uid"] == space.ready_pods("app=db", 2)[1]["metadata"]["uid"]


def test_stateful_set_cannot_replace_a_released_pod(space: Space) -> None:
    """A released pod of a StatefulSet holds its name: there is no replacement until it is deleted."""
    space.create("statefulsets", workload("db", 1, service="db")).object()
    old = space.ready_pods("app=db", 1)[0]["metadata"]
    path = space.path("pods", "db-0")
    space.api.patch(path, {"metadata": {"labels": {"app": None}}}).object()
    until(lambda: not space.get("pods", "db-0")["metadata"].get("ownerReferences"), "the pod is released")
    steadily(lambda: space.names("pods") == ["db-0"], "the name stays taken")
    assert old["uid"] == space.get("pods", "db-0")["metadata"]["uid"]
    space.api.delete(path).object()
    assert old["uid"] != space.ready_pods("app=db", 1)[0]["metadata"]["uid"]


def test_daemon_set_runs_on_every_node(space: Space) -> None:
    """A DaemonSet has one pod on each node, and puts a deleted one back on its own."""
    space.create("daemonsets", workload("agent", None)).object()
    nodes = {node["metadata"]["name"] for node in space.api.get("/api/v1/nodes").object()["items"]}
    pods = space.ready_pods("app=agent", len(nodes))
    assert nodes == {each["spec"]["nodeName"] for each in pods}
    assert {("DaemonSet", "agent")} == {_controller(each) for each in pods}
    space.api.delete(space.path("pods", pods[0]["metadata"]["name"])).object()
    until(lambda: pods[0]["metadata"]["name"] not in space.names("pods"), "the pod is gone")
    again = space.ready_pods("app=agent", len(nodes))
    assert nodes == {each["spec"]["nodeName"] for each in again}


def test_daemon_set_replaces_a_released_pod(space: Space) -> None:
    """A DaemonSet puts a new pod beside one that it released."""
    space.create("daemonsets", workload("agent", None)).object()
    nodes = len(space.api.get("/api/v1/nodes").object()["items"])
    old = space.ready_pods("app=agent", nodes)[0]["metadata"]
    labels = dict.fromkeys(old["labels"]) | {"kept": "true"}
    space.api.patch(space.path("pods", old["name"]), {"metadata": {"labels": labels}}).object()
    new = {each["metadata"]["uid"] for each in space.ready_pods("app=agent", nodes)}
    assert old["uid"] not in new
    assert old["uid"] == space.ready_pods("kept=true", 1)[0]["metadata"]["uid"]


def test_service_follows_readiness(space: Space) -> None:
    """A Service leads to pods that its selector names, as soon as they are Ready, wherever they come from."""
    space.create("services", service("web")).object()
    space.create("deployments", workload("web", 2)).object()
    space.create("pods", pod("other", app="other")).object()
    names = {each["metadata"]["name"] for each in space.ready_pods("app=web", 2)}
    until(lambda: space.endpoints("web") == names, "the Service leads to both pods")
    [endpoints] = space.items("endpointslices")
    assert "web" == endpoints["metadata"]["labels"]["kubernetes.io/service-name"]
    assert {"IPv4"} == {endpoints["addressType"]}
    assert {True} == {point["conditions"]["ready"] for point in endpoints["endpoints"]}
    addresses = {each["status"]["podIP"] for each in space.items("pods", labelSelector="app=web")}
    assert addresses == {address for point in endpoints["endpoints"] for address in point["addresses"]}
    space.api.patch(space.path("pods", "other"), {"metadata": {"labels": {"app": "web"}}}).object()
    until(lambda: space.endpoints("web") == names | {"other"}, "the Service leads to the third pod too")


def test_orphans_are_kept(space: Space) -> None:
    """With propagationPolicy Orphan a Deployment goes alone: its ReplicaSet and pods stay, without it as owner."""
    space.create("deployments", workload("web", 1)).object()
    old = space.ready_pods("app=web", 1)[0]["metadata"]["uid"]
    space.api.delete(space.path("deployments", "web"), {"propagationPolicy": "Orphan"}).object()
    until(lambda: not space.items("deployments"), "the Deployment is gone")
    [left] = space.items("replicasets")
    assert not left["metadata"].get("ownerReferences")
    assert old == space.ready_pods("app=web", 1)[0]["metadata"]["uid"]


def test_job_runs_to_its_end(space: Space) -> None:
    """A Job runs a pod, and is complete when that has succeeded: here because the test says so, as a kubelet would."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.org/job:1"}]}}
    space.create("jobs", {"metadata": {"name": "once"}, "spec": {"template": template}}).object()
    [one] = space.ready_pods("batch.kubernetes.io/job-name=once", 1)
    done = {"status": {"phase": "Succeeded"}}
    space.api.patch(space.path("pods", one["metadata"]["name"], "status"), done).object()
    until(lambda: space.get("jobs", "once").get("status", {}).get("succeeded") == 1, "the Job has succeeded")
    conditions = {each["type"]: each["status"] for each in space.get("jobs", "once")["status"]["conditions"]}
    assert ("True", ("Job", "once")) == (conditions["Complete"], _controller(one))


def test_namespace_that_is_going_takes_nothing(space: Space) -> None:
    """A namespace that is being deleted takes nothing new, says why, and goes with all that was in it."""
    held = {"metadata": {"name": "held", "finalizers": ["molt-project.io/test"]}}
    space.create("configmaps", held).object()
    path = f"/api/v1/namespaces/{space.namespace}"
    space.api.delete(path).object()
    until(lambda: space.api.get(path).object()["status"]["phase"] == "Terminating", "the namespace is going")
    answer = space.create("configmaps", {"metadata": {"name": "late"}})
    text = f"unable to create new content in namespace {space.namespace} because it is being terminated"
    assert (403, "Forbidden", f'configmaps "late" is forbidden: {text}') == (
        answer.status,
        answer.reason,
        answer.message,
    )
    space.api.patch(space.path("configmaps", "held"), {"metadata": {"finalizers": None}}).object()
    until(lambda: space.api.get(path).status == 404, "the namespace is gone")


def _controller(obj: Object) -> tuple[str, str]:
    [owner] = [owner for owner in obj["metadata"]["ownerReferences"] if owner.get("controller")]
    return owner["kind"], owner["name"]
