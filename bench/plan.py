"""How long a tick plans, and how much memory it takes: pods as an API server answers them, and no network.

    spread          each policy in a namespace of its own
    crowded         all policies in one namespace

A process of its own for each size runs a whole tick of `rotate` on the real client, over a connection that answers at
once: what is due is evicted, the statuses are written. `plan_s` is the processor's time of the tick without that of
reading JSON, which is `read_s`; `peak_mb` is the whole process's memory.

Run: `python bench/plan.py [--policies N] [--pods N ...]`. Prints a table, and the same as lines of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from molt.cluster import Cluster
from molt.events import Event
from molt.lifetime import Keys
from molt.outcome import SystemClock
from molt.turns import Turns
from rotate.quota import LIMIT
from rotate.tick import TICK, Tick

if TYPE_CHECKING:
    from molt.cluster.transport import Call, Transport

REPLICAS = 5
GROUP = "molt-project.io/v1alpha1"
START = datetime.now(UTC).replace(microsecond=0)
COLUMNS = ("pods", "policies", "plan_s", "read_s", "peak_mb", "moved")


def _managed_fields() -> list[dict[str, Any]]:
    fields: dict[str, Any] = {
        f"f:{name}": {"f:type": {}, "f:status": {}, ".": {}} for name in ("spec", "status", "conditions", "ips")
    }
    return [
        {"manager": name, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
        for name in ("kube-controller-manager", "kubelet")
    ]


def _pod(number: int, namespace: str, app: str, owner: str) -> dict[str, Any]:
    """Return a pod of one container, with what the API server, the scheduler and a kubelet add to it."""
    made = f"{START - timedelta(seconds=number % 3600):%Y-%m-%dT%H:%M:%SZ}"
    env = [{"name": f"SETTING_{index}", "value": f"value {index} of {app}"} for index in range(6)]
    mount = {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10}
    container: dict[str, Any] = {
        "name": "app",
        "image": f"registry.example.com/{app}:1.2.3",
        "env": env,
        "volumeMounts": [mount],
    }
    container |= {"readinessProbe": probe, "livenessProbe": probe, "resources": {"requests": {"cpu": "50m"}}}
    conditions = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "PodScheduled", "Ready")
    said = [{"type": name, "status": "True", "lastProbeTime": None, "lastTransitionTime": made} for name in conditions]
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": f"uid-{owner}"}
    return {
        "metadata": {
            "name": f"{owner}-{number:05x}",
            "namespace": namespace,
            "uid": f"0b9e7a52-5a5e-4f5e-9c1d-{number:012x}",
            "resourceVersion": str(number),
            "creationTimestamp": made,
            "labels": {"app": app, "pod-template-hash": "5d9c7b", "policy": f"p{number}"},
            "ownerReferences": [reference | {"controller": True, "blockOwnerDeletion": True}],
            "managedFields": _managed_fields(),
        },
        "spec": {
            "containers": [container],
            "volumes": [{"name": "kube-api-access", "projected": {"sources": [{"configMap": {"name": "ca"}}]}}],
            "tolerations": [{"key": key, "operator": "Exists", "tolerationSeconds": 300} for key in ("a", "b")],
            "nodeName": f"node-{number % 100}",
        },
        "status": {
            "phase": "Running",
            "conditions": said,
            "podIPs": [{"ip": "10.0.0.1"}],
            "containerStatuses": [{"name": "app", "ready": True, "state": {"running": {"startedAt": made}}}],
        },
    }


class _World:
    """What the cluster has, as JSON by namespace and page: not decoded before it is asked for."""

    def __init__(self, pods: int, policies: int, *, crowded: bool) -> None:
        self.decoding = 0.0
        self.moved = 0
        self._policies = policies
        self._crowded = crowded
        self._counts = Counter(self._policy_of(number) for number in range(0, pods, REPLICAS))

    def _policy_of(self, number: int) -> int:
        return number // REPLICAS % self._policies

    def _namespace(self, policy: int) -> str:
        return "shop" if self._crowded else f"shop-{policy}"

    def send(self, call: Call, log: list[Any]) -> dict[str, Any]:
        """Answer a call as a Transport does."""
        log.append(call.asked)
        asked = call.asked
        if asked.resource == "pods/eviction":
            self.moved += 1
        if asked.verb == "get":
            return {"metadata": {"name": call.path.rpartition("/")[2]}}
        if asked.verb != "list" or "labelSelector" in call.query or asked.resource == "nodes":
            return {"items": []}
        text = self._page(asked.resource, asked.namespace or "", int(call.query.get("continue", "0")))
        start = time.process_time()
        answer: dict[str, Any] = json.loads(text)
        self.decoding += time.process_time() - start
        return answer

    def _page(self, resource_: str, namespace: str, page: int) -> str:
        if resource_ == "rotationpolicies":
            return json.dumps({"items": [self._rotation(policy) for policy in range(self._policies)]})
        here = range(self._policies) if self._crowded else [int(namespace.rpartition("-")[2])]
        fleets = [(policy, index) for policy in here for index in range(self._counts[policy])]
        if resource_ == "pods":
            most = 500 // REPLICAS
            part = fleets[page * most : (page + 1) * most]
            token = {"continue": str(page + 1)} if (page + 1) * most < len(fleets) else {}
            items = [pod for fleet in part for pod in self._replicas(*fleet)]
            return json.dumps({"metadata": token, "items": items})
        kind = {"replicasets": self._replica_set, "deployments": self._deployment}[resource_]
        return json.dumps({"items": [kind(*fleet) for fleet in fleets]})

    def _replicas(self, policy: int, index: int) -> list[dict[str, Any]]:
        first = (index * self._policies + policy) * REPLICAS
        name = f"web-{policy}-{index}-5d9c7b"
        return [_pod(first + item, self._namespace(policy), f"app-{policy}", name) for item in range(REPLICAS)]

    def _replica_set(self, policy: int, index: int) -> dict[str, Any]:
        return self._workload(f"web-{policy}-{index}-5d9c7b", policy, f"web-{policy}-{index}")

    def _deployment(self, policy: int, index: int) -> dict[str, Any]:
        return self._workload(f"web-{policy}-{index}", policy, "")

    def _workload(self, name: str, policy: int, owner: str) -> dict[str, Any]:
        reference = {"kind": "Deployment", "name": owner, "uid": f"uid-{owner}", "controller": True}
        return {
            "metadata": {
                "name": name,
                "namespace": self._namespace(policy),
                "uid": f"uid-{name}",
                "generation": 1,
                "ownerReferences": [reference] if owner else [],
            },
            "spec": {"replicas": REPLICAS, "selector": {"matchLabels": {"app": f"app-{policy}"}}},
            "status": {"observedGeneration": 1},
        }

    def _rotation(self, policy: int) -> dict[str, Any]:
        metadata = {"name": f"p{policy}", "namespace": self._namespace(policy), "uid": f"p{policy}", "generation": 1}
        spec: dict[str, Any] = {"mode": "Enforce", "strategy": "Evict", "maxMoving": "10%"}
        spec |= {"lifetime": {"min": "30m", "max": "60m"}, "selector": {"matchLabels": {"app": f"app-{policy}"}}}
        spec |= {"windows": [{"cron": "* * * * *", "duration": "1h", "timeZone": "Europe/Berlin"}]}
        return {"apiVersion": GROUP, "kind": "RotationPolicy", "metadata": metadata, "spec": spec}


def measure(pods: int, policies: int, *, crowded: bool) -> dict[str, Any]:
    """Return what one tick took, in this process."""
    world = _World(pods, policies, crowded=crowded)
    cluster = Cluster(cast("Transport", world))
    tick = Tick(cluster, SystemClock(), Keys(b"a key of the bench"), Turns(), LIMIT)
    start = time.process_time()
    world_time = _timed(world)
    tick.run(Event(id="t", source="/bench", type=TICK, data={}))
    taken = time.process_time() - start
    return {
        "pods": pods,
        "policies": policies,
        "plan_s": round(taken - world_time[0], 3),
        "read_s": round(world.decoding, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "moved": world.moved,
    }


def _timed(world: _World) -> list[float]:
    """Have the time that is spent in `send` added up, in a list of one."""
    inner, total = world.send, [0.0]

    def send(call: Call, log: list[Any]) -> dict[str, Any]:
        start = time.process_time()
        try:
            return inner(call, log)
        finally:
            total[0] += time.process_time() - start

    world.send = send  # type: ignore[method-assign]
    return total


def main() -> None:
    """Measure each size in a process of its own, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, nargs="+", default=[5_000, 10_000, 20_000, 50_000])
    parser.add_argument("--policies", type=int, default=200)
    parser.add_argument("--layout", choices=("spread", "crowded"), help="only this one, in this process")
    options = parser.parse_args()
    if options.layout:
        for pods in options.pods:
            print(json.dumps(measure(pods, options.policies, crowded=options.layout == "crowded")))
        return
    print(" " * 8 + "".join(f"{column:>10}" for column in COLUMNS))
    for layout in ("spread", "crowded"):
        for pods in options.pods:
            command = [sys.executable, __file__, "--layout", layout, "--pods", str(pods)]
            command += ["--policies", str(options.policies)]
            found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
            print(f"{layout:8}" + "".join(f"{found[column]:>10}" for column in COLUMNS), flush=True)
            print(json.dumps({"layout": layout, **found}), file=sys.stderr)


if __name__ == "__main__":
    main()
