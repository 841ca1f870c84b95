"""What is asked for, how much of it is kept, and what is said of the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from evidence.box import Box
from evidence.collect import OWNERS, TIME, Collector, Wanted
from molt import marks
from molt.cluster import NotFound, Unavailable
from molt.cluster.backoff import Backoff
from molt.cluster.client import CHECKPOINT_SECONDS
from molt.cluster.transport import CONNECT_TIMEOUT, READ_TIMEOUT
from molt.evidence.bundle import Item, document
from tests.functions.evidence.world import Case, container, status, why
from tests.functions.slips import QUARANTINE, slip_for

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"


def _collected(case: Case, box: Box | None = None, *, checkpoint: bool = False, lines: int = 100) -> Box:
    wanted = Wanted(lines, checkpoint=checkpoint, patient=False)
    collector = Collector(case.world, case.clock, case.slip(), wanted, box or Box())
    collector.collect(case.target)
    return collector.box


def _items(box: Box) -> dict[str, Item]:
    return {item.path: item for item in box.items}


def _why(box: Box) -> dict[str, tuple[str, bool]]:
    return {one.what: (one.why, one.essential) for one in box.missing}


def test_logs_of_every_kind_of_container_and_of_the_run_before() -> None:
    """Regular, init and ephemeral ones; the previous one where there was one; none of what has not started."""
    case = Case()
    case.target["spec"] |= {
        "initContainers": [container("init")],
        "ephemeralContainers": [container("debug"), container("later")],
    }
    case.target["status"] |= {
        "containerStatuses": [status("main", restarted=True), status("sidecar", {"waiting": {}})],
        "initContainerStatuses": [status("init", {"terminated": {"exitCode": 0}})],
        "ephemeralContainerStatuses": [status("debug")],
    }
    box = _collected(case)
    assert ["main", "init", "debug", "main-previous"] == [name for name, _ in case.world.asked_for]
    logs = [path for path in _items(box) if path.startswith("logs/")]
    assert ["logs/main.log", "logs/init.log", "logs/debug.log", "logs/main.previous.log"] == logs
    why_not = ("the container has not started", False)
    assert {"logs/sidecar.log": why_not, "logs/later.log": why_not} == _why(box)


def test_a_crashing_container_has_a_log_while_it_waits() -> None:
    """In CrashLoopBackOff the state is waiting, and the last run's log is there."""
    case = Case()
    case.target["status"]["containerStatuses"][0] = status("main", {"waiting": {}}, restarted=True)
    assert {"logs/main.log", "logs/main.previous.log"} <= set(_items(_collected(case)))


CUTS = [
    pytest.param(b"a\nb\n", 100, Box(), b"a\nb\n", "", id="whole"),
    pytest.param(b"a\nb\n", 2, Box(), b"a\nb\n", "the last 2 lines: older ones may be left out", id="lines"),
    pytest.param(
        b"0123456789",
        100,
        Box(item=4000, total=100_000),
        b"0123456789",
        "",
        id="less than the cap",
    ),
    pytest.param(
        b"x" * 5000,
        100,
        Box(item=4000, total=100_000),
        b"x" * 4000,
        "the first 4000 bytes of the last 100 lines: newer lines are left out",
        id="the item's cap",
    ),
]


@pytest.mark.parametrize(("said", "lines", "box", "kept", "truncated"), CUTS)
def test_a_log_is_cut_and_says_so(said: bytes, lines: int, box: Box, kept: bytes, truncated: str) -> None:
    """The kubelet is asked for no more than there is room for, and what is left out is stated."""
    case = Case()
    case.world.logs_of["main"] = said
    item = _items(_collected(case, box, lines=lines))["logs/main.log"]
    assert (kept, truncated) == (item.data, item.truncated)
    assert (lines, box.item) == (case.world.asked_for[0][1].lines, case.world.asked_for[0][1].size)


def test_the_bundle_has_a_cap() -> None:
    """The first log takes what room there is; the second is missing, and nothing stops for it."""
    case = Case()
    _collected(case)  # the pod becomes Ready
    plain = _collected(case).used - len(b"2026-11-24T11:59:00Z hello\n") * 2
    case.world.logs_of = {"main": b"x" * 9000, "sidecar": b"y"}
    box = _collected(case, Box(total=plain + 500))
    assert b"x" * 500 == _items(box)["logs/main.log"].data
    assert {"logs/sidecar.log": (f"the bundle's cap of {plain + 500} bytes is reached", False)} == _why(box)


def test_what_is_too_large_for_an_object_is_missing() -> None:
    """Half an object is no JSON."""
    box = _collected(Case(), Box(item=200))
    reason, essential = _why(box)["pod.json"]
    assert not essential
    assert reason.endswith("and there is room for 200")


