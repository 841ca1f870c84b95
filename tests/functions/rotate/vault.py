"""A shop whose pods remember the password that they were started with, as programs do that read it once.

So what must always hold can be looked at: every value that a pod runs with is still in the Secret.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from molt import marks
from molt.cluster import SECRETS
from molt.events import Event
from molt.lifetime import Keys
from molt.outcome import Done, Outcome, Skipped
from molt.policy.regeneration import PREVIOUS
from molt.workload import is_ready
from rotate.handler import handler
from tests.functions.fake_cluster import FakeClock
from tests.functions.interleaving import StoppingCluster

Object = dict[str, Any]

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
KEY = Keys(b"sixteen bytes or more")
OLD = "correct horse battery staple"
DEPENDANTS = [{"kind": "StatefulSet", "name": "db"}, {"kind": "Deployment", "name": "web"}]
STUCK = [{"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 5}]

handle = handler(KEY)


def coded(text: str) -> str:
    """Return what a Secret has for a value."""
    return base64.b64encode(text.encode()).decode()


class Vault(StoppingCluster):
    """A StatefulSet `db` and a Deployment `web` that read the key `password` of the Secret `db`, all two hours old."""

    def __init__(self, clock: FakeClock, *, mode: str = "Enforce", **secret: Any) -> None:
        """Make them, and a policy by which the password lives for an hour."""
        super().__init__(clock)
        self.broken: set[str] = set()
        """Names of workloads that crash, again and again, with any other password than the first."""
        self.heals = False
        """Whether a kubelet starts crashed pods again."""
        self.seen: set[str] = {OLD, coded(OLD)}
        """Every value there ever was, plain and as base64."""
        clock.time -= timedelta(hours=2)
        self.namespace()
        data = {"password": coded(OLD), "user": coded("molt")}
        annotations = {marks.REGENERABLE: "true"}
        metadata = {"name": "db", "namespace": "shop", "annotations": annotations}
        self.put(SECRETS, {"metadata": metadata, "type": "Opaque", "data": data})
        self.stateful_set("db", 2)
        self.deployment("web", 2)
        self._mature()
        clock.time += timedelta(hours=2)
        self.regenerate(mode=mode, **secret)

    def regenerate(self, name: str = "credentials", *, mode: str = "Enforce", **secret: Any) -> Object:
        """Make a policy that regenerates the Secret, and moves no pod."""
        one = {"name": "db", "keys": ["password"], "lifetime": {"every": "1h"}, "dependants": DEPENDANTS} | secret
        pods: Object = {"selector": {"matchLabels": {"app": "nobody"}}, "lifetime": {"every": "8760h"}}
        return self.policy(name, mode=mode, secrets=[one], **pods)

    @property
    def secret(self) -> Object:
        """Return the Secret."""
        return self.objects["secrets", "shop", "db"]

    @property
    def notes(self) -> Mapping[str, str]:
        """Return the Secret's annotations."""
        return marks.annotations_of(self.secret)

    @property
    def password(self) -> str:
        """Return the password."""
        return self._value("password")

    @property
    def former(self) -> str:
        """Return the former password; empty when none is kept."""
        return self._value("password" + PREVIOUS)

    def top(self, name: str) -> Object:
        """Return the workload of a name."""
        return self.objects["statefulsets" if name == "db" else "deployments", "shop", name]

    def running(self, name: str) -> set[str]:
        """Return the passwords that the pods of a workload were started with."""
        return {pod["started-with"] for pod in self.pods() if pod["metadata"]["labels"].get("app") == name}

    def look(self) -> None:
        """Fail if a pod runs with a password that is in the Secret no more, or web is ahead of db."""
        self.seen |= {form for text in (self.password, self.former) for form in (text, coded(text)) if text}
        everywhere = self.running("db") | self.running("web")
        assert everywhere <= {self.password, self.former}, "a value that a pod runs with is lost"

    def whole(self) -> bool:
        """Tell whether every pod is Ready."""
        self._mature()
        return all(map(is_ready, self.pods()))

    def _value(self, key: str) -> str:
        return base64.b64decode(self.secret["data"].get(key, "")).decode()

    def _new_pod(
        self, name: str, namespace: str, labels: Mapping[str, str], owners: Sequence[Object], **metadata: Any
    ) -> Object:
        pod = super()._new_pod(name, namespace, labels, owners, **metadata)
        pod["started-with"] = self.password
        if labels.get("app") in self.broken and self.password != OLD:
            pod["ready-at"] = None
            pod["breaks-at"] = marks.stamp(self.clock.now() + timedelta(seconds=30))
        return pod

    def _mature(self) -> None:
        """Let broken pods crash when their time has come; a kubelet that starts one again reads the Secret anew."""
        super()._mature()
        for pod in (obj for (plural, _, _), obj in self.objects.items() if plural == "pods"):
            breaks = marks.time_of(pod.get("breaks-at"))
            if breaks and breaks <= self.clock.now() and self.password != OLD:
                pod["status"]["containerStatuses"] = STUCK
            elif breaks and self.heals and self.password == OLD:
                pod["status"].pop("containerStatuses", None)
                pod |= {"breaks-at": None, "started-with": OLD, "ready-at": self.clock.now().isoformat()}


def trail(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Return what a tick tells: the Secret or workload, the outcome and the reason."""
    assert isinstance(outcome, Done | Skipped)
    entries = outcome.event.data["trail"] if outcome.event else []
    return [
        (entry.get("secret") or entry.get("workload") or entry["pod"], entry["outcome"], entry["reason"])
        for entry in entries
    ]


def tick(vault: Vault) -> list[tuple[str, str, str]]:
    """Have a tick, and let a minute pass."""
    told = trail(handle(TICK, vault, vault.clock))
    vault.look()
    vault.clock.sleep(60)
    return told


def told_of_secret(vault: Vault) -> tuple[str, str]:
    """Have a tick, and return what it tells of the Secret; that must be one thing."""
    ((_, outcome, reason),) = [entry for entry in tick(vault) if entry[0] == "db"]
    return outcome, reason
