"""What a function's handler asks of the API is what its rbac.yaml grants: nothing is missing, nothing is idle.

That it suffices is also proved over HTTP, where the embedded API server enforces the roles (test_on_clusters.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cordon.handler import handle as cordon
from dead_letter.handler import handler as keeper
from molt import dead_letters, fence, marks, seal
from molt.cluster.resources import ADMISSION_POLICIES, DEAD_LETTERS
from molt.events import Event
from molt.itinerary import Step
from molt.lifetime import Keys
from molt.outcome import Done
from quarantine.handler import handler as quarantine
from release.handler import handle as release
from rotate.handler import handler as rotate
from tag.handler import handle as tag
from terminate.handler import handle as terminate
from tests.functions.dead_letter.test_refusal import refused
from tests.functions.evidence.world import Case, container, status, step
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.rotate.vault import Vault, tick
from tests.functions.slips import QUARANTINE, ROTATE, event_of, slip_for

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
ALERT = Event(id="a", source="https://falco.org", type="falco.rule.output.v1", data={})
TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})

# A server-side apply is one PATCH, for which a real API server asks for `create` too where the object is not there yet.
IMPLIED = {("create", "networking.k8s.io", "networkpolicies")}

Right = tuple[str, str, str]


def _granted(function: str, overlay: str = "") -> set[Right]:
    path = FUNCTIONS / function / overlay / "rbac.yaml"
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    roles = [document for document in documents if document["kind"] in ("ClusterRole", "Role")]
    return {
        (verb, group, resource)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _asked(cluster: FakeCluster) -> set[Right]:
    return {(request.verb, request.group, request.resource) for request in cluster.requests}


def _cluster(kind: str) -> tuple[FakeCluster, FakeClock]:
    """Return a cluster with an old workload of a kind."""
    clock = FakeClock()
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    match kind:
        case "Deployment":
            cluster.deployment()
        case "ReplicaSet":
            cluster.replica_set("lone", 2, "shop", {"app": "lone"})
        case "StatefulSet":
            cluster.stateful_set()
        case _:
            cluster.daemon_set()
    clock.time += timedelta(hours=2)
    return cluster, clock


KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")


def _quarantine() -> set[Right]:
    asked = set(IMPLIED)
    for kind in KINDS:
        cluster, clock = _cluster(kind)
        cluster.put(ADMISSION_POLICIES, {"metadata": {"name": fence.NAME}})
        handle = quarantine()
        handle(event_of(slip_for(cluster.pods()[0], QUARANTINE, limits={"perWorkload": "50%"})), cluster, clock)
        handle(TICK, cluster, clock)
        asked |= _asked(cluster)
    return asked


def _bump(cluster: FakeCluster) -> None:
    for pod in cluster.pods():
        pod["metadata"]["resourceVersion"] += "1"


def _rotate() -> set[Right]:
    asked: set[Right] = set()
    handle = rotate(Keys(b"sixteen bytes or more"))
    for kind in KINDS:
        cluster, clock = _cluster(kind)
        cluster.policy(selector={})
        cluster.meddle = [_bump]
        assert isinstance(handle(event_of(slip_for(cluster.pods()[0], ROTATE)), cluster, clock), Done)
        assert isinstance(handle(TICK, cluster, clock), Done)
        asked |= _asked(cluster)
    return asked | _relocated() | _restarted() | _reconfigured() | _unknown() | _wide()


def _wide() -> set[Right]:
    """Move all pods of a node that only the pod names, and put their policy under attack."""
    cluster, clock = _cluster("Deployment")
    cluster.node("node-1")
    cluster.node("node-2")
    cluster.policy(underAttack={"factor": 4, "for": "1h"})
    event = event_of(slip_for(cluster.pods()[0], Step("rotate", {"scope": "Node", "strategy": "Relocate"})))
    event.data["target"]["node"] = None
    assert isinstance(rotate(Keys(b"sixteen bytes or more"))(event, cluster, clock), Done)
    asked = _asked(cluster)
    assert {
        ("patch", "molt-project.io", "rotationpolicies/status"),
        ("patch", "", "nodes"),
        ("get", "", "pods"),
    } <= asked
    return asked


def _unknown() -> set[Right]:
    cluster, clock = _cluster("DaemonSet")
    cluster.bare_pod("solo", ownerReferences=[{"kind": "CloneSet", "name": "x", "uid": "x", "controller": True}])
    clock.time += timedelta(hours=2)
    cluster.policy(selector={})
    rotate(Keys(b"sixteen bytes or more"))(TICK, cluster, clock)
    return _asked(cluster)


def _restarted() -> set[Right]:
    asked: set[Right] = set()
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        cluster, clock = _cluster(kind)
        cluster.policy(strategy="Restart", selector={})
        assert isinstance(rotate(Keys(b"sixteen bytes or more"))(TICK, cluster, clock), Done)
        asked |= _asked(cluster)
    return asked


def _reconfigured() -> set[Right]:
    """Reconfigure a workload whose fresh pods will not start, and take it back."""
    cluster, clock = _cluster("Deployment")
    top = cluster.objects["deployments", "shop", "web"]
    top["metadata"]["labels"] = {marks.RECONFIGURABLE: "true"}
    top["spec"]["template"] = {"spec": {"serviceAccountName": "a"}}
    dimension = {"name": "identity", "serviceAccountName": {"variants": ["a", "b"]}}
    cluster.policy(strategy="Reconfigure", reconfigure=[dimension])
    cluster.readiness = None
    for _ in range(2):
        rotate(Keys(b"sixteen bytes or more"))(TICK, cluster, clock)
        clock.time += timedelta(minutes=10)
    assert marks.UNDONE_COMBINATION in marks.annotations_of(cluster.objects["deployments", "shop", "web"])
    return _asked(cluster)


def _relocated() -> set[Right]:
    """Relocate a pod whose replacement finds no node, and undo it."""
    cluster, clock = _cluster("Deployment")
    cluster.node("node-1")
    cluster.policy(strategy="Relocate")
    for _ in range(2):
        rotate(Keys(b"sixteen bytes or more"))(TICK, cluster, clock)
        clock.time += timedelta(minutes=10)
    return _asked(cluster)


def _release() -> set[Right]:
    cluster, clock = _cluster("Deployment")
    for then in ("Release", "Terminate"):
        step = Step("quarantine", {"retention": {"after": "1h", "then": then}})
        target = next(pod for pod in cluster.pods() if not marks.is_compromised(pod))
        quarantine()(event_of(slip_for(target, step)), cluster, clock)
    cluster.requests.clear()
    clock.time += timedelta(hours=1)
    assert isinstance(release(TICK, cluster, clock), Done)
    return _asked(cluster)


def _tag() -> set[Right]:
    cluster, clock = _cluster("Deployment")
    assert isinstance(tag(event_of(slip_for(cluster.pods()[0], Step("tag"))), cluster, clock), Done)
    return _asked(cluster)


def _terminate() -> set[Right]:
    cluster, clock = _cluster("Deployment")
    for force in (False, True):
        step = Step("terminate", {"force": force})
        assert isinstance(terminate(event_of(slip_for(cluster.pods()[0], step)), cluster, clock), Done)
    return _asked(cluster)


def _cordon() -> set[Right]:
    cluster, clock = _cluster("Deployment")
    cluster.node("node-1")
    cluster.node("node-2")
    step = Step("cordon", {"for": "1h"})
    assert isinstance(cordon(event_of(slip_for(cluster.pods()[0], step)), cluster, clock), Done)
    clock.time += timedelta(hours=2)
    assert isinstance(cordon(TICK, cluster, clock), Done)
    return _asked(cluster)


def _evidence(*, checkpoint: bool = False) -> set[Right]:
    case = Case()
    world = case.world
    world.replica_set("lone", 1, "shop", {"app": "lone"})
    world.stateful_set()
    world.daemon_set()
    world.job_pod()
    for pod in world.pods():
        pod["spec"]["containers"], pod["status"]["containerStatuses"] = [container("main")], [status("main")]
        assert isinstance(case.take(event_of(slip_for(pod, step(checkpoint=checkpoint)))), Done)
    return _asked(world)


def _dead_letter() -> set[Right]:
    cluster, clock = _cluster("Deployment")
    keep = keeper()
    old = dead_letters.render(ALERT, "r", code="", destination="", alert="", now=clock.now() - timedelta(days=40))
    cluster.create(DEAD_LETTERS, old, dead_letters.NAMESPACE)
    cluster.requests.clear()
    for _ in range(2):
        keep(replace(ALERT, id="another"), cluster, clock)
    keep(refused("evidence", seal.UNSIGNED), cluster, clock)
    return _asked(cluster)


ASKED: dict[str, Callable[[], set[Right]]] = {
    "quarantine": _quarantine,
    "release": _release,
    "rotate": _rotate,
    "tag": _tag,
    "terminate": _terminate,
    "cordon": _cordon,
    "evidence": _evidence,
    "dead-letter": _dead_letter,
}


@pytest.mark.parametrize(("function", "asked"), ASKED.items())
def test_a_function_has_just_the_rights_that_it_uses(function: str, asked: Any) -> None:
    """The (verb, group, resource) triples that its handler asks for equal those of its role."""
    assert _granted(function) == asked()


def test_a_checkpoint_needs_a_right_that_the_base_does_not_have() -> None:
    """Who installs the overlay gives it, and nothing else."""
    assert (
        {("create", "", "nodes/proxy")}
        == _granted("evidence", "checkpoints")
        == _evidence(checkpoint=True) - _evidence()
    )


def test_a_secret_is_regenerated_by_the_right_that_its_owner_gives() -> None:
    """The Role of the example is what is asked for beyond the function's own, and names one Secret."""
    asked: set[Right] = set()
    for broken in ("", "web"):
        vault = Vault(FakeClock())
        vault.broken = {broken}
        for _ in range(8):
            tick(vault)
        asked |= _asked(vault)
    path = FUNCTIONS.parent / "examples" / "policies" / "regenerate-secret.yaml"
    (role,) = (item for item in yaml.safe_load_all(path.read_text(encoding="utf-8")) if item["kind"] == "Role")
    (rule,) = role["rules"]
    given = {(verb, group, "secrets") for group in rule["apiGroups"] for verb in rule["verbs"]}
    assert given == asked - _granted("rotate")
    assert (["secrets"], ["db-credentials"]) == (rule["resources"], rule["resourceNames"])