def test_of_a_long_list_the_last_ones_are_kept() -> None:
    """Events are in the order of their times: the newest say what happened."""
    case = Case()
    for number in range(200):
        case.clock.time += timedelta(seconds=1)
        case.happened(f"e{number}", "x" * 100)
    item = _items(_collected(case, Box(item=6000)))["events.json"]
    kept = json.loads(item.data)
    assert "e199" == kept[-1]["metadata"]["name"]
    assert f"the last {len(kept)} of 201 objects" == item.truncated
    assert 3000 < len(item.data) <= 6000


def test_a_list_is_measured_as_it_is_written() -> None:
    """With the blanks of its indentation, which grow with an object's lines; one byte less, and one object less."""
    objects = [
        {"metadata": {"name": f"e{number}", "annotations": {str(line): "" for line in range(100)}}}
        for number in range(9)
    ]
    whole = len(document(objects))
    kept = []
    for cap in (whole, whole - 1, 3):
        box = Box(item=cap)
        box.put_list("events.json", objects)
        assert len(box.items[0].data) <= cap
        kept.append((len(json.loads(box.items[0].data)), box.items[0].truncated))
    assert [(9, ""), (8, "the last 8 of 9 objects"), (0, "the last 0 of 9 objects")] == kept


def test_a_list_that_is_too_large_is_missing() -> None:
    """Whoever fills a namespace fills no function's memory, and cannot stop what follows."""
    case = Case()
    for number in range(9):
        case.happened(f"e{number}", "x" * 1_000_000)
    reason, essential = _why(_collected(case))["events.json"]
    assert (True, False) == (reason.startswith("the answer has"), essential)


def test_collecting_ends_when_it_takes_too_long() -> None:
    """A kubelet that hangs for each log would outlast the broker's patience; the previous runs matter least."""
    case = Case()
    case.target["status"]["containerStatuses"][0] = status("main", restarted=True)
    logs = case.world.logs

    def slow(*args: Any, **options: Any) -> bytes:
        case.clock.sleep(TIME.total_seconds())
        return logs(*args, **options)

    case.world.logs = slow  # type: ignore[method-assign]
    missing = _why(_collected(case))
    reason = "collecting took more than 20 seconds"
    assert {"logs/sidecar.log": (reason, True), "logs/main.previous.log": (reason, False)} == missing


def test_everything_else_has_the_same_time() -> None:
    """An API server that hangs for the first list gets no other question, not even for a checkpoint."""
    case = Case()
    listing = case.world.list

    def slow(*args: Any, **options: Any) -> Any:
        case.clock.sleep(TIME.total_seconds())
        return listing(*args, **options)

    case.world.list = slow  # type: ignore[method-assign]
    collector = Collector(case.world, case.clock, case.slip(), Wanted(1, checkpoint=True, patient=True))
    collector.collect(case.target)
    assert "" == collector.identity()
    assert ["list events"] == case.world.asked()
    missing = _why(collector.box)
    assert {"collecting took more than 20 seconds"} == {why for why, _ in missing.values()}
    assert ["checkpoints/main.json", "checkpoints/sidecar.json", "cluster id"] == sorted(
        path for path, (_, essential) in missing.items() if not essential
    )
    assert {"node.json", "owners/ReplicaSet-web-5d9c7b.json", "services.json", "logs/main.log"} <= set(missing)


def test_checkpoints_are_the_kubelets_answers() -> None:
    """One of each container that runs; it stays on the node, and the bundle says where."""
    case = Case()
    case.target["spec"]["containers"].append(container("done"))
    case.target["status"]["containerStatuses"].append(status("done", {"terminated": {}}))
    case.world.checkpoints["sidecar"] = Unavailable("500: not supported by the runtime")
    box = _collected(case, checkpoint=True)
    path = "/var/lib/kubelet/checkpoints/main.tar"
    assert {"node": "node-1", "answer": {"items": [path]}} == json.loads(_items(box)["checkpoints/main.json"].data)
    assert {
        "checkpoints/sidecar.json": ("500: not supported by the runtime", False),
        "checkpoints/done.json": ("the container does not run", False),
    } == _why(box)


def test_owners_are_followed_to_the_top_once_each() -> None:
    """An owner of a kind of somebody else is named, one that is gone is missing, a circle ends."""
    case = Case()
    top = case.world.objects["deployments", "shop", "web"]
    top["metadata"]["ownerReferences"] = [
        {"apiVersion": "argoproj.io/v1", "kind": "Rollout", "name": "web", "uid": "r"},
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": top["metadata"]["uid"]},
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "gone", "uid": "s"},
    ]
    box = _collected(case)
    assert 2 == len([path for path in _items(box) if path.startswith("owners/")])
    assert {
        "owners/Rollout-web.json": ("owners of kind Rollout are not collected", False),
        "owners/StatefulSet-gone.json": ("it is gone: statefulsets gone not found", True),
    } == _why(box)


