"""What each function does for a living, as its own account on a real API server, and how one sees that it was done.

A scenario that ends without an error has proved that nothing was left undone: what a function merely logs when it is
refused (an Event, a status) is looked for in the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from dead_letter.handler import handler as keeper
from dead_letter.refusal import REFUSED
from detect_router.handler import handle as route
from molt import dead_letters, fence, ledger, marks, seal
from molt.cluster import (
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    NETWORK_POLICIES,
    NODES,
    PDBS,
    PODS,
    REPLICA_SETS,
    RESPONSE_POLICIES,
    ROTATION_POLICIES,
    STATEFUL_SETS,
    Cluster,
    NotFound,
    Resource,
)
from molt.cluster.resources import DEAD_LETTERS, FENCES, LEDGERS
from molt.dead_letters import DeadLetter
from molt.events import Event
from molt.itinerary import Step
from molt.lifetime import Keys
from molt.outcome import Clock, DeadLettered, Done, Outcome, Skipped, SystemClock
from molt.workload import is_ready, is_terminating
from quarantine.handler import handler as isolator
from rotate.handler import handler as rotator
from tests.contract.space import until
from tests.functions.dead_letter.test_refusal import refused
from tests.functions.detect_router.world import alert_data, event
from tests.functions.installation import Installation
from tests.functions.rotate.test_on_clusters import TICK, LaterClock, RushedClock
from tests.functions.slips import QUARANTINE, ROTATE, event_of, slip_for
from tests.real.rights import Account

Object = dict[str, Any]

REPLICAS = {"web": 3, "lone": 2, "db": 2, "agent": 3}  # of a DaemonSet one for each node of the testbed
KINDS = {"web": "Deployment", "lone": "ReplicaSet", "db": "StatefulSet", "agent": "DaemonSet"}
RULE = "A rule of the privilege suite"
_OTHERS: dict[str, Resource] = {"lone": REPLICA_SETS, "db": STATEFUL_SETS, "agent": DAEMON_SETS}

_RESTARTED: dict[str, Resource] = {"web": DEPLOYMENTS, "db": STATEFUL_SETS, "agent": DAEMON_SETS}

turn = rotator(Keys(b"sixteen bytes or more"))


def isolate(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
    """Handle an event as a process does that has just started: it remembers nothing that it need not ask for."""
    return isolator()(event, cluster, clock)


class Stage:
    """A namespace with a workload of each kind, and the policies of the scenarios."""

    def __init__(self, here: Installation, connect: Callable[[str], Account]) -> None:
        """Set up what stays for all scenarios."""
        self.here = here
        self.admin = here.admin
        self._connect = connect
        here.deployment("web", REPLICAS["web"])
        for name, resource in _OTHERS.items():
            self.admin.create(resource, _workload(name), here.namespace)
        match = {"rules": [RULE], "namespaces": [here.namespace]}
        for name, criteria in (("works", match), ("broken", {**match, "expression": "alert.priority =="})):
            spec = {"mode": "Enforce", "order": 0, "match": criteria, "remedies": [{"quarantine": {}}]}
            self.admin.create(RESPONSE_POLICIES, {"metadata": {"name": f"{here.namespace}-{name}"}, "spec": spec})
        self.settle()

    def strike(self) -> None:
        """Take away what no namespace does."""
        for name in ("works", "broken"):
            self.admin.delete(RESPONSE_POLICIES, f"{self.here.namespace}-{name}")

    @contextmanager
    def account(self, function: str) -> Iterator[Account]:
        """Lend a client with the rights that the function has now."""
        account = self._connect(function)
        yield account
        account.close()

    def pods(self, name: str) -> list[Object]:
        """Return the workload's Ready pods, the youngest last."""
        found = [pod for pod in self.admin.list(PODS, self.here.namespace, labels=f"app={name}") if is_ready(pod)]
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def settle(self) -> None:
        """Clear what a scenario left half done away, and wait until every workload is whole."""
        for pod in self.admin.list(PODS, self.here.namespace):
            if marks.is_compromised(pod) or marks.is_retiring(pod):
                with suppress(NotFound):
                    self.admin.delete(PODS, pod["metadata"]["name"], self.here.namespace, grace_seconds=0)
        with suppress(NotFound):  # the places of those pods
            self.admin.delete(LEDGERS, ledger.NAME)
        until(self._is_whole, "every workload is whole")

    def _is_whole(self) -> bool:
        pods = {name: self.admin.list(PODS, self.here.namespace, labels=f"app={name}") for name in REPLICAS}
        return all(REPLICAS[name] == len(found) == sum(map(is_ready, found)) for name, found in pods.items())


