"""What the demo does, and what must be seen for it to count: each row is looked up in the cluster or in the logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cli.demo import attack
from molt.cli.demo.endpoints import EndpointCounter, ready_pods
from molt.cli.send import Sender, Sent, post, settle
from molt.cluster.resources import ENDPOINT_SLICES, PODS
from molt.embedded.runtime.ledger import Ledger
from molt.outcome import SystemClock
from molt.workload import is_ready, is_terminating

if TYPE_CHECKING:
    from molt.cluster import Cluster
    from molt.embedded.runtime.runtime import Runtime
    from molt.embedded.runtime.state import StateFolder

NAMESPACE = "shop"
_REPLICAS = 3  # of the shop's web
_PATIENCE = 40.0  # seconds for any one thing to come true
_POLL = 0.1

Pod = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was to happen, and whether it did."""

    what: str
    subject: str
    outcome: str
    why: str
    holds: bool


def tell(runtime: Runtime, where: StateFolder, progress: Callable[[str], None]) -> list[Row]:
    """Attack the shop, watch what the cluster does by itself, and return what was seen."""
    api, now = runtime.admin, SystemClock().now
    progress("waiting for the shop's pods to be Ready")
    web, catalog = _when_ready(api, "web", _REPLICAS), _when_ready(api, "catalog", 2)
    victim, siblings = web[0], web[1:]
    with EndpointCounter(api, NAMESPACE) as counter:
        progress("Falco sees a web server start a shell")
        hit = _report(runtime, where, attack.web_shell(victim, now()), Sender.FALCOSIDEKICK)
        progress("Falco sees the attacker's next step, a bystander's shell, and an alert that is broken")
        again = _report(runtime, where, attack.reverse_shell(victim, now()), Sender.FALCOSIDEKICK)
        noise = _report(runtime, where, attack.noise(catalog[0], now()), Sender.FALCO)
        broken = _report(runtime, where, attack.malformed(victim, now()), Sender.FALCO)
        progress("waiting for the siblings to be replaced, and for the clock")
        moved, ticked = _gone(api, siblings, everyone=True), _gone(api, catalog, everyone=False)
    rows = [_fate("attack", victim, hit, "acted"), *_victim(api, victim), _siblings(siblings, moved)]
    rows += [_clock(catalog, ticked), _fate("same attacker", victim, again, "skipped")]
    rows += [_fate("bystander", catalog[0], noise, "ignored")]
    rows += [_fate("broken alert", victim, broken, "dead-lettered")]
    return rows + [_users(counter.fewest, service, least) for service, least in (("web", 2), ("catalog", 2))]


def _report(runtime: Runtime, where: StateFolder, alert: Mapping[str, Any], sender: Sender) -> Sent:
    at, ledger = runtime.addresses, Ledger.from_now(where.logs)
    door = at.falco if sender is Sender.FALCO else at.broker
    return settle(ledger, [post(door, alert, sender)], _PATIENCE)[0]


def _fate(what: str, pod: Pod, sent: Sent, expected: str) -> Row:
    return Row(f"{what}: {sent.rule}", _name(pod), sent.fate, sent.reason, sent.fate == expected)


def _victim(api: Cluster, victim: Pod) -> list[Row]:
    """Say whether the attacked pod is isolated, out of its Service, replaced, and still there to be examined."""
    name, uid = _name(victim), victim["metadata"]["uid"]
    pod = api.get(PODS, name, NAMESPACE)
    same = pod["metadata"]["uid"] == uid
    served = _until(lambda: name not in _endpoints(api, "web") and len(_endpoints(api, "web")) == _REPLICAS)
    running = pod["status"].get("phase") == "Running" and not is_terminating(pod)
    by = f"NetworkPolicy {marks.ISOLATION} denies all; its labels are kept in an annotation"
    return [
        Row("- tagged as compromised", name, "quarantined", by, holds=same and marks.is_compromised(pod)),
        Row(
            "- out of the Service",
            name,
            "replaced",
            f"web has {_REPLICAS} Ready endpoints, none is this pod",
            holds=served,
        ),
        Row("- still running", name, "kept", "to be examined; `molt release` is the way back", holds=same and running),
    ]


def _siblings(siblings: list[Pod], moved: list[Pod]) -> Row:
    why = f"{len(moved)} of {len(siblings)} replaced, each after its replacement was Ready"
    return Row("- siblings moved at once", _names(siblings), "rotated", why, len(moved) == len(siblings))


def _clock(pods: list[Pod], moved: list[Pod]) -> Row:
    why = "RotationPolicy shop/catalog: no pod lives for longer than 10 s"
    return Row("moved by the clock", _names(moved or pods), "rotated", why, bool(moved))


def _users(fewest: Mapping[str, int], service: str, least: int) -> Row:
    seen = fewest.get(service, 0)
    why = f"Ready endpoints never fewer than {seen} all the while"
    return Row(f"users of {service}", f"Service {service}", "served", why, seen >= least)


def _name(pod: Pod) -> str:
    return str(pod["metadata"]["name"])


def _names(pods: list[Pod]) -> str:
    return ", ".join(map(_name, pods))


def _pods(api: Cluster, app: str) -> list[dict[str, Any]]:
    return api.list(PODS, NAMESPACE, labels=f"app={app}")


def _endpoints(api: Cluster, service: str) -> set[str]:
    return ready_pods(api.list(ENDPOINT_SLICES, NAMESPACE)).get(service, set())


def _when_ready(api: Cluster, app: str, count: int) -> list[Pod]:
    """Return the pods of an app, by name, once as many as expected are Ready and behind the Service."""
    _until(lambda: sum(map(is_ready, _pods(api, app))) >= count and len(_endpoints(api, app)) >= count)
    return sorted(_pods(api, app), key=_name)


def _gone(api: Cluster, pods: list[Pod], *, everyone: bool) -> list[Pod]:
    """Wait until all of these pods (or any) are gone, and return those that are."""

    def gone() -> list[Pod]:
        left = {pod["metadata"]["uid"] for pod in api.list(PODS, NAMESPACE)}
        return [pod for pod in pods if pod["metadata"]["uid"] not in left]

    _until(lambda: len(gone()) == len(pods) if everyone else bool(gone()))
    return gone()


def _until(true: Callable[[], bool]) -> bool:
    """Wait until something is true; say whether it came true in time."""
    deadline = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True
