"""The control plane itself: that it is the one that was asked for, and does what the suites build on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from molt.cluster import Cluster
from molt.cluster.resources import PODS
from testbed.control_plane import ControlPlane
from testbed.recipe import TestbedError, recipe, supported
from tests.contract.space import Space, is_ready, pod, steadily, until, workload

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real


@pytest.fixture
def space(control_plane: ControlPlane) -> Iterator[Space]:
    """Make a namespace for one test."""
    name = f"testbed-{time.monotonic_ns()}"
    control_plane.api.post("/api/v1/namespaces", {"metadata": {"name": name}}).object()
    made = Space(control_plane.api, name)
    until(lambda: made.names("serviceaccounts") == ["default"], "the default ServiceAccount")
    yield made
    control_plane.api.delete(f"/api/v1/namespaces/{name}")


def test_version(control_plane: ControlPlane) -> None:
    """The server says the version that the recipe names, in the form that clients parse."""
    wanted = recipe(os.environ.get("TESTBED_KUBERNETES", "")).kubernetes
    told = control_plane.api.get("/version").object()
    assert f"v{wanted}" == told["gitVersion"] == control_plane.version
    assert wanted.split(".")[:2] == [told["major"], told["minor"]]


def test_recipes() -> None:
    """The newest version is the default, a minor names its patch, an unknown one is refused with those there are."""
    newest, *others = supported()
    assert newest == recipe().kubernetes
    assert others == [recipe(other.rpartition(".")[0]).kubernetes for other in others]
    with pytest.raises(TestbedError, match=r"Kubernetes 1\.2 cannot be built here: only 1\."):
        recipe("1.2")


def test_token_speaks_for_its_account(control_plane: ControlPlane) -> None:
    """A token of a ServiceAccount is that account to the server, and RBAC is on."""
    api = control_plane.api_as(control_plane.token("default", "default"))
    review: dict[str, Any] = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    told = api.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review).object()["status"]["userInfo"]
    assert "system:serviceaccount:default:default" == told["username"]
    assert 403 == api.get("/api/v1/secrets").status


def test_kubeconfig(control_plane: ControlPlane, tmp_path: Path, space: Space) -> None:
    """The kubeconfig is one that molt's own client connects with, over TLS that it checks."""
    space.create("pods", pod("one", app="one")).object()
    cluster = Cluster.connect(kubeconfig=str(control_plane.kubeconfig(tmp_path / "config")))
    assert ["one"] == [each["metadata"]["name"] for each in cluster.list(PODS, space.namespace)]


def test_pods_look_as_a_kubelet_leaves_them(space: Space) -> None:
    """A Ready pod has an address and, for each container, an id of 64 hexadecimal digits of its own."""
    two = pod("two", app="one")
    two["spec"]["containers"].append({"name": "side", "image": "example.org/side:1"})
    space.create("pods", pod("one", app="one")).object()
    space.create("pods", two).object()
    ids = [
        status["containerID"].removeprefix("containerd://")
        for each in space.ready_pods("app=one", 2)
        for status in each["status"]["containerStatuses"]
    ]
    assert 3 == len(set(ids))
    assert all(len(each) == 64 and int(each, 16) for each in ids)


def test_slow_pods(space: Space) -> None:
    """Annotations make a pod slow to become Ready, and slow to go: the moments in which mistakes show."""
    slow = pod("slow", app="slow")
    slow["metadata"]["annotations"] = {
        "testbed.molt-project.io/ready-after": "1s",
        "testbed.molt-project.io/terminates-after": "1s",
    }
    space.create("pods", slow).object()
    until(lambda: space.get("pods", "slow")["spec"].get("nodeName"), "the pod is on a node")
    assert not is_ready(space.get("pods", "slow"))
    space.ready_pods("app=slow", 1)
    space.api.delete(space.path("pods", "slow")).object()
    assert "deletionTimestamp" in space.get("pods", "slow")["metadata"]
    until(lambda: space.names("pods") == [], "the pod is gone")


def test_a_pod_goes_once(control_plane: ControlPlane, space: Space) -> None:
    """A pod is deleted once: a second deletion, by the name, would hit the one that its StatefulSet made instead."""
    space.create("statefulsets", workload("db", 1, service="db")).object()
    (old,) = (each["metadata"]["uid"] for each in space.ready_pods("app=db", 1))
    space.evict("db-0").object()
    until(lambda: [each for each in space.items("pods") if each["metadata"]["uid"] != old], "the next db-0")
    (log,) = (log for log in control_plane.logs if log.name == "kwok.log")
    place = f'"{space.namespace}/db-0"'

    def deletions() -> int:
        return sum(place in line and "elete" in line for line in log.read_text(encoding="utf-8").splitlines())

    until(lambda: deletions() == 1, "kwok says that it deleted the pod")
    steadily(lambda: deletions() == 1, "kwok deleted it once")


def test_compaction_forgets(control_plane: ControlPlane, space: Space) -> None:
    """After a compaction the next page of an old list is 410 Expired. Events: no cache stands before them."""
    for number in range(3):
        about = {"kind": "Pod", "namespace": space.namespace, "name": "none"}
        space.create("events", {"metadata": {"name": f"event-{number}"}, "involvedObject": about}).object()
    path = space.path("events")
    page = space.api.get(path, limit="1").object()["metadata"]
    assert 200 == space.api.get(path, limit="1", **{"continue": page["continue"]}).status
    space.api.delete(space.path("events", "event-2")).object()
    control_plane.compact()
    answer = space.api.get(path, limit="1", **{"continue": page["continue"]})
    assert (410, "Expired") == (answer.status, answer.reason)


def test_a_program_that_ends_is_told(tmp_path: Path) -> None:
    """Where a part cannot run, the error names it and quotes its last words."""
    binaries = tmp_path / "binaries"
    binaries.mkdir()
    for name, text in (("keys", "exit 0"), ("etcd", "echo no disk; exit 3")):
        (binaries / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (binaries / name).chmod(0o755)
    with (
        pytest.raises(TestbedError, match=r"etcd ended with 3:\nno disk"),
        ControlPlane.running(binaries, tmp_path),
    ):
        pytest.fail("it must not start")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="without setpriv nothing ties a program to its parent")
def test_programs_end_with_who_started_them(tmp_path: Path) -> None:
    """A test run that is killed leaves no program of the control plane behind."""
    code = (
        "import pathlib, testbed.process, sys;"
        "program = testbed.process.Program.start(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), ['600']);"
        "print(program.popen.pid, flush=True); sys.stdin.read()"
    )
    sleep = shutil.which("sleep") or ""
    with subprocess.Popen(
        [sys.executable, "-c", code, sleep, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        program = int((parent.stdout or sys.stdin).readline())
        until(lambda: Path(f"/proc/{program}/comm").read_text(encoding="ascii") == "sleep\n", "it is tied and runs")
        parent.kill()
    until(lambda: not _runs(program), "the program is gone")


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that is dead and that nobody waited for does not."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