def _workload(name: str) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}
    spec: Object = {"selector": {"matchLabels": labels}, "template": template}
    if name != "agent":
        spec["replicas"] = REPLICAS[name]
    if name == "db":
        spec["serviceName"] = name
    return {"metadata": {"name": name}, "spec": spec}


def routes_an_alert(stage: Stage, account: Account) -> None:
    """Find the pod by its name, and the policy."""
    pod = stage.pods("web")[0]
    outcome = route(event(_alert(pod)), account, SystemClock())
    assert isinstance(outcome, Done)
    assert outcome.event is not None
    assert pod["metadata"]["uid"] == outcome.event.data["target"]["uid"]


def routes_an_alert_without_a_name(stage: Stage, account: Account) -> None:
    """Find the pod by its container."""
    pod = stage.pods("web")[0]
    outcome = route(event(_alert(pod) | {"output_fields": _container(pod)}), account, SystemClock())
    assert isinstance(outcome, Done)
    assert outcome.event is not None
    assert pod["metadata"]["uid"] == outcome.event.data["target"]["uid"]


def tells_the_author_of_a_broken_policy(stage: Stage, account: Account) -> None:
    """Write into the status of a policy whose expression does not compile."""
    name = f"{stage.here.namespace}-broken"
    stage.admin.merge(RESPONSE_POLICIES, name, {"status": None}, subresource="status")
    route(event(_alert(stage.pods("web")[0])), account, SystemClock())
    conditions = (stage.admin.get(RESPONSE_POLICIES, name).get("status") or {}).get("conditions") or []
    assert ["False"] == [condition["status"] for condition in conditions if condition["type"] == "Accepted"]


def isolates(name: str) -> Play:
    """Return the scenario in which quarantine isolates a pod of a workload, within a limit in percent."""

    def play(stage: Stage, account: Account) -> None:
        pod = stage.pods(name)[0]
        alert = {"id": f"alert-{time.monotonic_ns()}"}
        slip = slip_for(pod, QUARANTINE, limits={"perWorkload": "50%", "perMinute": 10_000}, alert=alert)
        assert isinstance(isolate(event_of(slip), account, SystemClock()), Done)
        held = stage.admin.get(PODS, pod["metadata"]["name"], stage.here.namespace)
        assert {marks.COMPROMISED: "true"} == held["metadata"]["labels"]
        stage.admin.get(NETWORK_POLICIES, marks.ISOLATION, stage.here.namespace)
        notes = [note for note in stage.admin.list(EVENTS, stage.here.namespace) if note.get("reason") == "Quarantined"]
        assert pod["metadata"]["uid"] in {note["regarding"]["uid"] for note in notes}
        # Its token is fenced, and whatever might open it was looked at: only the network plugin is not known here.
        assert ["whether the node's network plugin"] == [leak[9:42] for leak in marks.leaks_of(held) or ()]

    return play


def isolates_the_first_of_its_namespace(stage: Stage, account: Account) -> None:
    """Make the NetworkPolicy, too: that is a server-side apply, for which RBAC wants `create` as well."""
    with suppress(NotFound):
        stage.admin.delete(NETWORK_POLICIES, marks.ISOLATION, stage.here.namespace)
    isolates("web")(stage, account)


def moves_a_sibling(name: str) -> Play:
    """Return the scenario in which rotate moves one pod of a workload on an alert's account."""

    def play(stage: Stage, account: Account) -> None:
        before = stage.pods(name)
        clock = LaterClock()
        slip = slip_for(before[0], ROTATE, alert={"time": marks.stamp(clock.now())})
        assert isinstance(turn(event_of(slip), account, clock), Done)
        _one_has_gone(before, stage.pods(name))

    return play