def test_no_function_reads_secrets() -> None:
    """Nor configuration, where people put secrets too."""
    for path in FUNCTIONS.glob("*/rbac.yaml"):
        assert not {"secrets", "configmaps"} & {resource for _, _, resource in _granted(path.parent.name)}, path


def test_no_role_has_a_wildcard() -> None:
    """Every right is named."""
    for path in FUNCTIONS.glob("*/rbac.yaml"):
        assert not any("*" in right for right in _granted(path.parent.name)), path


@pytest.mark.parametrize("function", ASKED)
def test_the_account_is_the_functions_own(function: str) -> None:
    """Account, role and binding go together, in molt's namespace."""
    documents = list(yaml.safe_load_all((FUNCTIONS / function / "rbac.yaml").read_text(encoding="utf-8")))
    by_kind = {document["kind"]: document for document in documents}
    assert {"name": function, "namespace": "molt"}.items() <= by_kind["ServiceAccount"]["metadata"].items()
    for role, binding in ((kind, by_kind[f"{kind}Binding"]) for kind in ("ClusterRole", "Role") if kind in by_kind):
        assert (role, by_kind[role]["metadata"]["name"]) == (binding["roleRef"]["kind"], binding["roleRef"]["name"])
        assert [{"kind": "ServiceAccount", "name": function, "namespace": "molt"}] == binding["subjects"]