def test_owners_have_a_cap_and_the_controllers_come_first() -> None:
    """Whoever writes a hundred owners onto his pod hides none, and asks the API server no hundred questions."""
    case = Case()
    more = [
        {"apiVersion": "apps/v1", "kind": "Job", "name": f"j{number}", "uid": f"j{number}"} for number in range(100)
    ]
    case.target["metadata"]["ownerReferences"][:0] = more
    box = _collected(case)
    paths = [path for path in _items(box) if path.startswith("owners/")]
    assert ["owners/ReplicaSet-web-5d9c7b.json", "owners/Deployment-web.json"] == paths
    assert (f"no more than {OWNERS} are looked at", False) == _why(box)["owners"]
    assert OWNERS - 2 == len([path for path in _why(box) if path.startswith("owners/")])


def test_a_pod_without_owner_and_node_has_neither() -> None:
    """A bare pod that was never scheduled."""
    case = Case()
    bare = case.world.bare_pod("bare")
    bare["spec"] = {}
    slip = slip_for(bare, QUARANTINE)
    collector = Collector(case.world, case.clock, slip, Wanted(1, checkpoint=True, patient=True))
    collector.collect(bare)
    assert "node.json" in _items(collector.box), "the alert's own node"
    assert [] == [path for path in _items(collector.box) if path.startswith(("owners", "logs", "checkpoints"))]
    nowhere = replace(slip, target=replace(slip.target, node=None))
    collector = Collector(case.world, case.clock, nowhere, Wanted(1, checkpoint=False, patient=True))
    collector.collect(bare)
    assert "node.json" not in _items(collector.box)


def test_a_quarantined_pods_policies_are_those_of_its_first_labels_too() -> None:
    """Evidence after quarantine, by a policy that has them in that order, still finds what had applied."""
    case = Case()
    labels = marks.labels_of(case.target)
    case.target["metadata"]["annotations"] = {marks.ORIGINAL_LABELS: marks.render_labels(labels)}
    case.target["metadata"]["labels"] = {marks.COMPROMISED: marks.TRUE}
    box = _collected(case)
    for path in ("networkpolicies.json", "services.json"):
        assert ["mine"] == [one["metadata"]["name"] for one in json.loads(_items(box)[path].data)]


def test_a_service_without_selector_selects_nothing_and_an_empty_policy_everything() -> None:
    """As Kubernetes has it."""
    case = Case()
    case.world.objects["services", "shop", "mine"]["spec"] = {}
    case.world.objects["networkpolicies", "shop", "other"]["spec"] = {"podSelector": {}}
    items = _items(_collected(case))
    assert [] == json.loads(items["services.json"].data)
    assert ["mine", "other"] == [one["metadata"]["name"] for one in json.loads(items["networkpolicies.json"].data)]


def test_credentials_do_not_reach_the_bundle() -> None:
    """In no file of it: neither the pod's nor its owners'."""
    case = Case()
    env = [{"name": "DB_PASSWORD", "value": "hunter2hunter2"}]
    case.target["spec"]["containers"] = [container("main", env=env)]
    for plural, name in (("deployments", "web"), ("replicasets", "web-5d9c7b")):
        case.world.objects[plural, "shop", name]["spec"]["template"] = {"spec": {"containers": [{"env": env}]}}
    box = _collected(case)
    assert [] == [item.path for item in box.items if b"hunter2" in item.data]
    assert b"redacted: sha256:" in _items(box)["owners/Deployment-web.json"].data


def test_an_error_that_may_pass_is_raised_to_the_patient() -> None:
    """Whatever it was about."""
    case = Case()
    case.world.failing["list", "services"] = Unavailable("busy")
    collector = Collector(case.world, case.clock, case.slip(), Wanted(1, checkpoint=False, patient=True))
    with pytest.raises(Unavailable):
        collector.collect(case.target)
    assert ("busy", True) == _why(_collected(case))["services.json"]


def test_the_clusters_identity_is_unknown_to_who_may_not_ask() -> None:
    """Missing, and nothing stops for it."""
    case = Case()
    case.world.failing["get", "namespaces"] = NotFound("none")
    case.handle()
    assert {"cluster id": "none"} == why(case.bundle())
    assert "" == case.bundle().custody["cluster"]


def test_collecting_ends_before_the_function_is_given_up() -> None:
    """What takes longest, begun at the last moment, still leaves time to write the bundle."""
    service = yaml.safe_load((FUNCTIONS / "evidence" / "service.yaml").read_text())
    timeout = service["spec"]["template"]["spec"]["timeoutSeconds"]
    slowest = max(CHECKPOINT_SECONDS + CONNECT_TIMEOUT, Backoff().total + READ_TIMEOUT + CONNECT_TIMEOUT)
    assert TIME.total_seconds() + slowest + 5 < timeout