def moves_an_area(scope: str) -> Play:
    """Return the scenario in which an alert moves a pod of each workload of an area, and raises the alarm."""

    def play(stage: Stage, account: Account) -> None:
        before = {name: stage.pods(name) for name in REPLICAS}
        clock, target = LaterClock(), before["web"][0]
        moment, node = clock.now().replace(microsecond=0), target["spec"]["nodeName"]
        attack = {"underAttack": {"factor": 2, "for": "1h"}, "maxMoving": sum(REPLICAS.values())}
        spec = {"mode": "Enforce", "selector": {}, "lifetime": {"every": "8760h"}, **attack}
        stage.admin.create(ROTATION_POLICIES, {"metadata": {"name": "attacked"}, "spec": spec}, stage.here.namespace)
        alert = {"id": f"alert-{time.monotonic_ns()}", "time": marks.stamp(moment)}
        slip = slip_for(target, Step("rotate", {"scope": scope}), alert=alert)
        slip = replace(slip, target=replace(slip.target, node=node))
        try:
            assert isinstance(turn(event_of(slip), account, clock), Done)
            status = stage.admin.get(ROTATION_POLICIES, "attacked", stage.here.namespace).get("status") or {}
            assert marks.stamp(moment) == status.get("underAttackSince")
            for pods in before.values():
                asked = [pod for pod in pods if scope == "Namespace" or pod["spec"]["nodeName"] == node]
                if asked:
                    _one_has_gone(asked, stage.admin.list(PODS, stage.here.namespace))
            notes = stage.admin.list(EVENTS, stage.here.namespace)
            assert "web" in {note["regarding"]["name"] for note in notes if alert["id"] in (note.get("note") or "")}
        finally:
            stage.admin.delete(ROTATION_POLICIES, "attacked", stage.here.namespace)

    return play


def moves_a_pod_that_changes_meanwhile(stage: Stage, account: Account) -> None:
    """Read the pod again that somebody else has changed before the patch."""
    patch = {"metadata": {"annotations": {"example.org/touched": str(time.monotonic_ns())}}}

    def touch() -> None:
        for pod in stage.pods("web"):
            stage.admin.merge(PODS, pod["metadata"]["name"], patch, stage.here.namespace)

    account.meddle = touch
    moves_a_sibling("web")(stage, account)


def moves_by_the_clock(stage: Stage, account: Account) -> None:
    """Move a pod of every workload in one tick, and write what was done into the policy's status."""
    before = {name: stage.pods(name) for name in REPLICAS}
    spec = {"mode": "Enforce", "selector": {}, "lifetime": {"every": "30m"}, "maxMoving": len(REPLICAS)}
    stage.admin.create(ROTATION_POLICIES, {"metadata": {"name": "all"}, "spec": spec}, stage.here.namespace)
    try:
        assert isinstance(turn(TICK, account, LaterClock()), Done)
        for name, pods in before.items():
            _one_has_gone(pods, stage.pods(name))
        status = stage.admin.get(ROTATION_POLICIES, "all", stage.here.namespace).get("status") or {}
        assert {"managed", "due", "moving", "blocked", "exposedSince", "lastRotation", "nextRotation"} < set(status)
        notes = stage.admin.list(EVENTS, stage.here.namespace)
        assert set(REPLICAS) <= {note["regarding"]["name"] for note in notes if note.get("reason") == "Rotated"}
    finally:
        stage.admin.delete(ROTATION_POLICIES, "all", stage.here.namespace)


def relocates_in_vain(stage: Stage, account: Account) -> None:
    """Bar the only node that will do, undo the move, open the node, and tell of it on the workload."""
    node = stage.admin.list(NODES)[0]["metadata"]["name"]
    name = f"pinned-{time.monotonic_ns()}"
    stage.here.deployment(name, 1, node)
    selector = {"matchLabels": {"app": name}}
    spec = {"mode": "Enforce", "selector": selector, "lifetime": {"every": "30m"}, "strategy": "Relocate"}
    stage.admin.create(ROTATION_POLICIES, {"metadata": {"name": name}, "spec": spec}, stage.here.namespace)
    try:
        assert isinstance(turn(TICK, account, RushedClock()), Skipped)
        assert marks.RELOCATING not in str(stage.admin.get(NODES, node))
        notes = stage.admin.list(EVENTS, stage.here.namespace)
        assert name in {note["regarding"]["name"] for note in notes if note.get("reason") == "MoltRotationUndone"}
    finally:
        stage.admin.delete(ROTATION_POLICIES, name, stage.here.namespace)
        stage.admin.delete(DEPLOYMENTS, name, stage.here.namespace)
        stage.admin.merge(NODES, node, {"spec": {"taints": None}, "metadata": {"labels": {marks.RELOCATING: None}}})


def moves_a_stranger(stage: Stage, account: Account) -> None:
    """Evict a pod of a workload of a kind that it does not know, whose disruption budget says how many there are."""
    name = f"stranger-{time.monotonic_ns()}"
    space = stage.here.namespace
    kind = Resource("", "v1", "configmaps", "ConfigMap")
    owner = stage.admin.create(kind, {"metadata": {"name": name}}, space)["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": owner["uid"], "controller": True}
    labels = {"app": name}
    selector = {"matchLabels": labels}
    stage.admin.create(PDBS, {"metadata": {"name": name}, "spec": {"minAvailable": 1, "selector": selector}}, space)
    for number in range(2):
        metadata = {"name": f"{name}-{number}", "labels": labels, "ownerReferences": [reference]}
        pod = {"metadata": metadata, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}
        stage.admin.create(PODS, pod, space)
    until(lambda: len(stage.pods(name)) == 2 and _counted(stage, name), "its budget counts two pods")
    spec = {"mode": "Enforce", "selector": selector, "lifetime": {"every": "30m"}}
    stage.admin.create(ROTATION_POLICIES, {"metadata": {"name": name}, "spec": spec}, space)
    try:
        assert isinstance(turn(TICK, account, LaterClock()), Done)
        until(lambda: len(stage.pods(name)) == 1, "one has gone")
    finally:
        stage.admin.delete(ROTATION_POLICIES, name, space)
        stage.admin.delete(PDBS, name, space)
        stage.admin.delete(kind, name, space)


def _counted(stage: Stage, name: str) -> bool:
    status = stage.admin.get(PDBS, name, stage.here.namespace).get("status") or {}
    return bool(status.get("disruptionsAllowed") == 1)


def restarts(name: str) -> Play:
    """Return the scenario in which an alert restarts a workload, and ticks see it through."""

    def play(stage: Stage, account: Account) -> None:
        before = stage.pods(name)
        clock = SystemClock()
        pause = 1.1 - time.time() % 1  # creationTimestamp has whole seconds
        clock.sleep(max(0.0, pause))
        step = Step("rotate", {"scope": "Workload", "strategy": "Restart"})
        slip = slip_for(before[0], step, alert={"time": marks.stamp(clock.now())})
        assert isinstance(turn(event_of(slip), account, clock), Done)
        labels = f"{marks.RESTARTING}=true"
        resource = _RESTARTED[name]
        try:
            until(lambda: _passes(stage, account, resource, labels), f"{name} is restarted")
        finally:
            for obj in stage.admin.list(resource, stage.here.namespace, labels=labels):
                patch = {"metadata": {"labels": {marks.RESTARTING: None}}}
                stage.admin.merge(resource, obj["metadata"]["name"], patch, stage.here.namespace)
        assert not {pod["metadata"]["uid"] for pod in before} & {pod["metadata"]["uid"] for pod in stage.pods(name)}

    return play


def _passes(stage: Stage, account: Account, resource: Resource, labels: str) -> bool:
    turn(TICK, account, SystemClock())
    return not stage.admin.list(resource, stage.here.namespace, labels=labels)


def tells_of_a_refusal(stage: Stage, account: Account) -> None:
    """Tell of a refused event, by an Event in molt's own namespace, where none is yet."""

    def told() -> list[str]:
        return [one["metadata"]["name"] for one in stage.admin.list(EVENTS, "molt") if one["reason"] == REFUSED]

    for name in told():
        stage.admin.delete(EVENTS, name, "molt")
    assert isinstance(keeper()(refused("evidence", seal.UNSIGNED), account, SystemClock()), DeadLettered)
    assert 1 == len(told())


def reconfigures(stage: Stage, account: Account) -> None:
    """Change a label and the ServiceAccount of a Deployment's pods by one rollout, seen through by ticks."""
    name, space = f"varied-{time.monotonic_ns()}", stage.here.namespace
    template = {
        "metadata": {"labels": {"app": name, "version": "1"}},
        "spec": {"serviceAccountName": "default", "containers": [{"name": "main", "image": "web:1"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    metadata = {"name": name, "labels": {marks.RECONFIGURABLE: "true"}}
    dimensions: list[Object] = [
        {"name": "version", "label": {"key": "version", "variants": ["1", "2"]}},
        {"name": "identity", "serviceAccountName": {"variants": ["default", "other"], "pin": "default"}},
    ]
    policy: Object = {"mode": "Enforce", "selector": {"matchLabels": {"app": name}}, "lifetime": {"every": "1s"}}
    policy |= {"strategy": "Reconfigure", "reconfigure": dimensions}
    stage.admin.create(DEPLOYMENTS, {"metadata": metadata, "spec": spec}, space)
    try:
        until(lambda: len(stage.pods(name)) == 1, "it is whole")
        time.sleep(1.1)  # it is older than a second
        stage.admin.create(ROTATION_POLICIES, {"metadata": {"name": name}, "spec": policy}, space)
        until(lambda: _is_reconfigured(stage, account, name), "it is reconfigured")
    finally:
        with suppress(NotFound):
            stage.admin.delete(ROTATION_POLICIES, name, space)
        stage.admin.delete(DEPLOYMENTS, name, space)


def _is_reconfigured(stage: Stage, account: Account, name: str) -> bool:
    turn(TICK, account, SystemClock())
    top = stage.admin.get(DEPLOYMENTS, name, stage.here.namespace)
    if marks.COMBINATION not in marks.annotations_of(top):
        return False
    with suppress(NotFound):  # once is enough
        stage.admin.delete(ROTATION_POLICIES, name, stage.here.namespace)
    return marks.RESTARTING not in marks.labels_of(top)


def keeps_letters(stage: Stage, account: Account) -> None:
    """Keep a letter, keep it once more, and let go of one that is too old."""
    letter = Event(id="1", source="/s", type="t", data={"of": stage.here.namespace, "number": 2**64 - 1})
    told = {"reason": "r", "code": "", "destination": "", "alert": ""}
    old = dead_letters.render(letter, **told, now=SystemClock().now() - timedelta(days=31))
    stage.admin.create(DEAD_LETTERS, old, dead_letters.NAMESPACE)
    keep, name = keeper(), ""
    try:
        for _ in range(2):
            outcome = keep(replace(letter, id="2"), account, SystemClock())
            assert isinstance(outcome, DeadLettered)
            assert "kept" in outcome.letter, outcome.letter
            name = outcome.letter["kept"]
        found = stage.admin.list(DEAD_LETTERS, dead_letters.NAMESPACE)
        assert [name] == [each["metadata"]["name"] for each in found]
        assert letter.data == DeadLetter.parse(found[0]).to_send().data
        assert "last" in found[0]["spec"]
    finally:
        for one in stage.admin.list(DEAD_LETTERS, dead_letters.NAMESPACE):
            stage.admin.delete(DEAD_LETTERS, one["metadata"]["name"], dead_letters.NAMESPACE)


def fences_the_first_of_all(stage: Stage, account: Account) -> None:
    """Make the part of the list that the pod stands in."""
    for shard in stage.admin.list(FENCES):
        stage.admin.delete(FENCES, shard["metadata"]["name"])
    isolates("web")(stage, account)


def mends_the_fence(stage: Stage, account: Account) -> None:
    """Take a pod that is gone off the list."""
    fence.put_up(stage.admin, "gone", "shop/gone")
    assert isinstance(isolate(TICK, account, SystemClock()), Done)
    assert not any("gone" in shard["spec"]["pods"] for shard in stage.admin.list(FENCES))


Play = Callable[[Stage, Account], None]

PLAYS: dict[str, dict[str, Play]] = {
    "detect-router": {
        "an alert that names its pod": routes_an_alert,
        "an alert that names a container": routes_an_alert_without_a_name,
        "a broken policy": tells_the_author_of_a_broken_policy,
    },
    "quarantine": {
        "the first pod of a namespace": isolates_the_first_of_its_namespace,
        "the first pod behind the fence": fences_the_first_of_all,
        "a tick": mends_the_fence,
        **{f"a pod of a {kind}": isolates(name) for name, kind in KINDS.items()},
    },
    "rotate": {
        "a pod that changes meanwhile": moves_a_pod_that_changes_meanwhile,
        **{f"a sibling of a {kind}": moves_a_sibling(name) for name, kind in KINDS.items()},
        "a tick": moves_by_the_clock,
        **{f"a whole {scope}": moves_an_area(scope) for scope in ("Namespace", "Node")},
        "a relocation in vain": relocates_in_vain,
        "a pod of a kind that it does not know": moves_a_stranger,
        **{f"a restart of a {KINDS[name]}": restarts(name) for name in _RESTARTED},
        "a reconfiguration": reconfigures,
    },
    "dead-letter": {"letters": keeps_letters, "a refusal": tells_of_a_refusal},
}


def _one_has_gone(before: list[Object], after: list[Object]) -> None:
    """Fail unless just one of the pods is not Ready in its place any more."""
    left = {pod["metadata"]["uid"] for pod in after if not is_terminating(pod)}
    assert 1 == len({pod["metadata"]["uid"] for pod in before} - left)


def _alert(pod: Object) -> Object:
    names = {"k8s.ns.name": pod["metadata"]["namespace"], "k8s.pod.name": pod["metadata"]["name"]}
    return {**alert_data(names | _container(pod), time=None), "rule": RULE}


def _container(pod: Object) -> dict[str, str]:
    identity = pod["status"]["containerStatuses"][0]["containerID"].rpartition("://")[2]
    return {"container.id": identity[:12]}
